/**
 * The traps that schedulers elsewhere fell into, one test each, and the rows of upstream's scenario tables that concern more than a plan.
 * What a plan alone shows is in the tables beside periodicPlan.
 */
import { describe, expect, it } from 'vitest';
import type { PeriodicSpec } from '../../crds/v1/periodic.ts';
import { runNameOf } from '../../operator/jobs/periodicRun.ts';
import { parseSchedule, slotsBetween } from '../../operator/jobs/schedule.ts';
import { newPeriodic, newRun, type PeriodicInput } from '../../operator/jobs/testing/periodics.ts';
import { World, failure } from './testing/world.ts';

const clock = (time: string): string => `2026-01-01T${time}Z`;
const minuteMs = 60_000;

async function start(now: string, input: PeriodicInput = {}): Promise<World> {
  const world = new World(newPeriodic(input), clock(now));
  await world.reconcile();
  return world;
}

const edit = (world: World, spec: { readonly [Field in keyof PeriodicSpec]?: PeriodicSpec[Field] | undefined }): void =>
  world.edit((periodic) => ({ ...periodic, spec: JSON.parse(JSON.stringify({ ...periodic.spec, ...spec })) as PeriodicSpec }));

describe('traps', () => {
  it('1 a run that could not be created leaves its slot due', async () => {
    const world = await start('00:05:00');
    world.refuse = failure(503, 'ServiceUnavailable');
    await world.clock.advance(5 * minuteMs);
    await expect(world.reconcile()).rejects.toThrow();
    expect(world.status.nextScheduleTimes?.[0]).toBe(clock('00:10:00'));
    world.refuse = undefined;
    world.restart();
    await world.reconcile();
    expect(world.created).toEqual(['nightly-20260101t0010z']);
  });

  it('2 a slot whose predecessor still runs is counted, listed and told', async () => {
    const world = await start('00:10:00');
    await world.clock.advance(10 * minuteMs);
    await world.reconcile();
    expect(world.status.skipped).toEqual({ count: 1, last: [{ slot: clock('00:20:00'), reason: 'ActiveRun' }] });
    expect(await world.metrics.value('prow_periodic_slots_skipped_total', { reason: 'ActiveRun' })).toBe(1);
    expect(world.events.join()).toContain('SlotSkipped');
  });

  it.each([
    { name: '@every', spec: { cron: '@every 6h' } },
    { name: 'interval', spec: { cron: undefined, interval: '6h' } },
    { name: 'minimumInterval', spec: { cron: undefined, minimumInterval: '6h' } },
  ])('3 $name: a last run that was cleaned up, and a restart, start nothing', async ({ spec }) => {
    const world = await start('00:00:00', { spec });
    await world.clock.advance(2 * 3600_000);
    const [first = ''] = world.created;
    world.finish(first);
    await world.reconcile();
    world.remove(first);
    world.restart();
    const { requeueAfterMs } = await world.reconcile();
    expect(world.created).toEqual([first]);
    expect(requeueAfterMs).toBeGreaterThan(0);
    const next = world.status.nextScheduleTimes?.[0];
    expect(next).toBe(spec.cron === undefined && 'minimumInterval' in spec ? clock('08:00:00') : clock('06:00:00'));
  });

  it('3 an edit of the schedule starts nothing at once', async () => {
    const world = await start('00:05:00', { spec: { cron: '0 12 * * *' } });
    edit(world, { cron: '@every 1h' });
    await world.reconcile();
    expect([world.created, world.status.nextScheduleTimes?.[0]]).toEqual([[], clock('01:05:00')]);
  });

  it.each([
    { name: 'interval counts from the start of the first attempt', spec: { interval: '1h' }, next: clock('01:00:00') },
    { name: 'minimumInterval counts from the end of the last attempt', spec: { minimumInterval: '1h' }, next: clock('01:30:00') },
  ])('4 a repetition: $name', async ({ spec, next }) => {
    const world = await start('00:00:00', { spec: { cron: undefined, ...spec, retry: { attempts: 1, delay: '10m' } } });
    await world.clock.advance(10 * minuteMs);
    world.finish(world.created[0] ?? '', 'failure');
    await world.reconcile();
    await world.clock.advance(10 * minuteMs);
    await world.reconcile();
    expect(world.created).toEqual(['nightly-20260101t0000z', 'nightly-20260101t0000z-r1']);
    await world.clock.advance(10 * minuteMs);
    world.finish('nightly-20260101t0000z-r1', 'success');
    await world.reconcile();
    world.remove('nightly-20260101t0000z-r1');
    world.restart();
    await world.reconcile();
    expect(world.status).toMatchObject({
      nextScheduleTimes: [next],
      lastRunTime: clock('00:00:00'),
      lastCompletionTime: clock('00:30:00'),
    });
  });

  it('5 slots that were missed are counted one by one, also where they are not evenly spaced', async () => {
    const world = new World(newPeriodic({ spec: { cron: '0 9 * * 1-5', missedRuns: { policy: 'Skip' } } }), clock('00:00:00'));
    await world.reconcile();
    await world.clock.advance(28 * 24 * 3600_000);
    world.restart();
    await world.reconcile();
    // From Thursday 1 January to Thursday 29 January 00:00: twenty working days.
    expect(world.status.missed?.count).toBe(20);
  });

  it('6 an expression that never fires is refused', async () => {
    const world = await start('00:00:00', { spec: { cron: '59 23 31 2 *' } });
    expect(world.condition('Stalled')).toBe('True InvalidSchedule');
  });

  it('7 a timer that fires a moment early only means another short wait', async () => {
    const world = await start('00:09:59.999');
    expect(world.created).toEqual([]);
    expect(await world.reconcile()).toEqual({ requeueAfterMs: 1 });
    await world.clock.advance(1);
    await world.reconcile();
    await world.reconcile();
    expect(world.created).toHaveLength(1);
  });

  it('8 the zone is that of spec, or UTC, never that of the machine', () => {
    const before = process.env.TZ;
    try {
      const first = ['America/New_York', 'Asia/Kathmandu'].map((zone) => {
        process.env.TZ = zone;
        const parsed = parseSchedule({ cron: '0 3 * * *' });
        if (!parsed.ok || parsed.schedule.kind !== 'slots') throw new Error('the schedule cannot be read');
        return slotsBetween(
          parsed.schedule,
          { sinceMs: 0, startsAtOnce: true },
          { afterMs: Date.parse(clock('00:00:00')), untilMs: Infinity },
          1,
        ).slots[0];
      });
      expect(first).toEqual([Date.parse(clock('03:00:00')), Date.parse(clock('03:00:00'))]);
    } finally {
      if (before === undefined) delete process.env.TZ;
      else process.env.TZ = before;
    }
  });

  it('9 Replace never ends the run it has just started, whatever its caches know', async () => {
    const world = await start('00:10:00', { spec: { concurrencyPolicy: 'Replace' } });
    world.pull({ atWrite: 1, when: 'after' });
    await world.clock.advance(10 * minuteMs);
    world.finish('nightly-20260101t0010z');
    await expect(world.reconcile()).rejects.toThrow('the plug');
    world.pull({ atWrite: 0, when: 'before' });
    for (let pass = 0; pass < 5; pass++) {
      world.restart();
      await world.clock.advance(1000);
      await world.reconcile();
    }
    expect([world.aborted, world.created]).toEqual([[], ['nightly-20260101t0010z', 'nightly-20260101t0020z']]);
  });

  it('10 no deadline means no deadline; a deadline of nothing starts only what is on the instant', async () => {
    const without = await start('00:25:00');
    expect(without.created).toEqual(['nightly-20260101t0020z']);
    const strict = await start('00:25:00', { spec: { startingDeadline: '0s' } });
    expect([strict.created, strict.status.missed?.last?.at(-1)?.reason]).toEqual([[], 'StartingDeadline']);
    await strict.clock.advance(5 * minuteMs);
    await strict.reconcile();
    expect(strict.created).toEqual(['nightly-20260101t0030z']);
  });

  it('11 a long name is cut and told apart by a hash', () => {
    const names = ['a', 'b'].map((end) =>
      runNameOf(`${'x'.repeat(252)}${end}`, { kind: 'slot', slotMs: Date.parse(clock('00:10:05')), attempt: 100 }),
    );
    expect(names.map((name) => name.length)).toEqual([63, 63]);
    expect(names[0]).not.toBe(names[1]);
    expect(names[0]).toMatch(/-20260101t001005z-r99$/);
  });

  it('12 H42 two leaders at once start one run, and one of them looks again', async () => {
    const one = await start('00:05:00');
    await one.clock.advance(5 * minuteMs);
    const two = one.secondProcess();
    const results = await Promise.allSettled([one.reconcile(), two()]);
    expect(one.created).toEqual(['nightly-20260101t0010z']);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    await one.secondProcess()();
    expect([one.created.length, one.status.missed]).toEqual([1, undefined]);
  });
});

describe('rows of upstream', () => {
  it('H2 a run of another job is no run of this one', async () => {
    const world = new World(newPeriodic({ spec: { cron: undefined, interval: '30m' } }), clock('00:00:01'));
    world.add(newRun(newPeriodic({ name: 'other', uid: 'other' }), { slot: clock('00:00:00') }), true);
    await world.reconcile();
    expect(world.created).toEqual(['nightly-20260101t0000z']);
  });

  it('H33 H40 a run begins as triggered, for the default tenant', async () => {
    const world = await start('00:10:00');
    const [run] = world.createdRuns;
    expect([run?.status?.state, run?.spec.prowjob_defaults?.tenant_id]).toEqual(['triggered', 'GlobalDefaultID']);
  });

  it('H34 H37 an interval has no slots, and what is removed starts nothing', async () => {
    const world = await start('00:00:00', { spec: { cron: undefined, interval: '10m' } });
    expect(world.status.nextScheduleTimes).toEqual([]);
    world.finish('nightly-20260101t0000z');
    world.edit((periodic) => ({ ...periodic, metadata: { ...periodic.metadata, deletionTimestamp: clock('00:01:00') } }));
    await world.clock.advance(60 * minuteMs);
    expect(await world.reconcile()).toEqual({});
    expect(world.created).toHaveLength(1);
  });

  it('H41 a slot that passed while the operator was down runs when it is back', async () => {
    const world = await start('00:05:00');
    await world.clock.advance(7 * minuteMs);
    world.restart();
    await world.reconcile();
    expect(world.created).toEqual(['nightly-20260101t0010z']);
    expect(world.condition('OnTime')).toBe('False Late');
  });

  it('H43 the delay of repetitions does not become the interval', async () => {
    const world = await start('00:00:00', { spec: { cron: undefined, interval: '24h', retry: { attempts: 3, delay: '1h' } } });
    world.finish('nightly-20260101t0000z', 'success');
    const { requeueAfterMs } = await world.reconcile();
    expect(requeueAfterMs).toBe(600_000);
    await world.clock.advance(23 * 3600_000);
    await world.reconcile();
    expect([world.created.length, world.status.nextScheduleTimes]).toEqual([1, ['2026-01-02T00:00:00Z']]);
  });
});
