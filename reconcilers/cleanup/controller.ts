/**
 * Wires cleanup: one controller for runs, one for the pods of each cluster, so that a cluster that is away holds up only its own pods.
 * What wakes a run: its end, the end of a newer one, and whatever its schedule writes down about it.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { ClusterPods, Clusters } from '../../operator/clusters/clusters.ts';
import { runKeyOf } from '../../operator/jobs/podOwner.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { Reconciler } from '../../operator/runtime/reconciler.ts';
import type { Store } from '../../operator/runtime/store.ts';
import { showCleanupGauges } from './gauges.ts';
import { RunHistories } from './histories.ts';
import { cleanupMetrics } from './metrics.ts';
import { RunOwners } from './owners.ts';
import { Places, isOwn } from './place.ts';
import { PodCleanup, type PodCleanupDeps } from './podReconciler.ts';
import { RunCleanup, type RunWriter } from './runReconciler.ts';
import type { EventSink } from './tell.ts';
import { WakeUps } from './wakeUps.ts';

export interface CleanupControllersOptions {
  /** Needs runIndexers. */
  readonly jobs: Store<ProwJob>;
  readonly writer: RunWriter;
  readonly client: PodCleanupDeps['client'];
  readonly periodics: Store<Periodic>;
  readonly backfills: Store<PeriodicBackfill>;
  readonly clusters: Clusters;
  readonly policy: () => JobPolicy;
  readonly events: EventSink;
  /** Only the leader shows figures. */
  readonly isLeading: () => boolean;
  /** The cache of runs holds only some namespaces: that a run is not in it proves less. */
  readonly isDivided?: boolean;
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
  const { jobs, clusters, policy, clock, logger, periodics, backfills } = options;
  const metrics = cleanupMetrics(options.metrics);
  const places = new Places(clusters, policy, clock);
  // Before the controllers watch: what a change wakes must find the histories up to date.
  const histories = new RunHistories(jobs);
  const owners = new RunOwners(periodics, backfills, histories);
  const shared = { jobs, owners, policy, metrics, events: options.events };
  const reconciler = new RunCleanup({ ...shared, writer: options.writer, places });
  const common = { workers: options.workers ?? 4, clock, logger, metrics: options.metrics };
  const runs = new Controller({ ...common, name: 'cleanup-runs', reconciler });
  const wakeUps = new WakeUps({ jobs, owners, histories });
  runs.watch({ store: jobs }, (change) => wakeUps.byRun(change));
  runs.watch({ store: periodics }, (change) => wakeUps.byPeriodic(change));
  runs.watch({ store: backfills }, (change) => wakeUps.byBackfill(change));

  const podControllers = new Map<ClusterPods, Controller>();
  const cleaner = (cluster: ClusterPods): Controller => {
    const { alias, namespace, store } = cluster;
    const isHere = isOwn(cluster);
    const pods = new PodCleanup({
      ...shared,
      client: options.client,
      place: places.of(cluster),
      isShared: !isHere || options.isDivided === true,
      isExcluded: () => places.isExcluded(cluster),
    });
    const controller = new Controller({
      ...common,
      name: isHere ? 'cleanup-pods' : `cleanup-pods-${namespace}-${alias}`,
      reconciler: isHere ? pods : onlyWhileReady(pods, cluster, places),
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
  const controllers = [runs, ...clusters.caches().filter(isOwn).map(cleaner)];
  const cleanElsewhere = followClusters(clusters, async (cluster, signal) => {
    await cleaner(cluster).run(signal);
    podControllers.delete(cluster);
  });
  showCleanupGauges({
    ...shared,
    metrics: options.metrics,
    clock,
    isLeading: options.isLeading,
    pods: () =>
      clusters
        .caches()
        .filter((cluster) => !places.isExcluded(cluster))
        .map(({ store }) => store),
    judge: (run, nowMs) => reconciler.judge(run, nowMs),
  });
  return { controllers, cleanElsewhere, settingsChanged };
}

/** How soon a pod of a cluster that cannot be used now is looked at again. */
const laterMs = 60_000;

/** A cluster that is away, or is looked after under another alias, is left alone. */
const onlyWhileReady = (reconciler: Reconciler, cluster: ClusterPods, places: Places): Reconciler => ({
  reconcile: (key, ctx) =>
    places.isReady(cluster) && cluster.isPrimary() ? reconciler.reconcile(key, ctx) : Promise.resolve({ requeueAfterMs: laterMs }),
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
      if (isOwn(cluster)) return;
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
