/**
 * What is to be done about a run: an ordered list of small rules, the first that has something to say wins. Pure: the same scope,
 * policy and time give the same decision, and deciding changes nothing. Slots are the one thing decided elsewhere (admission.ts).
 */
import type { Attempt, ProwJobState, RunReason, WaitReason } from '../../crds/v1/prowJob.ts';
import { deadlinesOf, isRetried, maxAttemptsOf, retryDelayMs, type Deadlines } from '../../operator/jobs/deadlines.ts';
import { reporterFinalizer } from '../../operator/jobs/labels.ts';
import { planAttempt, podNamespaceOf, type AttemptPlan } from '../../operator/jobs/podBuilder.ts';
import { phaseOfPod, type AttemptEnd } from '../../operator/jobs/podOutcome.ts';
import { isPodFinished } from '../../operator/jobs/podShape.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { resolveRun, runProblem, type ResolvedRun } from '../../operator/jobs/resolveRun.ts';
import { clusterOf, createdMsOf, isAbortRequested, isAbortUnseen, isComplete, isOurs } from '../../operator/jobs/runState.ts';
import { timeMs } from '../../operator/jobs/times.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { attemptEnd, limitOf, over, testDueMs } from './attemptEnd.ts';
import { placeOf, type Scope } from './scope.ts';
import { supersederOf } from './superseding.ts';

export interface Waiting {
  readonly reason: WaitReason;
  readonly message: string;
  /** From 1, for a run that waits for a limit. */
  readonly position?: number;
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
  /** Record how the attempt ended; another one follows when its pod is out of the way and `delayMs` have passed. */
  | { readonly do: 'lose'; readonly end: AttemptEnd; readonly delayMs: number }
  /** The attempt is recorded; its pod is not there yet. */
  | { readonly do: 'createPod'; readonly plan: AttemptPlan }
  /** The pod is there; the attempt is not recorded. */
  | { readonly do: 'adopt'; readonly pod: Pod }
  /** These pods must not run any longer. */
  | {
      readonly do: 'deletePods';
      readonly pods: readonly Pod[];
      readonly afterMs?: number;
      /** Nobody reports them: a reporter's finalizer must not hold them. */
      readonly release?: true;
      /** Without grace: their node had its time and has not answered. */
      readonly force?: true;
    }
  /** Write the end, then delete what still runs. */
  | Finish
  /** Delete what still runs, then write the end. */
  | { readonly do: 'abort'; readonly description: string; readonly reason?: 'Superseded' }
  /** Record which newer run takes its place, delete what still runs, then write the end. */
  | { readonly do: 'supersede'; readonly by: string }
  /** Write only that the newest spec was seen: it asks for nothing that can still be done. */
  | { readonly do: 'observe' };

export interface Case {
  readonly scope: Scope;
  readonly policy: JobPolicy;
  readonly nowMs: number;
}

/** With the run as the installation completes it: what deadlines and pods are read from. */
interface FullCase extends Case {
  readonly resolved: ResolvedRun;
}

/** A BuildCluster that was applied together with a run comes by another watch and may be seen after it. */
const declarationSlackMs = 10_000;

type Rule = (given: FullCase) => Decision | undefined;

/** A pod that is being deleted may outlive its grace by so much before the next attempt starts without waiting for it. */
export const lostPodSlackMs = 30_000;

const rules: readonly Rule[] = [
  leaveAlone, // another agent's, or no cluster chosen yet
  finished, // nothing changes any more; only pods that were left behind go
  abort, // before everything that could start or judge a pod
  superseded, // the same, for a newer run of the presubmit
  adopt, // a pod of ours is there: never a second one
  invalidSpec, // a spec never changes, so this is final
  unknownCluster, // nobody declared it
  queueDeadline, // also while the cluster is away
  clusterUnavailable, // wait for it; nobody else's runs do
  clusterPaused, // nothing starts there; what runs goes on
  start,
  lostAttempt, // an attempt was recorded as lost: the next one follows
  attemptOver, // the pod has ended, is lost, or ran out of time
  podMissing, // recorded but not created: a crash between the two writes, or a refusal that passes
  podWorking, // wait for the next deadline
];

export function decide(given: Case): Decision {
  const full: FullCase = { ...given, resolved: resolveRun(given.scope.run, given.policy) };
  for (const rule of rules) {
    const decision = rule(full);
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
  if (scope.livePods.length > 0) return { do: 'deletePods', pods: scope.livePods };
  return isAbortUnseen(scope.run) ? { do: 'observe' } : { do: 'nothing' };
}

function abort({ scope }: Case): Decision | undefined {
  if (!isAbortRequested(scope.run)) return undefined;
  const { superseded_by: newer, state } = scope.status;
  if (state === 'aborted' && newer !== undefined) return { do: 'abort', reason: 'Superseded', description: supersededBy(newer) };
  const asked = scope.run.spec.abort;
  if (asked === undefined) return { do: 'abort', description: scope.status.description ?? 'Aborted.' };
  const by = hasText(asked.by) ? ` by ${asked.by}` : '';
  return { do: 'abort', description: hasText(asked.reason) ? `Aborted${by}: ${asked.reason}` : `Aborted${by}.` };
}

function superseded({ scope, policy }: Case): Decision | undefined {
  const by = supersederOf(scope, policy);
  return by === undefined ? undefined : { do: 'supersede', by };
}

export const supersededBy = (newer: string): string => `The newer run ${newer} of this presubmit has taken its place.`;

function adopt({ scope }: Case): Decision | undefined {
  return scope.status.state === 'triggered' && scope.pod !== undefined ? { do: 'adopt', pod: scope.pod } : undefined;
}

function invalidSpec({ scope, resolved }: FullCase): Decision | undefined {
  if (scope.status.state !== 'triggered') return undefined;
  const problem = runProblem(resolved);
  return problem === undefined ? undefined : refuse(problem.message);
}

const refuse = (message: string): Finish => ({
  do: 'finish',
  state: 'error',
  reason: 'InvalidSpec',
  description: `The run cannot be started: ${message}`,
});

function unknownCluster({ scope, nowMs }: Case): Decision | undefined {
  // A run that has a pod there waits, as for a cluster that is down: somebody may declare it again.
  if (scope.cluster.state !== 'unknown' || scope.status.state !== 'triggered') return undefined;
  const leftMs = createdMsOf(scope.run) + declarationSlackMs - nowMs;
  if (leftMs > 0) return { do: 'wait', afterMs: leftMs };
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

function clusterUnavailable(given: FullCase): Decision | undefined {
  const { cluster, status } = given.scope;
  if (cluster.state === 'ready') return undefined;
  const waiting: Waiting = { reason: 'ClusterUnavailable', message: cluster.message };
  if (status.state === 'triggered') return { do: 'wait', afterMs: queueLeftMs(given), waiting };
  const leftMs = blindDeadlineMs(given) - given.nowMs;
  if (leftMs > 0) return { do: 'wait', afterMs: leftMs, waiting };
  const message = `Every deadline of the run has passed, and nobody could look at its pod. ${cluster.message}`;
  return finish(over(cluster.state === 'unknown' ? 'UnknownCluster' : 'RunningTimeout', 'error', message));
}

/** When an attempt that nobody can look at must have come to its end, whatever became of it. */
function blindDeadlineMs({ scope, policy, resolved, nowMs }: FullCase): number {
  const { queueMs, unscheduledMs, pendingMs, runningMs } = deadlinesOf(resolved.run.spec, policy.prowJobs.timeouts);
  return (timeMs(scope.attempts.at(-1)?.started) ?? nowMs) + queueMs + unscheduledMs + pendingMs + runningMs;
}

function clusterPaused(given: FullCase): Decision | undefined {
  const { cluster, run, status } = given.scope;
  if (status.state !== 'triggered' || cluster.state !== 'ready' || cluster.paused !== true) return undefined;
  const message = `Build cluster "${clusterOf(run)}" is paused: nothing starts there until spec.paused of its BuildCluster is taken back.`;
  return { do: 'wait', afterMs: queueLeftMs(given), waiting: { reason: 'ClusterPaused', message } };
}

function start(given: FullCase): Decision | undefined {
  return given.scope.status.state === 'triggered' ? { do: 'start', plan: planNext(given, 1) } : undefined;
}

const planNext = ({ scope, policy }: Case, number: number): AttemptPlan => planAttempt(scope.run, number, placeOf(scope.cluster, policy));

function attemptOver(given: FullCase): Decision | undefined {
  const { scope, nowMs } = given;
  const deadlines = deadlinesOf(given.resolved.run.spec, given.policy.prowJobs.timeouts);
  const end = attemptEnd(scope, deadlines, nowMs);
  if (end === undefined) return undefined;
  const last = lastWord(end, given);
  if (last !== undefined) return last;
  const number = nextNumber(scope);
  const delayMs = retryDelayMs(number);
  const { pod } = scope;
  if (pod !== undefined && !isPodFinished(pod)) {
    // Somebody else deleted it. Until it is gone it may still end by itself, and that counts.
    const leftMs = graceLeftMs(pod, nowMs);
    if (leftMs > 0) return isHeldByReporter(pod) ? { do: 'deletePods', pods: [pod], release: true } : { do: 'wait', afterMs: leftMs };
    return { do: 'lose', end, delayMs };
  }
  return delayMs > 0 ? { do: 'lose', end, delayMs } : { do: 'start', plan: planNext(given, number), end };
}

/** The attempt was recorded as lost. Its pod goes, then its delay passes, then the next attempt starts. */
function lostAttempt(given: FullCase): Decision | undefined {
  const { scope, nowMs } = given;
  const attempt = scope.attempts.at(-1);
  const finishedMs = timeMs(attempt?.finished);
  if (attempt?.cause === undefined || finishedMs === undefined) return undefined;
  const message = scope.status.description ?? '';
  const last = lastWord(over(attempt.cause, 'error', message), given);
  if (last !== undefined) return last;
  const occupied = clearTheWay(scope.pod, nowMs);
  if (occupied !== undefined) return occupied;
  const number = nextNumber(scope);
  const leftMs = finishedMs + retryDelayMs(number) - nowMs;
  return leftMs > 0 ? { do: 'wait', afterMs: leftMs } : { do: 'start', plan: planNext(given, number) };
}

/** The end of the run, where no other attempt may follow this one. */
function lastWord(end: AttemptEnd, { scope, policy, resolved }: FullCase): Finish | undefined {
  const { spec } = scope.run;
  if (end.final === true || !isRetried(spec, end.cause)) return finish(end);
  const used = scope.attempts.length;
  if (used >= maxAttemptsOf(spec, policy)) return used <= 1 ? finish(end) : exhausted(end, used);
  const problem = runProblem(resolved);
  return problem === undefined ? undefined : { ...refuse(problem.message), end };
}

const nextNumber = ({ attempts }: Scope): number => Math.max(...attempts.map((attempt) => attempt.number), 0) + 1;

const finish = (end: AttemptEnd): Finish => ({ do: 'finish', state: end.state, reason: end.cause, description: end.message, end });

const exhausted = (end: AttemptEnd, used: number): Finish => ({
  do: 'finish',
  state: 'error',
  reason: 'RetriesExhausted',
  description: `All ${used} attempts of the run were lost, the last one to ${end.cause}. ${end.message}`,
  end,
});

/**
 * Two pods of one run at a time would break its limits: the old one goes first. A kubelet that is alive has killed it when its grace and
 * some slack are over, so then it is removed by force; one that even survives that (somebody's finalizer) is not waited for.
 */
function clearTheWay(pod: Pod | undefined, nowMs: number): Decision | undefined {
  if (pod === undefined || isPodFinished(pod)) return undefined;
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  if (deletionTimestamp === undefined || isHeldByReporter(pod)) {
    return { do: 'deletePods', pods: [pod], afterMs: lostPodSlackMs, release: true };
  }
  const leftMs = graceLeftMs(pod, nowMs);
  if (leftMs > 0) return { do: 'wait', afterMs: leftMs };
  return deletionGracePeriodSeconds === 0 ? undefined : { do: 'deletePods', pods: [pod], afterMs: lostPodSlackMs, force: true };
}

/** What is left of the time that a pod has for its end; 0 also when nobody has asked for its end. */
function graceLeftMs({ metadata }: Pod, nowMs: number): number {
  const graceEndMs = timeMs(metadata.deletionTimestamp);
  return graceEndMs === undefined ? 0 : Math.max(0, graceEndMs + lostPodSlackMs - nowMs);
}

const isHeldByReporter = ({ metadata }: Pod): boolean =>
  metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(reporterFinalizer) === true;

function podMissing(given: FullCase): Decision | undefined {
  const { scope, policy, resolved, nowMs } = given;
  const attempt = scope.attempts.at(-1);
  if (scope.pod !== undefined) return undefined;
  const problem = runProblem(resolved);
  if (problem !== undefined) return refuse(problem.message);
  if (attempt === undefined) return { do: 'start', plan: planNext(given, 1) };
  const leftMs = podDeadlineMs(attempt, deadlinesOf(scope.run.spec, policy.prowJobs.timeouts), nowMs) - nowMs;
  const podNamespace = attempt.pod_namespace ?? podNamespaceOf(scope.run, placeOf(scope.cluster, policy));
  if (leftMs > 0)
    return { do: 'createPod', plan: { number: attempt.number, podName: attempt.pod_name, podNamespace, buildId: attempt.build_id } };
  const because = scope.status.waiting?.message ?? '';
  const message = `Pod ${attempt.pod_name} could not be created within the queue deadline. ${because}`.trimEnd();
  return finish(over('QueueTimeout', 'error', message));
}

/** An attempt whose pod is refused again and again has as long as a run in the queue. */
const podDeadlineMs = (attempt: Attempt, deadlines: Deadlines, nowMs: number): number =>
  (timeMs(attempt.started) ?? nowMs) + deadlines.queueMs;

function podWorking({ scope, policy, resolved, nowMs }: FullCase): Decision | undefined {
  const { pod } = scope;
  const phase = pod === undefined ? undefined : phaseOfPod(pod);
  if (pod === undefined || phase === undefined) return undefined;
  const deadlines = deadlinesOf(resolved.run.spec, policy.prowJobs.timeouts);
  const dueMs = Math.min(phase.sinceMs + limitOf(phase, deadlines), testDueMs(pod, deadlines) ?? Infinity);
  return { do: 'wait', afterMs: dueMs - nowMs };
}

const hasText = (text: string | undefined): text is string => text !== undefined && text !== '';
