/**
 * What a PeriodicBackfill is to do now: which slots start a run, which are left out, and why nothing further happens. Pure.
 *
 * status.cursor is the latest slot that was dealt with; slots come in order, oldest first, and only when their time has come. The schedule
 * is the one that was in force when the first slot was dealt with: another one would have other slots, and then nobody could say which
 * of them have had their run.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import { exclusionAt } from './periodicHolds.ts';
import type { Anchor, ParsedSchedule, SlotSchedule } from './schedule.ts';
import { stamp, timeMs } from './times.ts';

export type BackfillDecision = { readonly outcome: 'start' | 'exclude'; readonly slotMs: number };

/** A person has to act: the reason is that of the condition Stalled. */
export interface BackfillFault {
  readonly reason: 'NameTaken' | 'PeriodicNotFound' | 'InvalidSchedule' | 'NoSlots' | 'ScheduleChanged';
  readonly message: string;
}

/** Slots to walk along. */
export interface BackfillGrid {
  readonly schedule: SlotSchedule;
  readonly anchor: Anchor;
}

export type BackfillSlots =
  | { readonly kind: 'grid'; readonly grid: BackfillGrid }
  | { readonly kind: 'fault'; readonly fault: BackfillFault }
  /** The Periodic has not been looked at since its schedule was written, so what @every counts from is not recorded yet. */
  | { readonly kind: 'unseen' };

export interface BackfillInput {
  readonly backfill: PeriodicBackfill;
  /** Undefined when there is none, or it is being deleted. */
  readonly periodic: Periodic | undefined;
  readonly parsed: ParsedSchedule | undefined;
  /** Whether a Periodic has the name of the backfill: the runs of both would have the same names. */
  readonly hasNamesake: boolean;
}

/** Slots dealt with in one pass, and runs started in one: a pass must end before its time is up. */
export const slotsPerPass = 5000;
export const startsPerPass = 50;
/** Slots still to be started are counted up to this many. */
export const countedSlots = 10_000;

/** Which slots there are, or why nobody can say. */
export function slotsOf({ backfill, periodic, parsed, hasNamesake }: BackfillInput): BackfillSlots {
  const { name } = backfill.metadata;
  const wanted = backfill.spec.periodic;
  if (hasNamesake) {
    const message = `A Periodic has the name of this backfill, ${name}: the runs of both would have the same names. Give the backfill another one.`;
    return fault('NameTaken', message);
  }
  if (periodic === undefined || parsed === undefined) {
    return fault('PeriodicNotFound', `spec.periodic: there is no Periodic ${wanted} in this namespace.`);
  }
  if (!parsed.ok) {
    const problems = parsed.problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
    return fault('InvalidSchedule', `The schedule of Periodic ${wanted} cannot be read: ${problems}`);
  }
  const { schedule } = parsed;
  if (schedule.kind === 'interval') {
    return fault(
      'NoSlots',
      `Periodic ${wanted} runs by an interval, which has no slots that are known beforehand; only cron and crons have.`,
    );
  }
  const frozen = backfill.status?.schedule;
  if (frozen !== undefined && frozen.text !== schedule.text) {
    const message =
      `The schedule of Periodic ${wanted} was "${frozen.text}" when the first slot was dealt with, and is "${schedule.text}" now. ` +
      'Change it back, or create another PeriodicBackfill for the rest.';
    return fault('ScheduleChanged', message);
  }
  const sinceMs = timeMs(frozen?.since) ?? sinceOf(periodic, schedule);
  return sinceMs === undefined
    ? { kind: 'unseen' }
    : { kind: 'grid', grid: { schedule, anchor: { sinceMs, startsAtOnce: true, reachesBack: true } } };
}

const fault = (reason: BackfillFault['reason'], message: string): BackfillSlots => ({ kind: 'fault', fault: { reason, message } });

/** What @every counts from. Calendars count from nothing. */
function sinceOf({ metadata, status }: Periodic, schedule: SlotSchedule): number | undefined {
  const createdMs = timeMs(metadata.creationTimestamp) ?? 0;
  if (status?.schedule?.text === schedule.text) return timeMs(status.schedule.since) ?? createdMs;
  return schedule.text.includes('@every') ? undefined : createdMs;
}

export interface BackfillPlan {
  /** In the order of their slots. The cursor may move behind each one only when it has been carried out. */
  readonly decisions: readonly BackfillDecision[];
  /** When to look again even if nothing changes. */
  readonly wakeAtMs?: number;
  /** The slot whose time has not come. */
  readonly nextMs?: number;
  /** There is no slot after the decisions. */
  readonly isLast: boolean;
}

export interface WalkInput {
  readonly backfill: PeriodicBackfill;
  readonly periodic: Periodic;
  readonly grid: BackfillGrid;
  /** Runs that may be started now; negative when too many are active. */
  readonly free: number;
  /** Slots that have a run already: a process died before it wrote that down. They take no further place. */
  readonly startedSlots: ReadonlySet<number>;
  readonly nowMs: number;
}

/** Walks on from the cursor as far as it can. */
export function planBackfill({ backfill, periodic, grid, free, startedSlots, nowMs }: WalkInput): BackfillPlan {
  const decisions: BackfillDecision[] = [];
  let left = Math.min(free, startsPerPass);
  let cursorMs = cursorOf(backfill);
  for (;;) {
    const slotMs = nextSlot(backfill, grid, cursorMs);
    if (slotMs === undefined) return { decisions, isLast: true };
    if (slotMs > nowMs) return { decisions, isLast: false, wakeAtMs: slotMs, nextMs: slotMs };
    if (decisions.length >= slotsPerPass) return { decisions, isLast: false, wakeAtMs: nowMs };
    const isStarted = startedSlots.has(slotMs);
    const isExcluded = !isStarted && isLeftOut(backfill, periodic, slotMs);
    if (!isStarted && !isExcluded && left <= 0) return { decisions, isLast: false, ...(free > startsPerPass ? { wakeAtMs: nowMs } : {}) };
    if (!isStarted && !isExcluded) left -= 1;
    decisions.push({ outcome: isExcluded ? 'exclude' : 'start', slotMs });
    cursorMs = slotMs;
  }
}

/** The latest slot that was dealt with; before the first one, an instant before the range. */
export function cursorOf({ spec, status }: PeriodicBackfill): number {
  return timeMs(status?.cursor) ?? (timeMs(spec.from) ?? 0) - 1;
}

function nextSlot({ spec }: PeriodicBackfill, { schedule, anchor }: BackfillGrid, afterMs: number): number | undefined {
  const slotMs = schedule.next(afterMs, anchor);
  return slotMs === undefined || slotMs >= (timeMs(spec.to) ?? 0) ? undefined : slotMs;
}

const isLeftOut = ({ spec }: PeriodicBackfill, periodic: Periodic, slotMs: number): boolean =>
  spec.includeExcluded !== true && exclusionAt(periodic.spec, slotMs) !== undefined;

/** How many slots after this one are still to be started, up to countedSlots. */
export function remainingSlots(backfill: PeriodicBackfill, periodic: Periodic, grid: BackfillGrid, afterMs: number): number {
  let count = 0;
  for (let slotMs = nextSlot(backfill, grid, afterMs); slotMs !== undefined && count < countedSlots;) {
    const exclusion = backfill.spec.includeExcluded === true ? undefined : exclusionAt(periodic.spec, slotMs);
    if (exclusion === undefined) count += 1;
    const fromMs = exclusion === undefined ? slotMs : Math.max(slotMs, (timeMs(exclusion.to) ?? slotMs) - 1);
    slotMs = nextSlot(backfill, grid, fromMs);
  }
  return count;
}

/** The schedule in force, as status records it. */
export const recordedGrid = ({ schedule, anchor }: BackfillGrid): { readonly text: string; readonly since: string } => ({
  text: schedule.text,
  since: stamp(anchor.sinceMs),
});
