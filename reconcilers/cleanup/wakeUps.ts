/**
 * Which finished runs have to be looked at again after a change. Few for each change, however many runs a schedule has: those that a newer
 * one pushes out, and those whose schedule has let go of them.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { runNameOf, runNowTokenOf } from '../../operator/jobs/periodicRun.ts';
import { keptOf } from '../../operator/jobs/retention.ts';
import { runsByBackfill, runsByPeriodic } from '../../operator/jobs/runIndex.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { sameJson } from '../../operator/jobs/statusPatch.ts';
import { timeMs } from '../../operator/jobs/times.ts';
import { keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import type { Change, StoreReader } from '../../operator/runtime/store.ts';
import type { RunHistories } from './histories.ts';
import type { RunOwners } from './owners.ts';

export interface WakeUpsDeps {
  /** Needs runIndexers. */
  readonly jobs: Pick<StoreReader<ProwJob>, 'byIndex'>;
  readonly owners: RunOwners;
  readonly histories: RunHistories;
}

export class WakeUps {
  readonly #deps: WakeUpsDeps;

  constructor(deps: WakeUpsDeps) {
    this.#deps = deps;
  }

  /** A run that has finished, and those that it pushes out. */
  byRun({ type, object, previous, initial }: Change<ProwJob>): readonly ObjectKey[] {
    if (type === 'deleted' || !isComplete(object)) return [];
    const isNew = previous === undefined || !isComplete(previous);
    // The first list brings every run by itself.
    const periodic = isNew && initial !== true ? this.#deps.owners.periodicOf(object) : undefined;
    if (periodic === undefined) return [keyOf(object)];
    const kept = keptOf(periodic, object);
    return [object, ...this.#deps.histories.pushedBy(object, periodic.metadata.uid ?? '', kept)].map(keyOf);
  }

  /** A Periodic that is gone, or has another history, has no say or another one about all its runs. */
  byPeriodic({ type, object, previous, initial }: Change<Periodic>): readonly ObjectKey[] {
    if (initial === true) return [];
    const isSame = type === 'updated' && previous !== undefined && isGoing(previous) === isGoing(object);
    if (!isSame || !sameJson(previous.spec.history, object.spec.history)) return this.#finished(runsByPeriodic, object);
    const { namespace = '', name } = object.metadata;
    const names = [...left(previous, object), ...settled(previous, object).map((cause) => runNameOf(name, cause))];
    return [...new Set(names)].map((run) => ({ namespace, name: run }));
  }

  byBackfill({ type, object, previous, initial }: Change<PeriodicBackfill>): readonly ObjectKey[] {
    if (initial === true) return [];
    const isSame = type === 'updated' && previous !== undefined && isGoing(previous) === isGoing(object);
    if (!isSame) return this.#finished(runsByBackfill, object);
    return left(previous, object).map((name) => ({ namespace: object.metadata.namespace ?? '', name }));
  }

  #finished(index: string, { metadata }: Periodic | PeriodicBackfill): readonly ObjectKey[] {
    return this.#deps.jobs
      .byIndex(index, metadata.uid ?? '')
      .filter(isComplete)
      .map(keyOf);
  }
}

const isGoing = ({ metadata }: Periodic | PeriodicBackfill): boolean => metadata.deletionTimestamp !== undefined;

/** Runs that were active, as far as status knew, and are not. */
function left(before: Periodic | PeriodicBackfill, after: Periodic | PeriodicBackfill): readonly string[] {
  const active = new Set(after.status?.active?.map(({ name }) => name));
  return (before.status?.active ?? []).flatMap(({ name }) => (active.has(name) ? [] : [name]));
}

type Cause = Parameters<typeof runNameOf>[1];

/** What status has written down since: a run that waited has started, what it repeats is needed no longer, and so on. */
function settled(before: Periodic, after: Periodic): readonly Cause[] {
  const causes = noLongerWaiting(before, after);
  const [was, is] = [before.status ?? {}, after.status ?? {}];
  const slotMs = timeMs(is.lastScheduleTime);
  if (slotMs !== undefined && is.lastScheduleTime !== was.lastScheduleTime) causes.push({ kind: 'slot', slotMs });
  const token = runNowTokenOf(after);
  if (token !== undefined && is.lastRunNowToken !== was.lastRunNowToken) causes.push({ kind: 'manual', token });
  return causes;
}

function noLongerWaiting(before: Periodic, after: Periodic): Cause[] {
  const waiting = new Set(after.status?.waiting?.map(({ slot, attempt = 1 }) => `${slot}/${attempt}`));
  return (before.status?.waiting ?? []).flatMap(({ slot, attempt = 1 }): Cause[] => {
    const slotMs = timeMs(slot);
    if (slotMs === undefined || waiting.has(`${slot}/${attempt}`)) return [];
    const own: Cause = { kind: 'slot', slotMs, attempt };
    return attempt === 1 ? [own] : [own, { kind: 'slot', slotMs, attempt: attempt - 1 }];
  });
}
