/**
 * What keeps a schedule from starting runs: a person who suspended it, exclusions, and failures that stopped it. Pure.
 *
 * While a schedule is held nothing is written for its slots: the cursor stays, and the slots that passed get their verdict in one go when
 * the hold ends. That is how a suspended Periodic costs nothing. What held it is read from its own conditions, so a restart in between
 * changes nothing.
 */
import type { Periodic, PeriodicExclusion, PeriodicSpec } from '../../crds/v1/periodic.ts';
import { timeMs } from './times.ts';

export type HoldReason = 'Suspended' | 'Stopped';

export interface Hold {
  /** What holds the schedule now. */
  readonly now?: HoldReason;
  /** What held it when status was written. */
  readonly before?: HoldReason;
  /** The slots up to this instant passed while `before` held. */
  readonly heldUntilMs: number;
}

/** Somebody wants no runs now. */
export function isSuspended({ spec }: Periodic, nowMs: number): boolean {
  return spec.suspend === true || nowMs < (timeMs(spec.suspendUntil) ?? -Infinity);
}

/** So many failures in a row that spec.stopAfter stops the schedule. */
export function isStopped({ stopAfter }: PeriodicSpec, consecutiveFailures: number): boolean {
  return stopAfter !== undefined && consecutiveFailures >= stopAfter.consecutiveFailures;
}

const conditionOf = ({ status }: Periodic, type: HoldReason) =>
  status?.conditions?.find((condition) => condition.type === type && condition.status === 'True');

/** Whether status says that failures have stopped the schedule. */
export const wasStopped = (periodic: Periodic): boolean => conditionOf(periodic, 'Stopped') !== undefined;

/** An edit of spec says that the fault was dealt with: a schedule that had stopped begins to count anew. */
export function isMended(periodic: Periodic): boolean {
  const { metadata, status } = periodic;
  return wasStopped(periodic) && status?.observedGeneration !== metadata.generation;
}

export function holdOf(periodic: Periodic, consecutiveFailures: number, nowMs: number): Hold {
  const suspended = conditionOf(periodic, 'Suspended');
  const before = suspended === undefined ? (wasStopped(periodic) ? 'Stopped' : undefined) : 'Suspended';
  const now = isSuspended(periodic, nowMs) ? 'Suspended' : isStopped(periodic.spec, consecutiveFailures) ? 'Stopped' : undefined;
  const endedMs = timeMs(periodic.spec.suspendUntil);
  // A pause whose end was set beforehand ended then, even if nobody looked; any other ended just now.
  const wasTimed = suspended?.reason === 'SuspendedUntil' && endedMs !== undefined && endedMs <= nowMs;
  return {
    ...(now === undefined ? {} : { now }),
    ...(before === undefined ? {} : { before }),
    heldUntilMs: before === undefined ? -Infinity : wasTimed ? endedMs - 1 : nowMs,
  };
}

export function exclusionAt(spec: PeriodicSpec, ms: number): PeriodicExclusion | undefined {
  return spec.exclusions?.find(({ from, to }) => (timeMs(from) ?? Infinity) <= ms && ms < (timeMs(to) ?? -Infinity));
}

/** Suspended until later, or excluded: this slot starts no run, whatever else holds. */
export function heldBack(spec: PeriodicSpec, slotMs: number): 'Suspended' | 'Excluded' | undefined {
  if (slotMs < (timeMs(spec.suspendUntil) ?? -Infinity)) return 'Suspended';
  return exclusionAt(spec, slotMs) === undefined ? undefined : 'Excluded';
}

/** The first instant from this one on that is neither suspended nor excluded. Undefined: there is none. */
export function releasedFrom(spec: PeriodicSpec, ms: number): number | undefined {
  if (spec.suspend === true) return undefined;
  let at = Math.max(ms, timeMs(spec.suspendUntil) ?? -Infinity);
  for (let exclusion = exclusionAt(spec, at); exclusion !== undefined; exclusion = exclusionAt(spec, at))
    at = timeMs(exclusion.to) ?? at + 1;
  return at;
}
