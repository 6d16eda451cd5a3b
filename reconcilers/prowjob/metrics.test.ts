/** What is counted about runs: each event once, from what a write changed. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Attempt, ProwJobStatus, RunReason } from '../../crds/v1/prowJob.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { prowJobMetrics, type ProwJobMetrics } from './metrics.ts';
import { aRun, ago, minuteMs, nowMs, pendingRun, podOf } from './testing/builders.ts';

let metrics: Metrics;
let counts: ProwJobMetrics;

beforeEach(() => {
  metrics = new Metrics();
  counts = prowJobMetrics(metrics);
});

const run = aRun({ createdAgoMs: 10 * minuteMs });
const upstream = (state: string): Promise<number | undefined> =>
  metrics.value('prowjob_state_transitions', { job_namespace: 'ci', type: 'periodic', state });
const attempt = (number: number, end?: RunReason | 'unknown'): Attempt => ({
  number,
  pod_name: `run-${number}`,
  build_id: `${number}`,
  started: ago(minuteMs),
  ...(end === undefined ? {} : { finished: ago(0) }),
  ...(end === undefined || end === 'unknown' ? {} : { cause: end }),
});

const unseen: ProwJobStatus = { state: 'triggered', observedGeneration: -1 };
const waiting: ProwJobStatus = { state: 'triggered', observedGeneration: 1, waiting: { reason: 'QueueFull' } };
const pending: ProwJobStatus = { state: 'pending', observedGeneration: 1, pendingTime: ago(4 * minuteMs), attempts: [attempt(1)] };
const ended: ProwJobStatus = {
  ...pending,
  state: 'failure',
  reason: 'TestFailed',
  completionTime: ago(0),
  attempts: [attempt(1, 'TestFailed')],
};

describe('transitions under the name of upstream', () => {
  const steps = (...all: readonly ProwJobStatus[]): void => {
    for (const [index, after] of all.entries()) if (index > 0) counts.transition(run, all[index - 1]!, after);
  };
  const rows: readonly { readonly name: string; readonly life: readonly ProwJobStatus[]; readonly expected: readonly number[] }[] = [
    { name: 'a run that starts at once', life: [unseen, pending, ended], expected: [1, 1, 1] },
    { name: 'a run that waits, and is told its place again', life: [unseen, waiting, { ...waiting }, pending, ended], expected: [1, 1, 1] },
    { name: 'a run that upstream began: its first state is not ours to count', life: [pending, ended], expected: [0, 0, 1] },
    { name: 'a run of an API server that fills in no status', life: [{ state: 'triggered' }, pending], expected: [1, 1, 0] },
    { name: 'writes that change no state', life: [pending, { ...pending, description: 'x' }], expected: [0, 0, 0] },
  ];
  it.each(rows)('$name', async ({ life, expected }) => {
    steps(...life);
    expect([await upstream('triggered'), await upstream('pending'), await upstream('failure')]).toEqual(expected);
  });

  it('show each state as 0 from the first run of a namespace on, so that increase() sees its first event', async () => {
    expect(await upstream('error')).toBeUndefined();
    steps(unseen, waiting);
    expect([await upstream('error'), await upstream('aborted'), await upstream('triggered')]).toEqual([0, 0, 1]);
  });

  it('count the end of an abort that was asked for by the state', async () => {
    steps({ ...pending, state: 'aborted' }, { ...pending, state: 'aborted', completionTime: ago(0), reason: 'Aborted' });
    expect(await upstream('aborted')).toBe(1);
    expect(
      await metrics.value('prowjob_state_transitions_total', { type: 'periodic', from: 'aborted', to: 'aborted', reason: 'Aborted' }),
    ).toBe(1);
  });
});

describe('attempts', () => {
  interface Row {
    readonly name: string;
    readonly before: readonly Attempt[];
    readonly after: readonly Attempt[];
    /** Present: the run is over. */
    readonly over?: RunReason;
    readonly ended: Partial<Record<RunReason, number>>;
    readonly lost: Partial<Record<RunReason, number>>;
  }
  const rows: readonly Row[] = [
    {
      name: 'one that is lost and followed by another',
      before: [attempt(1)],
      after: [attempt(1, 'Evicted'), attempt(2)],
      ended: { Evicted: 1 },
      lost: { Evicted: 1 },
    },
    {
      name: 'the last one keeps its cause although the run says RetriesExhausted',
      before: [attempt(1, 'Evicted'), attempt(2)],
      after: [attempt(1, 'Evicted'), attempt(2, 'NodeLost')],
      over: 'RetriesExhausted',
      ended: { Evicted: 0, NodeLost: 1 },
      lost: { NodeLost: 0 },
    },
    {
      name: 'one that was recorded as lost before the end does not count twice',
      before: [attempt(1, 'Evicted')],
      after: [attempt(1, 'Evicted')],
      over: 'Evicted',
      ended: { Evicted: 0 },
      lost: { Evicted: 0 },
    },
    {
      name: 'one that somebody aborted',
      before: [attempt(1)],
      after: [attempt(1, 'unknown')],
      over: 'Aborted',
      ended: { Aborted: 1 },
      lost: {},
    },
  ];
  it.each(rows)('$name', async ({ before, after, over, ended: endedNow, lost }) => {
    const then: ProwJobStatus = { ...pending, attempts: after };
    counts.transition(
      run,
      { ...pending, attempts: before },
      over === undefined ? then : { ...then, state: 'error', reason: over, completionTime: ago(0) },
    );
    const shown = async (name: string, all: object): Promise<Record<string, number | undefined>> =>
      Object.fromEntries(await Promise.all(Object.keys(all).map(async (cause) => [cause, await metrics.value(name, { cause })] as const)));
    expect(await shown('prowjob_attempts_ended_total', endedNow)).toEqual(endedNow);
    expect(await shown('prowjob_attempts_lost_total', lost)).toEqual(lost);
  });

  it('that alerts look for are there before the first one', async () => {
    expect(await metrics.value('prowjob_attempts_ended_total', { cause: 'UnscheduledTimeout' })).toBe(0);
  });
});

describe('times', () => {
  const sumOf = (name: string, labels: Record<string, string> = {}): Promise<number | undefined> => metrics.value(`${name}_sum`, labels);

  it('are those of the queue, of the pod and of the run', async () => {
    const pod = podOf(pendingRun(), { createdAgoMs: 3 * minuteMs, status: { phase: 'Failed', startTime: ago(2 * minuteMs) } });
    counts.transition(run, unseen, pending);
    counts.transition(run, pending, ended, pod);
    expect(await sumOf('prowjob_queue_wait_seconds')).toBe(360);
    expect(await sumOf('prowjob_pod_start_seconds')).toBe(60);
    expect(await sumOf('prowjob_run_seconds', { state: 'failure' })).toBe(240);
    expect(await sumOf('prow_job_runtime_seconds', { type: 'periodic', last_state: 'triggered', state: 'pending' })).toBe(360);
    expect(await sumOf('prow_job_runtime_seconds', { type: 'periodic', last_state: 'pending', state: 'failure' })).toBe(240);
  });

  it('to the first pod count for the first pod only, and are never negative', async () => {
    counts.podCreated(run, 1, nowMs);
    counts.podCreated(run, 2, nowMs);
    // The API server tells whole seconds, by its own clock.
    counts.podCreated(aRun({ createdAgoMs: -900 }), 1, nowMs);
    expect([await metrics.value('prowjob_start_seconds_count'), await sumOf('prowjob_start_seconds')]).toEqual([2, 600]);
    expect(await metrics.value('prowjob_pods_created_total')).toBe(3);
  });
});
