/**
 * Whatever happens to a run and its pods, in whatever order: a complete run never changes, no pod is started once an abort was accepted or
 * a newer run has taken its place, no two pods run at a time, nothing is written twice, and the run ends by a time that can be computed
 * when it is made.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { supersedePolicies, type ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { isPodFinished } from '../../operator/jobs/podShape.ts';
import { defaultPolicy } from '../../operator/jobs/policy.ts';
import { stamp } from '../../operator/jobs/times.ts';
import type { Pod, PodStatus } from '../../operator/kube/builtin.ts';
import { nowMs, podSpec, refs } from './testing/builders.ts';
import { Life, type Answer } from './testing/life.ts';

type Report = 'accepted' | 'running' | 'succeeded' | 'failed' | 'evicted' | 'oom' | 'unknown' | 'rejected' | 'noImage' | 'preempted';

type Step =
  | { readonly do: 'report'; readonly what: Report }
  | { readonly do: 'remove'; readonly isForced: boolean }
  | { readonly do: 'sweep' | 'abort' | 'restart' | 'outage' | 'push' }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'answer'; readonly what: Answer }
  | { readonly do: 'settings'; readonly maxRevivals: number };

const reports: readonly Report[] = [
  'accepted',
  'running',
  'succeeded',
  'failed',
  'evicted',
  'oom',
  'unknown',
  'rejected',
  'noImage',
  'preempted',
];

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('report' as const), what: fc.constantFrom(...reports) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), isForced: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('sweep' as const, 'restart' as const, 'outage' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('push' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('pass' as const),
      ms: fc.constantFrom(1000, 15_000, 45_000, 120_000, 400_000, 3_600_000, 90_000_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      what: fc.constantFrom<Answer>('ok', 'ok', 'quota', 'invalid', 'lost', 'reset'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('settings' as const), maxRevivals: fc.nat(4) }) },
);

const anySpec: fc.Arbitrary<Partial<ProwJobSpec>> = fc.record(
  {
    supersede: fc.constantFrom(...supersedePolicies),
    max_concurrency: fc.nat(2),
    error_on_eviction: fc.boolean(),
    retry: fc.record(
      { max_attempts: fc.integer({ min: 1, max: 5 }), on: fc.subarray(['Infra', 'Timeout', 'OOMKilled', 'NodeLost'] as const) },
      { requiredKeys: [] },
    ),
    timeouts: fc.record({ pending: fc.constantFrom('30s', '1h'), running: fc.constantFrom('2m', '100h') }, { requiredKeys: [] }),
    decoration_config: fc.record(
      { timeout: fc.constantFrom('1m', '10h'), utility_images: fc.constant({ sidecar: 'i' }) },
      { requiredKeys: [] },
    ),
    pod_spec: fc.constantFrom(podSpec, podSpec, podSpec, { containers: [] }, { containers: [null] as never }),
  },
  { requiredKeys: [] },
);

/** Half of them are presubmits, which a newer run may supersede. */
const spec: fc.Arbitrary<Partial<ProwJobSpec>> = fc
  .tuple(fc.boolean(), anySpec)
  .map(([isPresubmit, { decoration_config: decoration, ...parts }]) => ({
    ...parts,
    ...(isPresubmit ? { type: 'presubmit' as const, refs } : {}),
    // Cloning would be refused.
    ...(decoration === undefined ? {} : { decoration_config: { ...decoration, skip_cloning: true } }),
  }));

function statusOf(what: Report, atMs: number, { status: before }: Pod): PodStatus {
  const startTime = before?.startTime ?? stamp(atMs);
  const ended = (exitCode: number, reason: string) => [
    { name: 'test', state: { terminated: { exitCode, reason, startedAt: startTime, finishedAt: stamp(atMs) } } },
  ];
  const waiting = [{ name: 'test', state: { waiting: { reason: 'ErrImagePull', message: 'i/o timeout' } } }];
  const all: Readonly<Record<Report, PodStatus>> = {
    accepted: { phase: 'Pending', startTime },
    running: { phase: 'Running', startTime, containerStatuses: [{ name: 'test', state: { running: { startedAt: stamp(atMs) } } }] },
    succeeded: { phase: 'Succeeded', startTime, containerStatuses: ended(0, 'Completed') },
    failed: { phase: 'Failed', startTime, containerStatuses: ended(1, 'Error') },
    evicted: { phase: 'Failed', reason: 'Evicted', startTime },
    oom: { phase: 'Failed', startTime, containerStatuses: ended(137, 'OOMKilled') },
    unknown: { phase: 'Unknown', startTime },
    rejected: { phase: 'Failed', reason: 'OutOfcpu' },
    noImage: { phase: 'Pending', startTime, containerStatuses: waiting },
    preempted: { phase: 'Failed', startTime, conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }] },
  };
  return all[what];
}

async function play(life: Life, step: Step): Promise<void> {
  switch (step.do) {
    case 'report':
      life.report((pod) => statusOf(step.what, life.clock.now(), pod));
      return;
    case 'remove':
      life.remove(step.isForced);
      return;
    case 'pass':
      await life.clock.advance(step.ms);
      return;
    case 'answer':
      life.answer = step.what;
      life.wake();
      return;
    case 'outage':
      life.away = !life.away;
      life.wake();
      return;
    case 'push':
      life.hasNewer = !life.hasNewer;
      life.wake();
      return;
    case 'settings':
      life.policy = { ...defaultPolicy, prowJobs: { ...defaultPolicy.prowJobs, maxRevivals: step.maxRevivals } };
      life.wake();
      return;
    default:
      life[step.do]();
  }
}

/** A second pass over a world at rest writes nothing. */
async function expectRest(life: Life): Promise<void> {
  const before = life.writes.length;
  await life.pass();
  expect(life.writes.slice(before), 'written at rest').toEqual([]);
}

const hourMs = 3_600_000;
/** The longest deadlines that a run here may have, and what lies between two attempts: 5 min of delay, twice grace and slack. */
const attemptMs = 24 * hourMs + 300_000 + hourMs + 100 * hourMs + 300_000 + 120_000;

it('a run lives and ends as promised, whatever happens', { timeout: 120_000 }, async () => {
  let ends = 0;
  let retries = 0;
  let superseded = 0;
  await fc.assert(
    fc.asyncProperty(spec, fc.array(step, { maxLength: 30, size: '+1' }), async (parts, steps) => {
      const life = new Life(parts);
      await life.settle();
      for (const next of steps) {
        await play(life, next);
        await life.settle();
        await expectRest(life);
        expect(life.faults).toEqual([]);
      }
      // From here on nobody does anything but the clock: no kubelet, no user, a cluster that stays as it is.
      const lastMs = Math.max(life.clock.now(), nowMs + 24 * hourMs) + 6 * attemptMs;
      for (let looks = 0; life.run.status?.completionTime === undefined && looks < 20_000; looks += 1) {
        expect(life.dueMs, 'an unfinished run has a timer').toBeDefined();
        await life.clock.advance(Math.max(1000, (life.dueMs ?? 0) - life.clock.now()));
        await life.settle();
      }
      expect(life.faults).toEqual([]);
      expect(life.run.status).toMatchObject({ completionTime: expect.any(String) as string, reason: expect.any(String) as string });
      expect(life.clock.now()).toBeLessThanOrEqual(lastMs);
      await expectRest(life);
      // Whatever was away comes back: the pods of a run that is over go.
      life.away = false;
      life.wake();
      await life.settle();
      expect(life.pods.filter((pod) => !isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined)).toEqual([]);
      expect(life.faults).toEqual([]);
      ends += 1;
      superseded += life.run.status?.reason === 'Superseded' ? 1 : 0;
      retries += (life.run.status?.attempts?.length ?? 0) > 1 ? 1 : 0;
    }),
    { numRuns: 800 },
  );
  // The histories are worth something.
  expect(ends).toBe(800);
  expect(retries).toBeGreaterThan(50);
  expect(superseded).toBeGreaterThan(8);
});
