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

/** `ended`: runs whose end is seen for the first time. Says how many will be repeated. */
export function planRetries(desk: Desk, ended: readonly ProwJob[]): number {
  const { retry } = desk.spec;
  if (retry === undefined || desk.hold.now === 'Stopped') return 0;
  const states: readonly string[] = retry.on ?? defaultStates;
  let count = 0;
  for (const run of ended) {
    const slotMs = slotOfRun(run);
    const next = attemptOfRun(run) + 1;
    if (slotMs === undefined || next > retry.attempts + 1 || !states.includes(run.status?.state ?? '')) continue;
    if (isOvertaken(desk, slotMs) || isKnown(desk, slotMs, next)) continue;
    const notBeforeMs = (timeMs(run.status?.completionTime) ?? desk.nowMs) + delayOf(retry.delay);
    desk.wait({ slotMs, attempt: next, from: 'ended' }, 'Retry', notBeforeMs);
    if (!desk.isHeld) desk.wakeAt(Math.max(desk.nowMs, notBeforeMs));
    count += 1;
  }
  return count;
}

function isOvertaken(desk: Desk, slotMs: number): boolean {
  if (desk.spec.concurrencyPolicy === 'Queue') return false;
  return desk.latestStartedMs > slotMs || desk.waiting.some((entry) => entry.reason === 'Replacing' && entry.slotMs > slotMs);
}

const isKnown = (desk: Desk, slotMs: number, attempt: number): boolean =>
  desk.runOf(slotMs, attempt) !== undefined || desk.waiting.some((entry) => entry.slotMs === slotMs && entry.attempt === attempt);
