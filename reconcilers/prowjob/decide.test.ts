/** The decision tables of run control. The ids are those of the scenario tables of upstream's behaviour. */
import { describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { aRun, ago, ended, goesOn, hourMs, minuteMs, pendingRun, podSpec } from './testing/builders.ts';
import { decided, disrupted, evicted, finish, lose, nothing, pending, retry, running, unscheduled, type Given } from './testing/decided.ts';

interface Row extends Given {
  /** Id and what is given. */
  readonly name: string;
  /** What must be decided; fields that are not named may be anything. */
  readonly want: object;
}

const check = (rows: readonly Row[]): void => {
  it.each(rows)('$name', (row) => expect(decided(row)).toMatchObject(row.want));
};

describe('triggered', () => {
  check([
    {
      name: 'a fresh run is started as attempt 1 under its own name',
      run: aRun(),
      want: { do: 'start', plan: { number: 1, podName: 'run' } },
    },
    {
      name: 'an object without any status is triggered',
      run: { ...aRun(), status: undefined } as unknown as ProwJob,
      want: { do: 'start' },
    },
    { name: 'P11 a pod of this run exists', run: aRun(), pods: [running()], want: { do: 'adopt', pod: { metadata: { name: 'run' } } } },
    {
      name: 'P16 no such cluster',
      run: aRun({ createdAgoMs: 10_000, spec: { cluster: 'nowhere' } }),
      cluster: { state: 'unknown', message: 'nowhere?' },
      want: finish('error', 'UnknownCluster'),
    },
    {
      name: 'no such cluster yet: it may have been applied together with the run',
      run: aRun({ createdAgoMs: 3_000, spec: { cluster: 'nowhere' } }),
      cluster: { state: 'unknown', message: 'nowhere?' },
      want: { do: 'wait', afterMs: 7_000 },
    },
    {
      name: 'a cluster that is down holds the run until its queue deadline',
      run: aRun({ createdAgoMs: hourMs }),
      cluster: { state: 'unavailable', message: 'down' },
      want: { do: 'wait', afterMs: 23 * hourMs, waiting: { reason: 'ClusterUnavailable', message: 'down' } },
    },
    {
      name: 'a cluster that stays down until the queue deadline',
      run: aRun({ createdAgoMs: 24 * hourMs }),
      cluster: { state: 'unavailable', message: 'down' },
      want: finish('error', 'QueueTimeout'),
    },
    {
      name: 'the queue deadline of the run itself',
      run: aRun({ createdAgoMs: 2 * minuteMs, spec: { timeouts: { queue: '1m' } } }),
      want: finish('error', 'QueueTimeout'),
    },
    {
      name: 'decoration that clones is refused, not left out',
      run: aRun({ spec: { decoration_config: {}, extra_refs: [{ org: 'o', repo: 'r' }] } }),
      want: finish('error', 'InvalidSpec'),
    },
    { name: 'decoration without cloning runs', run: aRun({ spec: { decoration_config: {} } }), want: { do: 'start' } },
    {
      name: 'skip_cloning may come from the defaults',
      run: aRun({ spec: { decoration_config: {}, extra_refs: [{ org: 'o', repo: 'r' }] } }),
      defaults: { decorationDefaults: [{ config: { skip_cloning: true } }] },
      want: { do: 'start' },
    },
    {
      name: 'a preset that contradicts the job',
      run: aRun(),
      defaults: { presets: [{ env: [{ name: 'A', value: '1' }] }, { env: [{ name: 'A', value: '2' }] }] },
      want: { ...finish('error', 'InvalidSpec'), description: expect.stringContaining('spec.pod_spec.containers[0].env') as string },
    },
    {
      name: 'a paused cluster starts nothing',
      run: aRun({ createdAgoMs: hourMs }),
      ready: { paused: true },
      want: { do: 'wait', afterMs: 23 * hourMs, waiting: { reason: 'ClusterPaused' } },
    },
    {
      name: 'and goes on with what runs',
      run: pendingRun(),
      pods: [running()],
      ready: { paused: true },
      want: { do: 'wait', afterMs: 48 * hourMs },
    },
    {
      name: 'a cluster with a place of its own for pods',
      run: aRun(),
      ready: { podNamespace: 'there' },
      want: { do: 'start', plan: { podNamespace: 'there' } },
    },
    { name: 'no pod_spec', run: aRun({ spec: { pod_spec: undefined as never } }), want: finish('error', 'InvalidSpec') },
    { name: 'no containers', run: aRun({ spec: { pod_spec: { containers: [] } } }), want: finish('error', 'InvalidSpec') },
    {
      name: 'containers that are no list',
      run: aRun({ spec: { pod_spec: { containers: 'x' } as never } }),
      want: finish('error', 'InvalidSpec'),
    },
    { name: 'a postsubmit without refs', run: aRun({ spec: { type: 'postsubmit' } }), want: finish('error', 'InvalidSpec') },
    {
      name: 'a presubmit without pulls',
      run: aRun({ spec: { type: 'presubmit', refs: { org: 'o', repo: 'r' } } }),
      want: finish('error', 'InvalidSpec'),
    },
    { name: 'a batch without pulls is fine', run: aRun({ spec: { type: 'batch', refs: { org: 'o', repo: 'r' } } }), want: { do: 'start' } },
  ]);
});

describe('pending', () => {
  check([
    {
      name: 'Q1 of plank, without a pod: the next attempt, with a fresh build id',
      run: aRun({ status: { state: 'pending', pod_name: 'run', build_id: '1' } }),
      want: retry('PodVanished'),
    },
    {
      name: 'a recorded attempt without a pod: the crash was between the writes',
      run: pendingRun(),
      want: { do: 'createPod', plan: { number: 1, podName: 'run' } },
    },
    { name: 'a recorded attempt whose pod this process saw vanish', run: pendingRun(), lastPod: running(), want: retry('PodVanished') },
    {
      name: 'a pod that ended well before it vanished',
      run: pendingRun(),
      lastPod: { status: { phase: 'Succeeded', containerStatuses: [ended(0)] } },
      want: finish('success', 'Succeeded'),
    },
    {
      name: 'a pod that cannot be created before the queue deadline',
      run: pendingRun({ spec: { timeouts: { queue: '0s' } } }),
      want: finish('error', 'QueueTimeout'),
    },
    {
      name: 'success',
      run: pendingRun(),
      pods: [{ status: { phase: 'Succeeded', containerStatuses: [ended(0)] } }],
      want: finish('success', 'Succeeded'),
    },
    {
      name: 'Q5 Succeeded with a container that goes on',
      run: pendingRun(),
      pods: [{ status: { phase: 'Succeeded', containerStatuses: [ended(0), goesOn] } }],
      want: unfinishedEnd('error'),
    },
    {
      name: 'Q6 Succeeded with an init container that goes on',
      run: pendingRun(),
      pods: [{ status: { phase: 'Succeeded', initContainerStatuses: [goesOn], containerStatuses: [ended(0)] } }],
      want: unfinishedEnd('error'),
    },
    {
      name: 'Succeeded with exit code 1 somewhere',
      run: pendingRun(),
      pods: [{ status: { phase: 'Succeeded', containerStatuses: [ended(1)] } }],
      want: unfinishedEnd('error'),
    },
    {
      name: 'Succeeded with a sidecar that was killed',
      run: pendingRun({ spec: { pod_spec: { ...podSpec, initContainers: [{ name: 'proxy', image: 'i', restartPolicy: 'Always' }] } } }),
      pods: [{ status: { phase: 'Succeeded', initContainerStatuses: [{ ...ended(137), name: 'proxy' }], containerStatuses: [ended(0)] } }],
      want: finish('success', 'Succeeded'),
    },
    {
      name: 'Q7 Failed',
      run: pendingRun(),
      pods: [{ status: { phase: 'Failed', containerStatuses: [ended(1)] } }],
      want: { ...finish('failure', 'TestFailed'), end: { exitCode: 1 } },
    },
    { name: 'Q8 Evicted', run: pendingRun(), pods: [evicted], want: retry('Evicted') },
    {
      name: 'Q10 Evicted with error_on_eviction',
      run: pendingRun({ spec: { error_on_eviction: true } }),
      pods: [evicted],
      want: finish('error', 'Evicted'),
    },
    {
      name: 'Q11 Evicted, no revivals left',
      run: pendingRun({}, 4),
      pods: [{ ...evicted, attempt: 4 }],
      want: finish('error', 'RetriesExhausted'),
    },
    {
      name: 'one revival left',
      run: pendingRun({}, 3),
      pods: [{ ...evicted, attempt: 3 }],
      want: lose('Evicted', 20_000),
    },
    {
      name: 'max_attempts of the run comes first',
      run: pendingRun({ spec: { retry: { max_attempts: 2 } } }, 2),
      pods: [{ ...evicted, attempt: 2 }],
      want: finish('error', 'RetriesExhausted'),
    },
    {
      name: 'max_attempts 1: the cause itself is the reason',
      run: pendingRun({ spec: { retry: { max_attempts: 1 } } }),
      pods: [evicted],
      want: finish('error', 'Evicted'),
    },
    {
      name: 'retry.on leaves the cause out',
      run: pendingRun({ spec: { retry: { on: ['NodeLost'] } } }),
      pods: [evicted],
      want: finish('error', 'Evicted'),
    },
    {
      name: 'Q12 Failed, reason Terminated (node shutdown)',
      run: pendingRun(),
      pods: [{ status: { phase: 'Failed', reason: 'Terminated' } }],
      want: retry('NodeLost'),
    },
    { name: 'preempted by the scheduler', run: pendingRun(), pods: [disrupted('PreemptionByScheduler')], want: retry('Preempted') },
    { name: 'drained through the eviction API', run: pendingRun(), pods: [disrupted('EvictionByEvictionAPI')], want: retry('Evicted') },
    { name: 'deleted by the taint manager', run: pendingRun(), pods: [disrupted('DeletionByTaintManager')], want: retry('Evicted') },
    {
      name: 'turned down by the kubelet',
      run: pendingRun(),
      pods: [{ status: { phase: 'Failed', reason: 'OutOfcpu' } }],
      want: retry('NodeRejected'),
    },
    {
      name: 'Q13 Running: wait for the running deadline',
      run: pendingRun(),
      pods: [running(hourMs)],
      want: { do: 'wait', afterMs: 47 * hourMs },
    },
    {
      name: 'Q17 pending deadline of the job exceeded',
      run: pendingRun({ spec: { timeouts: { pending: '2h' } } }),
      pods: [pending(2 * hourMs)],
      want: finish('error', 'PendingTimeout'),
    },
    {
      name: 'Q17 the same from decoration_config',
      run: withDecoration({ pod_pending_timeout: '2h' }),
      pods: [pending(2 * hourMs)],
      want: finish('error', 'PendingTimeout'),
    },
    { name: 'Q18 Running too long', run: pendingRun(), pods: [running(48 * hourMs)], want: finish('aborted', 'RunningTimeout') },
    {
      name: 'Q19 running deadline of the job',
      run: pendingRun({ spec: { timeouts: { running: '1h' } } }),
      pods: [running(hourMs)],
      want: finish('aborted', 'RunningTimeout'),
    },
    { name: 'Q20 unscheduled too long', run: pendingRun(), pods: [unscheduled(5 * minuteMs)], want: finish('error', 'UnscheduledTimeout') },
    {
      name: 'Q21 unscheduled deadline of the job',
      run: withDecoration({ pod_unscheduled_timeout: '2m' }),
      pods: [unscheduled(2 * minuteMs)],
      want: finish('error', 'UnscheduledTimeout'),
    },
    { name: 'Q22 Pending, time left', run: pendingRun(), pods: [pending(0)], want: { do: 'wait', afterMs: 10 * minuteMs } },
    { name: 'Q23 unscheduled, just created', run: pendingRun(), pods: [unscheduled(0)], want: { do: 'wait', afterMs: 5 * minuteMs } },
    {
      name: 'a timeout that may be retried is recorded, then the pod goes',
      run: pendingRun({ spec: { retry: { on: ['Timeout'] } } }),
      pods: [unscheduled(5 * minuteMs)],
      want: lose('UnscheduledTimeout'),
    },
    {
      name: 'and is still a timeout when the pod is gone',
      run: pendingRun({ spec: { retry: { on: ['Timeout'] } } }),
      lastPod: { ...unscheduled(6 * minuteMs), deletedAgoMs: minuteMs },
      want: retry('UnscheduledTimeout'),
    },
    {
      name: 'a running timeout is never retried',
      run: pendingRun({ spec: { retry: { on: ['Timeout', 'Infra'] } } }),
      pods: [running(48 * hourMs)],
      want: finish('aborted', 'RunningTimeout'),
    },
    {
      name: 'Q24 deleted while Pending: wait until it is gone',
      run: pendingRun(),
      pods: [{ status: { phase: 'Pending' }, deletedAgoMs: 0 }],
      want: { do: 'wait', afterMs: minuteMs },
    },
    {
      name: 'Q25 deleted without a phase',
      run: pendingRun(),
      pods: [{ status: {}, deletedAgoMs: 10_000 }],
      want: { do: 'wait', afterMs: 50_000 },
    },
    {
      name: 'Q26 deleted while Running, grace long over',
      run: pendingRun(),
      pods: [{ ...running(), deletedAgoMs: minuteMs }],
      want: lose('PodDeleted'),
    },
    { name: 'deleted, and gone', run: pendingRun(), lastPod: { ...running(), deletedAgoMs: 5_000 }, want: retry('PodDeleted') },
    {
      name: 'killed by the deletion, not by the test',
      run: pendingRun(),
      pods: [{ deletedAgoMs: 10_000, status: { phase: 'Failed', containerStatuses: [ended(143, 5_000)] } }],
      want: retry('PodDeleted'),
    },
    {
      name: 'failed by itself, deleted later',
      run: pendingRun(),
      pods: [{ deletedAgoMs: 5_000, status: { phase: 'Failed', containerStatuses: [ended(1, 10_000)] } }],
      want: finish('failure', 'TestFailed'),
    },
    {
      name: 'Q27 NodeLost and being deleted',
      run: pendingRun(),
      pods: [{ status: { phase: 'Running', reason: 'NodeLost' }, deletedAgoMs: minuteMs }],
      want: lose('NodeLost'),
    },
    {
      name: 'phase Unknown: recorded, then the pod goes',
      run: pendingRun(),
      pods: [{ status: { phase: 'Unknown' } }],
      want: lose('NodeLost'),
    },
    {
      name: 'Q29 OOM in phase Failed',
      run: pendingRun(),
      pods: [{ status: { phase: 'Failed', containerStatuses: [ended(137, 0, 'OOMKilled')] } }],
      want: finish('error', 'OOMKilled'),
    },
    {
      name: 'OOM while Running',
      run: pendingRun(),
      pods: [{ status: { phase: 'Running', containerStatuses: [ended(137, 0, 'OOMKilled'), goesOn] } }],
      want: finish('error', 'OOMKilled'),
    },
    {
      name: 'Q32 Succeeded and deleted',
      run: pendingRun(),
      pods: [{ deletedAgoMs: 0, status: { phase: 'Succeeded', containerStatuses: [ended(0)] } }],
      want: finish('success', 'Succeeded'),
    },
    {
      name: 'a test that failed is not retried, whatever the run says',
      run: pendingRun({ spec: { retry: { max_attempts: 9, on: ['Infra', 'Timeout', 'OOMKilled'] } } }),
      pods: [{ status: { phase: 'Failed', containerStatuses: [ended(2)] } }],
      want: finish('failure', 'TestFailed'),
    },
  ]);
});

describe('aborted and filtered', () => {
  const done = { state: 'success' as const, completionTime: ago(0) };
  check([
    {
      name: 'A1 asked for in spec',
      run: pendingRun({ spec: { abort: { by: 'ann', reason: 'enough' } } }),
      pods: [running()],
      want: { do: 'abort', description: 'Aborted by ann: enough' },
    },
    {
      name: 'asked for by state, description kept',
      run: aRun({ status: { state: 'aborted', description: 'Superseded.' } }),
      want: { do: 'abort', description: 'Superseded.' },
    },
    {
      name: 'asked for before the start, with a cluster nobody knows',
      run: aRun({ spec: { abort: {}, cluster: 'x' } }),
      cluster: { state: 'unknown', message: '' },
      want: { do: 'abort' },
    },
    { name: 'an abort beats a pod that has ended', run: pendingRun({ spec: { abort: {} } }), pods: [evicted], want: { do: 'abort' } },
    { name: 'complete and aborted: not again', run: aRun({ status: { state: 'aborted', completionTime: ago(0) } }), want: nothing },
    { name: 'F2 complete', run: aRun({ status: done }), want: nothing },
    { name: 'complete with an abort that came too late', run: aRun({ status: done, spec: { abort: {} } }), want: { do: 'observe' } },
    {
      name: 'and was seen',
      run: aRun({ status: { ...done, observedGeneration: 1 }, spec: { abort: {} } }),
      want: nothing,
    },
    {
      name: 'complete with a pod left behind: only the pod goes',
      run: aRun({ status: done }),
      pods: [running()],
      want: { do: 'deletePods' },
    },
    { name: 'complete with a pod that has ended', run: aRun({ status: done }), pods: [evicted], want: nothing },
    { name: 'F2 other agent', run: aRun({ spec: { agent: 'jenkins' } }), want: nothing },
    { name: 'other agent, aborted', run: aRun({ spec: { agent: 'tekton-pipeline', abort: {} } }), want: nothing },
    { name: 'F1 no agent is kubernetes', run: aRun({ spec: { agent: '' } }), want: { do: 'start' } },
    { name: 'F3 scheduling', run: aRun({ status: { state: 'scheduling' } }), want: nothing },
    {
      name: "somebody else's pod of that name is not ours",
      run: pendingRun(),
      pods: [{ ...evicted, labels: { 'prow.k8s.io/run-uid': 'other' } }],
      want: { do: 'createPod' },
    },
  ]);
});

/** The reason is NodeLost because the list of reasons has no better one; what matters is that it is no success and no retry. */
function unfinishedEnd(state: string): object {
  return finish(state, 'NodeLost');
}

function withDecoration(decoration: Record<string, string>): ProwJob {
  const run = pendingRun();
  return { ...run, spec: { ...run.spec, decoration_config: decoration } };
}
