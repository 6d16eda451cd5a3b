/** Everything that one pass over a Periodic reads, read once: later steps see one consistent picture. */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { isFinished } from '../../operator/jobs/periodicRun.ts';
import { scheduleSeed, type ParsedSchedule, type ScheduleCache } from '../../operator/jobs/schedule.ts';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import { runsByPeriodic } from '../../operator/jobs/runIndex.ts';

export interface PeriodicScope {
  readonly periodic: Periodic;
  readonly parsed: ParsedSchedule;
  /** The runs that exist and that this Periodic owns. */
  readonly runs: readonly ProwJob[];
  /** Runs that status still calls active although they have ended, deleted ones included. */
  readonly ended: readonly ProwJob[];
  readonly nowMs: number;
}

export interface ScopeSources {
  readonly periodics: Pick<StoreReader<Periodic>, 'get'>;
  readonly runs: Pick<StoreReader<ProwJob>, 'get' | 'byIndex' | 'lastDeleted'>;
  readonly schedules: ScheduleCache;
}

/** Undefined when there is nothing to do: the object is gone or going, and its runs go with it. */
export function readScope(sources: ScopeSources, key: ObjectKey, nowMs: number): PeriodicScope | undefined {
  const periodic = sources.periodics.get(key);
  if (periodic === undefined || periodic.metadata.deletionTimestamp !== undefined) return undefined;
  const ended = (periodic.status?.active ?? []).flatMap(({ name, uid }) => {
    const runKey = { namespace: key.namespace, name };
    const run = sources.runs.get(runKey) ?? sources.runs.lastDeleted(runKey);
    return run !== undefined && (uid === undefined || run.metadata.uid === uid) && isFinished(run) ? [run] : [];
  });
  return {
    periodic,
    parsed: sources.schedules.parse(periodic.spec, scheduleSeed(periodic.metadata)),
    runs: sources.runs.byIndex(runsByPeriodic, periodic.metadata.uid ?? ''),
    ended,
    nowMs,
  };
}
