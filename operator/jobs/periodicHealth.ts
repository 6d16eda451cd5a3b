/**
 * How a Periodic fares, for those who watch it: how late its next slot is, and how many slots have passed without a success. Pure.
 * Works on what status says, so the answer is the same after a restart.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import { isHeldBack } from './periodicPlan.ts';
import { slotsBetween, type Schedule } from './schedule.ts';
import { timeMs } from './times.ts';

/** Slots without a success are counted up to this many: more says nothing more, and counting is not free. */
export const countedSlots = 20;

/** Somebody wants no runs now. */
export function isSuspended({ spec }: Periodic, nowMs: number): boolean {
  return spec.suspend === true || nowMs < (timeMs(spec.suspendUntil) ?? -Infinity);
}

/** For how long a slot has been due that nobody has dealt with; 0 when there is none. A new object counts from its creation. */
export function overdueMs(periodic: Periodic, nowMs: number): number {
  const { metadata, status } = periodic;
  if (isSuspended(periodic, nowMs) || metadata.deletionTimestamp !== undefined) return 0;
  const seen = status?.observedGeneration;
  if (seen === undefined) return Math.max(0, nowMs - (timeMs(metadata.creationTimestamp) ?? nowMs));
  // The times were told for another schedule.
  if (seen !== metadata.generation) return 0;
  return Math.max(0, nowMs - (timeMs(status?.nextScheduleTimes?.[0]) ?? nowMs));
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
  return slots.filter((slotMs) => !isHeldBack(spec, slotMs)).length;
}
