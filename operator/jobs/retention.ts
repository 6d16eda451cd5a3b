/** When a finished run and its pod have had their time. Pure: every answer is a moment, and the caller compares it with the clock. */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { CleanupPolicy } from './policy.ts';
import { timeMs } from './times.ts';

/** When the run may be deleted, in milliseconds since 1970; undefined while it is not finished. */
export function runExpiryMs(run: ProwJob, policy: CleanupPolicy): number | undefined {
  const completedMs = timeMs(run.status?.completionTime);
  if (completedMs === undefined) return undefined;
  const ttl = run.spec.ttl_seconds_after_finished;
  return completedMs + (ttl === undefined ? policy.prowJobTTLMs : ttl * 1000);
}

/** When the pods of the run may be deleted: after their own time, and never later than the run. */
export function podExpiryMs(run: ProwJob, policy: CleanupPolicy): number | undefined {
  const completedMs = timeMs(run.status?.completionTime);
  const runMs = runExpiryMs(run, policy);
  return completedMs === undefined || runMs === undefined ? undefined : Math.min(completedMs + policy.podTTLMs, runMs);
}
