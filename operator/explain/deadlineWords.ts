/**
 * The deadlines of a run with where each comes from, in words. The settings of the operator cannot be read by users, so what comes from
 * there is told with the value that holds where nobody changed it. Pure.
 */
import { DurationError, formatDuration, parseDuration } from '../../crds/duration.ts';
import type { ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { defaultPolicy } from '../jobs/policy.ts';

export type DeadlineKind = 'queue' | 'unscheduled' | 'pending' | 'running' | 'test';

export interface Deadline {
  readonly ms: number;
  /** Such as "24h0m0s (spec.timeouts.queue)". */
  readonly text: string;
  /** The field that sets it, or that would. */
  readonly field: string;
  /** Whether the run sets it itself. */
  readonly isOwn: boolean;
}

const fields: Readonly<Record<DeadlineKind, readonly (readonly [field: string, read: (spec: ProwJobSpec) => string | undefined])[]>> = {
  queue: [['spec.timeouts.queue', ({ timeouts }) => timeouts?.queue]],
  unscheduled: [
    ['spec.timeouts.unscheduled', ({ timeouts }) => timeouts?.unscheduled],
    ['spec.decoration_config.pod_unscheduled_timeout', ({ decoration_config: config }) => config?.pod_unscheduled_timeout],
  ],
  pending: [
    ['spec.timeouts.pending', ({ timeouts }) => timeouts?.pending],
    ['spec.decoration_config.pod_pending_timeout', ({ decoration_config: config }) => config?.pod_pending_timeout],
  ],
  running: [
    ['spec.timeouts.running', ({ timeouts }) => timeouts?.running],
    ['spec.decoration_config.pod_running_timeout', ({ decoration_config: config }) => config?.pod_running_timeout],
  ],
  test: [['spec.decoration_config.timeout', ({ decoration_config: config }) => config?.timeout]],
};

const { queueMs, unscheduledMs, pendingMs, runningMs } = defaultPolicy.prowJobs.timeouts;
const defaultsMs: Readonly<Record<DeadlineKind, number>> = {
  queue: queueMs,
  unscheduled: unscheduledMs,
  pending: pendingMs,
  running: runningMs,
  test: Infinity,
};

export function deadlineOf(spec: ProwJobSpec, kind: DeadlineKind): Deadline {
  for (const [field, read] of fields[kind]) {
    const ms = msOf(read(spec));
    if (ms !== undefined) return { ms, text: `${short(ms)} (${field})`, field, isOwn: true };
  }
  const ms = defaultsMs[kind];
  const [[field] = ['']] = fields[kind];
  const value = Number.isFinite(ms) ? `${short(ms)}, unless they were changed` : 'none';
  return { ms, text: `of the operator's settings (${value})`, field, isOwn: false };
}

function msOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  try {
    return parseDuration(text);
  } catch (error) {
    if (error instanceof DurationError) return undefined;
    throw error;
  }
}

/** 24h, 1h30m: without the parts that are zero. */
export const short = (ms: number): string => {
  const text = formatDuration(ms)
    .replace(/(?<=m)0s$/, '')
    .replace(/(?<=h)0m$/, '');
  return text;
};
