/**
 * Which runs that ended are repeated. The end of a run is seen once, and the repetition waits in status from then on. The count is that of
 * the attempts of one slot; a slot that starts normally begins at one again.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Desk } from './periodicDesk.ts';
import { delayOf } from './periodicLimits.ts';
import { attemptOfRun, slotOfRun } from './periodicRun.ts';
import { timeMs } from './times.ts';

const defaultStates: readonly string[] = ['failure', 'error'];
/** Status has room for 3000 that wait: a full queue, as many to be made up for, and these. */
const mostWaiting = 2900;

/** `ended`: runs whose end is seen for the first time. Says how many will be repeated. */
export function planRetries(desk: Desk, ended: readonly ProwJob[]): number {
  const { retry } = desk.spec;
  if (retry === undefined || desk.hold.now === 'Stopped') return 0;
  const states: readonly string[] = retry.on ?? defaultStates;
  const failed = ended.filter((run) => states.includes(run.status?.state ?? '') && attemptOfRun(run) <= retry.attempts);
  let count = 0;
  for (const { slotMs, attempt, endedMs } of failed.flatMap(endOf).toSorted((a, b) => a.slotMs - b.slotMs || a.attempt - b.attempt)) {
    if (isOvertaken(desk, slotMs) || isKnown(desk, slotMs, attempt + 1) || desk.waiting.length >= mostWaiting) continue;
    const notBeforeMs = endedMs + delayOf(retry.delay);
    desk.wait({ slotMs, attempt: attempt + 1, from: 'ended' }, 'Retry', notBeforeMs);
    if (!desk.isHeld) desk.wakeAt(Math.max(desk.nowMs, notBeforeMs));
    count += 1;
  }
  return count;
}

/** A start by hand belongs to no slot. */
function endOf(run: ProwJob): readonly { readonly slotMs: number; readonly attempt: number; readonly endedMs: number }[] {
  const slotMs = slotOfRun(run);
  const endedMs = timeMs(run.status?.completionTime);
  return slotMs === undefined || endedMs === undefined ? [] : [{ slotMs, attempt: attemptOfRun(run), endedMs }];
}

function isOvertaken(desk: Desk, slotMs: number): boolean {
  if (desk.spec.concurrencyPolicy === 'Queue') return false;
  return desk.latestStartedMs > slotMs || desk.waiting.some((entry) => entry.reason === 'Replacing' && entry.slotMs > slotMs);
}

const isKnown = (desk: Desk, slotMs: number, attempt: number): boolean =>
  desk.runOf(slotMs, attempt) !== undefined || desk.waiting.some((entry) => entry.slotMs === slotMs && entry.attempt === attempt);
