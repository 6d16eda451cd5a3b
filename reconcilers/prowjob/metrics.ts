/** What is counted about runs. Labels are bounded: no job, no repository, no name is one. */
import { prowJobStates, prowJobTypes, type ProwJob, type ProwJobState, type ProwJobStatus, type RunReason } from '../../crds/v1/prowJob.ts';
import { createdMsOf } from '../../operator/jobs/runState.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { Admission } from './admission.ts';
import { timeMs } from '../../operator/jobs/times.ts';

const waitBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400];
const runBuckets = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 36_000];

/** Upstream's range, 30 s to 10 h. */
const stateBuckets = [30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 36_000];
/** Ends that alerts look for: the series must be there before the first one. */
const infrastructureEnds: readonly RunReason[] = ['UnscheduledTimeout', 'PendingTimeout', 'PodRejected', 'RetriesExhausted'];

export interface ProwJobMetrics {
  /** After the write that made it true. */
  transition(run: ProwJob, before: ProwJobStatus, after: ProwJobStatus, pod?: Pod): void;
  attempt(cause: string): void;
  podCreated(): void;
  podRefused(permanent: boolean): void;
}

export function prowJobMetrics(metrics: Metrics, admission: Pick<Admission, 'waiting' | 'holding'>): ProwJobMetrics {
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
  const stateTime = metrics.histogram<'type' | 'last_state' | 'state'>({
    name: 'prow_job_runtime_seconds',
    help: 'How long a run was in last_state before it came into state. The name is that of upstream Prow.',
    labels: ['type', 'last_state', 'state'],
    buckets: stateBuckets,
  });
  const attempts = metrics.counter<'cause'>({
    name: 'prowjob_attempts_lost_total',
    help: 'Attempts that were followed by another one.',
    labels: ['cause'],
  });
  const created = metrics.counter({ name: 'prowjob_pods_created_total', help: 'Pods created for runs.', zero: [{}] });
  const refused = metrics.counter<'kind'>({
    name: 'prowjob_pod_create_failures_total',
    help: 'Pods that could not be created. permanent: the run ended; transient: it is tried again.',
    labels: ['kind'],
    zero: [{ kind: 'permanent' }, { kind: 'transient' }],
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
  const waiting = metrics.gauge({ name: 'prowjob_waiting', help: 'Runs that wait for a slot.' });
  const holding = metrics.gauge({ name: 'prowjob_running', help: 'Runs that hold a slot.' });
  metrics.beforeScrape(() => {
    waiting.set(admission.waiting);
    holding.set(admission.holding);
  });
  return {
    transition(run, before, after, pod) {
      if (before.state === after.state && before.completionTime === after.completionTime) return;
      const { type } = run.spec;
      transitions.inc({ type, from: before.state, to: after.state, reason: after.reason ?? '' });
      upstreamTransitions.inc({ job_namespace: run.metadata.namespace ?? '', type, state: after.state });
      const pendingMs = timeMs(after.pendingTime);
      stateTime.observe({ type, last_state: before.state, state: after.state }, secondsInState(run, before, after));
      if (after.state === 'pending' && pendingMs !== undefined) queueWait.observe(secondsBetween(createdMsOf(run), pendingMs));
      if (after.completionTime === undefined || pendingMs === undefined) return;
      runTime.observe({ state: after.state }, secondsBetween(pendingMs, timeMs(after.completionTime)));
      const podCreatedMs = timeMs(pod?.metadata.creationTimestamp);
      const podStartMs = timeMs(pod?.status?.startTime);
      if (podCreatedMs !== undefined && podStartMs !== undefined) podStart.observe(secondsBetween(podCreatedMs, podStartMs));
    },
    attempt: (cause) => attempts.inc({ cause }),
    podCreated: () => created.inc(),
    podRefused: (permanent) => refused.inc({ kind: permanent ? 'permanent' : 'transient' }),
  };
}

/** How long the run was in the state that it left. */
function secondsInState(run: ProwJob, before: ProwJobStatus, after: ProwJobStatus): number {
  const sinceMs = (before.state === 'pending' ? timeMs(before.pendingTime) : undefined) ?? createdMsOf(run);
  return secondsBetween(sinceMs, timeMs(after.completionTime ?? after.pendingTime));
}

const isEnd = (state: ProwJobState): boolean => state !== 'scheduling' && state !== 'triggered' && state !== 'pending';

const secondsBetween = (fromMs: number, toMs = fromMs): number => Math.max(0, toMs - fromMs) / 1000;
