import { describe, expect, it } from 'vitest';
import { slotsPerPass } from './periodicPlan.ts';
import { newPeriodic } from './testing/periodics.ts';
import { clock, describePlans, planOf, settledAt, type PlanRow } from './testing/planTable.ts';

const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

const slots: readonly PlanRow[] = [
  { name: 'nothing is due', given: { status: settledAt('10:00:00') }, now: '10:09:59', want: [], wake: '10:10:00', next: '10:10:00' },
  {
    name: 'a slot is due',
    given: { status: settledAt('10:00:00') },
    now: '10:10:00',
    want: ['10:10 start'],
    wake: '10:20:00',
    next: '10:20:00',
  },
  { name: 'never early, not by a millisecond', given: { status: settledAt('10:00:00') }, now: '10:09:59.999', want: [], wake: '10:10:00' },
  {
    name: 'H32 cron fired, previous complete',
    given: { status: settledAt('10:00:00') },
    runs: [{ slot: clock('10:00:00'), completed: clock('10:05:00') }],
    now: '10:10:01',
    want: ['10:10 start'],
  },
  {
    name: 'H31 cron fired, previous running',
    given: { status: settledAt('10:00:00') },
    runs: [{ slot: clock('10:00:00') }],
    now: '10:10:01',
    want: ['10:10 skip ActiveRun'],
  },
  {
    name: 'a run started by hand is an active run',
    given: { status: settledAt('10:00:00') },
    runs: [{ token: 'x' }],
    now: '10:10:01',
    want: ['10:10 skip ActiveRun'],
  },
  {
    name: 'Allow starts beside it',
    given: { status: settledAt('10:00:00'), spec: { concurrencyPolicy: 'Allow' } },
    runs: [{ slot: clock('10:00:00') }],
    now: '10:10:01',
    want: ['10:10 start'],
  },
  {
    name: 'Allow, up to maxConcurrency',
    given: { status: settledAt('10:00:00'), spec: { concurrencyPolicy: 'Allow', maxConcurrency: 1 } },
    runs: [{ slot: clock('10:00:00') }],
    now: '10:10:01',
    want: ['10:10 skip MaxConcurrency'],
  },
  {
    name: 'Replace waits for the runs that make way',
    given: { status: settledAt('10:00:00'), spec: { concurrencyPolicy: 'Replace' } },
    runs: [{ slot: clock('10:00:00') }],
    now: '10:10:01',
    want: ['10:10 wait Replacing'],
  },
  {
    name: 'a run of this slot exists already: a crash came between',
    given: { status: settledAt('10:00:00') },
    runs: [{ slot: clock('10:10:00') }],
    now: '10:10:05',
    want: ['10:10 start'],
  },
  {
    name: 'H41 down over slots: the latest starts, the others are missed',
    given: { status: settledAt('10:00:00') },
    now: '10:39:00',
    want: ['10:10 miss Superseded', '10:20 miss Superseded', '10:30 start catchup'],
    wake: '10:40:00',
  },
  {
    name: 'down, and back just at a slot: only that one',
    given: { status: settledAt('10:00:00') },
    now: '10:30:02',
    want: ['10:10 miss Superseded', '10:20 miss Superseded', '10:30 start'],
  },
  {
    name: 'down, with a run that outlived it',
    given: { status: settledAt('10:00:00') },
    runs: [{ slot: clock('10:00:00') }],
    now: '10:39:00',
    want: ['10:10 miss Superseded', '10:20 miss Superseded', '10:30 skip ActiveRun'],
  },
  {
    name: 'a late run that was created just before a crash was the one: no second one for a slot before it',
    given: { status: settledAt('10:00:00') },
    runs: [{ slot: clock('10:30:00'), created: clock('10:31:00') }],
    now: '10:31:00',
    want: ['10:10 miss Superseded', '10:20 miss Superseded', '10:30 start'],
  },
  {
    name: 'the same for a run on time',
    given: { status: settledAt('10:00:00') },
    runs: [{ slot: clock('10:30:00') }],
    now: '10:30:01',
    want: ['10:10 miss Superseded', '10:20 miss Superseded', '10:30 start'],
  },
  {
    name: 'a slot that was slept through after that run is another matter',
    given: { status: settledAt('10:00:00'), spec: { concurrencyPolicy: 'Allow' } },
    runs: [{ slot: clock('10:20:00'), created: clock('10:21:00') }],
    now: '10:41:00',
    want: ['10:10 miss Superseded', '10:20 start', '10:30 miss Superseded', '10:40 start catchup'],
  },
  {
    name: 'missedRuns Skip',
    given: { status: settledAt('10:00:00'), spec: { missedRuns: { policy: 'Skip' } } },
    now: '10:25:00',
    want: ['10:10 miss SkipPolicy', '10:20 miss SkipPolicy'],
  },
  {
    name: 'missedRuns Skip: a slot on time takes no place of those before it',
    given: { status: settledAt('10:00:00'), spec: { missedRuns: { policy: 'Skip' } } },
    now: '10:30:02',
    want: ['10:10 miss SkipPolicy', '10:20 miss SkipPolicy', '10:30 start'],
  },
  {
    name: 'missedRuns Skip comes before a deadline: without it they would not start either',
    given: { status: settledAt('10:00:00'), spec: { missedRuns: { policy: 'Skip' }, startingDeadline: '1m' } },
    now: '10:25:00',
    want: ['10:10 miss SkipPolicy', '10:20 miss SkipPolicy'],
  },
  {
    name: 'missedRuns Skip, but on time',
    given: { status: settledAt('10:00:00'), spec: { missedRuns: { policy: 'Skip' } } },
    now: '10:10:08',
    want: ['10:10 start'],
  },
  {
    name: 'missedRuns maxAge',
    given: { status: settledAt('10:00:00'), spec: { missedRuns: { maxAge: '2m' } } },
    now: '10:15:00',
    want: ['10:10 miss MaxAge'],
  },
  {
    name: 'startingDeadline passed',
    given: { status: settledAt('10:00:00'), spec: { startingDeadline: '3m' } },
    now: '10:14:00',
    want: ['10:10 miss StartingDeadline'],
  },
  {
    name: 'startingDeadline not passed',
    given: { status: settledAt('10:00:00'), spec: { startingDeadline: '5m' } },
    now: '10:14:00',
    want: ['10:10 start catchup'],
  },
  {
    name: 'a startingDeadline longer than time',
    given: { status: settledAt('10:00:00'), spec: { startingDeadline: '99999999999999999999h' } },
    now: '10:14:00',
    want: ['10:10 start catchup'],
  },
  {
    name: 'a startingDeadline of a second binds slots on time, too',
    given: { status: settledAt('10:00:00'), spec: { startingDeadline: '1s' } },
    now: '10:10:02',
    want: ['10:10 miss StartingDeadline'],
  },
  {
    name: 'suspended',
    given: { status: settledAt('10:00:00'), spec: { suspend: true } },
    now: '10:20:00',
    want: ['10:10 skip Suspended', '10:20 skip Suspended'],
    wake: null,
    next: null,
  },
  {
    name: 'resumed: slots of the suspended time were dealt with then',
    given: { status: settledAt('10:20:00') },
    now: '10:25:00',
    want: [],
    wake: '10:30:00',
  },
  {
    name: 'suspendUntil holds slots before it back',
    given: { status: settledAt('10:00:00'), spec: { suspendUntil: clock('10:20:00') } },
    now: '10:10:00',
    want: ['10:10 skip Suspended'],
    next: '10:20:00',
  },
  {
    name: 'suspendUntil the end of all dates: no slot that status could not hold',
    given: { status: settledAt('10:00:00'), spec: { suspendUntil: '9999-12-31T23:59:59Z' } },
    now: '10:10:00',
    want: ['10:10 skip Suspended'],
    next: null,
  },
  {
    name: 'suspendUntil lets its own instant go',
    given: { status: settledAt('10:10:00'), spec: { suspendUntil: clock('10:20:00') } },
    now: '10:20:00',
    want: ['10:20 start'],
  },
  {
    name: 'exclusions',
    given: { status: settledAt('10:00:00'), spec: { exclusions: [{ from: clock('10:10:00'), to: clock('10:30:00') }] } },
    now: '10:10:00',
    want: ['10:10 skip Excluded'],
    wake: '10:20:00',
    next: '10:30:00',
  },
  {
    name: 'the end of an exclusion is not excluded',
    given: { status: settledAt('10:20:00'), spec: { exclusions: [{ from: clock('10:10:00'), to: clock('10:30:00') }] } },
    now: '10:30:00',
    want: ['10:30 start'],
  },
  { name: 'a new object waits for its first slot', given: { created: clock('10:07:00') }, now: '10:07:01', want: [], wake: '10:10:00' },
  {
    name: 'an object created on a slot waits for the next one',
    given: { created: clock('10:10:00') },
    now: '10:10:01',
    want: [],
    wake: '10:20:00',
  },
  {
    name: 'a new @every starts at once',
    given: { created: clock('10:07:00'), spec: { cron: '@every 1h' } },
    now: '10:07:01',
    want: ['10:07 start'],
    wake: '11:07:00',
  },
  {
    name: 'a restart does not start @every again',
    given: {
      created: clock('10:07:00'),
      spec: { cron: '@every 1h' },
      status: { lastScheduleTime: clock('10:07:00'), schedule: { text: '@every 1h0m0s', since: clock('10:07:00') } },
    },
    now: '10:30:00',
    want: [],
    wake: '11:07:00',
  },
  {
    name: 'an edited @every waits a period from the edit',
    given: { spec: { cron: '@every 1h' }, status: settledAt('10:00:00') },
    now: '10:30:00',
    want: [],
    wake: '11:30:00',
  },
  {
    name: 'an edited cron does not make a past slot due',
    given: { spec: { cron: '15 * * * *' }, status: settledAt('10:00:00') },
    now: '10:30:00',
    want: [],
    wake: '11:15:00',
  },
  {
    name: 'the same schedule written otherwise is no edit',
    given: { spec: { cron: '0-50/10 * * * *' }, status: settledAt('10:00:00') },
    now: '10:30:05',
    want: ['10:10 miss Superseded', '10:20 miss Superseded', '10:30 start'],
  },
  {
    name: 'a clock that went back starts nothing twice',
    given: { status: settledAt('10:30:00') },
    now: '10:05:00',
    want: [],
    wake: '10:40:00',
  },
  {
    name: '@every 1s, looked at late: each slot is on time',
    given: {
      spec: { cron: '@every 1s', concurrencyPolicy: 'Allow' },
      status: { lastScheduleTime: clock('10:00:00'), schedule: { text: '@every 1s', since: clock('00:00:00') } },
    },
    now: '10:00:02.500',
    want: ['10:00:01 start', '10:00:02 start'],
    wake: '10:00:03',
  },
];

const intervals: readonly PlanRow[] = [
  { name: 'H1 no run at all', given: { spec: { cron: undefined, interval: '30m' } }, now: '00:00:01', want: ['00:00 start'], wake: null },
  {
    name: 'H6 started 1 s ago, active',
    given: { spec: { cron: undefined, interval: '30m' } },
    runs: [{ slot: clock('10:00:00') }],
    now: '10:00:01',
    want: [],
    wake: null,
    next: null,
  },
  {
    name: 'active and overdue: waits for its end',
    given: { spec: { cron: undefined, interval: '30m' } },
    runs: [{ slot: clock('10:00:00') }],
    now: '11:00:00',
    want: [],
    wake: null,
  },
  {
    name: 'ended before the interval is over',
    given: { spec: { cron: undefined, interval: '30m' } },
    runs: [{ slot: clock('10:00:00'), completed: clock('10:05:00') }],
    now: '10:29:59',
    want: [],
    wake: '10:30:00',
    next: '10:30:00',
  },
  {
    name: 'the interval is over',
    given: { spec: { cron: undefined, interval: '30m' } },
    runs: [{ slot: clock('10:00:00'), completed: clock('10:05:00') }],
    now: '10:30:00',
    want: ['10:30 start'],
  },
  {
    name: 'overdue at a restart: once',
    given: { spec: { cron: undefined, interval: '30m' } },
    runs: [{ slot: clock('10:00:00'), completed: clock('10:05:00') }],
    now: '14:00:00',
    want: ['10:30 start catchup'],
  },
  {
    name: 'counted from the real start',
    given: { spec: { cron: undefined, interval: '30m' } },
    runs: [{ slot: clock('10:00:00'), created: clock('10:20:00'), completed: clock('10:25:00') }],
    now: '10:31:00',
    want: [],
    wake: '10:50:00',
  },
  {
    name: 'a start by hand moves the next one',
    given: { spec: { cron: undefined, interval: '30m' } },
    runs: [{ token: 'x', created: clock('10:20:00'), completed: clock('10:25:00') }],
    now: '10:31:00',
    want: [],
    wake: '10:50:00',
  },
  {
    name: 'the last run was cleaned up',
    given: { spec: { cron: undefined, interval: '30m' }, status: { lastRunTime: clock('10:00:00') } },
    now: '10:10:00',
    want: [],
    wake: '10:30:00',
  },
  {
    name: 'H20 minimumInterval, no run',
    given: { spec: { cron: undefined, minimumInterval: '1m' } },
    now: '00:00:01',
    want: ['00:00 start'],
  },
  {
    name: 'H21 minimumInterval, ended long ago',
    given: { spec: { cron: undefined, minimumInterval: '1m' } },
    runs: [{ slot: clock('09:00:00'), completed: clock('09:30:00') }],
    now: '10:00:00',
    want: ['09:31 start catchup'],
  },
  {
    name: 'H22 minimumInterval, started long ago, ended just now',
    given: { spec: { cron: undefined, minimumInterval: '1m' } },
    runs: [{ slot: clock('09:00:00'), completed: clock('10:00:00') }],
    now: '10:00:01',
    want: [],
    wake: '10:01:00',
  },
  {
    name: 'H23 minimumInterval, active',
    given: { spec: { cron: undefined, minimumInterval: '1m' } },
    runs: [{ slot: clock('09:00:00') }],
    now: '10:00:00',
    want: [],
    wake: null,
  },
  {
    name: 'suspended',
    given: { spec: { cron: undefined, interval: '30m', suspend: true } },
    now: '10:00:00',
    want: [],
    wake: null,
    next: null,
  },
  {
    name: 'suspendUntil',
    given: { spec: { cron: undefined, interval: '30m', suspendUntil: clock('12:00:00') } },
    now: '10:00:00',
    want: [],
    wake: '12:00:00',
  },
  {
    name: 'suspendUntil beyond all dates',
    given: { spec: { cron: undefined, interval: '30m', suspendUntil: '9999-12-31T23:59:59-12:00' } },
    now: '10:00:00',
    want: [],
    next: null,
  },
  {
    name: 'excluded',
    given: {
      spec: {
        cron: undefined,
        interval: '30m',
        exclusions: [
          { from: clock('00:00:00'), to: clock('06:00:00') },
          { from: clock('06:00:00'), to: clock('07:00:00') },
        ],
      },
    },
    now: '05:00:00',
    want: [],
    wake: '07:00:00',
  },
  {
    name: 'the clock of the API server lags',
    given: { spec: { cron: undefined, interval: '1s' }, status: { lastScheduleTime: clock('10:00:05'), lastRunTime: clock('10:00:02') } },
    now: '10:00:05.500',
    want: [],
    wake: '10:00:06',
  },
];

describePlans('slots', slots);
describePlans('intervals', intervals);

describe('planPeriodic', () => {
  it('shows five next slots, leaving out what is excluded', () => {
    const periodic = newPeriodic({
      status: settledAt('10:00:00'),
      spec: { exclusions: [{ from: clock('10:15:00'), to: clock('11:00:00') }] },
    });
    const times = planOf(periodic, { now: '10:01:00' }).nextSlots.map((ms) => iso(ms).slice(11, 16));
    expect(times).toEqual(['10:10', '11:00', '11:10', '11:20', '11:30']);
  });

  it('deals with a year of missed minutes in steps, and starts nothing before the last of them', () => {
    const status = { lastScheduleTime: '2025-01-01T00:00:00Z', schedule: { text: '* * * * * Etc/UTC', since: '2024-01-01T00:00:00Z' } };
    const periodic = newPeriodic({ created: '2024-01-01T00:00:00Z', spec: { cron: '* * * * *' }, status });
    const { decisions, wakeAtMs } = planOf(periodic, { now: '00:00:30' });
    expect(decisions).toHaveLength(slotsPerPass - 1000);
    expect(decisions.every((decision) => decision.outcome === 'miss')).toBe(true);
    expect(wakeAtMs).toBe(Date.parse(clock('00:00:30')));
  });

  it.each([
    { name: 'a new token', annotations: { 'prow.k8s.io/run-now': 'a' }, status: {}, want: 'a' },
    { name: 'a token that was seen', annotations: { 'prow.k8s.io/run-now': 'a' }, status: { lastRunNowToken: 'a' }, want: undefined },
    { name: 'another token', annotations: { 'prow.k8s.io/run-now': 'b' }, status: { lastRunNowToken: 'a' }, want: 'b' },
    { name: 'an empty token', annotations: { 'prow.k8s.io/run-now': '' }, status: {}, want: undefined },
    { name: 'no token', annotations: {}, status: { lastRunNowToken: 'a' }, want: undefined },
  ])('start by hand: $name', ({ annotations, status, want }) => {
    const periodic = newPeriodic({ annotations, status, spec: { suspend: true } });
    expect(planOf(periodic, { runs: [{ slot: clock('00:00:00') }], now: '00:01:00' }).manual?.token).toBe(want);
  });
});
