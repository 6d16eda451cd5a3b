import { beforeEach, describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { PodAccess } from '../../operator/clusters/clusters.ts';
import { podIndexers } from '../../operator/jobs/podOwner.ts';
import { defaultPolicy } from '../../operator/jobs/policy.ts';
import type { Pod, PodStatus } from '../../operator/kube/builtin.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { Store } from '../../operator/runtime/store.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { showRunGauges } from './gauges.ts';
import { aRun, ago, hourMs, minuteMs, nowMs, pendingRun, podOf } from './testing/builders.ts';

let metrics: Metrics;
let jobs: Store<ProwJob>;
let pods: Store<Pod>;
let isLeading: boolean;
let away: Set<string>;

beforeEach(() => {
  away = new Set();
  metrics = new Metrics();
  jobs = new Store<ProwJob>();
  pods = new Store<Pod>({ indexers: podIndexers });
  isLeading = true;
  const clock = new FakeClock(nowMs);
  const access = { pods } as unknown as PodAccess;
  showRunGauges({
    metrics,
    jobs,
    pods: () => [pods],
    clusters: {
      get: (alias, namespace) =>
        away.has(`${namespace}/${alias}`) ? { state: 'unavailable', message: 'It does not answer.' } : { state: 'ready', access },
    },
    policy: () => defaultPolicy,
    clock,
    isLeading: () => isLeading,
  });
});

const value = (name: string, labels: Record<string, string> = {}): Promise<number | undefined> => metrics.value(name, labels);
const overdue = (phase: string): Promise<number | undefined> => value('prowjob_overdue_seconds', { phase });
let versions = 10;
/** A cache takes an object only when it is newer. */
const changed = (run: ProwJob): ProwJob => ({ ...run, metadata: { ...run.metadata, resourceVersion: String((versions += 1)) } });
const done = { state: 'success', completionTime: ago(0) } as const;

describe('the figures of runs', () => {
  it('count runs by state under the labels of upstream that have bounds', async () => {
    const presubmit = { type: 'presubmit', cluster: 'gpu' } as const;
    jobs.replace(
      [aRun({ name: 'a' }), aRun({ name: 'b', status: done }), aRun({ name: 'c', status: done }), aRun({ name: 'd', spec: presubmit })],
      '1',
    );
    expect(await value('prowjobs', { job_namespace: 'ci', type: 'periodic', state: 'success', cluster: 'default' })).toBe(2);
    expect(await value('prowjobs', { type: 'presubmit', state: 'triggered', cluster: 'gpu' })).toBe(1);
    expect(await value('sinker_prow_jobs_existing')).toBe(4);
    jobs.replace([], '2');
    expect(await value('prowjobs', { state: 'success' })).toBeUndefined();
  });

  it('say why runs wait, and for how long the oldest of each reason has', async () => {
    const waiting = { state: 'triggered', waiting: { reason: 'ClusterUnavailable', message: 'away' } } as const;
    jobs.replace(
      [
        aRun({ name: 'a', createdAgoMs: hourMs, spec: { cluster: 'gpu' }, status: waiting }),
        aRun({ name: 'b', createdAgoMs: minuteMs }),
        aRun({ name: 'c', createdAgoMs: 5 * hourMs, spec: { abort: { by: 'me' } } }),
        aRun({ name: 'd', createdAgoMs: 6 * hourMs, spec: { agent: 'jenkins' } }),
        aRun({ name: 'e', createdAgoMs: 7 * hourMs, status: done }),
      ],
      '1',
    );
    expect(await value('prowjob_held_back', { reason: 'ClusterUnavailable', cluster: 'gpu' })).toBe(1);
    const waits = ['ClusterUnavailable', 'New', 'QueueFull'].map((reason) => value('prowjob_longest_wait_seconds', { reason }));
    expect(await Promise.all(waits)).toEqual([3600, 60, 0]);
  });

  it('are shown by the leader only', async () => {
    jobs.replace([aRun({ createdAgoMs: hourMs })], '1');
    isLeading = false;
    expect([await value('prowjobs'), await value('prowjob_longest_wait_seconds'), await value('sinker_prow_jobs_existing')]).toEqual([
      undefined,
      0,
      0,
    ]);
  });
});

describe('how far a run is past its deadline', () => {
  interface Row {
    readonly name: string;
    readonly run: ProwJob;
    readonly pod?: { readonly createdAgoMs?: number; readonly status: PodStatus };
    readonly phase: string;
    readonly expected: number;
  }
  const inPhase = { createdAgoMs: 50 * hourMs, status: { phase: 'Running', startTime: ago(49 * hourMs) } } as const;
  const rows: readonly Row[] = [
    { name: 'in the queue, in time', run: aRun({ createdAgoMs: 23 * hourMs }), phase: 'queue', expected: 0 },
    { name: 'in the queue', run: aRun({ createdAgoMs: 25 * hourMs }), phase: 'queue', expected: 3600 },
    {
      name: 'in the queue by its own deadline',
      run: aRun({ createdAgoMs: hourMs, spec: { timeouts: { queue: '30m' } } }),
      phase: 'queue',
      expected: 1800,
    },
    {
      name: 'without a node',
      run: pendingRun(),
      pod: { createdAgoMs: 7 * minuteMs, status: { phase: 'Pending' } },
      phase: 'unscheduled',
      expected: 120,
    },
    {
      name: 'before it runs',
      run: pendingRun(),
      pod: { createdAgoMs: hourMs, status: { phase: 'Pending', startTime: ago(11 * minuteMs) } },
      phase: 'pending',
      expected: 60,
    },
    { name: 'while it runs', run: pendingRun(), pod: inPhase, phase: 'running', expected: 3600 },
    {
      name: 'not when it is complete',
      run: pendingRun({ status: { ...done, state: 'success' } }),
      pod: inPhase,
      phase: 'running',
      expected: 0,
    },
    {
      name: "not when it is another agent's",
      run: aRun({ createdAgoMs: 25 * hourMs, spec: { agent: 'jenkins' } }),
      phase: 'queue',
      expected: 0,
    },
    { name: 'not while its pod ends', run: pendingRun(), pod: { status: { phase: 'Failed' } }, phase: 'running', expected: 0 },
  ];
  it.each(rows)('$name', async ({ run, pod, phase, expected }) => {
    jobs.replace([run], '1');
    if (pod !== undefined) pods.replace([podOf(run, pod)], '1');
    expect(await overdue(phase)).toBe(expected);
    const others = ['queue', 'unscheduled', 'pending', 'running'].filter((other) => other !== phase);
    expect(await Promise.all(others.map(overdue))).toEqual([0, 0, 0]);
  });

  it("does not believe a stranger's pod", async () => {
    const run = pendingRun();
    jobs.replace([run], '1');
    pods.replace([podOf(run, { ...inPhase, labels: { 'prow.k8s.io/run-uid': 'another' } })], '1');
    expect(await overdue('running')).toBe(0);
  });

  it('is not a matter of a cluster that is away, until every deadline together has passed', async () => {
    const run = pendingRun({ spec: { cluster: 'gpu' } });
    const startedAgo = (ms: number): ProwJob => {
      const attempts = [{ ...run.status!.attempts![0]!, started: ago(ms) }];
      return { ...changed(run), status: { ...run.status!, attempts } };
    };
    const all = ['queue', 'unscheduled', 'pending', 'running'] as const;
    const figures = (): Promise<readonly unknown[]> => Promise.all(all.map(overdue));
    jobs.replace([startedAgo(50 * hourMs)], '1');
    pods.replace([podOf(run, inPhase)], '1');
    expect(await figures()).toEqual([0, 0, 0, 3600]);
    away.add('ci/gpu');
    expect(await figures()).toEqual([0, 0, 0, 0]);
    // 24 h in the queue, 5 min without a node, 10 min before it runs, 48 h of running.
    jobs.replace([startedAgo(73 * hourMs)], '2');
    expect(await figures()).toEqual([0, 0, 0, 45 * 60]);
    jobs.replace([aRun({ createdAgoMs: 25 * hourMs, spec: { cluster: 'gpu' } })], '3');
    expect(await figures()).toEqual([3600, 0, 0, 0]);
  });

  it('forgets the pod of a lost attempt, and gives the next one the time of the queue', async () => {
    const run = pendingRun();
    const lostAgo = (ms: number): ProwJob => {
      const attempts = [{ ...run.status!.attempts![0]!, finished: ago(ms), cause: 'UnscheduledTimeout' as const }];
      return { ...changed(run), status: { ...run.status!, attempts } };
    };
    jobs.replace([lostAgo(10 * minuteMs)], '1');
    pods.replace([podOf(run, { createdAgoMs: hourMs, status: { phase: 'Pending' }, deletedAgoMs: 10 * minuteMs })], '1');
    expect([await overdue('unscheduled'), await overdue('queue')]).toEqual([0, 0]);
    jobs.replace([lostAgo(25 * hourMs)], '2');
    expect([await overdue('unscheduled'), await overdue('queue')]).toEqual([0, 3600]);
  });

  it('counts a pod that is never there from the start of its attempt', async () => {
    const run = pendingRun();
    const attempts = [{ ...run.status!.attempts![0]!, started: ago(25 * hourMs) }];
    jobs.replace([{ ...run, status: { ...run.status!, attempts } }], '1');
    expect(await overdue('queue')).toBe(3600);
  });
});

describe('where pods stand', () => {
  const refused = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable' } as const;
  const rows: readonly { readonly phase: string; readonly pod: Parameters<typeof podOf>[1] }[] = [
    { phase: 'unscheduled', pod: { status: { phase: 'Pending' } } },
    { phase: 'unschedulable', pod: { status: { phase: 'Pending', conditions: [refused] } } },
    { phase: 'unscheduled', pod: { status: { phase: 'Pending', conditions: [{ ...refused, reason: 'SchedulingGated' }] } } },
    { phase: 'pending', pod: { status: { phase: 'Pending', startTime: ago(1000) } } },
    { phase: 'running', pod: { status: { phase: 'Running', startTime: ago(1000) } } },
    { phase: 'terminating', pod: { status: { phase: 'Running', startTime: ago(1000) }, deletedAgoMs: 1000 } },
    { phase: 'finished', pod: { status: { phase: 'Succeeded' } } },
    { phase: 'finished', pod: { status: { phase: 'Failed' }, deletedAgoMs: 1000 } },
  ];
  it.each(rows)('$phase: $pod.status', async ({ phase, pod }) => {
    pods.replace([podOf(pendingRun(), pod)], '1');
    const phases = ['unscheduled', 'unschedulable', 'pending', 'running', 'terminating', 'finished'];
    const counts = await Promise.all(phases.map((each) => value('prowjob_pods', { phase: each })));
    expect(phases.filter((_, index) => counts[index] === 1)).toEqual([phase]);
    expect(await value('sinker_pods_existing')).toBe(1);
  });
});
