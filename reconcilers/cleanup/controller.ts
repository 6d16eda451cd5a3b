/**
 * Wires cleanup: one controller for runs, one for the pods of each cluster, so that a cluster that is away holds up only its own pods.
 * Few workers each keep the rate of deletions polite.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { defaultAlias, type ClusterPods, type Clusters, type PodAccess } from '../../operator/clusters/clusters.ts';
import { runKeyOf } from '../../operator/jobs/podOwner.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { runsByPeriodic } from '../../operator/jobs/runIndex.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { Reconciler } from '../../operator/runtime/reconciler.ts';
import type { Change, Store } from '../../operator/runtime/store.ts';
import { cleanupMetrics } from './metrics.ts';
import { PodCleanup, type PodCleanupDeps } from './podReconciler.ts';
import { RunCleanup, isNewer, periodicOf, type RunWriter } from './runReconciler.ts';

export interface CleanupControllersOptions {
  /** Needs runIndexers. */
  readonly jobs: Store<ProwJob>;
  readonly writer: RunWriter;
  readonly client: PodCleanupDeps['client'];
  readonly periodics: Store<Periodic>;
  readonly clusters: Clusters;
  readonly policy: () => JobPolicy;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Deletions under way at once, for runs and for the pods of each cluster. Default 4. */
  readonly workers?: number;
}

export interface CleanupControllers {
  readonly controllers: readonly Controller[];
  /** Cleans up in the clusters that come and go, until the signal aborts. For the leader. */
  readonly cleanElsewhere: (signal: AbortSignal) => Promise<void>;
  /** To be called after a change of the settings: what may go earlier goes at once, and what may stay longer stays. */
  readonly settingsChanged: () => void;
}

export function cleanupControllers(options: CleanupControllersOptions): CleanupControllers {
  const { jobs, clusters, policy, clock, logger } = options;
  const metrics = cleanupMetrics(options.metrics);
  const common = { workers: options.workers ?? 4, clock, logger, metrics: options.metrics };
  const accesses = (): readonly PodAccess[] => clusters.caches().map(({ access }) => access);
  const runs = new Controller({
    ...common,
    name: 'cleanup-runs',
    reconciler: new RunCleanup({ jobs, writer: options.writer, periodics: options.periodics, clusters: accesses, policy, metrics }),
  });
  runs.watch({ store: jobs }, (change) => runKeys(change, jobs));
  // A Periodic that is gone keeps no run any more.
  runs.watch({ store: options.periodics }, ({ type, object }) =>
    type === 'deleted' ? jobs.byIndex(runsByPeriodic, object.metadata.uid ?? '').map(keyOf) : [],
  );
  const podControllers = new Map<ClusterPods, Controller>();
  const cleaner = (cluster: ClusterPods): Controller => {
    const { alias, namespace, store, access } = cluster;
    const isHere = namespace === '';
    const reconciler = new PodCleanup({ jobs, client: options.client, access, policy, metrics });
    const controller = new Controller({
      ...common,
      name: isHere ? 'cleanup-pods' : `cleanup-pods-${namespace}-${alias}`,
      reconciler: isHere ? reconciler : onlyWhileReady(reconciler, cluster, clusters),
    });
    controller.watch({ store }, ({ type, object }) => (type === 'deleted' ? [] : [keyOf(object)]));
    // The time of its pods begins when a run completes, and ends when it is deleted.
    controller.watch({ store: jobs }, ({ type, object }) =>
      type === 'deleted' || isComplete(object) ? store.byIndex('run', runKeyOf(object)).map(keyOf) : [],
    );
    podControllers.set(cluster, controller);
    return controller;
  };
  const settingsChanged = (): void => {
    for (const run of jobs.list()) if (isComplete(run)) runs.enqueue(keyOf(run), { priority: 'resync' });
    for (const [{ store }, controller] of podControllers) {
      for (const pod of store.list()) controller.enqueue(keyOf(pod), { priority: 'resync' });
    }
  };
  const controllers = [runs, ...clusters.caches().filter(isLocal).map(cleaner)];
  const cleanElsewhere = followClusters(clusters, async (cluster, signal) => {
    await cleaner(cluster).run(signal);
    podControllers.delete(cluster);
  });
  return { controllers, cleanElsewhere, settingsChanged };
}

const isLocal = ({ alias }: ClusterPods): boolean => alias === defaultAlias;

/** How soon a pod of a cluster that cannot be used now is looked at again. */
const laterMs = 60_000;

/** A cluster that is away, or is looked after under another alias, is left alone. */
const onlyWhileReady = (reconciler: Reconciler, cluster: ClusterPods, clusters: Clusters): Reconciler => ({
  reconcile: (key, ctx) =>
    clusters.get(cluster.alias, cluster.namespace).state === 'ready' && cluster.isPrimary()
      ? reconciler.reconcile(key, ctx)
      : Promise.resolve({ requeueAfterMs: laterMs }),
});

/** Works on each cluster but the own, for as long as it is there. The function it returns resolves when all that has ended. */
function followClusters(
  clusters: Clusters,
  work: (cluster: ClusterPods, signal: AbortSignal) => Promise<void>,
): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    const stops = new Map<ClusterPods, AbortController>();
    const working = new Set<Promise<void>>();
    const begin = (cluster: ClusterPods): void => {
      if (isLocal(cluster)) return;
      const stop = new AbortController();
      stops.set(cluster, stop);
      const ended = work(cluster, AbortSignal.any([signal, stop.signal]));
      working.add(ended);
      void ended.finally(() => working.delete(ended));
    };
    const unsubscribe = clusters.subscribe((change) => {
      if (change.type === 'added') begin(change.pods);
      if (change.type !== 'removed') return;
      stops.get(change.pods)?.abort();
      stops.delete(change.pods);
    });
    for (const cluster of clusters.caches()) begin(cluster);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    unsubscribe();
    await Promise.all(working);
  };
}

/** A run that has finished, and the one that was the newest of its Periodic until now. */
function runKeys({ type, object, initial }: Change<ProwJob>, jobs: Store<ProwJob>): readonly ObjectKey[] {
  if (type === 'deleted' || !isComplete(object)) return [];
  const owner = periodicOf(object);
  if (owner === undefined || initial === true) return [keyOf(object)];
  let before: ProwJob | undefined;
  for (const other of jobs.byIndex(runsByPeriodic, owner.uid)) {
    if (isComplete(other) && isNewer(object, other) && (before === undefined || isNewer(other, before))) before = other;
  }
  return before === undefined ? [keyOf(object)] : [keyOf(object), keyOf(before)];
}
