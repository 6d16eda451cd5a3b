/** Wires the reconciler of PeriodicBackfills to the caches that wake it: its own objects, their runs, and the Periodics they name. */
import { periodicBackfills, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { backfillUidOf } from '../../operator/jobs/backfillRun.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { sameJson } from '../../operator/jobs/statusPatch.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { formatKey, keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import { ObjectWriter } from '../../operator/runtime/objectWriter.ts';
import type { Change, Store } from '../../operator/runtime/store.ts';
import { BackfillReconciler, type BackfillDeps } from './reconciler.ts';

const byPeriodic = 'periodic';

/** For the informer of PeriodicBackfills. */
export const backfillIndexers: Record<string, (backfill: PeriodicBackfill) => readonly string[]> = {
  [byPeriodic]: ({ metadata, spec }) => [formatKey({ namespace: metadata.namespace ?? '', name: spec.periodic })],
};

export interface PeriodicBackfillControllerOptions {
  readonly client: KubeClient;
  /** Its informer must have backfillIndexers among its indexers. */
  readonly periodicBackfills: { readonly store: Store<PeriodicBackfill> };
  readonly periodics: { readonly store: Store<Periodic> };
  /** Its informer must have runIndexers among its indexers. */
  readonly prowJobs: { readonly store: Store<ProwJob> };
  readonly events: BackfillDeps['events'];
  readonly workers: number;
  readonly budget: BackfillDeps['budget'];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const maxRetryDelayMs = 30_000;

export function createPeriodicBackfillController(options: PeriodicBackfillControllerOptions): Controller {
  const { client, workers, clock, logger, metrics } = options;
  const { store } = options.periodicBackfills;
  const reconciler = new BackfillReconciler({
    backfills: store,
    periodics: options.periodics.store,
    runs: options.prowJobs.store,
    backfillWriter: new ObjectWriter(client, periodicBackfills, store),
    runWriter: new ObjectWriter(client, prowJobs, options.prowJobs.store),
    api: client,
    events: options.events,
    budget: options.budget,
    metrics,
  });
  const queue = { maxDelayMs: maxRetryDelayMs };
  const controller = new Controller({ name: 'periodicbackfill', reconciler, workers, queue, clock, logger, metrics });
  controller.watch(options.periodicBackfills, changedBackfill);
  controller.watch(options.prowJobs, ownerOfChangedRun);
  controller.watch(options.periodics, (change) => concernedBackfills(store, change));
  return controller;
}

/** Not the echo of our own status write: it says nothing that the pass which wrote it did not know. */
export function changedBackfill({ object, previous }: Change<PeriodicBackfill>): readonly ObjectKey[] {
  const same =
    previous !== undefined &&
    previous.metadata.generation === object.metadata.generation &&
    previous.metadata.deletionTimestamp === object.metadata.deletionTimestamp;
  return same ? [] : [keyOf(object)];
}

/** A backfill cares when one of its runs appears, ends or goes, not about the steps between. */
export function ownerOfChangedRun({ type, object, previous }: Change<ProwJob>): readonly ObjectKey[] {
  if (backfillUidOf(object) === undefined) return [];
  const same = type === 'updated' && previous !== undefined && isComplete(previous) === isComplete(object);
  const owner = object.metadata.ownerReferences?.find(({ controller }) => controller === true);
  return same || owner === undefined ? [] : [{ namespace: object.metadata.namespace ?? '', name: owner.name }];
}

/** Those that name the Periodic, and the one that has its name; not for what its schedule does every few minutes. */
export function concernedBackfills(
  store: Pick<Store<PeriodicBackfill>, 'get' | 'byIndex'>,
  { type, object, previous }: Change<Periodic>,
): readonly ObjectKey[] {
  const same =
    type === 'updated' &&
    previous !== undefined &&
    previous.metadata.generation === object.metadata.generation &&
    previous.metadata.deletionTimestamp === object.metadata.deletionTimestamp &&
    sameJson(previous.status?.schedule, object.status?.schedule);
  if (same) return [];
  const key = keyOf(object);
  const namesake = store.get(key);
  return [...store.byIndex(byPeriodic, formatKey(key)), ...(namesake === undefined ? [] : [namesake])].map(keyOf);
}
