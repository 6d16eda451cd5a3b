/** What follows a lost attempt: its pod goes, its delay passes, the next one starts elsewhere, and no deadline is missed on the way. */
import { describe, expect, it } from 'vitest';
import type { Attempt, ProwJob, RunReason } from '../../crds/v1/prowJob.ts';
import { aRun, ago, ended, goesOn, hourMs, minuteMs, nowMs, pendingRun, type PodParts, type RunParts } from './testing/builders.ts';
import { decided, disrupted, evicted, finish, lose, pending, running, unscheduled, written, type Given } from './testing/decided.ts';

interface Row extends Given {
  readonly name: string;
  readonly want: object;
}

const check = (rows: readonly Row[]): void => {
  it.each(rows)('$name', (row) => expect(decided(row)).toMatchObject(row.want));
};

/** Attempts, the last of which was recorded as lost that long ago. */
function lostRun(
  cause: RunReason,
  { attempts = 1, lostAgoMs = 0, ...parts }: RunParts & { attempts?: number; lostAgoMs?: number } = {},
): ProwJob {
  const run = pendingRun(parts, attempts);
  const all = run.status?.attempts ?? [];
  const closed: Attempt = { ...all.at(-1)!, cause, finished: ago(lostAgoMs), node: 'node-1' };
  return { ...run, status: { ...run.status!, description: 'It was lost.', attempts: [...all.slice(0, -1), closed] } };
}

const waitingImage = (reason: string, message = ''): readonly PodParts[] => [
  {
    createdAgoMs: 10 * minuteMs,
    status: {
      phase: 'Pending',
      startTime: ago(10 * minuteMs),
      containerStatuses: [{ name: 'test', state: { waiting: { reason, message } } }],
    },
  },
];

describe('after an attempt was recorded as lost', () => {
  check([
    { name: 'the second starts at once', run: lostRun('Evicted'), want: { do: 'start', plan: { number: 2, podName: 'run-2' } } },
    {
      name: 'the third waits 10 s from the recorded moment',
      run: lostRun('Evicted', { attempts: 2, lostAgoMs: 4000 }),
      want: { do: 'wait', afterMs: 6000 },
    },
    { name: 'and then starts', run: lostRun('Evicted', { attempts: 2, lostAgoMs: 10_000 }), want: { do: 'start', plan: { number: 3 } } },
    {
      name: 'its pod is asked to go first',
      run: lostRun('NodeLost'),
      pods: [{ status: { phase: 'Unknown' } }],
      want: { do: 'deletePods', release: true, afterMs: 30_000 },
    },
    {
      name: 'a pod in deletion has its grace and some slack',
      run: lostRun('NodeLost'),
      pods: [{ status: { phase: 'Running' }, deletedAgoMs: 10_000 }],
      want: { do: 'wait', afterMs: 50_000 },
    },
    {
      name: "Q27 upstream's finalizer is taken off at once",
      run: lostRun('NodeLost'),
      pods: [{ status: { phase: 'Running' }, deletedAgoMs: 10_000, finalizers: ['prow.x-k8s.io/gcsk8sreporter'] }],
      want: { do: 'deletePods', release: true },
    },
    {
      name: 'then it goes by force',
      run: lostRun('NodeLost'),
      pods: [{ status: { phase: 'Running' }, deletedAgoMs: minuteMs }],
      want: { do: 'deletePods', force: true },
    },
    {
      name: 'a pod that has ended is left to be looked at',
      run: lostRun('Evicted'),
      pods: [evicted],
      want: { do: 'start', plan: { number: 2 } },
    },
    { name: 'an abort in between starts nothing', run: lostRun('Evicted', { spec: { abort: {} } }), want: { do: 'abort' } },
    {
      name: 'fewer attempts are allowed meanwhile',
      run: lostRun('Evicted', { attempts: 2 }),
      policy: { maxRevivals: 1 },
      want: finish('error', 'RetriesExhausted'),
    },
    {
      name: 'a preset contradicts the job meanwhile',
      run: lostRun('Evicted'),
      defaults: { presets: [{ env: [{ name: 'A', value: '1' }] }, { env: [{ name: 'A', value: '2' }] }] },
      want: finish('error', 'InvalidSpec'),
    },
    {
      name: 'the cluster is away: nothing is concluded',
      run: lostRun('Evicted'),
      cluster: { state: 'unavailable', message: 'away' },
      want: { do: 'wait', waiting: { reason: 'ClusterUnavailable' } },
    },
  ]);

  it('the end that was recorded is not judged again: the pod may say another thing later', () => {
    const given = { run: pendingRun({ spec: { retry: { on: ['Timeout'] } } }), pods: [unscheduled(5 * minuteMs)] };
    const decision = decided(given);
    expect(decision).toMatchObject(lose('UnscheduledTimeout'));
    if (decision.do !== 'lose') return;
    const run = written(given, { kind: 'lost', end: decision.end, delayMs: decision.delayMs });
    expect(run.status).toMatchObject({ state: 'pending', attempts: [{ cause: 'UnscheduledTimeout', finished: ago(0) }] });
    // The kubelet, or the API server, ends the pod in its own words.
    const after = { run, pods: [{ deletedAgoMs: 0, status: { phase: 'Failed' as const, containerStatuses: [ended(137)] } }] };
    expect(decided(after)).toMatchObject({ do: 'start', plan: { number: 2 } });
  });
});

describe('images', () => {
  check([
    {
      name: 'a name that is none ends the run at once',
      run: pendingRun(),
      pods: waitingImage('InvalidImageName'),
      nowMs: nowMs - 9 * minuteMs,
      want: finish('error', 'ImagePullFailed'),
    },
    {
      name: 'one that may only be there already: somebody may bring it, and another node may have it',
      run: pendingRun(),
      pods: waitingImage('ErrImageNeverPull'),
      want: lose('ImagePullFailed'),
    },
    {
      name: 'a pull that fails may still succeed',
      run: pendingRun(),
      pods: waitingImage('ImagePullBackOff'),
      nowMs: nowMs - minuteMs,
      want: { do: 'wait', afterMs: minuteMs },
    },
    {
      name: 'until the pending deadline; then elsewhere',
      run: pendingRun(),
      pods: waitingImage('ImagePullBackOff', 'i/o timeout'),
      want: lose('ImagePullFailed'),
    },
    {
      name: 'what the registry does not have is nowhere',
      run: pendingRun(),
      pods: waitingImage('ErrImagePull', 'manifest unknown'),
      want: finish('error', 'ImagePullFailed'),
    },
    {
      name: 'nor what it does not give',
      run: pendingRun(),
      pods: waitingImage('ErrImagePull', '401 Unauthorized'),
      want: finish('error', 'ImagePullFailed'),
    },
    {
      name: 'a missing secret is no image',
      run: pendingRun(),
      pods: waitingImage('CreateContainerConfigError', 'secret "x" not found'),
      want: finish('error', 'PendingTimeout'),
    },
  ]);
});

describe('decoration_config.timeout', () => {
  const startedAgo = (ms: number): readonly PodParts[] => [
    {
      status: {
        phase: 'Running',
        startTime: ago(ms + minuteMs),
        containerStatuses: [{ name: 'test', state: { running: { startedAt: ago(ms) } } }],
      },
    },
  ];
  const run = pendingRun({ spec: { decoration_config: { timeout: '1h' } } });
  check([
    { name: 'counts from the start of the test', run, pods: startedAgo(59 * minuteMs), want: { do: 'wait', afterMs: minuteMs } },
    { name: 'and ends it as a failed test, as upstream', run, pods: startedAgo(hourMs), want: finish('failure', 'RunningTimeout') },
    {
      name: 'from the defaults',
      run: pendingRun({ spec: { decoration_config: {} } }),
      defaults: { decorationDefaults: [{ config: { timeout: '1h' } }] },
      pods: startedAgo(hourMs),
      want: finish('failure', 'RunningTimeout'),
    },
    {
      name: 'not for a job that is not decorated',
      run: pendingRun(),
      defaults: { decorationDefaults: [{ config: { timeout: '1h' } }] },
      pods: startedAgo(2 * hourMs),
      want: { do: 'wait' },
    },
    {
      name: 'the running deadline comes first where it is shorter',
      run: pendingRun({ spec: { timeouts: { running: '30m' }, decoration_config: { timeout: '1h' } } }),
      pods: startedAgo(hourMs),
      want: finish('aborted', 'RunningTimeout'),
    },
  ]);
});

describe('a cluster that is gone', () => {
  const run = (startedAgoMs: number): ProwJob => {
    const base = pendingRun();
    return { ...base, status: { ...base.status!, attempts: [{ ...base.status!.attempts![0]!, started: ago(startedAgoMs) }] } };
  };
  // 24 h to be created, 5 min to get a node, 10 min to start, 48 h to run.
  const allMs = 72 * hourMs + 15 * minuteMs;
  const away = { state: 'unavailable', message: 'away' } as const;
  const undeclared = { state: 'unknown', message: 'nobody declares it' } as const;
  check([
    {
      name: 'its runs wait as long as any deadline may last',
      run: run(hourMs),
      cluster: away,
      want: { do: 'wait', afterMs: allMs - hourMs, waiting: { reason: 'ClusterUnavailable' } },
    },
    { name: 'and then end', run: run(allMs), cluster: away, want: finish('error', 'RunningTimeout') },
    {
      name: 'one that is not declared any more is away for those that run',
      run: run(hourMs),
      cluster: undeclared,
      want: { do: 'wait', waiting: { reason: 'ClusterUnavailable' } },
    },
    { name: 'and unknown in the end', run: run(allMs), cluster: undeclared, want: finish('error', 'UnknownCluster') },
    { name: 'an abort does not wait for it', run: pendingRun({ spec: { abort: {} } }), cluster: away, want: { do: 'abort' } },
  ]);
});

describe('disruptions', () => {
  const withConditions = (conditions: readonly { type: string; status: 'True' | 'False' }[]): readonly PodParts[] => {
    const [pod] = [disrupted('DeletionByTaintManager')];
    return [{ ...pod, status: { ...pod.status, conditions: [...(pod.status!.conditions ?? []), ...conditions] } }];
  };
  check([
    {
      name: 'a taint on a node that was well',
      run: pendingRun(),
      pods: withConditions([
        { type: 'Ready', status: 'False' },
        { type: 'ContainersReady', status: 'False' },
      ]),
      want: { do: 'start', end: { cause: 'Evicted' } },
    },
    {
      name: 'a taint on a node that was silent',
      run: pendingRun(),
      pods: withConditions([
        { type: 'Ready', status: 'False' },
        { type: 'ContainersReady', status: 'True' },
      ]),
      want: { do: 'start', end: { cause: 'NodeLost' } },
    },
    {
      name: 'pod garbage collection',
      run: pendingRun(),
      pods: [disrupted('DeletionByPodGC')],
      want: { do: 'start', end: { cause: 'NodeLost' } },
    },
    {
      name: 'a condition alone ends nothing yet',
      run: pendingRun(),
      pods: [{ status: { ...disrupted('EvictionByEvictionAPI').status!, phase: 'Running' } }],
      want: { do: 'wait' },
    },
    {
      name: 'made room for a pod that the node needs',
      run: pendingRun(),
      pods: [{ status: { phase: 'Failed', reason: 'Preempting', containerStatuses: [ended(137)] } }],
      want: { do: 'start', end: { cause: 'Preempted' } },
    },
    ...['Terminated', 'Shutdown'].map((reason): Row => ({
      name: `the node shuts down (${reason})`,
      run: pendingRun(),
      pods: [{ status: { phase: 'Failed', reason, containerStatuses: [ended(143)] } }],
      want: { do: 'start', end: { cause: 'NodeLost' } },
    })),
    ...[
      'OutOfcpu',
      'OutOfmemory',
      'OutOfnvidia.com/gpu',
      'NodeAffinity',
      'NodeShutdown',
      'UnexpectedAdmissionError',
      'TopologyAffinityError',
      'PodOSNotSupported',
    ].map((reason): Row => ({
      name: `the kubelet did not take it (${reason})`,
      run: pendingRun(),
      pods: [{ status: { phase: 'Failed', reason } }],
      want: { do: 'start', end: { cause: 'NodeRejected' } },
    })),
    {
      name: 'a deadline of the pod itself',
      run: pendingRun(),
      pods: [{ status: { phase: 'Failed', reason: 'DeadlineExceeded', containerStatuses: [ended(143)] } }],
      want: finish('aborted', 'RunningTimeout'),
    },
    {
      name: 'memory in an init container',
      run: pendingRun(),
      pods: [
        { status: { phase: 'Failed', initContainerStatuses: [{ ...ended(137, 0, 'OOMKilled'), name: 'setup' }], containerStatuses: [] } },
      ],
      want: { ...finish('error', 'OOMKilled'), end: { exitCode: 137 } },
    },
    {
      name: 'memory of one of several containers',
      run: pendingRun(),
      pods: [{ status: { phase: 'Running', containerStatuses: [goesOn, { ...ended(137, 0, 'OOMKilled'), name: 'db' }] } }],
      want: finish('error', 'OOMKilled'),
    },
    {
      name: 'a command that is not there is the fault of the job',
      run: pendingRun(),
      pods: [{ status: { phase: 'Failed', containerStatuses: [ended(128, 0, 'StartError')] } }],
      want: { ...finish('failure', 'TestFailed'), description: expect.stringContaining('could not be started (StartError)') as string },
    },
    { name: 'a pending pod goes on', run: pendingRun(), pods: [pending(0)], want: { do: 'wait' } },
    {
      name: 'error_on_eviction counts for every eviction',
      run: pendingRun({ spec: { error_on_eviction: true } }),
      pods: [disrupted('EvictionByEvictionAPI')],
      want: finish('error', 'Evicted'),
    },
    {
      name: 'a run that nobody recorded and whose pod runs',
      run: aRun({ status: { state: 'triggered' } }),
      pods: [running()],
      want: { do: 'adopt' },
    },
  ]);
});
