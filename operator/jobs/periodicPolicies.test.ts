/** What becomes of slots that find no place, were slept through, or whose runs ended badly; and what holds a schedule. */
import { expect, it } from 'vitest';
import type { PeriodicSpec, PeriodicStatus } from '../../crds/v1/periodic.ts';
import type { ProwJobState } from '../../crds/v1/prowJob.ts';
import { newPeriodic, type RunInput } from './testing/periodics.ts';
import { clock, describePlans, planOf, settledAt, show, waiting } from './testing/planTable.ts';

const given = (spec: Partial<PeriodicSpec>, status: Partial<PeriodicStatus> = {}) => ({
  spec,
  status: { ...settledAt('10:00:00'), ...status },
});
const active: RunInput = { slot: clock('10:00:00') };
const ended = (state: ProwJobState = 'failure', more: Partial<RunInput> = {}): RunInput => ({
  slot: clock('10:00:00'),
  completed: clock('10:04:00'),
  state,
  ...more,
});

const queue = { concurrencyPolicy: 'Queue' } as const;

describePlans('Queue', [
  { name: 'a slot starts where there is a place', given: given(queue), now: '10:10:00', want: ['10:10 start'] },
  {
    name: 'and waits where there is none',
    given: given(queue),
    runs: [active],
    now: '10:10:00',
    want: ['10:10 wait Queued'],
    wake: '10:20:00',
  },
  {
    name: 'maxConcurrency gives more places',
    given: given({ ...queue, maxConcurrency: 2 }),
    runs: [active],
    now: '10:10:00',
    want: ['10:10 start'],
  },
  {
    name: 'the first of the queue starts when a run ends',
    given: given(queue, { lastScheduleTime: clock('10:20:00'), waiting: [waiting('10:10:00', 'Queued'), waiting('10:20:00', 'Queued')] }),
    runs: [ended('success')],
    now: '10:21:00',
    want: ['10:10 start queued'],
  },
  {
    name: 'a new slot goes behind those that wait, even when a place is free',
    given: given(queue, { lastScheduleTime: clock('10:10:00'), waiting: [waiting('10:10:00', 'Queued')] }),
    runs: [ended('success')],
    now: '10:20:00',
    want: ['10:10 start queued', '10:20 wait Queued'],
  },
  {
    name: 'a slot that finds the queue full is missed',
    given: given({ ...queue, maxQueued: 1 }, { lastScheduleTime: clock('10:10:00'), waiting: [waiting('10:10:00', 'Queued')] }),
    runs: [active],
    now: '10:20:00',
    want: ['10:20 miss QueueFull'],
  },
  {
    name: 'startingDeadline counts while a slot waits, to the instant',
    given: given({ ...queue, startingDeadline: '15m' }, { lastScheduleTime: clock('10:20:00'), waiting: [waiting('10:10:00', 'Queued')] }),
    runs: [active],
    now: '10:25:00.001',
    want: ['10:10 miss StartingDeadline'],
  },
  {
    name: 'and the plan wakes for it',
    given: given({ ...queue, startingDeadline: '15m' }, { lastScheduleTime: clock('10:20:00'), waiting: [waiting('10:10:00', 'Queued')] }),
    runs: [active],
    now: '10:24:00',
    want: [],
    wake: '10:25:00.001',
  },
  {
    name: 'slots that were slept through keep their order with missedRuns All',
    given: given({ ...queue, missedRuns: { policy: 'All' } }),
    now: '10:30:02',
    want: ['10:10 wait CatchUp', '10:20 wait CatchUp', '10:30 wait Queued'],
    wake: '10:30:02',
  },
  {
    name: 'a run by hand takes a place, too',
    given: { ...given(queue), annotations: { 'prow.k8s.io/run-now': 'x' } },
    now: '10:10:00',
    want: ['10:10 wait Queued'],
  },
  {
    name: 'a slot does not start before its time although the clock was set back',
    given: given(queue, { lastScheduleTime: clock('10:10:00'), waiting: [waiting('10:10:00', 'Queued')] }),
    now: '09:10:00',
    want: [],
    wake: '10:10:00',
  },
  {
    name: 'a slot that waits starts when the policy is changed',
    given: given({ concurrencyPolicy: 'Forbid' }, { waiting: [waiting('09:50:00', 'Queued')] }),
    now: '10:01:00',
    want: ['09:50 start queued'],
  },
]);

const replace = { concurrencyPolicy: 'Replace' } as const;
const replacing = { lastScheduleTime: clock('10:10:00'), waiting: [waiting('10:10:00', 'Replacing')] };

describePlans('Replace', [
  { name: 'starts at once where nothing runs', given: given(replace), now: '10:10:00', want: ['10:10 start'], replaced: [] },
  {
    name: 'asks the earlier run to end, and waits for it',
    given: given(replace),
    runs: [active],
    now: '10:10:00',
    want: ['10:10 wait Replacing'],
    replaced: ['10:00:00'],
  },
  { name: 'asks again after a crash', given: given(replace, replacing), runs: [active], now: '10:11:00', want: [], replaced: ['10:00:00'] },
  {
    name: 'starts when the earlier run has ended',
    given: given(replace, replacing),
    runs: [ended('aborted')],
    now: '10:11:00',
    want: ['10:10 start replacement'],
    replaced: [],
  },
  {
    name: 'a newer slot takes the place of the one that waits',
    given: given(replace, replacing),
    runs: [active],
    now: '10:20:00',
    want: ['10:10 skip Replaced', '10:20 wait Replacing'],
    replaced: ['10:00:00'],
  },
  {
    name: 'of several slots on time only the latest matters',
    given: {
      spec: { ...replace, cron: '@every 1s' },
      status: { lastScheduleTime: clock('10:00:00'), schedule: { text: '@every 1s', since: clock('00:00:00') } },
    },
    now: '10:00:02.500',
    want: ['10:00:01 skip Replaced', '10:00:02 start'],
  },
  {
    name: 'trap 9: never ends the run of the slot itself',
    given: given(replace),
    runs: [{ slot: clock('10:10:00') }],
    now: '10:10:05',
    want: ['10:10 start'],
    replaced: [],
  },
  {
    name: 'trap 9: nor that of a later slot, when status was lost',
    given: given(replace, { waiting: [waiting('09:00:00', 'Replacing')] }),
    runs: [active],
    now: '10:01:00',
    want: [],
    replaced: [],
  },
  {
    name: 'a run by hand is waited for, not ended',
    given: given(replace),
    runs: [{ token: 'x' }],
    now: '10:10:00',
    want: ['10:10 wait Replacing'],
    replaced: [],
  },
  {
    name: 'nothing is ended while the schedule is suspended',
    given: given({ ...replace, suspend: true }, replacing),
    runs: [active],
    now: '10:11:00',
    want: [],
    replaced: [],
  },
]);

const all = { missedRuns: { policy: 'All' } } as const;
const several = { concurrencyPolicy: 'Allow', ...all } as const;

describePlans('missedRuns All', [
  {
    name: 'slots that were slept through wait their turn, which is now',
    given: given(several),
    now: '10:39:00',
    want: ['10:10 wait CatchUp', '10:20 wait CatchUp', '10:30 wait CatchUp'],
    wake: '10:39:00',
  },
  {
    name: 'and start, each once',
    given: given(several, {
      lastScheduleTime: clock('10:30:00'),
      waiting: [waiting('10:10:00', 'CatchUp'), waiting('10:20:00', 'CatchUp')],
    }),
    now: '10:39:00',
    want: ['10:10 start catchup', '10:20 start catchup'],
  },
  {
    name: 'the latest within the limit',
    given: given({ ...several, missedRuns: { policy: 'All', limit: 2 } }),
    now: '10:39:00',
    want: ['10:10 miss Superseded', '10:20 wait CatchUp', '10:30 wait CatchUp'],
  },
  {
    name: 'the limit holds for those that still wait from before',
    given: given(
      { ...several, missedRuns: { policy: 'All', limit: 2 } },
      { waiting: [waiting('09:40:00', 'CatchUp'), waiting('09:50:00', 'CatchUp')] },
    ),
    runs: [],
    now: '10:15:00',
    want: ['09:40 miss Superseded', '10:10 wait CatchUp', '09:50 start catchup'],
  },
  {
    name: 'one whose run is there has started and does not give way',
    given: given(
      { ...several, missedRuns: { policy: 'All', limit: 2 } },
      { waiting: [waiting('09:40:00', 'CatchUp'), waiting('09:50:00', 'CatchUp')] },
    ),
    runs: [{ slot: clock('09:40:00') }],
    now: '10:15:00',
    want: ['09:40 start catchup', '10:10 wait CatchUp', '09:50 start catchup'],
  },
  {
    name: 'not those beyond maxAge',
    given: given({ ...several, missedRuns: { policy: 'All', maxAge: '15m' } }),
    now: '10:39:00',
    want: ['10:10 miss MaxAge', '10:20 miss MaxAge', '10:30 wait CatchUp'],
  },
  {
    name: 'nor those beyond startingDeadline',
    given: given({ ...several, startingDeadline: '15m' }),
    now: '10:39:00',
    want: ['10:10 miss StartingDeadline', '10:20 miss StartingDeadline', '10:30 wait CatchUp'],
  },
  {
    name: 'spacing',
    given: given({ ...several, missedRuns: { policy: 'All', spacing: '2m' } }),
    now: '10:39:00',
    want: ['10:10 wait CatchUp 10:39', '10:20 wait CatchUp 10:41', '10:30 wait CatchUp 10:43'],
  },
  {
    name: 'a slot on time does not wait for them',
    given: given(several),
    now: '10:30:02',
    want: ['10:10 wait CatchUp', '10:20 wait CatchUp', '10:30 start'],
  },
  {
    name: 'with Forbid they wait for the active run',
    given: given(all, { lastScheduleTime: clock('10:30:00'), waiting: [waiting('10:20:00', 'CatchUp')] }),
    runs: [active],
    now: '10:31:00',
    want: [],
    wake: '10:40:00',
  },
  {
    name: 'but a slot on time does not: it is skipped',
    given: given(all, { lastScheduleTime: clock('10:30:00'), waiting: [waiting('10:20:00', 'CatchUp')] }),
    runs: [active],
    now: '10:40:00',
    want: ['10:40 skip ActiveRun'],
  },
  {
    name: 'maxAge counts while they wait',
    given: given({ missedRuns: { policy: 'All', maxAge: '1h' } }, { waiting: [waiting('09:00:00', 'CatchUp')] }),
    runs: [active],
    now: '10:01:00',
    want: ['09:00 miss MaxAge'],
  },
  {
    name: 'no slot starts in an excluded time, not even one that waits',
    given: given(
      { ...several, exclusions: [{ from: clock('10:05:00'), to: clock('10:30:00'), reason: 'freeze' }] },
      { waiting: [waiting('09:00:00', 'CatchUp')] },
    ),
    now: '10:06:00',
    want: [],
    wake: '10:10:00',
  },
]);

const retry = { retry: { attempts: 2, delay: '5m' } } as const;

describePlans('retry', [
  {
    name: 'a failed run is repeated after the delay',
    given: given(retry),
    runs: [ended()],
    ended: [0],
    now: '10:04:00',
    want: ['10:00#2 wait Retry 10:09'],
    wake: '10:09:00',
  },
  { name: 'an error, too', given: given(retry), runs: [ended('error')], ended: [0], now: '10:04:00', want: ['10:00#2 wait Retry 10:09'] },
  {
    name: 'H13 a success is not, unless it is asked for',
    given: given(retry),
    runs: [ended('success')],
    ended: [0],
    now: '10:04:00',
    want: [],
  },
  { name: 'an abort is not', given: given(retry), runs: [ended('aborted')], ended: [0], now: '10:04:00', want: [] },
  {
    name: 'H11 run_all: a success is repeated when `on` says so',
    given: given({ retry: { attempts: 3, on: ['success', 'failure', 'error', 'aborted'] } }),
    runs: [ended('success', { attempt: 2 })],
    ended: [0],
    now: '10:04:00',
    want: ['10:00#3 wait Retry 10:04'],
    wake: '10:04:00',
  },
  {
    name: 'H12 not after the last attempt',
    given: given({ retry: { attempts: 3, on: ['success'] } }),
    runs: [ended('success', { attempt: 4 })],
    ended: [0],
    now: '10:04:00',
    want: [],
  },
  {
    name: 'a run by hand is not repeated',
    given: given(retry),
    runs: [{ token: 'x', completed: clock('10:04:00'), state: 'failure' }],
    ended: [0],
    now: '10:05:00',
    want: [],
  },
  { name: 'an end that was seen before is not seen again', given: given(retry), runs: [ended()], now: '10:04:00', want: [] },
  {
    name: 'a run that ended before anybody wrote down that it was started is repeated as well',
    given: given(retry),
    runs: [{ slot: clock('10:10:00'), completed: clock('10:10:01'), state: 'failure' }],
    now: '10:10:02',
    want: ['10:10#2 wait Retry 10:15:01', '10:10 start'],
  },
  {
    name: 'the repetition starts at its time',
    given: given(retry, { waiting: [waiting('10:00:00', 'Retry', { attempt: 2, notBefore: clock('10:09:00') })] }),
    runs: [ended()],
    now: '10:09:00',
    want: ['10:00#2 start retry'],
  },
  {
    name: 'a slot that starts normally takes its place, and the count begins anew',
    given: given(retry, { waiting: [waiting('10:00:00', 'Retry', { attempt: 2, notBefore: clock('10:12:00') })] }),
    runs: [ended()],
    now: '10:10:00',
    want: ['10:10 start', '10:00#2 drop LaterSlot'],
  },
  {
    name: 'a slot that is skipped does not',
    given: given(
      { ...retry, exclusions: [{ from: clock('10:10:00'), to: clock('10:10:01') }] },
      { waiting: [waiting('10:00:00', 'Retry', { attempt: 2, notBefore: clock('10:12:00') })] },
    ),
    runs: [ended()],
    now: '10:10:05',
    want: ['10:10 skip Excluded'],
  },
  {
    name: 'in a queue every slot counts: the repetition comes first',
    given: given(
      { ...retry, ...queue },
      {
        lastScheduleTime: clock('10:10:00'),
        waiting: [waiting('10:00:00', 'Retry', { attempt: 2, notBefore: clock('10:12:00') }), waiting('10:10:00', 'Queued')],
      },
    ),
    runs: [ended()],
    now: '10:11:00',
    want: [],
    wake: '10:12:00',
  },
  {
    name: 'it is dropped when spec no longer asks for it',
    given: given({}, { waiting: [waiting('10:00:00', 'Retry', { attempt: 2, notBefore: clock('10:12:00') })] }),
    runs: [ended()],
    now: '10:05:00',
    want: ['10:00#2 drop NoRetry'],
  },
  {
    name: 'it keeps to the concurrency policy',
    given: given(retry, { waiting: [waiting('10:00:00', 'Retry', { attempt: 2 })] }),
    runs: [ended(), { token: 'x' }],
    now: '10:05:00',
    want: [],
  },
]);

const stop = { stopAfter: { consecutiveFailures: 3 } } as const;
const condition = (type: string, reason: string) => ({
  type,
  status: 'True' as const,
  reason,
  message: '',
  lastTransitionTime: clock('09:00:00'),
});
const stoppedStatus = { observedGeneration: 1, consecutiveFailures: 3, conditions: [condition('Stopped', 'ConsecutiveFailures')] };

describePlans('holds', [
  {
    name: 'stopAfter: one failure less does not stop',
    given: given(stop, { consecutiveFailures: 2 }),
    now: '10:10:00',
    want: ['10:10 start'],
  },
  {
    name: 'the failure that is seen now does',
    given: given(stop, { consecutiveFailures: 2 }),
    runs: [ended()],
    ended: [0],
    now: '10:10:00',
    want: ['10:10 skip Stopped'],
    next: null,
    wake: null,
  },
  { name: 'a stopped schedule is silent', given: given(stop, stoppedStatus), now: '10:30:00', want: [], next: null, wake: null },
  {
    name: 'a success by hand lets it go on; the slots in between are told in one go',
    given: given(stop, stoppedStatus),
    runs: [{ token: 'x', created: clock('10:20:00'), completed: clock('10:30:00') }],
    ended: [0],
    now: '10:31:00',
    want: ['10:10 skip Stopped', '10:20 skip Stopped', '10:30 skip Stopped'],
    wake: '10:40:00',
    next: '10:40:00',
  },
  {
    name: 'an edit of spec, too',
    given: { ...given(stop, stoppedStatus), generation: 2 },
    now: '10:11:00',
    want: ['10:10 skip Stopped'],
    wake: '10:20:00',
  },
  {
    name: 'a failed run is not repeated once the schedule has stopped',
    given: given({ ...stop, ...retry }, { consecutiveFailures: 2 }),
    runs: [ended()],
    ended: [0],
    now: '10:04:00',
    want: [],
  },
  {
    name: 'suspended, and known to be: nothing is written',
    given: given({ suspend: true }, { conditions: [condition('Suspended', 'Suspended')] }),
    now: '10:30:00',
    want: [],
    wake: null,
  },
  {
    name: 'resumed: what passed is told then',
    given: given({ suspend: false }, { conditions: [condition('Suspended', 'Suspended')] }),
    now: '10:25:00',
    want: ['10:10 skip Suspended', '10:20 skip Suspended'],
    wake: '10:30:00',
  },
  {
    name: 'a pause with an end that nobody saw: slots behind the end are judged as ever',
    given: given({ suspendUntil: clock('10:20:00') }, { conditions: [condition('Suspended', 'SuspendedUntil')] }),
    now: '10:35:00',
    want: ['10:10 skip Suspended', '10:20 miss Superseded', '10:30 start catchup'],
  },
  {
    name: 'a pause that was taken back early ended when we saw it',
    given: given({}, { conditions: [condition('Suspended', 'SuspendedUntil')] }),
    now: '10:35:00',
    want: ['10:10 skip Suspended', '10:20 skip Suspended', '10:30 skip Suspended'],
  },
  {
    name: 'slots that wait stay, and start after the pause',
    given: given(
      { ...queue, suspend: true },
      { conditions: [condition('Suspended', 'Suspended')], waiting: [waiting('09:00:00', 'Queued')] },
    ),
    now: '10:30:00',
    want: [],
  },
  {
    name: 'an edit of the schedule skips what was announced and had come due',
    given: given({ cron: '5 * * * *' }, { nextScheduleTimes: [clock('10:10:00'), clock('10:20:00')] }),
    now: '10:15:00',
    want: ['10:10 skip ScheduleChanged'],
    wake: '11:05:00',
  },
]);

it('jitter: a slot waits for its start, and is on time then', () => {
  const periodic = newPeriodic(given({ jitter: '10m' }));
  const { wakeAtMs = 0, decisions } = planOf(periodic, { now: '10:10:00' });
  expect(decisions).toEqual([]);
  expect(wakeAtMs).toBeGreaterThan(Date.parse(clock('10:10:00')));
  expect(wakeAtMs).toBeLessThan(Date.parse(clock('10:20:00')));
  const at = new Date(wakeAtMs).toISOString().slice(11, 19);
  const early = new Date(wakeAtMs - 1).toISOString().slice(11, 23);
  expect(planOf(periodic, { now: early }).decisions).toEqual([]);
  const [start] = planOf(periodic, { now: at }).decisions;
  expect(start).toMatchObject({ outcome: 'start', cause: 'slot', slotMs: Date.parse(clock('10:10:00')), dueMs: wakeAtMs });
});

it('a slot that this process was waiting for is on time, however long its own backlog took', () => {
  const periodic = newPeriodic(given({ missedRuns: { policy: 'Skip' } }));
  const at = (now: string, expected?: string) =>
    planOf(periodic, { now, ...(expected === undefined ? {} : { expected }) }).decisions.map(show);
  expect(at('10:11:00')).toEqual(['10:10 miss SkipPolicy']);
  expect(at('10:11:00', '10:10:00')).toEqual(['10:10 start']);
  expect(at('10:16:00', '10:10:00')).toEqual(['10:10 miss SkipPolicy']);
  expect(at('10:21:00', '10:10:00')).toEqual(['10:10 miss SkipPolicy', '10:20 miss SkipPolicy']);
});

it('a slot that is made up for was late, also when its run was created just before a crash', () => {
  const periodic = newPeriodic(given(all, { lastScheduleTime: clock('10:20:00'), waiting: [waiting('10:10:00', 'CatchUp')] }));
  const { decisions } = planOf(periodic, { runs: [{ slot: clock('10:10:00'), created: clock('10:25:00') }], now: '10:25:01' });
  expect(decisions).toMatchObject([{ outcome: 'start', exists: true, isLate: true, dueMs: Date.parse(clock('10:10:00')) }]);
});
