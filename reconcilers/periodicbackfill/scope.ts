/**
 * Everything that one pass over a PeriodicBackfill reads, read once. Which runs are still active is the delicate part: a run that status
 * lists and the cache does not show may be gone, or the cache may be behind. Then the API server is asked, so that neither is guessed.
 */
import { prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill, PeriodicBackfillActiveRun } from '../../crds/v1/periodicBackfill.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { slotsOf, type BackfillSlots } from '../../operator/jobs/backfillPlan.ts';
import { slotOfRun } from '../../operator/jobs/periodicRun.ts';
import { runsByBackfill } from '../../operator/jobs/runIndex.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { scheduleSeed, type ScheduleCache } from '../../operator/jobs/schedule.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';

/** A run that has ended, and that status has not counted yet. */
export interface EndedRun {
  readonly name: string;
  /** As status writes it. */
  readonly slot: string;
  /** A run that was deleted before it ended did not. */
  readonly succeeded: boolean;
  readonly completionTime?: string;
}

export interface BackfillScope {
  readonly backfill: PeriodicBackfill;
  /** Undefined when there is none, or it is being deleted. */
  readonly periodic: Periodic | undefined;
  readonly slots: BackfillSlots;
  /** Runs that status lists and that have not ended. */
  readonly active: readonly PeriodicBackfillActiveRun[];
  /** Names of all its runs that have not ended, those among them that status does not list yet. */
  readonly busy: ReadonlySet<string>;
  /** Slots of all its runs that the cache shows. */
  readonly startedSlots: ReadonlySet<number>;
  readonly ended: readonly EndedRun[];
  readonly nowMs: number;
}

export interface ScopeSources {
  readonly backfills: Pick<StoreReader<PeriodicBackfill>, 'get'>;
  readonly periodics: Pick<StoreReader<Periodic>, 'get'>;
  /** Needs runIndexers. */
  readonly runs: Pick<StoreReader<ProwJob>, 'get' | 'byIndex' | 'lastDeleted'>;
  readonly api: { get(type: ResourceType<ProwJob>, key: ObjectKey, options?: { readonly signal?: AbortSignal }): Promise<ProwJob> };
  readonly schedules: ScheduleCache;
}

/** Undefined when there is nothing to do: the object is gone or going, and its runs go with it. */
export async function readScope(
  sources: ScopeSources,
  key: ObjectKey,
  nowMs: number,
  signal: AbortSignal,
): Promise<BackfillScope | undefined> {
  const backfill = sources.backfills.get(key);
  if (backfill === undefined || backfill.metadata.deletionTimestamp !== undefined) return undefined;
  const { namespace } = key;
  const listed = await Promise.all((backfill.status?.active ?? []).map((entry) => lookUp(sources, namespace, entry, signal)));
  const active = listed.flatMap(({ entry, run }) => (run !== undefined && !isComplete(run) ? [entry] : []));
  const runs = sources.runs.byIndex(runsByBackfill, backfill.metadata.uid ?? '');
  const unfinished = runs.filter((run) => !isComplete(run));
  const found = sources.periodics.get({ namespace, name: backfill.spec.periodic });
  const periodic = found?.metadata.deletionTimestamp === undefined ? found : undefined;
  const parsed = periodic === undefined ? undefined : sources.schedules.parse(periodic.spec, scheduleSeed(periodic.metadata));
  const hasNamesake = sources.periodics.get(key) !== undefined;
  return {
    backfill,
    periodic,
    slots: slotsOf({ backfill, periodic, parsed, hasNamesake }),
    active,
    busy: new Set([...active.map(({ name }) => name), ...unfinished.map(({ metadata }) => metadata.name)]),
    startedSlots: new Set(runs.map(slotOfRun).filter((slotMs) => slotMs !== undefined)),
    ended: listed.flatMap(({ entry, run }) => (run === undefined || isComplete(run) ? [endedRun(entry, run)] : [])),
    nowMs,
  };
}

interface Looked {
  readonly entry: PeriodicBackfillActiveRun;
  /** Undefined: it was deleted before it ended. */
  readonly run: ProwJob | undefined;
}

async function lookUp(
  { runs, api }: ScopeSources,
  namespace: string,
  entry: PeriodicBackfillActiveRun,
  signal: AbortSignal,
): Promise<Looked> {
  const key = { namespace, name: entry.name };
  const isIt = (run: ProwJob): boolean => entry.uid === undefined || run.metadata.uid === entry.uid;
  const present = runs.get(key);
  if (present !== undefined && isIt(present)) return { entry, run: present };
  const deleted = runs.lastDeleted(key);
  if (deleted !== undefined && isIt(deleted)) return { entry, run: isComplete(deleted) ? deleted : undefined };
  try {
    const run = await api.get(prowJobs, key, { signal });
    return { entry, run: isIt(run) ? run : undefined };
  } catch (error) {
    if (isNotFound(error)) return { entry, run: undefined };
    throw error;
  }
}

/** What counts of a run that has ended. `run` is undefined when it was deleted before its end. */
export function endedRun({ name, slot }: Pick<PeriodicBackfillActiveRun, 'name' | 'slot'>, run: ProwJob | undefined): EndedRun {
  const { completionTime, state } = run?.status ?? {};
  return { name, slot, succeeded: state === 'success', ...(completionTime === undefined ? {} : { completionTime }) };
}
