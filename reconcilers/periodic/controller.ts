/** Wires the reconciler of Periodics to the caches that wake it. */
import { periodics, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { isFinished, periodicUidOf, runNowTokenOf } from '../../operator/jobs/periodicRun.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import { ObjectWriter } from '../../operator/runtime/objectWriter.ts';
import type { Change, Store } from '../../operator/runtime/store.ts';
import { PeriodicReconciler, type PeriodicDeps } from './reconciler.ts';
import { StartBudget, type StartRates } from './startBudget.ts';

export interface PeriodicControllerOptions {
  readonly client: KubeClient;
  readonly periodics: { readonly store: Store<Periodic> };
  /** Its informer must have runIndexers among its indexers. */
  readonly prowJobs: { readonly store: Store<ProwJob> };
  readonly events: PeriodicDeps['events'];
  readonly workers: number;
  /** Asked at each start, so that a changed setting holds at once. Absent: the default of the settings. */
  readonly startRates?: () => StartRates;
  /** One that others draw from as well; then startRates do not count. */
  readonly budget?: StartBudget;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Failures are tried again at least this often: a long pause would cost slots once the cause is gone. */
const maxRetryDelayMs = 30_000;

const defaultStartRates: StartRates = { onTime: 0, catchUp: 20 };

export function createPeriodicController(options: PeriodicControllerOptions): Controller {
  const { client, clock, logger, metrics } = options;
  const periodicWriter = new ObjectWriter(client, periodics, options.periodics.store);
  const reconciler = new PeriodicReconciler({
    periodics: options.periodics.store,
    runs: options.prowJobs.store,
    periodicWriter,
    reread: async (key, signal) => periodicWriter.noticed(await client.get(periodics, key, { signal })),
    runWriter: new ObjectWriter(client, prowJobs, options.prowJobs.store),
    api: client,
    events: options.events,
    budget: options.budget ?? new StartBudget(options.startRates ?? (() => defaultStartRates), clock),
    metrics,
  });
  const controller = new Controller({
    name: 'periodic',
    reconciler,
    workers: options.workers,
    queue: { maxDelayMs: maxRetryDelayMs },
    clock,
    logger,
    metrics,
  });
  controller.watch(options.periodics, changedPeriodic);
  controller.watch(options.prowJobs, ownerOfChangedRun);
  return controller;
}

/** Not the echo of our own status write: it says nothing that the pass which wrote it did not know. */
export function changedPeriodic({ object, previous }: Change<Periodic>): readonly ObjectKey[] {
  const same =
    previous !== undefined &&
    previous.metadata.generation === object.metadata.generation &&
    previous.metadata.deletionTimestamp === object.metadata.deletionTimestamp &&
    runNowTokenOf(previous) === runNowTokenOf(object);
  return same ? [] : [keyOf(object)];
}

/** A Periodic cares when one of its runs appears, ends or goes, not about the steps between. */
export function ownerOfChangedRun({ object, previous }: Change<ProwJob>): readonly ObjectKey[] {
  if (periodicUidOf(object) === undefined) return [];
  const same =
    previous !== undefined &&
    isFinished(previous) === isFinished(object) &&
    previous.metadata.deletionTimestamp === object.metadata.deletionTimestamp;
  const owner = object.metadata.ownerReferences?.find((reference) => reference.controller === true);
  return same || owner === undefined ? [] : [{ namespace: object.metadata.namespace ?? '', name: owner.name }];
}
