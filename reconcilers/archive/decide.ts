/** What is to be done about the results of a run. Pure: from the run, what is known of its logs, the settings and the time. */
import type { Attempt, ProwJob } from '../../crds/v1/prowJob.ts';
import { archivedCondition, attemptsToArchive, isArchiveSettled } from '../../operator/jobs/archiveHold.ts';
import type { ArchivePolicy } from '../../operator/jobs/archivePolicy.ts';
import { isComplete, isOurs } from '../../operator/jobs/runState.ts';
import { timeMs } from '../../operator/jobs/times.ts';

export interface Case {
  readonly run: ProwJob;
  /** Absent: results are not kept. */
  readonly policy: ArchivePolicy | undefined;
  /** A container of the run has run. */
  readonly hasStarted: boolean;
  /** Every log that is followed has been read to its end. */
  readonly logsAreDone: boolean;
  /** The cluster of its pods can be asked. */
  readonly isConnected: boolean;
  readonly nowMs: number;
}

export type Decision =
  /** Nothing is to be kept of it any more. */
  | { readonly do: 'forget' }
  | { readonly do: 'nothing' }
  /** Follow what runs, and tell viewers of this attempt. */
  | { readonly do: 'announce'; readonly attempt: Attempt }
  /** Its logs are still coming. */
  | { readonly do: 'wait'; readonly afterMs: number }
  | { readonly do: 'upload' }
  | { readonly do: 'giveUp' };

/** So long after the end of a run its last lines are waited for. A pod that takes longer to go is on a node that does not answer. */
export const logWaitMs = 10 * 60_000;

export function decide({ run, policy, hasStarted, logsAreDone, isConnected, nowMs }: Case): Decision {
  if (policy === undefined || !isOurs(run) || isArchiveSettled(run)) return { do: 'forget' };
  const attempts = attemptsToArchive(run);
  const latest = attempts.at(-1);
  if (latest === undefined) return isComplete(run) ? { do: 'forget' } : { do: 'nothing' };
  const completedMs = timeMs(run.status?.completionTime);
  if (completedMs === undefined) return hasStarted ? { do: 'announce', attempt: latest } : { do: 'nothing' };
  if (nowMs >= completedMs + policy.holdCleanupMs) return hasCondition(run) ? { do: 'giveUp' } : { do: 'forget' };
  const leftMs = completedMs + Math.min(logWaitMs, policy.holdCleanupMs) - nowMs;
  if ((!logsAreDone || !isConnected) && leftMs > 0) return { do: 'wait', afterMs: leftMs };
  return { do: 'upload' };
}

/** Somebody was told that it is being tried. */
const hasCondition = (run: ProwJob): boolean => run.status?.conditions?.some(({ type }) => type === archivedCondition) ?? false;
