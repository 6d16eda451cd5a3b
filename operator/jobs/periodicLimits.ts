/** Durations and numbers of a Periodic's spec, with what holds where it says nothing. */
import { DurationError, parseDuration } from '../../crds/duration.ts';
import type { PeriodicSpec } from '../../crds/v1/periodic.ts';

const defaultQueued = 100;
const defaultCatchUps = 5;

/** The schema knows how a duration looks, not how long one may be: one beyond what Go can count is no limit at all. */
export function limitOf(duration: string | undefined): number {
  if (duration === undefined) return Infinity;
  try {
    return parseDuration(duration);
  } catch (error) {
    if (error instanceof DurationError) return Infinity;
    throw error;
  }
}

/** How many runs may be active at once. */
export function placesOf(spec: PeriodicSpec): number {
  if (spec.concurrencyPolicy === 'Allow') return spec.maxConcurrency ?? Infinity;
  return spec.concurrencyPolicy === 'Queue' ? (spec.maxConcurrency ?? 1) : 1;
}

export const queueLengthOf = (spec: PeriodicSpec): number => spec.maxQueued ?? defaultQueued;

export const catchUpsOf = (spec: PeriodicSpec): number => spec.missedRuns?.limit ?? defaultCatchUps;

export const spacingOf = (spec: PeriodicSpec): number => delayOf(spec.missedRuns?.spacing);

/** A delay that nobody can read is none: unlike a limit, an endless one would do harm. */
export function delayOf(duration: string | undefined): number {
  const ms = duration === undefined ? 0 : limitOf(duration);
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}
