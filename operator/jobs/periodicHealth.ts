/**
 * How a Periodic fares, for those who watch it: how late its next slot is, and how many slots have passed without a success. Pure.
 * Works on what status says, so the answer is the same after a restart.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import { anchorOf } from './periodicAnchor.ts';
import { heldBack, isSuspended } from './periodicHolds.ts';
import { startOfSlot } from './periodicJitter.ts';
import { slotsBetween, type Schedule } from './schedule.ts';
import { timeMs } from './times.ts';

/** Slots without a success are counted up to this many: more says nothing more, and counting is not free. */
export const countedSlots = 20;

/**
 * For how long a slot has been due that nobody has dealt with; 0 when there is none. Jitter is part of the plan, and so is waiting for a
 * place or a turn (status.waiting): neither is overdue. A new object counts from its creation. `schedule` is absent when it cannot be read.
 */
export function overdueMs(periodic: Periodic, schedule: Schedule | undefined, nowMs: number): number {
  const { metadata, status } = periodic;
  if (isSuspended(periodic, nowMs) || metadata.deletionTimestamp !== undefined) return 0;
  const seen = status?.observedGeneration;
  if (seen === undefined) return Math.max(0, nowMs - (timeMs(metadata.creationTimestamp) ?? nowMs));
  // The times were told for another schedule.
  if (seen !== metadata.generation) return 0;
  const slotMs = timeMs(status?.nextScheduleTimes?.[0]);
  if (schedule === undefined || slotMs === undefined || slotMs >= nowMs) return 0;
  return Math.max(0, nowMs - startOfSlot(periodic, schedule, anchorOf(periodic, schedule, nowMs), slotMs));
}

/** Slots that have passed since a run last succeeded, or since the schedule began; at most countedSlots. 0 while suspended. */
export function slotsWithoutSuccess(periodic: Periodic, schedule: Schedule, nowMs: number): number {
  if (isSuspended(periodic, nowMs)) return 0;
  const { metadata, spec, status } = periodic;
  const createdMs = timeMs(metadata.creationTimestamp) ?? nowMs;
  const scheduledMs = timeMs(status?.schedule?.since) ?? createdMs;
  const succeededMs = timeMs(status?.lastSuccessfulTime) ?? -Infinity;
  const sinceMs = Math.max(scheduledMs, succeededMs, timeMs(spec.suspendUntil) ?? -Infinity);
  if (schedule.kind === 'interval') return Math.min(countedSlots, Math.max(0, Math.floor((nowMs - sinceMs) / schedule.periodMs)));
  const anchor = { sinceMs: scheduledMs, startsAtOnce: false };
  const { slots } = slotsBetween(schedule, anchor, { afterMs: sinceMs, untilMs: nowMs }, countedSlots);
  return slots.filter((slotMs) => heldBack(spec, slotMs) === undefined).length;
}
