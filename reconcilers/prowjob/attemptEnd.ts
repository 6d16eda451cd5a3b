/**
 * How the newest attempt of a run ended: by its pod, or by a deadline. Pure. A pod that was deleted because its time was up says so,
 * however late that is seen.
 */
import type { ProwJobState, RunReason } from '../../crds/v1/prowJob.ts';
import type { Deadlines } from '../../operator/jobs/deadlines.ts';
import {
  deletionAskedMs,
  imagePullFailed,
  phaseOfPod,
  podOutcome,
  podVanished,
  testStartMs,
  type AttemptEnd,
  type AttemptPhase,
} from '../../operator/jobs/podOutcome.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { Scope } from './scope.ts';

/** Undefined while the attempt goes on or has no pod yet. */
export function attemptEnd(scope: Scope, deadlines: Deadlines, nowMs: number): AttemptEnd | undefined {
  const pod = scope.pod ?? scope.lastPod;
  const attempt = scope.attempts.at(-1);
  if (pod === undefined) return isFromPlank(scope) && attempt !== undefined ? podVanished(attempt.pod_name) : undefined;
  const gone = scope.pod === undefined;
  const outcome = podOutcome(pod, gone);
  if (outcome.kind === 'over' && outcome.cause !== 'PodDeleted' && outcome.cause !== 'PodVanished') return outcome;
  const endMs = deletionAskedMs(pod) ?? (gone ? undefined : nowMs);
  const late = endMs === undefined ? undefined : timedOut(pod, deadlines, endMs);
  return late ?? (outcome.kind === 'over' ? outcome : undefined);
}

/** Upstream's plank made the pod before it wrote anything: one that is not there now is gone. */
const isFromPlank = ({ status }: Scope): boolean => status.attempts === undefined || status.attempts.length === 0;

export const limitOf = (phase: AttemptPhase, deadlines: Deadlines): number =>
  ({ unscheduled: deadlines.unscheduledMs, pending: deadlines.pendingMs, running: deadlines.runningMs })[phase.kind];

/** When the time of the test itself is up; undefined when it has no limit or has not begun. */
export function testDueMs(pod: Pod, { testMs }: Deadlines): number | undefined {
  const startMs = testMs === undefined ? undefined : testStartMs(pod);
  return startMs === undefined || testMs === undefined ? undefined : startMs + testMs;
}

function timedOut(pod: Pod, deadlines: Deadlines, atMs: number): AttemptEnd | undefined {
  const phase = phaseOfPod(pod);
  if (phase === undefined) return undefined;
  if (atMs - phase.sinceMs >= limitOf(phase, deadlines)) return phaseOver(phase, pod);
  const dueMs = testDueMs(pod, deadlines);
  if (dueMs === undefined || atMs < dueMs) return undefined;
  // As upstream, whose wrapper inside the pod would have ended it as a failed test.
  return over(
    'RunningTimeout',
    'failure',
    `Pod ${pod.metadata.name} was stopped: the test ran longer than decoration_config.timeout allows.`,
  );
}

function phaseOver({ kind }: AttemptPhase, pod: Pod): AttemptEnd {
  const { metadata, status } = pod;
  switch (kind) {
    case 'unscheduled':
      return over(
        'UnscheduledTimeout',
        'error',
        `No node took pod ${metadata.name} within the unscheduled deadline.${schedulerSays(status)}`,
      );
    case 'pending':
      return (
        imagePullFailed(pod) ??
        over('PendingTimeout', 'error', `Pod ${metadata.name} did not begin to run within the pending deadline.${containersSay(status)}`)
      );
    case 'running':
      return over('RunningTimeout', 'aborted', `Pod ${metadata.name} was stopped: it ran longer than the running deadline allows.`);
  }
}

export const over = (cause: RunReason, state: ProwJobState, message: string): AttemptEnd => ({ kind: 'over', cause, state, message });

function schedulerSays(status: Pod['status']): string {
  const message = status?.conditions?.find((condition) => condition.type === 'PodScheduled' && condition.status === 'False')?.message;
  return hasText(message) ? ` ${message}` : '';
}

function containersSay(status: Pod['status']): string {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const stuck = all.find((container) => container.state?.waiting?.reason !== undefined);
  const waiting = stuck?.state?.waiting;
  if (stuck === undefined || waiting === undefined) return '';
  return ` Container ${stuck.name}: ${waiting.reason ?? ''}${hasText(waiting.message) ? ` (${waiting.message})` : ''}.`;
}

const hasText = (text: string | undefined): text is string => text !== undefined && text !== '';
