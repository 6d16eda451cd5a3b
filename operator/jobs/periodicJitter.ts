/**
 * When a slot starts: up to spec.jitter later than it is, by an amount that follows from the object and the slot alone, so that every
 * replica and every restart agree. The window ends where the next slot begins, so that slots start in their order whatever the jitter.
 */
import { createHash } from 'node:crypto';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { limitOf } from './periodicLimits.ts';
import type { Anchor, Schedule } from './schedule.ts';

const secondMs = 1000;

/** The start of a slot of this object: whole seconds after it, less than spec.jitter, and before the next slot. */
export function startOfSlot({ metadata, spec }: Periodic, schedule: Schedule, anchor: Anchor, slotMs: number): number {
  if (spec.jitter === undefined) return slotMs;
  const jitterMs = limitOf(spec.jitter);
  const nextMs = schedule.kind === 'interval' ? slotMs + schedule.periodMs : (schedule.next(slotMs, anchor) ?? Infinity);
  return slotMs + delayOf(metadata.uid ?? '', slotMs, Math.min(jitterMs, nextMs - slotMs));
}

/** At least 0, less than the window, in whole seconds. */
function delayOf(uid: string, slotMs: number, windowMs: number): number {
  const seconds = Math.ceil(windowMs / secondMs);
  if (!(seconds > 1) || !Number.isFinite(seconds)) return 0;
  const digest = createHash('sha256')
    .update(`${uid}/${slotMs / secondMs}`)
    .digest();
  return (digest.readUIntBE(0, 6) % seconds) * secondMs;
}
