/**
 * What becomes of finished runs and of their pods, and when. Pure: from the run, the schedule that started it, the settings and the time.
 *
 * A run goes when its time to live is over, or when its schedule keeps fewer runs than there are. Three things come before that: its results
 * are not safe yet, its schedule has not written down what became of it, or it is the newest one of its schedule.
 */
import type { Periodic, PeriodicSpec } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { heldUntilMs, type HoldPolicy } from './archiveHold.ts';
import { cursorOf } from './backfillPlan.ts';
import { waitingOf } from './periodicDesk.ts';
import { limitOf } from './periodicLimits.ts';
import { attemptOfRun, runNowTokenOf, slotOfRun, tokenOfRun } from './periodicRun.ts';
import type { CleanupPolicy } from './policy.ts';
import { timeMs } from './times.ts';

/** Where a finished run stands among the finished runs of its Periodic. Newer is what started later. */
export interface HistoryPlace {
  /** None of any result is newer. */
  readonly isNewest: boolean;
  /** So many of the same kind of result (success, or not) are newer. */
  readonly newer: number;
  /** When the newest of the same kind ended. */
  readonly newestEndMs: number;
}

/** What started a run, while that exists. */
export type RunOwner =
  | { readonly kind: 'Periodic'; readonly periodic: Periodic; readonly place: HistoryPlace }
  | { readonly kind: 'PeriodicBackfill'; readonly backfill: PeriodicBackfill };

export interface RetentionCase {
  readonly run: ProwJob;
  /** Undefined: nothing started it that still exists. */
  readonly owner: RunOwner | undefined;
  readonly policy: HoldPolicy & { readonly cleanup: Pick<CleanupPolicy, 'prowJobTTLMs' | 'podTTLMs'> };
  readonly nowMs: number;
  /** Since when somebody has been at work who writes down what became of runs. */
  readonly workingSinceMs: number;
}

export type RunVerdict =
  | { readonly kind: 'unfinished' }
  /** Not before this moment, which may be Infinity. status: what started it has still to look at it, and wakes whoever waits. */
  | { readonly kind: 'wait'; readonly untilMs: number; readonly because: 'time' | 'results' | 'status' }
  /** Its time has come and it stays, without its pods. */
  | { readonly kind: 'keep' }
  | { readonly kind: 'delete'; readonly reason: 'aged' | 'aged-periodic' | 'history' };

/** A schedule that works has looked at the end of a run long before that. */
export const longestStatusWaitMs = 3_600_000;

export function judgeRun(given: RetentionCase): RunVerdict {
  const { run, owner, policy, nowMs } = given;
  const agedMs = runExpiryMs(run, policy.cleanup, owner);
  if (agedMs === undefined) return { kind: 'unfinished' };
  const isKept = isKeptAsNewest(run, owner);
  const surplusMs = isKept ? undefined : surplusSinceMs(run, owner);
  const dueMs = Math.min(agedMs, surplusMs ?? Infinity);
  if (nowMs < dueMs) return { kind: 'wait', untilMs: dueMs, because: 'time' };
  const safeMs = heldUntilMs(run, policy);
  if (safeMs !== undefined && nowMs < safeMs) return { kind: 'wait', untilMs: safeMs, because: 'results' };
  if (isKept) return { kind: 'keep' };
  const neededMs = neededUntilMs(given);
  if (nowMs < neededMs) return { kind: 'wait', untilMs: neededMs, because: 'status' };
  if (nowMs < agedMs) return { kind: 'delete', reason: 'history' };
  return { kind: 'delete', reason: run.spec.type === 'periodic' ? 'aged-periodic' : 'aged' };
}

/** When the time to live of the run is over, in milliseconds since 1970; undefined while it is not finished. */
export function runExpiryMs(run: ProwJob, policy: Pick<CleanupPolicy, 'prowJobTTLMs'>, owner?: RunOwner): number | undefined {
  const completedMs = timeMs(run.status?.completionTime);
  if (completedMs === undefined) return undefined;
  const own = run.spec.ttl_seconds_after_finished;
  if (own !== undefined) return completedMs + own * 1000;
  const ttl = historyOf(owner)?.ttl;
  return completedMs + (ttl === undefined ? policy.prowJobTTLMs : limitOf(ttl));
}

/** When the pods of the run may be deleted: after their own time, and never later than the run. */
export function podExpiryMs(run: ProwJob, policy: RetentionCase['policy']['cleanup'], owner?: RunOwner): number | undefined {
  const completedMs = timeMs(run.status?.completionTime);
  const runMs = runExpiryMs(run, policy, owner);
  return completedMs === undefined || runMs === undefined ? undefined : Math.min(completedMs + policy.podTTLMs, runMs);
}

/** How many runs with the result of this one its Periodic keeps; Infinity without a limit. */
export function keptOf(periodic: Periodic, run: ProwJob): number {
  const { successful = Infinity, failed = Infinity } = periodic.spec.history ?? {};
  return isSuccess(run) ? successful : failed;
}

export const isSuccess = (run: ProwJob): boolean => run.status?.state === 'success';

const historyOf = (owner: RunOwner | undefined): PeriodicSpec['history'] =>
  owner?.kind === 'Periodic' ? owner.periodic.spec.history : undefined;

/** A run that says itself how long it wants to live goes then, unless keepLatest is written out. */
function isKeptAsNewest(run: ProwJob, owner: RunOwner | undefined): boolean {
  if (owner?.kind !== 'Periodic' || !owner.place.isNewest) return false;
  return owner.periodic.spec.history?.keepLatest ?? run.spec.ttl_seconds_after_finished === undefined;
}

/** Since when there have been more runs than the Periodic keeps, as far as can be told; undefined when there are not. */
function surplusSinceMs(run: ProwJob, owner: RunOwner | undefined): number | undefined {
  if (owner?.kind !== 'Periodic' || owner.place.newer < keptOf(owner.periodic, run)) return undefined;
  return Math.max(timeMs(run.status?.completionTime) ?? 0, owner.place.newestEndMs);
}

/**
 * Until when what started the run needs it: a slot whose run is gone before that is written down would start again, or count as failed.
 * Nobody waits for a status that is not written for an hour. A repetition that is to come holds what it repeats for as long as it waits.
 */
function neededUntilMs({ run, owner, workingSinceMs }: RetentionCase): number {
  if (owner === undefined) return -Infinity;
  if (owner.kind === 'Periodic' && isToBeRepeated(run, owner.periodic)) return Infinity;
  const isOpen = owner.kind === 'Periodic' ? isOpenFor(run, owner.periodic) : isOpenForBackfill(run, owner.backfill);
  return isOpen ? Math.max(timeMs(run.status?.completionTime) ?? 0, workingSinceMs) + longestStatusWaitMs : -Infinity;
}

function isToBeRepeated(run: ProwJob, periodic: Periodic): boolean {
  const slotMs = slotOfRun(run);
  const next = attemptOfRun(run) + 1;
  return slotMs !== undefined && waitingOf(periodic).some((entry) => entry.slotMs === slotMs && entry.attempt === next);
}

/** status does not say yet that it was started, or that it has ended. */
function isOpenFor(run: ProwJob, periodic: Periodic): boolean {
  const { status } = periodic;
  if (isListed(run, status?.active)) return true;
  const token = tokenOfRun(run);
  if (token !== undefined) return token === runNowTokenOf(periodic) && token !== status?.lastRunNowToken;
  const slotMs = slotOfRun(run);
  if (slotMs === undefined) return false;
  const attempt = attemptOfRun(run);
  if (waitingOf(periodic).some((entry) => entry.slotMs === slotMs && entry.attempt === attempt)) return true;
  return attempt === 1 && slotMs > (timeMs(status?.lastScheduleTime) ?? -Infinity);
}

const isOpenForBackfill = (run: ProwJob, backfill: PeriodicBackfill): boolean =>
  isListed(run, backfill.status?.active) || (slotOfRun(run) ?? -Infinity) > cursorOf(backfill);

const isListed = ({ metadata }: ProwJob, active: readonly { readonly name: string; readonly uid?: string }[] | undefined): boolean =>
  active?.some(({ name, uid }) => (uid === undefined ? name === metadata.name : uid === metadata.uid)) ?? false;
