/**
 * Whether results are safe: the condition Archived of a run, and what it means for cleanup. Without an archive in the settings nothing is held.
 */
import type { Attempt, ProwJob } from '../../crds/v1/prowJob.ts';
import type { ArchivePolicy } from './archivePolicy.ts';
import { isOurs } from './runState.ts';
import { timeMs } from './times.ts';

export const archivedCondition = 'Archived';

/** Uploading: at work, and it takes long. Failed: it will be tried again. GivenUp: the time for that is over. */
export type ArchivedReason = 'Uploaded' | 'Uploading' | 'Failed' | 'GivenUp';

/** The part of the settings that is asked. */
export interface HoldPolicy {
  readonly archive?: Pick<ArchivePolicy, 'holdCleanupMs'>;
}

/** What there is to keep of a run: its attempts. Empty for one that never had a pod, and thus no build id. */
export function attemptsToArchive(run: ProwJob): readonly Attempt[] {
  const { status } = run;
  if (status?.attempts !== undefined && status.attempts.length > 0) return status.attempts;
  if (status?.build_id === undefined || status.build_id === '') return [];
  return [
    {
      number: 1,
      pod_name: status.pod_name ?? run.metadata.name,
      build_id: status.build_id,
      ...(status.pendingTime === undefined ? {} : { started: status.pendingTime }),
    },
  ];
}

/** Whether nothing more will be tried: the results are in the store, or the time for it is over. */
export function isArchiveSettled(run: ProwJob): boolean {
  const condition = run.status?.conditions?.find(({ type }) => type === archivedCondition);
  return condition !== undefined && (condition.status === 'True' || condition.reason === 'GivenUp');
}

/**
 * Until when cleanup must leave this finished run and its pods alone, in milliseconds since 1970; undefined when it need not. The caller
 * compares it with the clock.
 */
export function heldUntilMs(run: ProwJob, policy: HoldPolicy): number | undefined {
  const completedMs = timeMs(run.status?.completionTime);
  if (policy.archive === undefined || completedMs === undefined) return undefined;
  if (!isOurs(run) || isArchiveSettled(run) || attemptsToArchive(run).length === 0) return undefined;
  return completedMs + policy.archive.holdCleanupMs;
}

/** Whether the results of this run were to be kept and are not: it was tried, and did not succeed. */
export function isLostFromArchive(run: ProwJob, policy: HoldPolicy): boolean {
  const condition = run.status?.conditions?.find(({ type }) => type === archivedCondition);
  return policy.archive !== undefined && condition !== undefined && condition.status !== 'True';
}

/** Whether the results of this finished run are safe, or have been waited for long enough. */
export function mayCleanUp(run: ProwJob, policy: HoldPolicy, nowMs: number): boolean {
  const untilMs = heldUntilMs(run, policy);
  return untilMs === undefined || nowMs >= untilMs;
}
