/** From where the slots of a Periodic are counted. Recorded in status, so neither a restart nor a run that was cleaned up moves it. Pure. */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { Anchor, Schedule } from './schedule.ts';
import { timeMs } from './times.ts';

export interface CountedFrom extends Anchor {
  /** The schedule in force is another than the one status tells of. */
  readonly edited: boolean;
}

/** A schedule that was edited counts from when we saw that: its slots of the past are not ours. */
export function anchorOf(periodic: Periodic, schedule: Schedule, nowMs: number): CountedFrom {
  const created = timeMs(periodic.metadata.creationTimestamp) ?? 0;
  const recorded = periodic.status?.schedule;
  if (recorded === undefined) return { sinceMs: created, startsAtOnce: true, edited: false };
  if (recorded.text !== schedule.text)
    return { sinceMs: Math.max(created, Math.floor(nowMs / 1000) * 1000), startsAtOnce: false, edited: true };
  const sinceMs = timeMs(recorded.since) ?? created;
  return { sinceMs, startsAtOnce: sinceMs === created, edited: false };
}

/** Every slot up to this instant has its verdict, or stands in status.waiting. */
export function cursorOf(periodic: Periodic, anchor: CountedFrom): number {
  const recorded = timeMs(periodic.status?.lastScheduleTime);
  const first = anchor.startsAtOnce ? anchor.sinceMs - 1 : anchor.sinceMs;
  return anchor.edited ? Math.max(first, recorded ?? first) : (recorded ?? first);
}
