/**
 * What is to be done about a run: an ordered list of small rules, the first that has something to say wins. Pure: the same scope,
 * policy and time give the same decision, and deciding changes nothing. Slots are the one thing decided elsewhere (admission.ts).
 */
import type { Attempt, ProwJobState, RunReason, WaitReason } from '../../crds/v1/prowJob.ts';
import { deadlinesOf, isRetried, maxAttemptsOf } from '../../operator/jobs/deadlines.ts';
import { planAttempt, podNamespaceOf, specProblem, type AttemptPlan } from '../../operator/jobs/podBuilder.ts';
import {
  deletionAskedMs,
  phaseOfPod,
  podOutcome,
  podVanished,
  type AttemptEnd,
  type AttemptPhase,
} from '../../operator/jobs/podOutcome.ts';
import { isPodFinished } from '../../operator/jobs/podShape.ts';
import type { DeadlinePolicy, JobPolicy } from '../../operator/jobs/policy.ts';
import { createdMsOf, isAbortRequested, isComplete, isOurs } from '../../operator/jobs/runState.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { Scope } from './scope.ts';
import { timeMs } from '../../operator/jobs/times.ts';

export interface Waiting {
  readonly reason: WaitReason;
  readonly message: string;
}

export interface Finish {
  readonly do: 'finish';
  readonly state: ProwJobState;
  readonly reason: RunReason;
  readonly description: string;
  /** How the newest attempt ended, where there is one. */
  readonly end?: AttemptEnd;
}

export type Decision =
  | { readonly do: 'nothing' }
  /** Look again then; `waiting` says what a run without a pod waits for. */
  | { readonly do: 'wait'; readonly afterMs: number; readonly waiting?: Waiting }
  /** Record the attempt (and how the one before it ended), then create its pod. */
  | { readonly do: 'start'; readonly plan: AttemptPlan; readonly end?: AttemptEnd }
  /** The attempt is recorded; its pod is not there yet. */
  | { readonly do: 'createPod'; readonly plan: AttemptPlan }
  /** The pod is there; the attempt is not recorded. */
  | { readonly do: 'adopt'; readonly pod: Pod }
  /** These pods must not run any longer. */
  | { readonly do: 'deletePods'; readonly pods: readonly Pod[]; readonly afterMs?: number }
  /** Write the end, then delete what still runs. */
  | Finish
  /** Delete what still runs, then write the end. */
  | { readonly do: 'abort'; readonly description: string };

export interface Case {
  readonly scope: Scope;
  readonly policy: JobPolicy;
  readonly nowMs: number;
}

type Rule = (given: Case) => Decision | undefined;

/** A pod that is being deleted may outlive its grace by so much before the next attempt starts without waiting for it. */
export const lostPodSlackMs = 30_000;

const rules: readonly Rule[] = [
  leaveAlone, // another agent's, or no cluster chosen yet
  finished, // nothing changes any more; only pods that were left behind go
  abort, // before everything that could start or judge a pod
  adopt, // a pod of ours is there: never a second one
  invalidSpec, // a spec never changes, so this is final
  unknownCluster, // nobody declared it
  queueDeadline, // also while the cluster is away
  clusterUnavailable, // wait for it; nobody else's runs do
  start,
  attemptOver, // the pod has ended, is lost, or ran out of time
  podMissing, // recorded but not created: a crash between the two writes, or a refusal that passes
  podWorking, // wait for the next deadline
];

export function decide(given: Case): Decision {
  for (const rule of rules) {
    const decision = rule(given);
    if (decision !== undefined) return decision;
  }
  return { do: 'nothing' };
}

function leaveAlone({ scope }: Case): Decision | undefined {
  const { state } = scope.status;
  const known = state === 'triggered' || state === 'pending' || state === 'aborted' || isComplete(scope.run);
  return isOurs(scope.run) && known ? undefined : { do: 'nothing' };
}

function finished({ scope }: Case): Decision | undefined {
  if (!isComplete(scope.run)) return undefined;
  return scope.livePods.length === 0 ? { do: 'nothing' } : { do: 'deletePods', pods: scope.livePods };
}

function abort({ scope }: Case): Decision | undefined {
  if (!isAbortRequested(scope.run)) return undefined;
  const asked = scope.run.spec.abort;
  if (asked === undefined) return { do: 'abort', description: scope.status.description ?? 'Aborted.' };
  const by = hasText(asked.by) ? ` by ${asked.by}` : '';
  return { do: 'abort', description: hasText(asked.reason) ? `Aborted${by}: ${asked.reason}` : `Aborted${by}.` };
}

function adopt({ scope }: Case): Decision | undefined {
  return scope.status.state === 'triggered' && scope.pod !== undefined ? { do: 'adopt', pod: scope.pod } : undefined;
}

function invalidSpec({ scope }: Case): Decision | undefined {
  if (scope.status.state !== 'triggered') return undefined;
  const problem = specProblem(scope.run);
  return problem === undefined ? undefined : refuse(problem.message);
}

const refuse = (message: string): Finish => ({
  do: 'finish',
  state: 'error',
  reason: 'InvalidSpec',
  description: `The run cannot be started: ${message}`,
});

function unknownCluster({ scope }: Case): Decision | undefined {
  if (scope.cluster.state !== 'unknown') return undefined;
  return { do: 'finish', state: 'error', reason: 'UnknownCluster', description: scope.cluster.message };
}

function queueDeadline(given: Case): Decision | undefined {
  if (given.scope.status.state !== 'triggered' || queueLeftMs(given) > 0) return undefined;
  const because = given.scope.status.waiting?.message ?? 'It was not looked at in time.';
  return {
    do: 'finish',
    state: 'error',
    reason: 'QueueTimeout',
    description: `The run did not start within its queue deadline. ${because}`,
  };
}

/** What is left of the queue deadline, counted from the creation of the run. */
export const queueLeftMs = ({ scope, policy, nowMs }: Case): number =>
  createdMsOf(scope.run) + deadlinesOf(scope.run.spec, policy.prowJobs.timeouts).queueMs - nowMs;

function clusterUnavailable(given: Case): Decision | undefined {
  const { cluster, status } = given.scope;
  if (cluster.state !== 'unavailable') return undefined;
  const afterMs = status.state === 'triggered' ? queueLeftMs(given) : 60_000;
  return { do: 'wait', afterMs, waiting: { reason: 'ClusterUnavailable', message: cluster.message } };
}

function start({ scope, policy }: Case): Decision | undefined {
  return scope.status.state === 'triggered' ? { do: 'start', plan: planAttempt(scope.run, 1, policy) } : undefined;
}

function attemptOver(given: Case): Decision | undefined {
  const end = attemptEnd(given);
  if (end === undefined) return undefined;
  const { scope, policy, nowMs } = given;
  const { spec } = scope.run;
  if (end.final === true || !isRetried(spec, end.cause)) return finish(end);
  const used = scope.attempts.length;
  if (used >= maxAttemptsOf(spec, policy)) return used <= 1 ? finish(end) : exhausted(end, used);
  const problem = specProblem(scope.run);
  if (problem !== undefined) return { ...refuse(problem.message), end };
  const occupied = waitForPod(scope.pod, nowMs);
  if (occupied !== undefined) return occupied;
  const number = Math.max(...scope.attempts.map((attempt) => attempt.number), 0) + 1;
  return { do: 'start', plan: planAttempt(scope.run, number, policy), end };
}

const finish = (end: AttemptEnd): Finish => ({ do: 'finish', state: end.state, reason: end.cause, description: end.message, end });

const exhausted = (end: AttemptEnd, used: number): Finish => ({
  do: 'finish',
  state: 'error',
  reason: 'RetriesExhausted',
  description: `All ${used} attempts of the run were lost, the last one to ${end.cause}. ${end.message}`,
  end,
});

/** Two pods of one run at a time would break its limits: the old one goes first. One that outlives its grace is not waited for. */
function waitForPod(pod: Pod | undefined, nowMs: number): Decision | undefined {
  if (pod === undefined || isPodFinished(pod)) return undefined;
  const graceEndMs = timeMs(pod.metadata.deletionTimestamp);
  if (graceEndMs === undefined) return { do: 'deletePods', pods: [pod], afterMs: lostPodSlackMs };
  const leftMs = graceEndMs + lostPodSlackMs - nowMs;
  return leftMs > 0 ? { do: 'wait', afterMs: leftMs } : undefined;
}

/** How the newest attempt ended, or undefined while it goes on or has no pod yet. */
export function attemptEnd({ scope, policy, nowMs }: Case): AttemptEnd | undefined {
  const pod = scope.pod ?? scope.lastPod;
  const attempt = scope.attempts.at(-1);
  if (pod === undefined) return isFromPlank(scope) && attempt !== undefined ? podVanished(attempt.pod_name) : undefined;
  const gone = scope.pod === undefined;
  const outcome = podOutcome(pod, gone);
  if (outcome.kind === 'over' && outcome.cause !== 'PodDeleted' && outcome.cause !== 'PodVanished') return outcome;
  // A pod that was deleted because its time was up says so, however late we see it.
  const phase = phaseOfPod(pod);
  const endMs = deletionAskedMs(pod) ?? (gone ? undefined : nowMs);
  const deadlines = deadlinesOf(scope.run.spec, policy.prowJobs.timeouts);
  if (phase !== undefined && endMs !== undefined && endMs - phase.sinceMs >= limitOf(phase, deadlines)) return timedOut(phase, pod);
  return outcome.kind === 'over' ? outcome : undefined;
}

/** Upstream's plank made the pod before it wrote anything: one that is not there now is gone. */
const isFromPlank = ({ status }: Scope): boolean => status.attempts === undefined || status.attempts.length === 0;

const limitOf = (phase: AttemptPhase, deadlines: DeadlinePolicy): number =>
  ({ unscheduled: deadlines.unscheduledMs, pending: deadlines.pendingMs, running: deadlines.runningMs })[phase.kind];

function timedOut({ kind }: AttemptPhase, { metadata, status }: Pod): AttemptEnd {
  switch (kind) {
    case 'unscheduled':
      return over(
        'UnscheduledTimeout',
        'error',
        `No node took pod ${metadata.name} within the unscheduled deadline.${schedulerSays(status)}`,
      );
    case 'pending':
      return over(
        'PendingTimeout',
        'error',
        `Pod ${metadata.name} did not begin to run within the pending deadline.${containersSay(status)}`,
      );
    case 'running':
      return over('RunningTimeout', 'aborted', `Pod ${metadata.name} was stopped: it ran longer than the running deadline allows.`);
  }
}

const over = (cause: RunReason, state: ProwJobState, message: string): AttemptEnd => ({ kind: 'over', cause, state, message });

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

function podMissing(given: Case): Decision | undefined {
  const { scope, policy, nowMs } = given;
  const attempt = scope.attempts.at(-1);
  if (scope.pod !== undefined) return undefined;
  const problem = specProblem(scope.run);
  if (problem !== undefined) return refuse(problem.message);
  if (attempt === undefined) return { do: 'start', plan: planAttempt(scope.run, 1, policy) };
  const leftMs = podDeadlineMs(attempt, deadlinesOf(scope.run.spec, policy.prowJobs.timeouts), nowMs) - nowMs;
  const podNamespace = attempt.pod_namespace ?? podNamespaceOf(scope.run, policy);
  if (leftMs > 0)
    return { do: 'createPod', plan: { number: attempt.number, podName: attempt.pod_name, podNamespace, buildId: attempt.build_id } };
  const because = scope.status.waiting?.message ?? '';
  const message = `Pod ${attempt.pod_name} could not be created within the queue deadline. ${because}`.trimEnd();
  return finish(over('QueueTimeout', 'error', message));
}

/** An attempt whose pod is refused again and again has as long as a run in the queue. */
const podDeadlineMs = (attempt: Attempt, deadlines: DeadlinePolicy, nowMs: number): number =>
  (timeMs(attempt.started) ?? nowMs) + deadlines.queueMs;

function podWorking({ scope, policy, nowMs }: Case): Decision | undefined {
  const phase = scope.pod === undefined ? undefined : phaseOfPod(scope.pod);
  if (phase === undefined) return undefined;
  return { do: 'wait', afterMs: phase.sinceMs + limitOf(phase, deadlinesOf(scope.run.spec, policy.prowJobs.timeouts)) - nowMs };
}

const hasText = (text: string | undefined): text is string => text !== undefined && text !== '';
