/** Each invariant lets a good history pass, and names what broke it in a bad one. */
import { describe, expect, it } from 'vitest';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { History } from './history.ts';
import { askedAtTheEnd, blurredByDelays, brokenInvariants, invariants } from './invariants.ts';
import { changes, created, ended, pending, pod, run, schedule, stopped, waiting, type Happening } from './testing/happenings.ts';

interface Row {
  readonly invariant: string;
  readonly why: string;
  readonly runs?: readonly Happening<ProwJob>[];
  readonly pods?: readonly Happening<Pod>[];
  readonly periodics?: readonly Happening<Periodic>[];
  /** The uid of a pod that the story deleted. */
  readonly deleted?: string;
  /** A word of what is said. Absent: nothing is wrong. */
  readonly says?: string;
}

const one = { max_concurrency: 1 };

const rows: readonly Row[] = [
  {
    invariant: 'unfinished pods never exceed a limit',
    why: 'that of a job, which its runs say (limitLedger.test.ts has the others)',
    runs: [
      [1, run('a', ended, one)],
      [2, run('b', ended, one)],
    ],
    pods: [
      [3, pod('a', 'a')],
      [4, pod('b', 'b')],
    ],
    says: 'job n/turns had 2 unfinished pods; its limit is 1',
  },
  {
    invariant: 'a complete run never changes state or completionTime',
    why: 'a success that becomes a failure',
    runs: [
      [1, run('a', ended)],
      [2, run('a', { ...ended, state: 'failure' })],
    ],
    says: 'n/a was success',
  },
  {
    invariant: 'a complete run never changes state or completionTime',
    why: 'an annotation may change',
    runs: [
      [1, run('a', pending)],
      [2, run('a', ended)],
      [3, { ...run('a', ended), metadata: { ...run('a', ended).metadata, labels: { x: 'y' } } }],
    ],
  },
  {
    invariant: 'waiting runs start by priority, then age, then uid',
    why: 'the lesser one takes the slot that both waited for',
    runs: [
      [1, run('holder', pending, one)],
      [2, run('lesser', waiting, one)],
      [3, run('better', waiting, { ...one, priority: 1 })],
      [4, run('holder', ended, one)],
      [5, run('lesser', pending, one)],
      [6, run('lesser', ended, one)],
      [7, run('better', pending, { ...one, priority: 1 })],
      [8, run('better', ended, { ...one, priority: 1 })],
    ],
    says: 'n/lesser started before n/better',
  },
  {
    invariant: 'waiting runs start by priority, then age, then uid',
    why: 'the better one came when the slot had been given away',
    runs: [
      [1, run('holder', pending, one)],
      [2, run('lesser', waiting, one)],
      [3, run('holder', ended, one)],
      [4, run('better', waiting, { ...one, priority: 1 })],
      [5, run('lesser', pending, one)],
      [6, run('lesser', ended, one)],
      [7, run('better', pending, { ...one, priority: 1 })],
      [8, run('better', ended, { ...one, priority: 1 })],
    ],
  },
  {
    invariant: 'waiting runs start by priority, then age, then uid',
    why: 'the slot came free while it was being written that the lesser one waits, and the better one came later',
    runs: [
      [1, run('holder', pending, one)],
      [2, run('holder', ended, one)],
      [3, run('lesser', waiting, one)],
      [4, run('lesser', pending, one)],
      [5, run('better', waiting, { ...one, priority: 1 })],
      [6, run('lesser', ended, one)],
      [7, run('better', pending, { ...one, priority: 1 })],
    ],
  },
  { invariant: 'every run comes to an end', why: 'one goes on for ever', runs: [[1, run('a', pending)]], says: 'n/a is still pending' },
  {
    invariant: 'every run comes to an end',
    why: 'it was deleted under way',
    runs: [
      [1, run('a', pending)],
      [2, run('a', pending), 'DELETED'],
    ],
  },
  {
    invariant: 'no deadline is overrun by more than a crash takes',
    why: 'a minute in the queue instead of five seconds',
    runs: [[1, run('a', { ...ended, state: 'error' }, { timeouts: { queue: '5s' } })]],
    says: 'n/a waited longer than its queue deadline',
  },
  {
    invariant: 'no deadline is overrun by more than a crash takes',
    why: 'a pod that nobody stopped in time',
    runs: [[1, run('a', ended, { timeouts: { running: '5s' } })]],
    pods: [[2, stopped('a', '2026-01-01T10:01:00Z')]],
    says: 'pod n/a was running longer than its deadline',
  },
  {
    invariant: 'no deadline is overrun by more than a crash takes',
    why: 'a pod that was stopped in time',
    runs: [[1, run('a', ended, { timeouts: { running: '5s' } })]],
    pods: [[2, stopped('a', '2026-01-01T10:00:06Z')]],
  },
  {
    invariant: 'every pod belongs to a run, and each attempt has at most one',
    why: 'a pod of nobody',
    pods: [[1, pod('a', 'a')]],
    says: 'pod n/a belongs to no run',
  },
  {
    invariant: 'every pod belongs to a run, and each attempt has at most one',
    why: 'two pods of one attempt, also one after the other',
    runs: [[1, run('a', ended)]],
    pods: [
      [2, pod('a', 'a')],
      [3, pod('a', 'a'), 'DELETED'],
      [4, pod('a', 'a', 'Succeeded', { uid: 'another' })],
    ],
    says: 'one attempt has the pods n/a (p-a) and n/a (another)',
  },
  {
    invariant: 'every pod belongs to a run, and each attempt has at most one',
    why: 'the user deleted the first while nobody looked',
    deleted: 'p-a',
    runs: [[1, run('a', ended)]],
    pods: [
      [2, pod('a', 'a')],
      [3, pod('a', 'a'), 'DELETED'],
      [4, pod('a', 'a', 'Succeeded', { uid: 'another' })],
    ],
  },
  {
    invariant: 'nobody but the user deletes the pod of a run that goes on',
    why: 'a running pod is taken away',
    runs: [
      [1, run('a', pending)],
      [9, run('a', ended)],
    ],
    pods: [
      [2, pod('a', 'a')],
      [3, pod('a', 'a', 'Running', { deleting: true })],
    ],
    says: 'pod n/a was deleted while its run went on',
  },
  {
    invariant: 'nobody but the user deletes the pod of a run that goes on',
    why: 'the run was asked to end',
    runs: [
      [1, run('a', pending, { abort: { by: 'x', reason: 'y' } })],
      [9, run('a', ended)],
    ],
    pods: [
      [2, pod('a', 'a')],
      [3, pod('a', 'a', 'Running', { deleting: true })],
    ],
  },
  {
    invariant: 'at most one run for each slot and each start by hand',
    why: 'two runs for one slot',
    runs: [
      [1, run('a', ended, { slot: created })],
      [2, run('b', ended, { slot: created })],
    ],
    says: 'n/a was started twice for',
  },
  {
    invariant: 'at most one run for each slot and each start by hand',
    why: 'two runs for one token',
    runs: [
      [1, run('a', ended, { token: 'now' })],
      [2, run('b', ended, { token: 'now' })],
    ],
    says: 'n/a was started twice for now',
  },
  {
    invariant: 'every slot ends started, skipped or missed',
    why: 'a hole between two slots',
    runs: [
      [1, run('a', ended, { slot: '2026-01-01T10:00:00Z' })],
      [2, run('b', ended, { slot: '2026-01-01T10:10:00Z' })],
    ],
    periodics: [[3, schedule('2026-01-01T10:10:00Z')]],
    says: 'hourly has neither a run nor a reason for 2026-01-01T10:02:00.000Z',
  },
  {
    invariant: 'every slot ends started, skipped or missed',
    why: 'the slots that follow were skipped, one was missed, and one waits',
    runs: [[1, run('a', ended, { slot: created })]],
    periodics: [
      [3, schedule('2026-01-01T10:01:00Z', { skipped: { count: 1, last: [{ slot: '2026-01-01T10:01:00Z', reason: 'ActiveRun' }] } })],
      [
        4,
        schedule('2026-01-01T10:03:00Z', {
          skipped: { count: 1, last: [{ slot: '2026-01-01T10:01:00Z', reason: 'ActiveRun' }] },
          missed: { count: 1, last: [{ slot: '2026-01-01T10:02:00Z', reason: 'QueueFull' }] },
          waiting: [{ slot: '2026-01-01T10:03:00Z', reason: 'Queued' }],
        }),
      ],
    ],
  },
  {
    invariant: 'every slot ends started, skipped or missed',
    why: 'a slot that was said to be missed and started all the same',
    runs: [[1, run('a', ended, { slot: created })]],
    periodics: [[3, schedule(created, { missed: { count: 1, last: [{ slot: created, reason: 'Superseded' }] } })]],
    says: 'hourly has two answers for 2026-01-01T10:00:00.000Z',
  },
  {
    invariant: 'no pod starts for a run that is over',
    why: 'a pod after the end',
    runs: [
      [1, run('a', pending)],
      [2, run('a', ended)],
    ],
    pods: [[3, pod('a', 'a', 'Succeeded')]],
    says: 'pod n/a was created when its run had ended',
  },
  {
    invariant: 'no pod starts for a run that is over',
    why: 'a pod after a newer run has taken the place',
    runs: [
      [1, run('a', pending)],
      [2, run('a', { state: 'aborted', superseded_by: 'b' })],
    ],
    pods: [[3, pod('a', 'a')]],
    says: 'pod n/a was created when its run had ended',
  },
  {
    invariant: 'what cannot be done says why',
    why: 'a run that ended as an error without a word',
    runs: [[1, run('a', { ...ended, state: 'error' })]],
    says: 'n/a ended as error with reason ""',
  },
  {
    invariant: 'what cannot be done says why',
    why: 'a condition that is False without a message',
    periodics: [
      [
        1,
        schedule(created, {
          conditions: [{ type: 'Ready', status: 'False', reason: 'Invalid', message: '', lastTransitionTime: created }],
        }),
      ],
    ],
    says: 'condition Ready of n/hourly is False',
  },
  {
    invariant: 'what cannot be done says why',
    why: 'a reason and a sentence',
    runs: [[1, run('a', { ...ended, state: 'error', reason: 'InvalidSpec', description: 'The run cannot be started.' })]],
  },
  {
    invariant: 'nothing is written again and again',
    why: 'a run that has ended is written on and on',
    runs: Array.from({ length: 20 }, (_, at) => [at + 1, run('a', { ...ended, description: `look ${at}` })] as const),
    says: 'ProwJob n/a was written 19 times after its end',
  },
  {
    invariant: 'nothing is written again and again',
    why: 'two hands that take back what the other wrote',
    periodics: Array.from({ length: 12 }, (_, at) => [at + 1, schedule(created, { consecutiveFailures: at % 2 })] as const),
    says: 'Periodic n/hourly got the same status 6 times',
  },
  {
    invariant: 'nothing is written again and again',
    why: 'a run that waits is told its place, and others touch it',
    runs: [3, 3, 3, 2, 2, 1].map(
      (position, at) => [at + 1, run('a', { state: 'triggered', waiting: { reason: 'QueueFull', position } })] as const,
    ),
  },
  {
    invariant: 'a build id is unique for each attempt',
    why: 'two runs with one id',
    runs: [
      [1, run('a', ended)],
      [2, run('b', ended)],
    ],
    pods: [
      [3, pod('a', 'a', 'Succeeded', { buildId: '7' })],
      [4, pod('b', 'b', 'Succeeded', { buildId: '7' })],
    ],
    says: 'build id 7 belongs to',
  },
];

describe('the invariants', () => {
  it.each(rows)('$invariant: $why', ({ invariant, says, deleted = '', ...happened }) => {
    const history: History = {
      runs: changes(happened.runs ?? []),
      pods: changes(happened.pods ?? []),
      periodics: changes(happened.periodics ?? []),
    };
    const broken = invariants.get(invariant)?.(history, { deletedPods: new Set([deleted]) });
    if (says === undefined) expect(broken).toEqual([]);
    else expect(broken?.join('\n')).toContain(says);
  });

  it('are each seen broken by a row', () => {
    const shown = new Set(rows.filter(({ says }) => says !== undefined).map(({ invariant }) => invariant));
    expect([...invariants.keys()].filter((invariant) => !shown.has(invariant))).toEqual([]);
  });

  it('that are only asked at times are some of them', () => {
    expect([...askedAtTheEnd, ...blurredByDelays].filter((each) => !invariants.has(each))).toEqual([]);
  });

  it('say nothing of what is not over while things go on', () => {
    const history: History = { runs: changes([[1, run('a', pending)]]), pods: [], periodics: [] };
    expect(brokenInvariants(history, { deletedPods: new Set() }, askedAtTheEnd)).toEqual([]);
  });

  it('say which of them was broken', () => {
    const broken = brokenInvariants({ runs: changes([[1, run('a', pending)]]), pods: [], periodics: [] }, { deletedPods: new Set() });
    expect(broken).toEqual(['every run comes to an end: n/a is still pending']);
  });
});
