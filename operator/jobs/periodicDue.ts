/**
 * What becomes of slots whose time has come: each starts, waits, is skipped or is missed. Those on time are dealt with one by one; of those
 * that were slept through, spec.missedRuns says which are made up for.
 */
import type { MissReason } from './periodicDecisions.ts';
import { scheduled, waited, type Desk } from './periodicDesk.ts';
import { exclusionAt, heldBack } from './periodicHolds.ts';
import { catchUpsOf, limitOf, queueLengthOf, spacingOf } from './periodicLimits.ts';

/** What the clock says about a slot, before anybody looks for a place. */
type Fate = 'onTime' | 'late' | 'catchUp' | MissReason;

/** Slots in their order, none of which was dealt with before. `superseded`: far too many passed, and none of these is among the latest. */
export function judgeDue(desk: Desk, due: readonly number[], superseded: boolean): void {
  const wanted = due.filter((slotMs) => desk.runOf(slotMs, 1) === undefined && heldReason(desk, slotMs) === undefined);
  // Whose run was created just before a crash was chosen then: those before it were not, and are not now.
  const startedMs = due.findLast((slotMs) => desk.runOf(slotMs, 1) !== undefined) ?? -Infinity;
  const fates: ReadonlyMap<number, Fate> = superseded ? new Map() : fatesOf(desk, wanted, startedMs);
  const lastPlaced = Math.max(startedMs, wanted.findLast((slotMs) => isPlaced(fates.get(slotMs))) ?? -Infinity);
  const caughtUp = makeRoom(desk, wanted.filter((slotMs) => fates.get(slotMs) === 'catchUp').length);
  for (const slotMs of due) {
    const held = heldReason(desk, slotMs);
    const fate = fates.get(slotMs) ?? passedOver(desk);
    if (desk.runOf(slotMs, 1) !== undefined) desk.start(scheduled(slotMs), 'slot', desk.startOf(slotMs));
    else if (held !== undefined) desk.skip(scheduled(slotMs), held);
    else if (fate === 'catchUp') caughtUp(slotMs);
    else if (fate === 'onTime' || fate === 'late') place(desk, slotMs, fate === 'late', slotMs === lastPlaced);
    else desk.miss(scheduled(slotMs), fate);
  }
}

const isPlaced = (fate: Fate | undefined): boolean => fate === 'onTime' || fate === 'late';

/** Why this slot starts no run, whatever its age. */
function heldReason({ hold, spec, startOf }: Desk, slotMs: number): 'Suspended' | 'Stopped' | 'Excluded' | undefined {
  if (hold.before !== undefined && slotMs <= hold.heldUntilMs) return hold.before;
  if (hold.now !== undefined) return hold.now;
  return heldBack(spec, slotMs) ?? (exclusionAt(spec, startOf(slotMs)) === undefined ? undefined : 'Excluded');
}

function fatesOf(desk: Desk, wanted: readonly number[], startedMs: number): ReadonlyMap<number, Fate> {
  const fates = new Map<number, Fate>();
  const late: number[] = [];
  for (const slotMs of wanted) {
    if (desk.isOnTime(slotMs, slotMs === wanted.at(-1))) fates.set(slotMs, isPastDeadline(desk, slotMs) ? 'StartingDeadline' : 'onTime');
    else late.push(slotMs);
  }
  const { policy = 'Latest' } = desk.spec.missedRuns ?? {};
  const all = policy === 'All';
  const latest = fates.size === 0 ? late.slice(-1).filter((slotMs) => slotMs > startedMs) : [];
  const chosen = new Set(all ? recent(desk, late) : latest);
  for (const slotMs of late) {
    const reason = all || chosen.has(slotMs) ? tooLate(desk, slotMs) : undefined;
    const accepted = all ? 'catchUp' : 'late';
    fates.set(slotMs, reason ?? (chosen.has(slotMs) ? accepted : passedOver(desk)));
  }
  return fates;
}

/** Why one that was slept through is not among those that are made up for. */
const passedOver = ({ spec }: Desk): MissReason => (spec.missedRuns?.policy === 'Skip' ? 'SkipPolicy' : 'Superseded');

/** The latest that may be made up for. */
const recent = (desk: Desk, late: readonly number[]): readonly number[] =>
  late.filter((slotMs) => tooLate(desk, slotMs) === undefined).slice(-catchUpsOf(desk.spec));

export const isPastDeadline = (desk: Desk, slotMs: number): boolean => desk.ageOf(slotMs) > limitOf(desk.spec.startingDeadline);

export const isPastMaxAge = (desk: Desk, slotMs: number): boolean => desk.ageOf(slotMs) > limitOf(desk.spec.missedRuns?.maxAge);

function tooLate(desk: Desk, slotMs: number): MissReason | undefined {
  if (desk.spec.missedRuns?.policy === 'Skip') return 'SkipPolicy';
  if (isPastDeadline(desk, slotMs)) return 'StartingDeadline';
  return isPastMaxAge(desk, slotMs) ? 'MaxAge' : undefined;
}

/** A run now, or what the concurrency policy says where there is no place for one. */
function place(desk: Desk, slotMs: number, isLate: boolean, isLast: boolean): void {
  const { spec } = desk;
  const of = scheduled(slotMs);
  const replaces = spec.concurrencyPolicy === 'Replace';
  if (replaces)
    for (const entry of desk.waiting) if (entry.reason === 'Replacing' && entry.slotMs < slotMs) desk.skip(waited(entry), 'Replaced');
  const mayStart = desk.hasPlace && (spec.concurrencyPolicy !== 'Queue' || desk.waiting.length === 0);
  if (desk.isHeld) desk.skip(of, 'Excluded');
  else if (replaces && !isLast) desk.skip(of, 'Replaced');
  else if (mayStart) desk.start(of, isLate ? 'catchup' : 'slot', desk.startOf(slotMs), isLate);
  else if (replaces) desk.wait(of, 'Replacing');
  else if (spec.concurrencyPolicy === 'Queue') queue(desk, slotMs);
  else desk.skip(of, spec.concurrencyPolicy === 'Allow' ? 'MaxConcurrency' : 'ActiveRun');
}

function queue(desk: Desk, slotMs: number): void {
  if (desk.waiting.length >= queueLengthOf(desk.spec)) desk.miss(scheduled(slotMs), 'QueueFull');
  else desk.wait(scheduled(slotMs), 'Queued');
}

/**
 * Room for slots to be made up for, in all no more than the limit: the oldest give way. A queue keeps its order instead, and its own bound.
 * The answer lets one of them wait its turn.
 */
function makeRoom(desk: Desk, count: number): (slotMs: number) => void {
  const isQueue = desk.spec.concurrencyPolicy === 'Queue';
  const earlier = desk.waiting.filter(({ reason }) => reason === 'CatchUp');
  if (!isQueue && count > 0) {
    const tooMany = Math.max(0, earlier.length + count - catchUpsOf(desk.spec));
    for (const entry of earlier.slice(0, tooMany)) desk.miss(waited(entry), 'Superseded');
  }
  const spacingMs = spacingOf(desk.spec);
  let nextMs = Math.max(desk.nowMs, ...earlier.map(({ notBeforeMs }) => notBeforeMs + spacingMs));
  return (slotMs) => {
    if (isQueue && desk.waiting.length >= queueLengthOf(desk.spec)) {
      desk.miss(scheduled(slotMs), 'QueueFull');
      return;
    }
    desk.wait(scheduled(slotMs), 'CatchUp', spacingMs === 0 ? undefined : nextMs);
    if (!desk.isHeld) desk.wakeAt(nextMs);
    nextMs += spacingMs;
  };
}
