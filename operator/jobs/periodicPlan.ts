/**
 * What is to be done for a Periodic now: which slots start a run, which are skipped or missed, and when to look again. Pure.
 *
 * status.lastScheduleTime is the cursor: every slot up to it has been dealt with, once, and none after it. Slots that came due since
 * are judged in order. One that is on time starts a run or is skipped; of those that were slept through at most the latest starts one.
 * An interval has no slots of its own: its next one follows from the previous run, and waits for that run to end.
 */
import { DurationError, parseDuration } from '../../crds/duration.ts';
import type { Periodic, PeriodicExclusion, PeriodicSpec } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { isFinished, runNowTokenOf, slotOfRun, type RunCause } from './periodicRun.ts';
import { nextTimes, slotsBetween, type Anchor, type IntervalSchedule, type Schedule, type SlotSchedule } from './schedule.ts';
import { timeMs } from './times.ts';

export const skipReasons = ['Suspended', 'Excluded', 'ActiveRun', 'MaxConcurrency'] as const;
export type SkipReason = (typeof skipReasons)[number];

/** The last two are found out only when the run is created. */
export const missReasons = ['Superseded', 'StartingDeadline', 'MaxAge', 'SkipPolicy', 'NameTaken', 'InvalidTemplate'] as const;
export type MissReason = (typeof missReasons)[number];

/** What becomes of one slot. */
export type SlotDecision =
  | { readonly outcome: 'start'; readonly slotMs: number }
  | { readonly outcome: 'skip'; readonly slotMs: number; readonly reason: SkipReason }
  | { readonly outcome: 'miss'; readonly slotMs: number; readonly reason: MissReason };

export interface PeriodicPlan {
  /** A start by hand that has not happened yet. It comes first and is bound by nothing in the schedule. */
  readonly manual?: Extract<RunCause, { kind: 'manual' }>;
  /** In the order of their slots. The cursor may move behind each one only when it has been carried out. */
  readonly decisions: readonly SlotDecision[];
  /** When to look again even if nothing changes. Undefined: something else wakes us, or nothing is to come. */
  readonly wakeAtMs?: number;
  /** Slots that may start a run next, at most five. */
  readonly nextSlots: readonly number[];
  /** The schedule in force, as status records it. */
  readonly inForce: { readonly text: string; readonly sinceMs: number };
}

export interface PlanInput {
  readonly periodic: Periodic;
  readonly schedule: Schedule;
  /** All runs that this Periodic owns. */
  readonly runs: readonly ProwJob[];
  readonly nowMs: number;
}

/** A slot is on time up to this age; an older one fell into a time when nobody looked. */
export const graceMs = 10_000;
/** Slots judged in one pass. More than that were all slept through, and the next pass goes on. */
export const slotsPerPass = 100_000;
const shownSlots = 5;

/** Precondition: metadata.creationTimestamp is set, and the durations of spec look like durations (the API server checks both). */
export function planPeriodic(input: PlanInput): PeriodicPlan {
  const token = runNowTokenOf(input.periodic);
  const manual = token === undefined || token === input.periodic.status?.lastRunNowToken ? undefined : ({ kind: 'manual', token } as const);
  const plan = input.schedule.kind === 'slots' ? planSlots(input, input.schedule) : planInterval(input, input.schedule);
  return manual === undefined ? plan : { manual, ...plan };
}

/** The plan of a Periodic whose schedule cannot be read: a start by hand works all the same. */
export function planWithoutSchedule(periodic: Periodic): Pick<PeriodicPlan, 'manual'> & { readonly decisions: readonly [] } {
  const token = runNowTokenOf(periodic);
  const isNew = token !== undefined && token !== periodic.status?.lastRunNowToken;
  return isNew ? { manual: { kind: 'manual', token }, decisions: [] } : { decisions: [] };
}

const createdMsOf = (object: Periodic | ProwJob): number => timeMs(object.metadata.creationTimestamp) ?? 0;

const toSecond = (ms: number): number => Math.floor(ms / 1000) * 1000;

/** A schedule that was edited counts from when we saw that: its slots of the past are not ours. */
function anchorOf({ periodic, schedule, nowMs }: PlanInput): Anchor & { readonly edited: boolean } {
  const created = createdMsOf(periodic);
  const recorded = periodic.status?.schedule;
  if (recorded === undefined) return { sinceMs: created, startsAtOnce: true, edited: false };
  if (recorded.text !== schedule.text) return { sinceMs: toSecond(nowMs), startsAtOnce: false, edited: true };
  const sinceMs = timeMs(recorded.since) ?? created;
  return { sinceMs, startsAtOnce: sinceMs === created, edited: false };
}

function planSlots(input: PlanInput, schedule: SlotSchedule): PeriodicPlan {
  const { periodic, nowMs } = input;
  const anchor = anchorOf(input);
  const recorded = timeMs(periodic.status?.lastScheduleTime);
  const first = anchor.startsAtOnce ? anchor.sinceMs - 1 : anchor.sinceMs;
  const cursor = anchor.edited ? Math.max(first, recorded ?? first) : (recorded ?? first);
  const due = slotsBetween(schedule, anchor, { afterMs: cursor, untilMs: nowMs }, slotsPerPass);
  const decisions = due.complete ? judge(input, due.slots) : due.slots.map((slotMs) => miss(slotMs, 'Superseded'));
  const wakeAtMs = due.complete ? schedule.next(Math.max(cursor, nowMs), anchor) : nowMs;
  return {
    decisions,
    ...(wakeAtMs === undefined ? {} : { wakeAtMs }),
    nextSlots: upcoming(periodic.spec, schedule, anchor, Math.max(cursor, nowMs)),
    inForce: { text: schedule.text, sinceMs: anchor.sinceMs },
  };
}

const skip = (slotMs: number, reason: SkipReason): SlotDecision => ({ outcome: 'skip', slotMs, reason });
const miss = (slotMs: number, reason: MissReason): SlotDecision => ({ outcome: 'miss', slotMs, reason });

/** The slots that came due, in order. */
function judge({ periodic, runs, nowMs }: PlanInput, due: readonly number[]): readonly SlotDecision[] {
  const { spec } = periodic;
  const wanted = due.filter((slotMs) => heldBack(spec, slotMs) === undefined);
  const startable = new Set(wanted.filter((slotMs) => nowMs - slotMs <= graceMs));
  const latest = wanted.at(-1);
  if (startable.size === 0 && latest !== undefined) startable.add(latest);
  const started = new Set(runs.map(slotOfRun));
  let active = runs.filter((run) => !isFinished(run)).length;
  return due.map((slotMs) => {
    const held = heldBack(spec, slotMs);
    if (started.has(slotMs)) return { outcome: 'start', slotMs };
    if (held !== undefined) return skip(slotMs, held);
    const missed = startable.has(slotMs) ? tooLate(spec, slotMs, nowMs) : 'Superseded';
    if (missed !== undefined) return miss(slotMs, missed);
    const full = blockedBy(spec, active);
    if (full !== undefined) return skip(slotMs, full);
    active += 1;
    return { outcome: 'start', slotMs };
  });
}

/** The schema knows how a duration looks, not how long one may be: one beyond what Go can count is no limit at all. */
function durationOf(text: string | undefined): number {
  if (text === undefined) return Infinity;
  try {
    return parseDuration(text);
  } catch (error) {
    if (error instanceof DurationError) return Infinity;
    throw error;
  }
}

function tooLate(spec: PeriodicSpec, slotMs: number, nowMs: number): MissReason | undefined {
  const ageMs = nowMs - slotMs;
  if (ageMs > durationOf(spec.startingDeadline)) return 'StartingDeadline';
  if (ageMs <= graceMs) return undefined;
  if (spec.missedRuns?.policy === 'Skip') return 'SkipPolicy';
  return ageMs > durationOf(spec.missedRuns?.maxAge) ? 'MaxAge' : undefined;
}

/** Everything but Allow keeps to one run at a time: Forbid is the default, and Replace and Queue fall back to it. */
function blockedBy(spec: PeriodicSpec, active: number): SkipReason | undefined {
  if (spec.concurrencyPolicy !== 'Allow') return active > 0 ? 'ActiveRun' : undefined;
  return active >= (spec.maxConcurrency ?? Infinity) ? 'MaxConcurrency' : undefined;
}

/** Why no run may start for this slot, whatever else holds. */
function heldBack(spec: PeriodicSpec, slotMs: number): 'Suspended' | 'Excluded' | undefined {
  if (spec.suspend === true || slotMs < (timeMs(spec.suspendUntil) ?? -Infinity)) return 'Suspended';
  return exclusionAt(spec, slotMs) === undefined ? undefined : 'Excluded';
}

/** Suspended or excluded: this slot starts no run, whatever else holds. */
export const isHeldBack = (spec: PeriodicSpec, slotMs: number): boolean => heldBack(spec, slotMs) !== undefined;

function exclusionAt(spec: PeriodicSpec, ms: number): PeriodicExclusion | undefined {
  return spec.exclusions?.find(({ from, to }) => (timeMs(from) ?? Infinity) <= ms && ms < (timeMs(to) ?? -Infinity));
}

/** The first instant from this one on that is not held back. Undefined: there is none. */
function releasedFrom(spec: PeriodicSpec, ms: number): number | undefined {
  if (spec.suspend === true) return undefined;
  let at = Math.max(ms, timeMs(spec.suspendUntil) ?? -Infinity);
  for (let exclusion = exclusionAt(spec, at); exclusion !== undefined; exclusion = exclusionAt(spec, at))
    at = timeMs(exclusion.to) ?? at + 1;
  return at;
}

function upcoming(spec: PeriodicSpec, schedule: SlotSchedule, anchor: Anchor, afterMs: number): readonly number[] {
  const slots: number[] = [];
  let cursor = afterMs;
  while (slots.length < shownSlots) {
    const [slot] = nextTimes(schedule, anchor, cursor, 1);
    if (slot === undefined) break;
    const released = releasedFrom(spec, slot);
    if (released === undefined) break;
    if (released === slot) slots.push(slot);
    cursor = released === slot ? slot : released - 1;
  }
  return slots;
}

/** The next start follows from the previous run, whoever started it. While that one is active nothing is due. */
function planInterval(input: PlanInput, schedule: IntervalSchedule): PeriodicPlan {
  const { periodic, runs, nowMs } = input;
  const { sinceMs } = anchorOf(input);
  const inForce = { text: schedule.text, sinceMs };
  if (runs.some((run) => !isFinished(run))) return { decisions: [], nextSlots: [], inForce };
  const dueMs = releasedFrom(periodic.spec, intervalDue(periodic, runs, schedule));
  if (dueMs === undefined) return { decisions: [], nextSlots: [], inForce };
  if (dueMs <= nowMs) return { decisions: [{ outcome: 'start', slotMs: dueMs }], nextSlots: [], inForce };
  return { decisions: [], wakeAtMs: dueMs, nextSlots: [dueMs], inForce };
}

function intervalDue(periodic: Periodic, runs: readonly ProwJob[], { from, periodMs }: IntervalSchedule): number {
  const newest = runs.reduce<ProwJob | undefined>(
    (best, run) => (best === undefined || createdMsOf(run) > createdMsOf(best) ? run : best),
    undefined,
  );
  const startedMs = Math.max(timeMs(periodic.status?.lastRunTime) ?? -Infinity, newest === undefined ? -Infinity : createdMsOf(newest));
  if (startedMs === -Infinity) return createdMsOf(periodic);
  const endedMs = newest === undefined ? undefined : timeMs(newest.status?.completionTime);
  const baseMs = from === 'end' ? Math.max(startedMs, endedMs ?? startedMs) : startedMs;
  // A clock of the API server that lags behind ours must not make a slot come twice.
  const settledMs = timeMs(periodic.status?.lastScheduleTime) ?? -Infinity;
  return Math.max(toSecond(baseMs + periodMs), settledMs + 1000);
}

/** What spec asks for and this version does not do, by field. */
export function unsupportedFields(spec: PeriodicSpec): readonly string[] {
  const found: (string | false)[] = [
    spec.jitter !== undefined && 'jitter',
    (spec.concurrencyPolicy === 'Replace' || spec.concurrencyPolicy === 'Queue') &&
      `concurrencyPolicy ${spec.concurrencyPolicy} (treated as Forbid)`,
    spec.missedRuns?.policy === 'All' && 'missedRuns.policy All (treated as Latest)',
    spec.missedRuns?.limit !== undefined && 'missedRuns.limit',
    spec.missedRuns?.spacing !== undefined && 'missedRuns.spacing',
    spec.stopAfter !== undefined && 'stopAfter',
    spec.retry !== undefined && 'retry',
    spec.history !== undefined && 'history',
  ];
  return found.filter((field) => field !== false);
}
