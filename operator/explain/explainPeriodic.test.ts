/** What `why periodic/NAME` says, case by case. */
import { describe, expect, it } from 'vitest';
import type { PeriodicStatus } from '../../crds/v1/periodic.ts';
import { missReasons, skipReasons } from '../jobs/periodicDecisions.ts';
import { newPeriodic, newRun, type PeriodicInput } from '../jobs/testing/periodics.ts';
import { explainPeriodic } from './explainPeriodic.ts';
import { explanationText } from './explanation.ts';
import { missWords, skipWords } from './slotWords.ts';

const now = '2026-01-02T12:00:30Z';
const text = '*/10 * * * * Etc/UTC gap=Shift overlap=First';

const status = (more: PeriodicStatus = {}): PeriodicStatus => ({
  observedGeneration: 1,
  schedule: { text, since: '2026-01-01T00:00:00Z' },
  lastScheduleTime: '2026-01-02T12:00:00Z',
  nextScheduleTimes: ['2026-01-02T12:10:00Z'],
  ...more,
});
const condition = (type: string, reason: string, message: string): PeriodicStatus => ({
  conditions: [{ type, status: 'True', reason, message, lastTransitionTime: now }],
});

interface Case {
  readonly name: string;
  readonly given: PeriodicInput;
  readonly code: string;
  readonly says: readonly string[];
}

const cases: readonly Case[] = [
  {
    name: 'not due: the next slots, and what runs',
    given: { status: status({ lastRunTime: '2026-01-02T12:00:01Z', active: [{ name: 'nightly-x', slot: '2026-01-02T12:00:00Z' }] }) },
    code: 'NotDue',
    says: [
      'the next slot is 2026-01-02T12:10:00Z (in 9 min 30 s)',
      'Active now: nightly-x.',
      'concurrencyPolicy Forbid',
      '2026-01-02T12:50:00Z',
    ],
  },
  {
    name: 'local times, jitter and clock changes of the slots to come',
    given: { spec: { cron: '30 2 * * *', timeZone: 'Europe/Zurich', jitter: '30m' }, status: { observedGeneration: 1 } },
    code: 'NotDue',
    says: ['Next slots of "30 2 * * *"', '2026-01-03T01:30:00Z', '02:30 in Europe/Zurich', 'later (jitter)'],
  },
  {
    name: 'suspended',
    given: { spec: { suspend: true } },
    code: 'Suspended',
    says: ['It is suspended', 'patch periodic nightly', 'suspended'],
  },
  {
    name: 'suspended until',
    given: { spec: { suspendUntil: '2026-01-03T12:00:30Z' } },
    code: 'SuspendedUntil',
    says: ['until 2026-01-03T12:00:30Z (in 1 d)', 'suspended until 2026-01-03T12:00:30Z'],
  },
  {
    name: 'stopped by failures',
    given: {
      spec: { stopAfter: { consecutiveFailures: 3 } },
      status: status({ consecutiveFailures: 3, ...condition('Stopped', 'ConsecutiveFailures', 'Slots are skipped') }),
    },
    code: 'Stopped',
    says: [
      '3 runs in a row ended badly',
      'spec.stopAfter.consecutiveFailures is 3',
      'start a run by hand',
      'prow-operator run -n team nightly',
    ],
  },
  {
    name: 'excluded now, and an exclusion that adjoins',
    given: {
      spec: {
        exclusions: [
          { from: '2026-01-02T00:00:00Z', to: '2026-01-03T00:00:00Z', reason: 'freeze' },
          { from: '2026-01-03T00:00:00Z', to: '2026-01-04T12:00:30Z' },
        ],
      },
      status: status(),
    },
    code: 'Excluded',
    says: ['until 2026-01-04T12:00:30Z (in 2 d)', 'The reason given: freeze.', 'excluded: freeze'],
  },
  {
    name: 'a schedule that cannot be read',
    given: { spec: { cron: '0 25 * * *' } },
    code: 'InvalidSchedule',
    says: ['its schedule cannot be read', 'spec.cron', 'the hour 25'],
  },
  {
    name: 'a template that the API refuses',
    given: { status: status(condition('Stalled', 'InvalidTemplate', 'spec.job: too long')) },
    code: 'InvalidTemplate',
    says: ['cannot start its runs as things are', 'spec.job: too long.'],
  },
  {
    name: 'a run that could not be created yet',
    given: { status: status(condition('Reconciling', 'CreateFailed', 'exceeded quota')) },
    code: 'CreateFailed',
    says: ['could not be created yet', 'exceeded quota.'],
  },
  {
    name: 'a slot that nobody has dealt with',
    given: { status: status({ nextScheduleTimes: ['2026-01-02T11:50:00Z'] }) },
    code: 'Overdue',
    says: ['due for 10 min 30 s', 'kubectl get lease -A'],
  },
  {
    name: 'a slot that waits in the queue, behind a run',
    given: {
      spec: { concurrencyPolicy: 'Queue' },
      status: status({
        active: [{ name: 'nightly-x' }],
        waiting: [
          { slot: '2026-01-02T11:50:00Z', reason: 'Queued' },
          { slot: '2026-01-02T12:00:00Z', reason: 'Queued' },
        ],
      }),
    },
    code: 'Queued',
    says: [
      'The slot 2026-01-02T11:50:00Z waits: for its turn in the queue, behind nightly-x. 1 more wait',
      'prow-operator abort nightly-x',
      'Slots that wait',
    ],
  },
  {
    name: 'a repetition that is to come',
    given: {
      spec: { retry: { attempts: 2 } },
      status: status({ waiting: [{ slot: '2026-01-02T11:50:00Z', reason: 'Retry', attempt: 2, notBefore: '2026-01-02T12:05:30Z' }] }),
    },
    code: 'Retry',
    says: [
      'to repeat a run that ended badly (spec.retry, 2 repetitions at most)',
      'repetition 1',
      'not before 2026-01-02T12:05:30Z (in 5 min)',
    ],
  },
  {
    name: 'an interval that waits for the end of a run',
    given: { spec: { cron: undefined, minimumInterval: '6h' }, status: { observedGeneration: 1, active: [{ name: 'nightly-x' }] } },
    code: 'ActiveRun',
    says: ['after the one that is active (spec.minimumInterval)', 'Active now: nightly-x.'],
  },
  {
    name: 'an interval that is not due',
    given: { spec: { cron: undefined, interval: '6h' }, status: { observedGeneration: 1, nextScheduleTimes: ['2026-01-02T15:00:30Z'] } },
    code: 'NotDue',
    says: ['the next run is due 2026-01-02T15:00:30Z (in 3 h) (spec.interval)'],
  },
  {
    name: 'what was skipped and missed, and why',
    given: {
      status: status({
        skipped: { count: 12, last: [{ slot: '2026-01-02T11:40:00Z', reason: 'ActiveRun' }] },
        missed: { count: 1, last: [{ slot: '2026-01-02T11:30:00Z', reason: 'StartingDeadline' }] },
      }),
    },
    code: 'NotDue',
    says: [
      'Slots that were skipped: 12 in all, the latest',
      '2026-01-02T11:40:00Z: an earlier run was still active',
      'Slots that were missed\n  2026-01-02T11:30:00Z: it could not start within spec.startingDeadline',
    ],
  },
];

it.each(cases)('$name', ({ given, code, says }) => {
  const explanation = explainPeriodic({ nowMs: Date.parse(now), periodic: newPeriodic(given), runs: [], events: [], unread: [] });
  const said = explanationText(explanation);
  expect(explanation.code).toBe(code);
  for (const part of says) expect(said).toContain(part);
  expect(said).not.toMatch(/undefined|NaN|\[object/);
  expect(explanation.actions.at(-1)).toBe('Start a run now, whatever the schedule says: prow-operator run -n team nightly');
});

it('shows the latest runs, the newest first, and what was told', () => {
  const periodic = newPeriodic({ status: status() });
  const runs = [
    newRun(periodic, { slot: '2026-01-02T11:30:00Z', completed: '2026-01-02T11:31:30Z', state: 'failure' }),
    newRun(periodic, { slot: '2026-01-02T11:50:00Z' }),
  ];
  const events = [
    { reason: 'SlotSkipped', note: 'A slot was skipped', type: 'Normal', count: 1, lastMs: Date.parse(now) - 60_000, about: '' },
  ];
  const said = explanationText(explainPeriodic({ nowMs: Date.parse(now), periodic, runs, events, unread: ['Nodes could not be read.'] }));
  expect(said).toMatch(/nightly-20260102t1150z: pending\n {2}nightly-20260102t1130z: failure, 29 min ago/);
  expect(said).toContain('1 min ago: SlotSkipped: A slot was skipped.');
  expect(said).toContain('Not known\n  - Nodes could not be read.');
});

describe('every reason has words', () => {
  it.each(skipReasons)('skipped: %s', (reason) => expect(skipWords(reason)).not.toBe(reason));
  it.each(missReasons)('missed: %s', (reason) => expect(missWords(reason)).not.toBe(reason));
  it('and an unknown one is told as it is', () => expect([skipWords('constructor'), missWords('Other')]).toEqual(['constructor', 'Other']));
});
