/** Slots that wait, from the first write to the last: what is created, ended, written, told and counted. */
import { describe, expect, it } from 'vitest';
import type { PeriodicSpec } from '../../crds/v1/periodic.ts';
import { failure, World } from './testing/world.ts';
import { newPeriodic, type PeriodicInput } from '../../operator/jobs/testing/periodics.ts';

const clock = (time: string): string => `2026-01-01T${time}Z`;
const minuteMs = 60_000;
const first = 'nightly-20260101t0010z';
const second = 'nightly-20260101t0020z';

async function start(now: string, spec: Partial<PeriodicSpec>, input: PeriodicInput = {}): Promise<World> {
  const world = new World(newPeriodic({ ...input, spec }), clock(now));
  await world.reconcile();
  return world;
}

async function advance(world: World, ms: number): Promise<void> {
  await world.clock.advance(ms);
  await world.reconcile();
}

const started = (world: World, cause: string): Promise<number | undefined> =>
  world.metrics.value('prow_periodic_runs_started_total', { cause });

describe('Replace', () => {
  it('writes down which slot waits before it asks the run to end, and starts it after that', async () => {
    const world = await start('00:10:00', { concurrencyPolicy: 'Replace' });
    await advance(world, 10 * minuteMs);
    expect(world.status.waiting).toEqual([{ slot: clock('00:20:00'), reason: 'Replacing' }]);
    expect([world.aborted, world.created]).toEqual([[first], [first]]);
    expect(world.runs.get(first)?.spec.abort).toEqual({
      by: 'Periodic nightly',
      reason: 'A later slot of the schedule replaces this run.',
    });
    expect(world.events.at(-1)).toBe(`Normal RunReplaced Asked ${first} to end, because a later slot replaces it`);
    await advance(world, minuteMs);
    expect(world.aborted).toEqual([first]);
    world.finish(first, 'aborted');
    await world.reconcile();
    expect([world.created, world.status.waiting, world.status.consecutiveFailures]).toEqual([[first, second], [], 0]);
    expect([world.condition('OnTime'), await started(world, 'replacement')]).toEqual(['True AsPlanned', 1]);
  });

  it.each([
    { name: 'before the request arrives', when: 'before' as const },
    { name: 'after the request arrived', when: 'after' as const },
  ])('asks once although the process dies $name', async ({ when }) => {
    const world = await start('00:10:00', { concurrencyPolicy: 'Replace' });
    await world.clock.advance(10 * minuteMs);
    world.pull({ atWrite: 2, when });
    await expect(world.reconcile()).rejects.toThrow('the plug');
    world.pull({ atWrite: 0, when: 'before' });
    world.restart();
    await world.reconcile();
    expect(world.aborted).toEqual([first]);
    world.finish(first, 'aborted');
    await world.reconcile();
    expect(world.created).toEqual([first, second]);
  });
});

describe('retry', () => {
  it('repeats in two writes for each attempt, and ends with the last', async () => {
    const world = await start('00:10:00', { retry: { attempts: 1, delay: '1m' } });
    world.finish(first, 'failure');
    const writes = world.patches.length;
    await world.reconcile();
    expect(world.status).toMatchObject({
      waiting: [{ slot: clock('00:10:00'), attempt: 2, reason: 'Retry', notBefore: clock('00:11:00') }],
      active: [],
    });
    await advance(world, minuteMs - 1);
    expect(world.created).toHaveLength(1);
    await advance(world, 1);
    expect([world.created, world.status.waiting, world.patches.length - writes]).toEqual([[first, `${first}-r1`], [], 2]);
    expect(world.runs.get(`${first}-r1`)?.metadata.labels).toMatchObject({ 'prow.k8s.io/re-run': '1' });
    expect(world.events.at(-1)).toBe(`Normal RunRepeated Started ${first}-r1, because the run before it ended badly`);
    world.finish(`${first}-r1`, 'failure');
    await world.reconcile();
    expect([world.status.waiting, world.status.consecutiveFailures, await started(world, 'retry')]).toEqual([[], 2, 1]);
    expect(world.status.lastRunTime).toBe(clock('00:10:00'));
  });

  it('is not lost when something else fails in the pass that sees the end', async () => {
    const world = await start('00:10:00', { retry: { attempts: 1 }, concurrencyPolicy: 'Queue' });
    world.finish(first, 'failure');
    world.refuse = failure(503, 'ServiceUnavailable');
    world.edit((periodic) => ({ ...periodic, metadata: { ...periodic.metadata, annotations: { 'prow.k8s.io/run-now': 'x' } } }));
    await expect(world.reconcile()).rejects.toThrow();
    expect(world.status.waiting).toMatchObject([{ attempt: 2, reason: 'Retry' }]);
  });

  it('that is overtaken says so', async () => {
    const world = await start('00:10:00', { retry: { attempts: 1, delay: '15m' } });
    world.finish(first, 'failure');
    await world.reconcile();
    await advance(world, 10 * minuteMs);
    expect([world.created, world.status.waiting]).toEqual([[first, second], []]);
    expect(world.events.at(-1)).toBe('Normal RetryDropped A run is not repeated because a later slot has started');
  });
});

describe('stopAfter', () => {
  const spec = { stopAfter: { consecutiveFailures: 1 } };

  it('stops, writes nothing while it is stopped, and counts the slots when it goes on', async () => {
    const world = await start('00:10:00', spec);
    world.finish(first, 'failure');
    await world.reconcile();
    expect([world.condition('Stopped'), world.status.nextScheduleTimes]).toEqual(['True ConsecutiveFailures', []]);
    const writes = world.patches.length;
    for (let slot = 0; slot < 3; slot++) await advance(world, 10 * minuteMs);
    expect([world.patches.length, world.created.length]).toEqual([writes, 1]);
    world.edit((periodic) => ({ ...periodic, metadata: { ...periodic.metadata, annotations: { 'prow.k8s.io/run-now': 'try' } } }));
    await world.reconcile();
    world.finish(world.created.at(-1) ?? '', 'success');
    await world.reconcile();
    expect(world.condition('Stopped')).toBeUndefined();
    expect(world.status.skipped).toEqual({
      count: 3,
      last: ['00:20:00', '00:30:00', '00:40:00'].map((slot) => ({ slot: clock(slot), reason: 'Stopped' })),
    });
    expect(world.events.filter((event) => / (Stopped|Resumed) /.test(event)).map((event) => event.split(' ')[1])).toEqual([
      'Stopped',
      'Resumed',
    ]);
    await advance(world, 10 * minuteMs);
    expect(world.created.at(-1)).toBe('nightly-20260101t0050z');
  });

  it('begins to count anew when spec is edited, and not when only metadata is', async () => {
    const world = await start('00:10:00', spec);
    world.finish(first, 'failure');
    await world.reconcile();
    world.edit((periodic) => ({ ...periodic, metadata: { ...periodic.metadata, labels: { a: 'b' } } }));
    await world.reconcile();
    expect(world.condition('Stopped')).toBe('True ConsecutiveFailures');
    world.edit((periodic) => ({ ...periodic, spec: { ...periodic.spec, jobTemplate: { spec: {} } } }));
    await world.reconcile();
    expect([world.condition('Stopped'), world.status.consecutiveFailures]).toEqual([undefined, 0]);
  });
});

describe('a suspended schedule', () => {
  it('writes nothing for its slots, also through a restart, and counts them when it is resumed', async () => {
    const world = await start('00:05:00', { suspend: true });
    const writes = world.patches.length;
    for (let slot = 0; slot < 50; slot++) {
      await advance(world, 10 * minuteMs);
      if (slot === 25) world.restart();
    }
    expect(world.patches).toHaveLength(writes);
    expect(await world.reconcile()).toEqual({});
    world.edit((periodic) => ({ ...periodic, spec: { ...periodic.spec, suspend: false } }));
    await world.reconcile();
    expect([world.patches.length - writes, world.status.skipped?.count, world.created]).toEqual([1, 50, []]);
    expect(await world.metrics.value('prow_periodic_slots_skipped_total', { reason: 'Suspended' })).toBe(50);
  });

  it('counts right over more slots than one pass judges', async () => {
    const world = await start('00:00:30', { cron: '@every 1s', suspend: true });
    world.clock.jump(50_000_000);
    world.edit((periodic) => ({ ...periodic, spec: { ...periodic.spec, suspend: false } }));
    await world.reconcile();
    const skipped = world.status.skipped?.count ?? 0;
    expect(skipped).toBe(30 + 50_000 + 1);
    expect([world.created, world.status.missed, world.condition('Suspended')]).toEqual([[], undefined, undefined]);
  });
});

describe('the condition OnTime', () => {
  it('is False after a late start and after a miss, and True after the next slot on time', async () => {
    const world = await start('00:15:00', {});
    expect(world.condition('OnTime')).toBe('False Late');
    expect(world.status.conditions?.find(({ type }) => type === 'OnTime')?.message).toBe(
      'The slot 2026-01-01T00:10:00Z started 300 s late.',
    );
    world.finish(first);
    await advance(world, 5 * minuteMs);
    expect(world.condition('OnTime')).toBe('True AsPlanned');
    world.finish(second);
    world.edit((periodic) => ({ ...periodic, spec: { ...periodic.spec, missedRuns: { policy: 'Skip' } } }));
    world.restart();
    await advance(world, 15 * minuteMs);
    expect(world.condition('OnTime')).toBe('False Missed');
  });

  it('is False while a slot that is due cannot start', async () => {
    const world = await start('00:05:00', {});
    world.refuse = failure(503, 'ServiceUnavailable');
    await world.clock.advance(5 * minuteMs);
    await expect(world.reconcile()).rejects.toThrow();
    expect(world.condition('OnTime')).toBe('True AsPlanned');
    await world.clock.advance(11_000);
    await expect(world.reconcile()).rejects.toThrow();
    expect(world.condition('OnTime')).toBe('False Late');
    world.refuse = undefined;
    await world.reconcile();
    expect([world.created, world.condition('OnTime')]).toEqual([[first], 'False Late']);
  });

  it('is not touched by a slot that waited for a place', async () => {
    const world = await start('00:10:00', { concurrencyPolicy: 'Queue' });
    await advance(world, 10 * minuteMs);
    await advance(world, 5 * minuteMs);
    world.finish(first);
    await world.reconcile();
    expect([world.created, world.condition('OnTime'), await started(world, 'queued')]).toEqual([[first, second], 'True AsPlanned', 1]);
  });
});

describe('the budget of starts', () => {
  it('lets a late slot wait for its turn without a write, and it is still there after a restart', async () => {
    const world = new World(newPeriodic(), clock('00:15:00'));
    world.rates = { onTime: 0, catchUp: 1 };
    world.budget.take('team', 'catchUp', 'another');
    const { requeueAfterMs } = await world.reconcile();
    expect([requeueAfterMs, world.created]).toEqual([1000, []]);
    const writes = world.patches.length;
    await world.clock.advance(500);
    expect(await world.reconcile()).toEqual({ requeueAfterMs: 500 });
    world.restart();
    await world.clock.advance(500);
    await world.reconcile();
    expect([world.created, world.patches.length - writes]).toEqual([[first], 1]);
    expect(world.status.lastScheduleTime).toBe(clock('00:10:00'));
  });

  it('never delays a slot on time', async () => {
    const world = new World(newPeriodic(), clock('00:05:00'));
    world.rates = { onTime: 0, catchUp: 1 };
    await world.reconcile();
    for (let index = 0; index < 50; index++) world.budget.take('team', 'catchUp', `late-${index}`);
    await advance(world, 5 * minuteMs);
    expect(world.created).toEqual([first]);
  });
});

it('two replicas with the same caches plan the same, whenever they look', async () => {
  const spec = { jitter: '7m', concurrencyPolicy: 'Queue' as const };
  const [one, two] = await Promise.all([start('00:05:00', spec), start('00:05:00', spec)]);
  for (const ms of [3, 5, 8, 13, 21]) {
    await advance(one, ms * minuteMs);
    await advance(two, ms * minuteMs);
    two.restart();
    expect([two.created, two.status]).toEqual([one.created, one.status]);
  }
  expect(one.created.length).toBeGreaterThan(0);
});
