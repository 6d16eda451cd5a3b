import { beforeEach, describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { buildPod, planAttempt } from '../../operator/jobs/podBuilder.ts';
import { defaultPolicy } from '../../operator/jobs/policy.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { Store } from '../../operator/runtime/store.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { judgeRun, type RunVerdict } from '../../operator/jobs/retention.ts';
import { showCleanupGauges } from './gauges.ts';
import { stamp } from '../../operator/jobs/times.ts';

const minuteMs = 60_000;
const nowMs = Date.UTC(2026, 5, 1);
const { podTTLMs, prowJobTTLMs } = defaultPolicy.cleanup;

let metrics: Metrics;
let jobs: Store<ProwJob>;
let pods: Store<Pod>;
/** Another alias of the same cluster. */
let twin: Store<Pod>;
let kept: Set<string>;
let isLeading: boolean;

beforeEach(() => {
  metrics = new Metrics();
  jobs = new Store<ProwJob>();
  pods = new Store<Pod>();
  twin = new Store<Pod>();
  kept = new Set();
  isLeading = true;
  const clock = new FakeClock(nowMs);
  const judge = (run: ProwJob, atMs: number): RunVerdict =>
    kept.has(run.metadata.name)
      ? { kind: 'keep' }
      : judgeRun({ run, owner: undefined, policy: defaultPolicy, nowMs: atMs, workingSinceMs: nowMs });
  const owners = { of: () => undefined };
  const caches = () => [pods, twin];
  showCleanupGauges({ metrics, jobs, pods: caches, policy: () => defaultPolicy, judge, owners, clock, isLeading: () => isLeading });
});

const overdue = (object: 'runs' | 'pods'): Promise<number | undefined> => metrics.value('cleanup_overdue_objects', { object });

/** A run that has been complete for so long; without a time it is not. */
const runOf = (name: string, completedAgoMs?: number): ProwJob => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'ProwJob',
  metadata: { name, namespace: 'ci', uid: name, resourceVersion: '1', creationTimestamp: stamp(nowMs - prowJobTTLMs * 2) },
  spec: { type: 'periodic', job: 'unit', agent: 'kubernetes', pod_spec: { containers: [{ name: 'test', image: 'busybox' }] } },
  status: completedAgoMs === undefined ? { state: 'pending' } : { state: 'success', completionTime: stamp(nowMs - completedAgoMs) },
});

const podOf = (run: ProwJob): Pod => {
  const pod = buildPod(run, planAttempt(run, 1, defaultPolicy));
  return { ...pod, metadata: { ...pod.metadata, uid: `pod-${run.metadata.name}` } };
};

describe('what is overdue', () => {
  it('is counted five minutes after its time', async () => {
    jobs.replace(
      [runOf('late', prowJobTTLMs + 6 * minuteMs), runOf('due', prowJobTTLMs + 4 * minuteMs), runOf('young', minuteMs), runOf('active')],
      '1',
    );
    expect([await overdue('runs'), await overdue('pods')]).toEqual([1, 0]);
  });

  it('leaves out what is kept on purpose', async () => {
    jobs.replace([runOf('newest', prowJobTTLMs + 6 * minuteMs), runOf('older', prowJobTTLMs + 6 * minuteMs)], '1');
    kept.add('newest');
    expect(await overdue('runs')).toBe(1);
  });

  it('counts pods by the time of their run, which comes earlier', async () => {
    const [late, young] = [runOf('late', podTTLMs + 6 * minuteMs), runOf('young', podTTLMs + 4 * minuteMs)];
    jobs.replace([late, young], '1');
    for (const store of [pods, twin]) {
      store.replace([podOf(late), podOf(young), podOf(runOf('active')), podOf(runOf('without-run', podTTLMs * 2))], '1');
    }
    expect([await overdue('runs'), await overdue('pods')]).toEqual([0, 1]);
  });

  it('is counted by the leader only', async () => {
    jobs.replace([runOf('late', prowJobTTLMs + 6 * minuteMs)], '1');
    expect(await overdue('runs')).toBe(1);
    isLeading = false;
    expect(await overdue('runs')).toBe(0);
  });
});
