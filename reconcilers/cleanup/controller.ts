/** Wires cleanup: one controller for runs, one for the pods of each cluster. Few workers each keep the rate of deletions polite. */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { PodAccess } from '../../operator/clusters/clusters.ts';
import { runKeyOf } from '../../operator/jobs/podOwner.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { runsByPeriodic } from '../../operator/jobs/runIndex.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
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
  /** Each cluster, with a name for metrics and logs. `store` is what `access` reads. */
  readonly clusters: readonly { readonly alias: string; readonly store: Store<Pod>; readonly access: PodAccess }[];
  readonly policy: () => JobPolicy;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Deletions under way at once, for runs and for the pods of each cluster. Default 4. */
  readonly workers?: number;
}

export interface CleanupControllers {
  readonly controllers: readonly Controller[];
  /** To be called after a change of the settings: what may go earlier goes at once, and what may stay longer stays. */
  readonly settingsChanged: () => void;
}

export function cleanupControllers(options: CleanupControllersOptions): CleanupControllers {
  const { jobs, policy, clock, logger } = options;
  const metrics = cleanupMetrics(options.metrics);
  const common = { workers: options.workers ?? 4, clock, logger, metrics: options.metrics };
  const accesses = options.clusters.map(({ access }) => access);
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
  const podControllers = options.clusters.map(({ alias, store, access }) => {
    const controller = new Controller({
      ...common,
      name: alias === 'default' ? 'cleanup-pods' : `cleanup-pods-${alias}`,
      reconciler: new PodCleanup({ jobs, client: options.client, access, policy, metrics }),
    });
    controller.watch({ store }, ({ type, object }) => (type === 'deleted' ? [] : [keyOf(object)]));
    // The time of its pods begins when a run completes, and ends when it is deleted.
    controller.watch({ store: jobs }, ({ type, object }) =>
      type === 'deleted' || isComplete(object) ? store.byIndex('run', runKeyOf(object)).map(keyOf) : [],
    );
    return { controller, store };
  });
  const settingsChanged = (): void => {
    for (const run of jobs.list()) if (isComplete(run)) runs.enqueue(keyOf(run), { priority: 'resync' });
    for (const { controller, store } of podControllers) {
      for (const pod of store.list()) controller.enqueue(keyOf(pod), { priority: 'resync' });
    }
  };
  return { controllers: [runs, ...podControllers.map(({ controller }) => controller)], settingsChanged };
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
