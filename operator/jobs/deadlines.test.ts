/** Which deadline holds, which cause is retried, and when things expire: small tables. */
import { describe, expect, it } from 'vitest';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { deadlinesOf, isRetried, maxAttemptsOf } from './deadlines.ts';
import { defaultPolicy } from './policy.ts';
import { podExpiryMs, runExpiryMs } from './retention.ts';

const spec = (parts: Partial<ProwJobSpec> = {}): ProwJobSpec => ({ type: 'periodic', job: 'j', ...parts });
const policy = defaultPolicy.prowJobs.timeouts;

describe('deadlines', () => {
  it.each([
    { name: 'the policy', given: spec(), want: policy },
    {
      name: "the run's own",
      given: spec({ timeouts: { queue: '1h', running: '90s' } }),
      want: { ...policy, queueMs: 3_600_000, runningMs: 90_000 },
    },
    {
      name: "decoration_config, upstream's place",
      given: spec({ decoration_config: { pod_pending_timeout: '2h' } }),
      want: { ...policy, pendingMs: 7_200_000 },
    },
    {
      name: "the run's own before decoration_config",
      given: spec({ timeouts: { pending: '1m' }, decoration_config: { pod_pending_timeout: '2h' } }),
      want: { ...policy, pendingMs: 60_000 },
    },
    {
      name: 'the policy, where the own one is longer than time',
      given: spec({ timeouts: { running: '99999999999999999999h' } }),
      want: policy,
    },
  ])('come from $name', ({ given, want }) => expect(deadlinesOf(given, policy)).toEqual(want));
});

describe('retries', () => {
  it.each([
    { cause: 'Evicted', retry: undefined, want: true },
    { cause: 'PodVanished', retry: undefined, want: true },
    { cause: 'OOMKilled', retry: undefined, want: false },
    { cause: 'UnscheduledTimeout', retry: undefined, want: false },
    { cause: 'UnscheduledTimeout', retry: { on: ['Timeout'] }, want: true },
    { cause: 'Evicted', retry: { on: ['Timeout'] }, want: false },
    { cause: 'Evicted', retry: { on: [] }, want: false },
    { cause: 'OOMKilled', retry: { on: ['OOMKilled'] }, want: true },
    { cause: 'TestFailed', retry: { on: ['TestFailed'] as never }, want: false },
    { cause: 'RunningTimeout', retry: { on: ['Timeout', 'Infra'] }, want: false },
    { cause: 'PodRejected', retry: { on: ['Infra'] }, want: false },
  ] as const)('$cause with $retry: $want', ({ cause, retry, want }) => {
    expect(isRetried(spec(retry === undefined ? {} : { retry }), cause)).toBe(want);
  });
  it('the first attempt and the revivals make the number of pods', () => {
    expect(maxAttemptsOf(spec(), defaultPolicy)).toBe(4);
    expect(maxAttemptsOf(spec({ retry: { max_attempts: 1 } }), defaultPolicy)).toBe(1);
  });
});

describe('retention', () => {
  const doneMs = Date.UTC(2026, 0, 1);
  const run = (parts: Partial<ProwJobSpec> = {}, done = true): ProwJob => ({
    metadata: { name: 'r' },
    spec: spec(parts),
    status: done ? { state: 'success', completionTime: new Date(doneMs).toISOString() } : { state: 'pending' },
  });
  const cleanup = { prowJobTTLMs: 1000_000, podTTLMs: 10_000, orphanAgeMs: 0 };
  it.each([
    { name: 'by the policy', given: run(), runs: 1000_000, pods: 10_000 },
    { name: 'by its own time', given: run({ ttl_seconds_after_finished: 60 }), runs: 60_000, pods: 10_000 },
    { name: 'pods never later than the run', given: run({ ttl_seconds_after_finished: 0 }), runs: 0, pods: 0 },
  ])('$name', ({ given, runs, pods }) => {
    expect([runExpiryMs(given, cleanup), podExpiryMs(given, cleanup)]).toEqual([doneMs + runs, doneMs + pods]);
  });
  it('never while it is not finished', () => {
    expect([runExpiryMs(run({}, false), cleanup), podExpiryMs(run({}, false), cleanup)]).toEqual([undefined, undefined]);
  });
});
