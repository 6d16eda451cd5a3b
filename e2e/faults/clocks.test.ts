/**
 * Machines whose clocks are wrong: two replicas that differ by twenty minutes, a clock that is set back by an hour and forward by a day
 * while the operator works. Deadlines, lives after the end, schedules and the lease go on as if nothing were wrong.
 */
import { afterAll, expect, it } from 'vitest';
import { periodics, prowJobs } from '../../crds/resources.ts';
import { realClock, type Clock } from '../../operator/runtime/clock.ts';
import { forever, periodic, prowJob } from '../scenarios/manifests.ts';
import { Arena, namespace, until } from './arena.ts';

let arena: Arena;
afterAll(() => arena.close());

const minuteMs = 60_000;

/** The clock of a machine: as long as everybody's second, and wrong. */
class WrongClock implements Clock {
  aheadMs: number;

  constructor(aheadMs: number) {
    this.aheadMs = aheadMs;
  }

  now(): number {
    return realClock.now() + this.aheadMs;
  }

  monotonic(): number {
    return realClock.monotonic();
  }

  after(...args: Parameters<Clock['after']>): ReturnType<Clock['after']> {
    return realClock.after(...args);
  }
}

/** The slots that were started, in order. */
async function slots(): Promise<readonly number[]> {
  const { items } = await arena.client.list(prowJobs, { namespace });
  const times = items.map(({ metadata }) => metadata.annotations?.['prow.k8s.io/scheduled-time']).filter((time) => time !== undefined);
  return times.map((time) => Date.parse(time)).sort((a, b) => a - b);
}

const goesOn = async (): Promise<void> => {
  const known = (await slots()).length;
  await until('the schedule to go on', async () => (await slots()).length >= known + 2);
};

/** What a wrong clock would end, hold back or delete. */
async function expectUnharmed(): Promise<void> {
  for (const name of ['endless', 'waiting']) expect([name, (await arena.run(name)).status?.completionTime]).toEqual([name, undefined]);
  // It is to be kept for a while after its end.
  expect((await arena.run('kept')).status?.state).toBe('success');
}

it('wrong clocks change nothing', { timeout: 120_000 }, async () => {
  arena = await Arena.open();
  const startMs = realClock.now();
  const settings = { cleanup: { orphanAge: '1m' } };
  const machines = { ahead: new WrongClock(10 * minuteMs), behind: new WrongClock(-10 * minuteMs) };
  const ahead = await arena.start('ahead', { settings, lease: {}, clock: machines.ahead });
  await until('the one to lead', async () => (await arena.leader()) === 'ahead');
  const behind = await arena.start('behind', { settings, lease: {}, clock: machines.behind });

  await arena.apply(periodics, periodic('ticking', 'true', { cron: '@every 2s', concurrencyPolicy: 'Allow' }));
  const one = { job: 'turns', max_concurrency: 1 };
  const timeouts = { queue: '5m', unscheduled: '5m', pending: '5m', running: '5m' };
  await arena.apply(prowJobs, prowJob('endless', forever, { ...one, timeouts }));
  await until('a run that goes on', async () => (await arena.run('endless')).status?.state === 'pending');
  await arena.apply(prowJobs, prowJob('waiting', 'true', { ...one, timeouts }));
  await arena.apply(prowJobs, prowJob('kept', 'true', { ttl_seconds_after_finished: 300 }));
  await arena.endOf('kept');
  await goesOn();
  await expectUnharmed();

  // The lease is handed over from one to the other.
  await ahead.stop();
  await until('the other to lead', async () => (await arena.leader()) === 'behind');
  await goesOn();
  await expectUnharmed();

  for (const byMs of [-60 * minuteMs, 24 * 60 * minuteMs]) {
    machines.behind.aheadMs += byMs;
    await goesOn();
    await expectUnharmed();
  }
  // One more that begins now is treated like the others.
  await arena.apply(prowJobs, prowJob('late', 'true', { timeouts }));
  expect(await arena.endOf('late')).toBe('success Succeeded');
  expect(behind.operator.kit.manager.phase).toBe('leading');

  const started = await slots();
  expect(new Set(started).size).toBe(started.length);
  expect(started.filter((slotMs) => slotMs < startMs - 2_000 || slotMs > realClock.now() + 2_000)).toEqual([]);
  const said = [ahead, behind].map(({ logger }) =>
    logger.lines.filter(({ message }) => message.startsWith('The clock of this machine differs')),
  );
  expect(said.map((lines) => lines.map(({ fields }) => Math.round(Number(fields.aheadMs) / minuteMs)))).toEqual([[10], [-10]]);
});
