import { describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { isArchiveSettled, mayCleanUp } from '../../operator/jobs/archiveHold.ts';
import type { ArchivePolicy } from '../../operator/jobs/archivePolicy.ts';
import { stamp } from '../../operator/jobs/times.ts';
import { decide, logWaitMs, type Case } from './decide.ts';

const nowMs = Date.UTC(2026, 0, 2);
const minuteMs = 60_000;
const policy: ArchivePolicy = {
  location: { scheme: 'file', bucket: '/x', prefix: '' },
  allowedBuckets: [],
  pathStrategy: 'explicit',
  defaultOrg: '',
  defaultRepo: '',
  holdCleanupMs: 60 * minuteMs,
};

interface Parts {
  readonly endedAgoMs?: number;
  readonly condition?: { readonly status: 'True' | 'False'; readonly reason: string };
  readonly attempts?: number;
  readonly agent?: string;
}
const run = ({ endedAgoMs, condition, attempts = 1, agent = 'kubernetes' }: Parts = {}): ProwJob => ({
  metadata: { name: 'r', namespace: 'ci', uid: 'u' },
  spec: { type: 'periodic', job: 'j', agent },
  status: {
    state: endedAgoMs === undefined ? 'pending' : 'success',
    ...(endedAgoMs === undefined ? {} : { completionTime: stamp(nowMs - endedAgoMs) }),
    attempts: Array.from({ length: attempts }, (_, index) => ({ number: index + 1, pod_name: `r-${index}`, build_id: String(index + 1) })),
    ...(condition === undefined
      ? {}
      : { conditions: [{ type: 'Archived', message: 'm', lastTransitionTime: stamp(nowMs), ...condition }] }),
  },
});
const given = (more: Partial<Case> = {}): Case => ({
  run: run(),
  policy,
  hasStarted: true,
  logsAreDone: true,
  isConnected: true,
  nowMs,
  ...more,
});
const failed = { status: 'False', reason: 'Failed' } as const;

describe('decide', () => {
  it.each<{ what: string; more: Partial<Case>; want: object }>([
    { what: 'no archive', more: { policy: undefined }, want: { do: 'forget' } },
    { what: 'another agent', more: { run: run({ agent: 'jenkins' }) }, want: { do: 'forget' } },
    {
      what: 'it is in the archive',
      more: { run: run({ endedAgoMs: 0, condition: { status: 'True', reason: 'Uploaded' } }) },
      want: { do: 'forget' },
    },
    {
      what: 'it was given up',
      more: { run: run({ endedAgoMs: 0, condition: { status: 'False', reason: 'GivenUp' } }) },
      want: { do: 'forget' },
    },
    { what: 'it never had a pod', more: { run: run({ endedAgoMs: 0, attempts: 0 }) }, want: { do: 'forget' } },
    { what: 'it waits for its first pod', more: { run: run({ attempts: 0 }) }, want: { do: 'nothing' } },
    { what: 'no container has started', more: { hasStarted: false }, want: { do: 'nothing' } },
    {
      what: 'a container runs',
      more: { run: run({ attempts: 2 }) },
      want: { do: 'announce', attempt: { number: 2, pod_name: 'r-1', build_id: '2' } },
    },
    { what: 'it has ended', more: { run: run({ endedAgoMs: 0 }) }, want: { do: 'upload' } },
    { what: 'it failed before', more: { run: run({ endedAgoMs: minuteMs, condition: failed }) }, want: { do: 'upload' } },
    {
      what: 'its last lines are coming',
      more: { run: run({ endedAgoMs: minuteMs }), logsAreDone: false },
      want: { do: 'wait', afterMs: logWaitMs - minuteMs },
    },
    {
      what: 'its cluster is away',
      more: { run: run({ endedAgoMs: minuteMs }), isConnected: false },
      want: { do: 'wait', afterMs: logWaitMs - minuteMs },
    },
    { what: 'its last lines do not come', more: { run: run({ endedAgoMs: logWaitMs }), logsAreDone: false }, want: { do: 'upload' } },
    {
      what: 'the time is over after failures',
      more: { run: run({ endedAgoMs: 60 * minuteMs, condition: failed }) },
      want: { do: 'giveUp' },
    },
    { what: 'it ended long before there was an archive', more: { run: run({ endedAgoMs: 60 * minuteMs }) }, want: { do: 'forget' } },
  ])('$what', ({ more, want }) => {
    expect(decide(given(more))).toEqual(want);
  });
});

describe('cleanup may delete', () => {
  it.each<{ what: string; job: ProwJob; off?: true; may: boolean }>([
    { what: 'without an archive', job: run({ endedAgoMs: 0 }), off: true, may: true },
    { what: 'what has just ended', job: run({ endedAgoMs: 0 }), may: false },
    { what: 'what failed', job: run({ endedAgoMs: 59 * minuteMs, condition: failed }), may: false },
    { what: 'what was waited for long enough', job: run({ endedAgoMs: 60 * minuteMs, condition: failed }), may: true },
    { what: 'what is safe', job: run({ endedAgoMs: 0, condition: { status: 'True', reason: 'Uploaded' } }), may: true },
    { what: 'what was given up', job: run({ endedAgoMs: 0, condition: { status: 'False', reason: 'GivenUp' } }), may: true },
    { what: 'what never had a pod', job: run({ endedAgoMs: 0, attempts: 0 }), may: true },
    { what: 'what belongs to another agent', job: run({ endedAgoMs: 0, agent: 'jenkins' }), may: true },
  ])('$what: $may', ({ job, off, may }) => {
    expect(mayCleanUp(job, off === true ? {} : { archive: policy }, nowMs)).toBe(may);
  });
  it('asks only about conditions of the archive', () => {
    expect(isArchiveSettled(run({ endedAgoMs: 0 }))).toBe(false);
  });
});
