/**
 * The four deadlines of a run, and which causes start another attempt. A run's own spec.timeouts and spec.retry come first, then its
 * decoration_config (upstream's place for three of them), then the installation's policy.
 */
import { DurationError, parseDuration } from '../../crds/duration.ts';
import type { ProwJobSpec, RetryCause, RunReason } from '../../crds/v1/prowJob.ts';
import type { DeadlinePolicy, JobPolicy } from './policy.ts';

/** The deadlines of one run. */
export interface Deadlines extends DeadlinePolicy {
  /** From the start of the first test container: decoration_config.timeout. There is none unless the job has one. */
  readonly testMs?: number;
}

/** A text that is no duration counts as absent: timeoutsProblem has said so before the run could start. */
export function deadlinesOf(spec: ProwJobSpec, policy: DeadlinePolicy): Deadlines {
  const own = spec.timeouts;
  const decoration = spec.decoration_config;
  const pick = (fallbackMs: number, ...texts: readonly (string | undefined)[]): number => {
    const text = texts.find((candidate) => candidate !== undefined && durationProblem(candidate) === undefined);
    return text === undefined ? fallbackMs : parseDuration(text);
  };
  const testMs = pick(Infinity, decoration?.timeout);
  return {
    ...(testMs > 0 && testMs < Infinity ? { testMs } : {}),
    queueMs: pick(policy.queueMs, own?.queue),
    unscheduledMs: pick(policy.unscheduledMs, own?.unscheduled, decoration?.pod_unscheduled_timeout),
    pendingMs: pick(policy.pendingMs, own?.pending, decoration?.pod_pending_timeout),
    runningMs: pick(policy.runningMs, own?.running, decoration?.pod_running_timeout),
  };
}

/** The first of spec.timeouts that cannot be read. The schema knows how a duration looks, not how long one may be. */
export function timeoutsProblem({ timeouts }: ProwJobSpec): { readonly field: string; readonly message: string } | undefined {
  for (const [name, text] of Object.entries(timeouts ?? {})) {
    const message = durationProblem(text);
    if (message !== undefined) return { field: `spec.timeouts.${name}`, message };
  }
  return undefined;
}

function durationProblem(text: string): string | undefined {
  try {
    parseDuration(text);
    return undefined;
  } catch (error) {
    if (error instanceof DurationError) return error.message;
    throw error;
  }
}

const groups: ReadonlyMap<RetryCause, readonly RunReason[]> = new Map<RetryCause, readonly RunReason[]>([
  ['Infra', ['Evicted', 'Preempted', 'NodeLost', 'NodeRejected', 'ImagePullFailed', 'PodDeleted', 'PodVanished']],
  ['Timeout', ['UnscheduledTimeout', 'PendingTimeout']],
]);

/** Whether this cause may start another attempt at all, were there attempts left. */
export function isRetried(spec: ProwJobSpec, cause: RunReason): boolean {
  // Whatever a spec says: these are the test's own word, or somebody's.
  if (cause === 'TestFailed' || cause === 'Succeeded' || cause === 'Aborted' || cause === 'RunningTimeout') return false;
  if (cause === 'Evicted' && spec.error_on_eviction === true) return false;
  const on = spec.retry?.on ?? (['Infra'] as const);
  return on.some((entry) => entry === cause || (groups.get(entry)?.includes(cause) ?? false));
}

const firstDelayMs = 10_000;
const longestDelayMs = 300_000;

/**
 * How long after the end of the attempt before it an attempt starts: at once for the second, then 10 s, doubling up to 5 minutes. A function
 * of the number alone, so that every replica and every restart comes to the same moment.
 */
export const retryDelayMs = (number: number): number =>
  number <= 2 ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(number - 3, 10));

/** How many pods the run may have in all. */
export const maxAttemptsOf = (spec: ProwJobSpec, policy: Pick<JobPolicy, 'prowJobs'>): number =>
  spec.retry?.max_attempts ?? policy.prowJobs.maxRevivals + 1;
