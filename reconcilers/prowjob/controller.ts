/**
 * Wires the ProwJob reconciler: which changes wake which runs, and what feeds the ledger of slots. The caches are made elsewhere;
 * summarize and podIndexers say what they must keep.
 */
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Clusters } from '../../operator/clusters/clusters.ts';
import { label } from '../../operator/jobs/labels.ts';
import { runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { isComplete, isOurs } from '../../operator/jobs/runState.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { keyOf, parseKey, type ObjectKey } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { Change, Store } from '../../operator/runtime/store.ts';
import { Admission } from './admission.ts';
import { prowJobMetrics } from './metrics.ts';
import { ProwJobReconciler, type StatusWriter } from './reconciler.ts';
import type { EventSink } from './tell.ts';

export interface ProwJobControllerOptions {
  readonly jobs: Store<ProwJob>;
  readonly writer: StatusWriter;
  readonly clusters: Clusters;
  /** The caches of pods, one for each cluster. */
  readonly pods: readonly Store<Pod>[];
  /** When a build cluster appears, runs that wait for it are looked at again. */
  readonly buildClusters?: Store<BuildCluster>;
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
  const { jobs, pods, policy, clock, logger, metrics } = options;
  const admission = new Admission({ limits: () => policy().prowJobs, wake: (key) => controller.enqueue(key, { priority: 'fresh' }) });
  const reconciler = new ProwJobReconciler({ ...options, admission, metrics: prowJobMetrics(metrics, admission) });
  const controller = new Controller({ name: 'prowjob', reconciler, workers: options.workers ?? 20, clock, logger, metrics });
  // The ledger first: a run that a change wakes must find it up to date.
  feed(jobs, (change) => admission.onJob(change));
  for (const store of pods) feed(store, (change) => admission.onPod(change));
  controller.watch({ store: jobs }, ({ object }) => (isComplete(object) || !isOurs(object) ? [] : [keyOf(object)]));
  for (const store of pods) controller.watch({ store }, ({ object }) => runKeysOf(object));
  if (options.buildClusters !== undefined) {
    controller.watch({ store: options.buildClusters }, ({ object }) => waitingFor(jobs, object));
  }
  const settingsChanged = (): void => {
    admission.refresh();
    for (const run of jobs.list()) if (!isComplete(run) && isOurs(run)) controller.enqueue(keyOf(run), { priority: 'resync' });
  };
  return { controller, admission, settingsChanged };
}

function feed<T extends Pod | ProwJob>(store: Store<T>, take: (change: Change<T>) => void): void {
  store.subscribe(take);
  for (const object of store.list()) take({ type: 'added', object, initial: true });
}

const runKeysOf = (pod: Pod): readonly ObjectKey[] =>
  pod.metadata.labels?.[label.createdByProw] === 'true' ? [parseKey(runKeyOfPod(pod))] : [];

/** Rare, so a walk over the tenant's runs is cheap enough. */
const waitingFor = (jobs: Store<ProwJob>, cluster: BuildCluster): readonly ObjectKey[] =>
  jobs
    .list(cluster.metadata.namespace)
    .filter((run) => !isComplete(run) && run.spec.cluster === cluster.spec.alias)
    .map(keyOf);

/**
 * For the cache of runs: a finished run never starts again, so what it would start is dropped. What deletes, counts or shows it stays.
 */
export function summarize(run: ProwJob): ProwJob {
  const { managedFields: _dropped, ...metadata } = run.metadata;
  if (!isComplete(run)) return { ...run, metadata };
  const { type, job, agent, cluster, max_concurrency, job_queue_name, ttl_seconds_after_finished, namespace } = run.spec;
  const spec = withoutUndefined({ type, job, agent, cluster, max_concurrency, job_queue_name, ttl_seconds_after_finished, namespace });
  const annotations = run.metadata.annotations;
  const { 'kubectl.kubernetes.io/last-applied-configuration': _applied, ...kept } = annotations ?? {};
  const { conditions: _conditions, ...status } = run.status ?? { state: 'triggered' as const };
  return { ...run, metadata: { ...metadata, ...(annotations === undefined ? {} : { annotations: kept }) }, spec, status };
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

const withoutUndefined = <T extends object>(fields: T): Defined<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
