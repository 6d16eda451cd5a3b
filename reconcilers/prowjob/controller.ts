/**
 * Wires the ProwJob reconciler: which changes wake which runs, and what feeds the ledger of slots. The caches are made elsewhere;
 * runSummary and podIndexers say what they must keep.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { defaultAlias, type ClusterPods, type Clusters } from '../../operator/clusters/clusters.ts';
import { label } from '../../operator/jobs/labels.ts';
import { runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { isAbortUnseen, isComplete, isOurs } from '../../operator/jobs/runState.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { keyOf, parseKey, type ObjectKey } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { Change, Store } from '../../operator/runtime/store.ts';
import { Admission } from './admission.ts';
import type { ClusterRoom } from './admissionLimits.ts';
import { prowJobMetrics } from './metrics.ts';
import { ProwJobReconciler, type StatusWriter } from './reconciler.ts';
import { olderThan } from './superseding.ts';
import type { EventSink } from './tell.ts';

export interface ProwJobControllerOptions {
  readonly jobs: Store<ProwJob>;
  readonly writer: StatusWriter;
  /** Their caches of pods come and go; runs of a cluster that comes back are looked at again. */
  readonly clusters: Clusters;
  readonly policy: () => JobPolicy;
  readonly events: EventSink;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly workers?: number;
}

export interface ProwJobController {
  readonly controller: Controller;
  readonly admission: Admission;
  /** To be called after a change of the settings: limits and deadlines of runs that are under way hold at once. */
  readonly settingsChanged: () => void;
}

export function prowJobController(options: ProwJobControllerOptions): ProwJobController {
  const { jobs, clusters, policy, clock, logger, metrics } = options;
  const admission = new Admission({
    limits: { settings: () => policy().prowJobs, cluster: (alias, namespace) => roomOn(clusters, alias, namespace, policy()) },
    wake: (key) => controller.enqueue(key, { priority: 'fresh' }),
    find: (key) => jobs.get(key),
  });
  const reconciler = new ProwJobReconciler({ ...options, admission, metrics: prowJobMetrics(metrics) });
  const controller = new Controller({ name: 'prowjob', reconciler, workers: options.workers ?? 48, clock, logger, metrics });
  // The ledger first: a run that a change wakes must find it up to date.
  feed(jobs, (change) => admission.onJob(change));
  followPods(clusters, controller, (change, cluster) => admission.onPod(change, cluster));
  controller.watch({ store: jobs }, (change) => [
    ...(isOurs(change.object) && (!isComplete(change.object) || isAbortUnseen(change.object)) ? [keyOf(change.object)] : []),
    ...olderThan(change, jobs),
  ]);
  clusters.subscribe((change) => {
    if (change.type !== 'changed') return;
    admission.refresh();
    for (const key of unfinishedOn(jobs, change)) controller.enqueue(key, { priority: 'resync' });
  });
  const settingsChanged = (): void => {
    admission.refresh();
    for (const run of jobs.list()) if (!isComplete(run) && isOurs(run)) controller.enqueue(keyOf(run), { priority: 'resync' });
  };
  return { controller, admission, settingsChanged };
}

/** What may start on a cluster: its limit comes from its BuildCluster, or for our own from the settings. */
function roomOn(clusters: Clusters, alias: string, namespace: string, { prowJobs }: JobPolicy): ClusterRoom {
  if (alias === defaultAlias) return { limit: prowJobs.defaultClusterMaxConcurrency, isOpen: true };
  const found = clusters.get(alias, namespace);
  return { limit: clusters.limitOf(alias, namespace), isOpen: found.state === 'ready' && found.paused !== true };
}

/** Each cluster's pods feed the ledger, and wake their runs, for as long as the cluster is there. */
function followPods(clusters: Clusters, controller: Controller, countOn: (change: Change<Pod>, cluster: ClusterPods) => void): void {
  const followed = new Map<ClusterPods, () => void>();
  const begin = (cluster: ClusterPods): void => {
    const { store } = cluster;
    const ends = [feed(store, (change) => countOn(change, cluster)), controller.watch({ store }, ({ object }) => runKeysOf(object))];
    followed.set(cluster, () => {
      for (const end of ends) end();
    });
  };
  for (const cluster of clusters.caches()) begin(cluster);
  clusters.subscribe((change) => {
    if (change.type === 'added') begin(change.pods);
    if (change.type !== 'removed') return;
    followed.get(change.pods)?.();
    followed.delete(change.pods);
    // Nobody will tell any more when they end: only what their runs say counts from now on.
    for (const object of change.pods.store.list()) countOn({ type: 'deleted', object }, change.pods);
  });
}

function feed<T extends Pod | ProwJob>(store: Store<T>, take: (change: Change<T>) => void): () => void {
  const end = store.subscribe(take);
  for (const object of store.list()) take({ type: 'added', object, initial: true });
  return end;
}

const runKeysOf = (pod: Pod): readonly ObjectKey[] =>
  pod.metadata.labels?.[label.createdByProw] === 'true' ? [parseKey(runKeyOfPod(pod))] : [];

/** Rare, so a walk over the tenant's runs is cheap enough. */
const unfinishedOn = (
  jobs: Store<ProwJob>,
  { alias, namespace }: { readonly alias: string; readonly namespace: string },
): readonly ObjectKey[] =>
  jobs
    .list(namespace)
    .filter((run) => !isComplete(run) && isOurs(run) && run.spec.cluster === alias)
    .map(keyOf);
