/** What is counted about runs. Labels are bounded: no job, no repository, no name is one. */
import {
  prowJobStates,
  prowJobTypes,
  retryCauses,
  type ProwJob,
  type ProwJobState,
  type ProwJobStatus,
  type RunReason,
} from '../../crds/v1/prowJob.ts';
import { createdMsOf } from '../../operator/jobs/runState.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import { timeMs } from '../../operator/jobs/times.ts';

const waitBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400];
const runBuckets = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 36_000];

/** Upstream's range, 30 s to 10 h. */
const stateBuckets = [30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 36_000];
/** Ends that alerts look for: the series must be there before the first one. */
const infrastructureEnds: readonly RunReason[] = ['UnscheduledTimeout', 'PendingTimeout', 'PodRejected', 'RetriesExhausted'];
/** The same for attempts. */
const lostCauses = retryCauses.filter((cause) => cause !== 'Infra' && cause !== 'Timeout');

export interface ProwJobMetrics {
  /** After the write that made it true: everything is counted from what it changed, so nothing counts twice. */
  transition(run: ProwJob, before: ProwJobStatus, after: ProwJobStatus, pod?: Pod): void;
  podCreated(run: ProwJob, attempt: number, nowMs: number): void;
  podRefused(permanent: boolean): void;
}

export function prowJobMetrics(metrics: Metrics): ProwJobMetrics {
  const countTransition = transitionCounters(metrics);
  const countAttempts = attemptCounters(metrics);
  const timeRun = runTimers(metrics);
  const created = metrics.counter({ name: 'prowjob_pods_created_total', help: 'Pods created for runs.', zero: [{}] });
  const refused = metrics.counter<'kind'>({
    name: 'prowjob_pod_create_failures_total',
    help: 'Pods that could not be created. permanent: the run ended; transient: it is tried again.',
    labels: ['kind'],
    zero: [{ kind: 'permanent' }, { kind: 'transient' }],
  });
  const startTime = metrics.histogram({
    name: 'prowjob_start_seconds',
    help: 'From the creation of a run to the creation of its first pod.',
    buckets: waitBuckets,
    zero: [{}],
  });
  return {
    transition(run, before, after, pod) {
      countAttempts(before, after);
      countTransition(run, before, after);
      timeRun(run, before, after, pod);
    },
    podCreated(run, attempt, nowMs) {
      created.inc();
      if (attempt === 1) startTime.observe(secondsBetween(createdMsOf(run), nowMs));
    },
    podRefused: (permanent) => refused.inc({ kind: permanent ? 'permanent' : 'transient' }),
  };
}

type Count = (run: ProwJob, before: ProwJobStatus, after: ProwJobStatus) => void;

function transitionCounters(metrics: Metrics): Count {
  const transitions = metrics.counter<'type' | 'from' | 'to' | 'reason'>({
    name: 'prowjob_state_transitions_total',
    help: 'Runs that changed state. reason: why a run ended, empty before that.',
    labels: ['type', 'from', 'to', 'reason'],
    zero: prowJobTypes.flatMap((type) => [
      { type, from: 'triggered', to: 'pending', reason: '' },
      ...infrastructureEnds.map((reason) => ({ type, from: 'pending', to: 'error', reason })),
    ]),
  });
  const upstreamTransitions = metrics.counter<'job_namespace' | 'type' | 'state'>({
    name: 'prowjob_state_transitions',
    help: 'Runs that came into a state. The name and labels are those of upstream Prow, without the ones that have no bounds.',
    labels: ['job_namespace', 'type', 'state'],
  });
  const seen = new Set<string>();
  return (run, before, after) => {
    const { type } = run.spec;
    const job_namespace = run.metadata.namespace ?? '';
    if (!seen.has(`${job_namespace}/${type}`)) {
      seen.add(`${job_namespace}/${type}`);
      // A series that begins with its first event hides that event from increase().
      for (const state of prowJobStates) upstreamTransitions.inc({ job_namespace, type, state }, 0);
    }
    if (isFirstLook(before, after)) upstreamTransitions.inc({ job_namespace, type, state: before.state });
    if (!isTransition(before, after)) return;
    transitions.inc({ type, from: before.state, to: after.state, reason: after.reason ?? '' });
    upstreamTransitions.inc({ job_namespace, type, state: after.state });
  };
}

function attemptCounters(metrics: Metrics): (before: ProwJobStatus, after: ProwJobStatus) => void {
  const ended = metrics.counter<'cause'>({
    name: 'prowjob_attempts_ended_total',
    help: 'Attempts that ended, by how: the causes of status.attempts, or why the run was ended.',
    labels: ['cause'],
    zero: lostCauses.map((cause) => ({ cause })),
  });
  const lost = metrics.counter<'cause'>({
    name: 'prowjob_attempts_lost_total',
    help: 'Those of them that are followed by another one.',
    labels: ['cause'],
    zero: lostCauses.map((cause) => ({ cause })),
  });
  return (before, after) => {
    const open = new Set(before.attempts?.filter(({ finished }) => finished === undefined).map(({ number }) => number));
    for (const { number, finished, cause = after.reason } of after.attempts ?? []) {
      if (finished === undefined || !open.has(number) || cause === undefined) continue;
      ended.inc({ cause });
      if (after.completionTime === undefined) lost.inc({ cause });
    }
  };
}

function runTimers(metrics: Metrics): (...args: [...Parameters<Count>, pod?: Pod]) => void {
  const stateTime = metrics.histogram<'type' | 'last_state' | 'state'>({
    name: 'prow_job_runtime_seconds',
    help: 'How long a run was in last_state before it came into state. The name is that of upstream Prow.',
    labels: ['type', 'last_state', 'state'],
    buckets: stateBuckets,
  });
  const queueWait = metrics.histogram({
    name: 'prowjob_queue_wait_seconds',
    help: 'From the creation of a run to the decision to start it.',
    buckets: waitBuckets,
    zero: [{}],
  });
  const podStart = metrics.histogram({
    name: 'prowjob_pod_start_seconds',
    help: 'From the creation of the pod to its acceptance by a node.',
    buckets: waitBuckets,
    zero: [{}],
  });
  const runTime = metrics.histogram<'state'>({
    name: 'prowjob_run_seconds',
    help: 'From the start of a run to its end.',
    labels: ['state'],
    buckets: runBuckets,
    zero: prowJobStates.filter(isEnd).map((state) => ({ state })),
  });
  return (run, before, after, pod) => {
    if (!isTransition(before, after)) return;
    const pendingMs = timeMs(after.pendingTime);
    stateTime.observe({ type: run.spec.type, last_state: before.state, state: after.state }, secondsInState(run, before, after));
    if (after.state === 'pending' && pendingMs !== undefined) queueWait.observe(secondsBetween(createdMsOf(run), pendingMs));
    if (after.completionTime === undefined || pendingMs === undefined) return;
    runTime.observe({ state: after.state }, secondsBetween(pendingMs, timeMs(after.completionTime)));
    const podCreatedMs = timeMs(pod?.metadata.creationTimestamp);
    const podStartMs = timeMs(pod?.status?.startTime);
    if (podCreatedMs !== undefined && podStartMs !== undefined) podStart.observe(secondsBetween(podCreatedMs, podStartMs));
  };
}

/** The end of an abort that was asked for upstream's way changes no state. */
const isTransition = (before: ProwJobStatus, after: ProwJobStatus): boolean =>
  before.state !== after.state || before.completionTime !== after.completionTime;

/** Nobody has written to the run before: it came into its first state with its creation, and no other write will say so. */
const isFirstLook = (before: ProwJobStatus, after: ProwJobStatus): boolean => !isSeen(before) && isSeen(after);

const isSeen = ({ observedGeneration = -1 }: ProwJobStatus): boolean => observedGeneration >= 0;

/** How long the run was in the state that it left. */
function secondsInState(run: ProwJob, before: ProwJobStatus, after: ProwJobStatus): number {
  const sinceMs = (before.state === 'pending' ? timeMs(before.pendingTime) : undefined) ?? createdMsOf(run);
  return secondsBetween(sinceMs, timeMs(after.completionTime ?? after.pendingTime));
}

const isEnd = (state: ProwJobState): boolean => state !== 'scheduling' && state !== 'triggered' && state !== 'pending';

const secondsBetween = (fromMs: number, toMs = fromMs): number => Math.max(0, toMs - fromMs) / 1000;
