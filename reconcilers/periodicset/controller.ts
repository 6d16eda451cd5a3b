/**
 * Wires the reconciler of PeriodicSets to its caches. A set is woken when it changes, when somebody touches one of its Periodics, when a
 * name it wants may have become free, and, with a delay that gathers many into one, when the readiness of its Periodics changes.
 */
import { jsonEqual } from '../../crds/json.ts';
import { periodics, periodicSets } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicSet } from '../../crds/v1/periodicSet.ts';
import { mayMake } from '../../operator/jobs/matrixChildren.ts';
import { keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { isConditionTrue } from '../../operator/runtime/conditions.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import { ObjectWriter, type WriteClient } from '../../operator/runtime/objectWriter.ts';
import type { Change, Store } from '../../operator/runtime/store.ts';
import { setOf } from './owned.ts';
import { PeriodicSetReconciler, type PeriodicSetDeps } from './reconciler.ts';

export interface PeriodicSetControllerOptions {
  readonly client: WriteClient;
  readonly periodicSets: { readonly store: Store<PeriodicSet> };
  /** Its informer must have periodicSetIndexers among its indexers. */
  readonly periodics: { readonly store: Store<Periodic> };
  readonly events: PeriodicSetDeps['events'];
  readonly workers: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Readiness of many Periodics changes within moments, and is counted once. */
const gatherMs = 1_000;

export function createPeriodicSetController(options: PeriodicSetControllerOptions): Controller {
  const { client, events, workers, clock, logger, metrics } = options;
  const sets = options.periodicSets.store;
  const reconciler = new PeriodicSetReconciler({
    sets,
    periodics: options.periodics.store,
    periodicWriter: new ObjectWriter(client, periodics, options.periodics.store),
    setWriter: new ObjectWriter(client, periodicSets, sets),
    events,
    metrics,
  });
  const controller = new Controller({ name: 'periodicset', reconciler, workers, clock, logger, metrics });
  controller.watch(options.periodicSets, changedSet);
  controller.watch(options.periodics, (change) => concernedSets(sets, change));
  controller.watch(options.periodics, countedIn, { afterMs: gatherMs });
  return controller;
}

/** Not the echo of our own status write. */
export function changedSet({ object, previous }: Change<PeriodicSet>): readonly ObjectKey[] {
  const same =
    previous !== undefined &&
    previous.metadata.generation === object.metadata.generation &&
    previous.metadata.deletionTimestamp === object.metadata.deletionTimestamp;
  return same ? [] : [keyOf(object)];
}

/** The set of a Periodic that is not what it was, and those that wait for the name of one that is gone. */
export function concernedSets(sets: Pick<Store<PeriodicSet>, 'list'>, change: Change<Periodic>): readonly ObjectKey[] {
  const { type, object, previous } = change;
  const owners =
    previous !== undefined && isUntouched(previous, object) ? [] : [setKeyOf(object), ...(previous ? [setKeyOf(previous)] : [])];
  const { namespace = '', name } = object.metadata;
  const waiting = type === 'deleted' ? sets.list(namespace).filter((set) => mayMake(set, name)) : [];
  return [...owners.flat(), ...waiting.map(keyOf)];
}

const setKeyOf = (periodic: Periodic): readonly ObjectKey[] => {
  const owner = setOf(periodic);
  return owner === undefined ? [] : [{ namespace: periodic.metadata.namespace ?? '', name: owner.name }];
};

function isUntouched({ metadata: before }: Periodic, { metadata: after }: Periodic): boolean {
  return (
    before.generation === after.generation &&
    before.deletionTimestamp === after.deletionTimestamp &&
    jsonEqual(before.labels, after.labels) &&
    jsonEqual(before.annotations, after.annotations) &&
    jsonEqual(before.ownerReferences, after.ownerReferences)
  );
}

/** The set whose counts change with this Periodic. */
export function countedIn({ type, object, previous }: Change<Periodic>): readonly ObjectKey[] {
  const same = (condition: string): boolean =>
    isConditionTrue(previous?.status?.conditions, condition) === isConditionTrue(object.status?.conditions, condition);
  return type === 'updated' && !(same('Ready') && same('Suspended')) ? setKeyOf(object) : [];
}
