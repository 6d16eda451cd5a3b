/**
 * What becomes of slots that wait: they start when there is a place and their turn has come, or are given up when they waited too long.
 * A queue keeps strictly to the order of slots, so one that may not start yet holds up those behind it.
 */
import type { StartCause } from './periodicDecisions.ts';
import { waited, type Desk, type WaitingSlot } from './periodicDesk.ts';
import { isPastDeadline, isPastMaxAge } from './periodicDue.ts';
import { releasedFrom } from './periodicHolds.ts';
import { limitOf } from './periodicLimits.ts';

const causes: Readonly<Record<WaitingSlot['reason'], StartCause>> = {
  Queued: 'queued',
  Replacing: 'replacement',
  CatchUp: 'catchup',
  Retry: 'retry',
};

/** A slot that waits and whose run is there has started, and only status does not say so yet: whatever comes now finds it answered. */
export function settleStarted(desk: Desk): void {
  for (const entry of desk.waiting) {
    if (desk.runOf(entry.slotMs, entry.attempt) !== undefined)
      desk.start(waited(entry), causes[entry.reason], dueOf(desk, entry), entry.reason === 'CatchUp');
  }
}

/** `entries`: those that waited before this plan. `blocked`: none of them may start in it. */
export function startWaiting(desk: Desk, entries: readonly WaitingSlot[], blocked: boolean): void {
  const isQueue = desk.spec.concurrencyPolicy === 'Queue';
  let closed = blocked || desk.isHeld;
  const known = new Set(desk.waiting);
  for (const entry of turns(entries).filter((candidate) => known.has(candidate))) {
    if (giveUp(desk, entry)) continue;
    if (readyMs(desk, entry) > desk.nowMs) {
      desk.wakeAt(readyMs(desk, entry));
      closed ||= isQueue;
    } else if (closed || !desk.hasPlace) closed = true;
    else desk.start(waited(entry), causes[entry.reason], dueOf(desk, entry), entry.reason === 'CatchUp');
  }
  // A start further down the list may have overtaken a repetition further up.
  for (const entry of desk.waiting.filter((candidate) => candidate.attempt > 1 && known.has(candidate))) giveUpRetry(desk, entry);
}

/** Its turn, and never before the slot itself: the clock may have been set back since it was accepted. */
const readyMs = (desk: Desk, { slotMs, notBeforeMs }: WaitingSlot): number => Math.max(notBeforeMs, desk.startOf(slotMs));

/** What replaces a run comes first: it is the latest slot, and the others are to be made up for. */
const turns = (entries: readonly WaitingSlot[]): readonly WaitingSlot[] =>
  entries.toSorted((a, b) => Number(b.reason === 'Replacing') - Number(a.reason === 'Replacing'));

/** A slot that is made up for is late; one that had to wait for a place is not. */
const dueOf = (desk: Desk, { reason, slotMs }: WaitingSlot): number => (reason === 'CatchUp' ? desk.startOf(slotMs) : desk.nowMs);

/** Too old, or overtaken. */
function giveUp(desk: Desk, entry: WaitingSlot): boolean {
  if (entry.attempt > 1) return giveUpRetry(desk, entry);
  if (isPastDeadline(desk, entry.slotMs)) {
    desk.miss(waited(entry), 'StartingDeadline');
    return true;
  }
  if (entry.reason === 'CatchUp' && isPastMaxAge(desk, entry.slotMs)) {
    desk.miss(waited(entry), 'MaxAge');
    return true;
  }
  return false;
}

/** So that the plan looks again when those that wait are let go, or when one of them has waited too long. */
export function wakeForWaiting(desk: Desk): void {
  const { spec, hold, nowMs } = desk;
  if (desk.waiting.length > 0 && desk.isHeld && hold.now !== 'Stopped') desk.wakeAt(releasedFrom(spec, nowMs));
  const deadlineMs = limitOf(spec.startingDeadline);
  const maxAgeMs = limitOf(spec.missedRuns?.maxAge);
  if (deadlineMs === Infinity && maxAgeMs === Infinity) return;
  for (const { slotMs, attempt, reason } of desk.waiting) {
    if (attempt > 1) continue;
    const ageMs = Math.min(deadlineMs, reason === 'CatchUp' ? maxAgeMs : Infinity);
    desk.wakeAt(desk.startOf(slotMs) + Math.ceil(ageMs) + 1);
  }
}

/** A repetition is worth nothing once a later slot runs. In a queue every slot counts, so it keeps its turn. */
function giveUpRetry(desk: Desk, entry: WaitingSlot): boolean {
  const overtaken =
    desk.latestStartedMs > entry.slotMs || desk.waiting.some(({ reason, slotMs }) => reason === 'Replacing' && slotMs > entry.slotMs);
  if (desk.spec.retry === undefined) desk.drop(waited(entry), 'NoRetry');
  else if (desk.spec.concurrencyPolicy !== 'Queue' && overtaken) desk.drop(waited(entry), 'LaterSlot');
  else return false;
  return true;
}
