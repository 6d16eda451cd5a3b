/**
 * What is to be done for a Periodic now: which slots start a run, wait, are skipped or missed, and when to look again. Pure.
 *
 * status.lastScheduleTime is the cursor: every slot up to it has its verdict or stands in status.waiting, and none after it has. Slots that
 * came due since are judged in order. An interval has no slots of its own: its next one follows from the previous run, and waits for that
 * run to end.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { anchorOf, cursorOf, type CountedFrom } from './periodicAnchor.ts';
import type { SlotDecision } from './periodicDecisions.ts';
import { Desk, graceMs, scheduled, waitingOf } from './periodicDesk.ts';
import { judgeDue } from './periodicDue.ts';
import { holdOf, isMended, releasedFrom } from './periodicHolds.ts';
import { startOfSlot } from './periodicJitter.ts';
import { resultsAfter } from './periodicResults.ts';
import { planRetries } from './periodicRetry.ts';
import { attemptOfRun, isFinished, runNowTokenOf, slotOfRun, tokenOfRun, type RunCause } from './periodicRun.ts';
import { settleStarted, startWaiting, wakeForWaiting } from './periodicWaiting.ts';
import { nextTimes, slotsBetween, type IntervalSchedule, type Schedule, type SlotSchedule } from './schedule.ts';
import { timeMs, writable } from './times.ts';

export interface PeriodicPlan {
  /** A start by hand that has not happened yet. It comes first and is bound by nothing in the schedule. */
  readonly manual?: Extract<RunCause, { kind: 'manual' }>;
  /** To be carried out in this order; those of runs that ended come first. The cursor may move behind a slot only when its decision has been carried out. */
  readonly decisions: readonly SlotDecision[];
  /** Active runs that make way for a slot that waits, once status says that it does. */
  readonly replaced: readonly ProwJob[];
  /** When to look again even if nothing changes. Undefined: something else wakes us, or nothing is to come. */
  readonly wakeAtMs?: number;
  /** Slots that may start a run next, at most five. */
  readonly nextSlots: readonly number[];
  /** The schedule in force, as status records it. */
  readonly inForce: { readonly text: string; readonly sinceMs: number };
  /** There are more slots of the past than one pass judges. Until the last of them, what status says of holds must stay. */
  readonly isUnfinished: boolean;
}

export interface PlanInput {
  readonly periodic: Periodic;
  readonly schedule: Schedule;
  /** All runs that this Periodic owns. */
  readonly runs: readonly ProwJob[];
  /** Runs that status calls active and that have ended. */
  readonly ended?: readonly ProwJob[];
  readonly nowMs: number;
  /** The slot that the last pass of this process went to sleep for. */
  readonly expectedMs?: number | undefined;
}

/** Slots judged in one pass. More than that were all slept through, and the next pass goes on. */
export const slotsPerPass = 20_000;
/** Of more slots than that, so many are left to the next pass: the most that may be made up for. */
const leftToNextPass = 1000;
export const shownSlots = 5;

/** Precondition: metadata.creationTimestamp is set, and the durations of spec look like durations (the API server checks both). */
export function planPeriodic(input: PlanInput): PeriodicPlan {
  const manual = manualOf(input.periodic);
  const anchor = anchorOf(input.periodic, input.schedule, input.nowMs);
  const startsByHand = manual !== undefined && !input.runs.some((run) => tokenOfRun(run) === manual.token);
  const ended = endsSeen(input, cursorOf(input.periodic, anchor));
  const desk = openDesk(input, { anchor, ended, startsByHand });
  const view: View = { ...input, anchor, ended, desk };
  const { schedule } = input;
  const seen = schedule.kind === 'slots' ? planSlots(view, schedule) : planInterval(view, schedule);
  const wakeAtMs = seen.isUnfinished ? input.nowMs : desk.wakeAtMs;
  return {
    ...(manual === undefined ? {} : { manual }),
    decisions: [...desk.decisions.filter(({ from }) => from === 'ended'), ...desk.decisions.filter(({ from }) => from !== 'ended')],
    replaced: replacedBy(desk, input.runs),
    ...(wakeAtMs === undefined ? {} : { wakeAtMs }),
    nextSlots: seen.nextSlots,
    inForce: { text: schedule.text, sinceMs: anchor.sinceMs },
    isUnfinished: seen.isUnfinished,
  };
}

/** The plan of a Periodic whose schedule cannot be read: a start by hand works all the same. */
export function planWithoutSchedule(periodic: Periodic): Pick<PeriodicPlan, 'manual' | 'decisions' | 'replaced'> {
  const manual = manualOf(periodic);
  return { ...(manual === undefined ? {} : { manual }), decisions: [], replaced: [] };
}

function manualOf(periodic: Periodic): PeriodicPlan['manual'] {
  const token = runNowTokenOf(periodic);
  return token === undefined || token === periodic.status?.lastRunNowToken ? undefined : { kind: 'manual', token };
}

interface View extends PlanInput {
  readonly anchor: CountedFrom;
  readonly ended: readonly ProwJob[];
  readonly desk: Desk;
}

interface Seen {
  readonly nextSlots: readonly number[];
  readonly isUnfinished: boolean;
}

/** Ends that status does not know of yet. A run that was created just before a crash may have ended before anybody wrote it down. */
function endsSeen({ periodic, runs, ended = [] }: PlanInput, cursorMs: number): readonly ProwJob[] {
  const known = new Set(ended.map((run) => run.metadata.uid));
  const waiting = new Set(waitingOf(periodic).map(({ slotMs, attempt }) => `${slotMs}/${attempt}`));
  const unwritten = runs.filter((run) => {
    const slotMs = slotOfRun(run);
    if (slotMs === undefined || !isFinished(run) || known.has(run.metadata.uid)) return false;
    return slotMs > cursorMs || waiting.has(`${slotMs}/${attemptOfRun(run)}`);
  });
  return [...ended, ...unwritten];
}

function openDesk(
  { periodic, schedule, runs, nowMs, expectedMs }: PlanInput,
  { anchor, ended, startsByHand }: { readonly anchor: CountedFrom; readonly ended: readonly ProwJob[]; readonly startsByHand: boolean },
): Desk {
  const { consecutiveFailures = 0 } = resultsAfter(periodic.status ?? {}, ended, isMended(periodic));
  const hold = holdOf(periodic, consecutiveFailures, nowMs);
  return new Desk({
    periodic,
    runs,
    nowMs,
    expectedMs,
    hold,
    startsByHand,
    startOf: (slotMs) => startOfSlot(periodic, schedule, anchor, slotMs),
  });
}

/** Runs of earlier slots. Never that of the slot itself, and never one that a person or a backfill started. */
function replacedBy(desk: Desk, runs: readonly ProwJob[]): readonly ProwJob[] {
  const slotMs = desk.waiting.findLast(({ reason }) => reason === 'Replacing')?.slotMs;
  if (slotMs === undefined || desk.hold.now !== undefined) return [];
  return runs.filter((run) => {
    const earlierMs = slotOfRun(run);
    return earlierMs !== undefined && earlierMs < slotMs && !isFinished(run) && run.spec.abort === undefined;
  });
}

/** In a queue those that wait have their turn before a new slot, elsewhere a slot that is on time does not wait for them. */
function workThrough({ desk, periodic, ended }: View, judge: () => void): void {
  settleStarted(desk);
  const before = desk.waiting;
  if (periodic.spec.concurrencyPolicy === 'Queue') {
    const blocked = planRetries(desk, ended) > 0;
    startWaiting(desk, before, blocked);
    if (blocked && !desk.isHeld) desk.wakeAt(desk.nowMs);
    judge();
  } else {
    judge();
    startWaiting(desk, before, false);
    planRetries(desk, ended);
  }
  wakeForWaiting(desk);
}

function planSlots(view: View, schedule: SlotSchedule): Seen {
  const { periodic, anchor, desk, nowMs } = view;
  const { hold } = desk;
  forgetAnnounced(view);
  const cursor = cursorOf(periodic, anchor);
  const isIdle = hold.now !== undefined && hold.now === hold.before;
  const due = isIdle ? { slots: [], complete: true } : dueSlots(desk, schedule, anchor, { afterMs: cursor, untilMs: nowMs });
  // One that waits already has been accepted, even if the cursor was lost.
  const accepted = new Set(waitingOf(periodic).map(({ slotMs }) => slotMs));
  const open = due.slots.filter((slotMs) => !accepted.has(slotMs));
  workThrough(view, () => judgeDue(desk, open, !due.complete));
  const lastMs = due.slots.at(-1) ?? cursor;
  if (hold.now === undefined) {
    const next = schedule.next(Math.max(cursor, lastMs), anchor);
    desk.wakeAt(next === undefined ? undefined : desk.startOf(next));
  } else if (hold.now === 'Suspended') desk.wakeAt(releaseOf(periodic));
  return {
    nextSlots: hold.now === 'Stopped' ? [] : upcoming(periodic, schedule, anchor, due.complete ? Math.max(cursor, lastMs) : nowMs),
    isUnfinished: !due.complete,
  };
}

/** When a pause ends by itself. */
const releaseOf = ({ spec }: Periodic): number | undefined => (spec.suspend === true ? undefined : timeMs(spec.suspendUntil));

/** Those whose start has come. */
function dueSlots(
  desk: Desk,
  schedule: SlotSchedule,
  anchor: CountedFrom,
  span: { readonly afterMs: number; readonly untilMs: number },
): { readonly slots: readonly number[]; readonly complete: boolean } {
  const { slots, complete } = slotsBetween(schedule, anchor, span, slotsPerPass);
  if (!complete) return { slots: slots.slice(0, -leftToNextPass), complete };
  const last = slots.at(-1);
  // Only the last can be in the time between a slot and its start: the others end where the next slot begins.
  return { slots: last !== undefined && desk.startOf(last) > span.untilMs ? slots.slice(0, -1) : slots, complete };
}

/** What was announced before the schedule was edited and has come due since has no place in the new one. */
function forgetAnnounced({ periodic, anchor, desk, nowMs }: View): void {
  if (!anchor.edited || isIntervalText(periodic.status?.schedule?.text ?? '')) return;
  const cursor = timeMs(periodic.status?.lastScheduleTime) ?? -Infinity;
  const accepted = new Set(desk.waiting.map(({ slotMs }) => slotMs));
  const announced = new Set((periodic.status?.nextScheduleTimes ?? []).map((slot) => timeMs(slot) ?? Infinity));
  for (const slotMs of [...announced].sort((a, b) => a - b)) {
    if (slotMs <= cursor || slotMs > nowMs || accepted.has(slotMs)) continue;
    if (desk.runOf(slotMs, 1) === undefined) desk.skip(scheduled(slotMs), 'ScheduleChanged');
    else desk.start(scheduled(slotMs), 'slot', slotMs);
  }
}

const isIntervalText = (text: string): boolean => text.startsWith('start + ') || text.startsWith('end + ');

function upcoming(periodic: Periodic, schedule: SlotSchedule, anchor: CountedFrom, afterMs: number): readonly number[] {
  const slots: number[] = [];
  let cursor = afterMs;
  while (slots.length < shownSlots) {
    const [slot] = nextTimes(schedule, anchor, cursor, 1);
    if (slot === undefined) break;
    const released = releasedFrom(periodic.spec, slot);
    if (released === undefined) break;
    if (released === slot) slots.push(slot);
    cursor = released === slot ? slot : released - 1;
  }
  return slots;
}

/** The next start follows from the previous run, whoever started it. While that one is active nothing is due. */
function planInterval(view: View, schedule: IntervalSchedule): Seen {
  const { periodic, desk, nowMs } = view;
  forgetAnnounced(view);
  const nothing: Seen = { nextSlots: [], isUnfinished: false };
  let seen = nothing;
  workThrough(view, () => {
    if (desk.hold.now === 'Stopped' || desk.active > 0) return;
    const base = intervalDue(view, schedule);
    const slotMs = freeSlot(desk, releasedFrom(periodic.spec, desk.isHeld ? Math.max(base.slotMs, nowMs) : base.slotMs));
    if (slotMs === undefined) return;
    const startMs = desk.startOf(slotMs);
    if (startMs > nowMs) {
      desk.wakeAt(startMs);
      seen = { ...nothing, nextSlots: writable(slotMs) === undefined ? [] : [slotMs] };
      return;
    }
    const dueMs = desk.hold.before === undefined ? Math.max(startMs, base.endedMs) : nowMs;
    const isLate = nowMs - dueMs > graceMs && !desk.isOnTime(slotMs, true);
    desk.start(scheduled(slotMs), isLate ? 'catchup' : 'slot', dueMs, isLate);
  });
  return seen;
}

/** Not a slot of the schedule before an edit, which has its verdict or waits. */
function freeSlot(desk: Desk, wantedMs: number | undefined): number | undefined {
  const taken = new Set([...desk.decisions, ...desk.waiting].map(({ slotMs }) => slotMs));
  let slotMs = wantedMs;
  while (slotMs !== undefined && taken.has(slotMs)) slotMs += 1000;
  return slotMs;
}

/**
 * A repetition of a run does not move an interval that counts from starts; one that counts from ends begins with the end of the last run,
 * repetitions included. Times that status recorded count as well, so it does not matter whether the last run still exists.
 */
function intervalDue({ periodic, runs, ended }: View, { from, periodMs }: IntervalSchedule): { slotMs: number; endedMs: number } {
  const createdMs = timeMs(periodic.metadata.creationTimestamp) ?? 0;
  const starts = runs.filter((run) => attemptOfRun(run) === 1).map((run) => timeMs(run.metadata.creationTimestamp) ?? 0);
  const ends = [...runs, ...ended].map((run) => timeMs(run.status?.completionTime) ?? -Infinity);
  const startedMs = Math.max(timeMs(periodic.status?.lastRunTime) ?? -Infinity, ...starts);
  const endedMs = Math.max(timeMs(periodic.status?.lastCompletionTime) ?? -Infinity, ...ends);
  if (startedMs === -Infinity) return { slotMs: createdMs, endedMs };
  const baseMs = from === 'end' ? Math.max(startedMs, endedMs) : startedMs;
  // A clock of the API server that lags behind ours must not make a slot come twice.
  const settledMs = timeMs(periodic.status?.lastScheduleTime) ?? -Infinity;
  return { slotMs: Math.max(Math.floor((baseMs + periodMs) / 1000) * 1000, settledMs + 1000), endedMs };
}
