/** One backfill from its first pass to its end, and everything that can hold it up. */
import { describe, expect, it } from 'vitest';
import type { PeriodicBackfillSpec } from '../../crds/v1/periodicBackfill.ts';
import { newBackfill } from '../../operator/jobs/testing/backfills.ts';
import { newPeriodic } from '../../operator/jobs/testing/periodics.ts';
import { TransportError } from '../../operator/kube/errors.ts';
import { World, failure } from './testing/world.ts';

const later = '2026-02-01T00:00:00Z';
/** The run of a slot of the first hour of 2026. */
const run = (time: string): string => `again-20260101t${time}z`;
const all = ['0000', '0010', '0020', '0030', '0040', '0050'].map(run);
const slot = (time: string): string => `2026-01-01T${time}:00Z`;

const start = async (spec: Partial<PeriodicBackfillSpec> = {}, now = later): Promise<World> => {
  const world = new World(newBackfill({ spec }), newPeriodic(), now);
  await world.reconcile();
  return world;
};

async function finish(world: World, name: string, state: 'success' | 'failure' | 'aborted' = 'success'): Promise<void> {
  world.finish(name, state);
  await world.reconcile();
}

describe('a backfill', () => {
  it('runs every slot once, in order, one after the other, and says how far it is', async () => {
    const world = await start();
    expect(world.created).toEqual([run('0000')]);
    expect(world.status).toMatchObject({
      observedGeneration: 1,
      schedule: { text: '0,10,20,30,40,50 * * * * Etc/UTC' },
      cursor: slot('00:00'),
      started: 1,
      succeeded: 0,
      remaining: 5,
      active: [{ name: run('0000'), slot: slot('00:00') }],
    });
    expect(world.condition('Ready')).toBe('True Running');
    for (const name of all) await finish(world, name);
    expect(world.created).toEqual(all);
    expect(world.busiest).toBe(1);
    expect(world.status).toMatchObject({
      started: 6,
      succeeded: 6,
      failed: 0,
      excluded: 0,
      remaining: 0,
      active: [],
      completionTime: later,
    });
    expect([world.condition('Ready'), world.condition('Complete')]).toEqual(['True Complete', 'True Succeeded']);
    expect(world.events).toEqual(['Normal Complete']);
    // Each slot was created and counted, and the end of the last was written.
    expect(world.patches).toHaveLength(7);
  });

  it('writes nothing in a second pass, at any stage', async () => {
    const world = await start({ parallelism: 2 });
    for (const name of all) {
      const before = world.patches.length;
      await world.reconcile();
      expect(world.patches).toHaveLength(before);
      await finish(world, name);
    }
    const before = world.patches.length;
    world.restart();
    await world.reconcile();
    expect(world.patches).toHaveLength(before);
    expect(await world.metrics.value('prow_periodic_backfill_runs_started_total')).toBe(6);
    expect(await world.metrics.value('prow_periodic_backfill_runs_ended_total', { result: 'succeeded' })).toBe(6);
  });

  it('fills each place as it comes free, with the next slot', async () => {
    const world = await start({ parallelism: 3 });
    expect(world.created).toEqual(all.slice(0, 3));
    await finish(world, run('0010'));
    expect(world.created).toEqual(all.slice(0, 4));
    world.edit({ parallelism: 1 });
    await finish(world, run('0000'));
    await finish(world, run('0020'));
    expect(world.created).toEqual(all.slice(0, 4));
    await finish(world, run('0030'));
    expect(world.created).toEqual(all.slice(0, 5));
    expect(world.busiest).toBe(3);
  });

  it('leaves out what the Periodic excludes and counts it', async () => {
    const exclusions = [{ from: slot('00:10'), to: '2026-01-01T09:00:00Z' }];
    const world = new World(newBackfill(), newPeriodic({ spec: { exclusions } }), later);
    await world.reconcile();
    await finish(world, run('0000'));
    expect(world.status).toMatchObject({ started: 1, excluded: 5, remaining: 0, cursor: slot('00:50') });
    expect(await world.metrics.value('prow_periodic_backfill_slots_excluded_total')).toBe(5);
    expect(world.condition('Complete')).toBe('True Succeeded');
  });

  it('is over at once when no slot lies in the range', async () => {
    const world = await start({ from: '2026-01-01T00:01:00Z', to: '2026-01-01T00:09:00Z' });
    expect([world.condition('Complete'), world.status.completionTime, world.created]).toEqual(['True NoSlots', later, []]);
  });

  it('starts slots of the future when their time comes', async () => {
    const world = await start({}, '2026-01-01T00:25:00Z');
    for (const name of all.slice(0, 3)) await finish(world, name);
    expect([world.created.length, world.condition('Ready')]).toEqual([3, 'True WaitingForSlot']);
    expect(await world.reconcile()).toEqual({ requeueAfterMs: 300_000 });
    await world.clock.advance(300_000);
    await world.reconcile();
    expect(world.created).toEqual(all.slice(0, 4));
  });
});

it('waits for its turn where too many start in the namespace, but not for a run that is there already', async () => {
  const world = new World(newBackfill({ spec: { parallelism: 3 } }), newPeriodic(), later);
  world.turnInMs = 250;
  expect(await world.reconcile()).toEqual({ requeueAfterMs: 250 });
  expect([world.created, world.condition('Ready'), world.status.remaining]).toEqual([[], 'True Running', 6]);
  world.turnInMs = 0;
  world.pull({ atWrite: 3, when: 'after' });
  await expect(world.reconcile()).rejects.toThrow(TransportError);
  world.pull({ atWrite: 0, when: 'before' });
  expect(world.created).toEqual(all.slice(0, 3));
  world.turnInMs = 250;
  world.restart();
  await world.reconcile();
  expect(world.status).toMatchObject({ started: 3, cursor: slot('00:20') });
});

describe('a run that ends badly', () => {
  it('is counted, named, and passed over', async () => {
    const world = await start();
    await finish(world, run('0000'), 'failure');
    await finish(world, run('0010'), 'aborted');
    for (const name of all.slice(2)) await finish(world, name);
    expect(world.status).toMatchObject({ started: 6, succeeded: 4, failed: 2, failedSlots: [slot('00:00'), slot('00:10')] });
    expect([world.condition('Ready'), world.condition('Complete')]).toEqual(['True Complete', 'True Failed']);
  });

  it('stops the backfill where spec says so; an edit goes on with the next slot', async () => {
    const world = await start({ onFailure: 'Stop', parallelism: 2 });
    await finish(world, run('0000'), 'failure');
    await finish(world, run('0010'));
    await world.reconcile();
    expect(world.created).toEqual(all.slice(0, 2));
    expect([world.condition('Stopped'), world.condition('Stalled'), world.condition('Ready')]).toEqual([
      'True RunFailed',
      'True Stopped',
      'False Stopped',
    ]);
    expect(world.events).toEqual(['Warning Stopped']);
    world.restart();
    await world.reconcile();
    expect(world.created).toEqual(all.slice(0, 2));
    world.edit({ parallelism: 1 });
    await world.reconcile();
    expect(world.created).toEqual(all.slice(0, 3));
    expect([world.condition('Stopped'), world.condition('Stalled')]).toEqual([undefined, undefined]);
    await finish(world, run('0020'), 'failure');
    expect(world.condition('Stopped')).toBe('True RunFailed');
    world.edit({ onFailure: 'Continue' });
    for (const name of all.slice(3)) {
      await world.reconcile();
      await finish(world, name);
    }
    expect(world.condition('Complete')).toBe('True Failed');
  });

  it('and is the last one completes the backfill all the same', async () => {
    const world = await start({ onFailure: 'Stop', to: '2026-01-01T00:05:00Z' });
    await finish(world, run('0000'), 'failure');
    expect([world.condition('Complete'), world.condition('Stopped')]).toEqual(['True Failed', undefined]);
  });
});

describe('a run that is deleted', () => {
  it('before its end has failed, and gives its place away', async () => {
    const world = await start();
    world.remove(run('0000'));
    await world.reconcile();
    expect(world.status).toMatchObject({ started: 2, failed: 1, failedSlots: [slot('00:00')] });
    expect(world.created).toEqual(all.slice(0, 2));
  });

  it('after its end counts as it ended, although nobody saw it between', async () => {
    const world = await start();
    world.finish(run('0000'));
    world.remove(run('0000'));
    await world.reconcile();
    expect(world.status).toMatchObject({ succeeded: 1, failed: 0 });
  });

  it('while no process ran is found missing', async () => {
    const world = await start();
    world.remove(run('0000'));
    world.restart();
    await world.reconcile();
    expect(world.status).toMatchObject({ started: 2, failed: 1 });
  });

  it('after it was counted does not come back', async () => {
    const world = await start();
    await finish(world, run('0000'));
    world.remove(run('0000'));
    world.restart();
    await world.reconcile();
    expect(world.created).toEqual(all.slice(0, 2));
  });
});

it('a cache that does not show the runs yet starts no more than may be active', async () => {
  const world = await start({ parallelism: 2 });
  world.restart(true);
  await world.reconcile();
  expect([world.created, world.busiest]).toEqual([all.slice(0, 2), 2]);
  world.finish(run('0000'));
  world.restart(true);
  await world.reconcile();
  expect(world.status).toMatchObject({ started: 3, succeeded: 1, failed: 0 });
  expect(world.busiest).toBe(2);
});

describe('nothing starts', () => {
  it('while it is suspended; active runs go on', async () => {
    const world = await start();
    world.edit({ suspend: true });
    await finish(world, run('0000'));
    expect([world.created.length, world.condition('Suspended'), world.condition('Ready')]).toEqual([1, 'True Suspended', 'True Suspended']);
    expect(world.status).toMatchObject({ succeeded: 1, remaining: 5 });
    world.edit({ suspend: false });
    await world.reconcile();
    expect([world.created.length, world.condition('Suspended')]).toEqual([2, undefined]);
  });

  it('without the Periodic, and it goes on when that is there again', async () => {
    const world = await start();
    world.setPeriodic(undefined);
    await finish(world, run('0000'));
    expect([world.condition('Stalled'), world.created.length, world.status.succeeded]).toEqual(['True PeriodicNotFound', 1, 1]);
    world.setPeriodic(newPeriodic({ uid: 'another' }));
    await world.reconcile();
    expect([world.condition('Stalled'), world.condition('Ready'), world.created.length]).toEqual([undefined, 'True Running', 2]);
  });

  it('after the last slot the Periodic is not needed any more', async () => {
    const world = await start({ parallelism: 9 });
    world.setPeriodic(undefined);
    for (const name of all) await finish(world, name);
    expect(world.condition('Complete')).toBe('True Succeeded');
  });

  it('once the schedule is another one, until it is changed back', async () => {
    const world = await start();
    world.setPeriodic(newPeriodic({ spec: { cron: '0 * * * *' }, generation: 2 }));
    await finish(world, run('0000'));
    expect([world.condition('Stalled'), world.created.length]).toEqual(['True ScheduleChanged', 1]);
    world.setPeriodic(newPeriodic({ spec: { cron: '0-50/10 * * * *' }, generation: 3 }));
    await world.reconcile();
    expect([world.condition('Stalled'), world.created.length]).toEqual([undefined, 2]);
  });

  it('but a schedule that changes before the first slot is simply the one', async () => {
    const world = await start({ suspend: true });
    world.setPeriodic(newPeriodic({ spec: { cron: '30 * * * *' }, generation: 2 }));
    world.edit({ suspend: false });
    await world.reconcile();
    expect(world.created).toEqual([run('0030')]);
  });

  it('for a Periodic by interval, or with an expression that nobody can read', async () => {
    const world = new World(newBackfill(), newPeriodic({ spec: { cron: undefined, interval: '1h' } }), later);
    await world.reconcile();
    expect([world.condition('Stalled'), world.condition('Ready')]).toEqual(['True NoSlots', 'False NoSlots']);
    world.setPeriodic(newPeriodic({ spec: { cron: '61 * * * *' } }));
    await world.reconcile();
    expect(world.condition('Stalled')).toBe('True InvalidSchedule');
    expect(world.events).toEqual(['Warning NoSlots', 'Warning InvalidSchedule']);
  });

  it('until @every is recorded to count from somewhere', async () => {
    const every = newPeriodic({ spec: { cron: '@every 30m' } });
    const world = new World(newBackfill(), every, later);
    await world.reconcile();
    expect([world.condition('Reconciling'), world.created.length]).toEqual(['True PeriodicNotSeen', 0]);
    world.setPeriodic({ ...every, status: { schedule: { text: '@every 30m0s', since: '2026-01-09T00:05:00Z' } } });
    await world.reconcile();
    expect([world.condition('Reconciling'), world.created]).toEqual([undefined, [run('0005')]]);
  });
});

describe('a run that cannot be created', () => {
  it('for a passing reason is tried again and nothing is lost', async () => {
    const world = new World(newBackfill(), newPeriodic(), later);
    world.refuse = failure(403, 'Forbidden', 'exceeded quota');
    await expect(world.reconcile()).rejects.toBe(world.refuse);
    expect([world.condition('Reconciling'), world.status.cursor]).toEqual(['True CreateFailed', undefined]);
    world.refuse = new TransportError('timeout', 'no answer');
    await expect(world.reconcile()).rejects.toBe(world.refuse);
    world.refuse = undefined;
    await world.reconcile();
    expect([world.created, world.condition('Reconciling')]).toEqual([[run('0000')], undefined]);
  });

  it('because the template is refused holds up the slot, is not tried in haste, and helps itself', async () => {
    const world = new World(newBackfill(), newPeriodic(), later);
    world.refuse = failure(422, 'Invalid', 'spec.job: Required value');
    expect(await world.reconcile()).toEqual({ requeueAfterMs: 60_000 });
    expect([world.condition('Stalled'), world.status.cursor, world.status.remaining]).toEqual(['True InvalidTemplate', undefined, 6]);
    const writes = world.patches.length;
    await world.reconcile();
    expect(world.patches).toHaveLength(writes);
    world.refuse = undefined;
    await world.reconcile();
    expect([world.created, world.condition('Stalled')]).toEqual([[run('0000')], undefined]);
  });

  it('because its name belongs to somebody else is never touched', async () => {
    const world = new World(newBackfill(), newPeriodic(), later);
    world.add({
      apiVersion: 'prow.k8s.io/v1',
      kind: 'ProwJob',
      metadata: { name: run('0000'), namespace: 'team', uid: 'stranger' },
      spec: { type: 'periodic', job: 'x' },
    });
    await world.reconcile();
    expect([world.condition('Stalled'), world.created, world.runs.get(run('0000'))?.spec.job]).toEqual(['True NameTaken', [], 'x']);
    world.remove(run('0000'));
    await world.reconcile();
    expect(world.created).toEqual([run('0000')]);
  });

  it('nor is anything started under the name of a Periodic', async () => {
    const world = new World(newBackfill({ name: 'nightly' }), newPeriodic(), later);
    await world.reconcile();
    expect([world.condition('Stalled'), world.created]).toEqual(['True NameTaken', []]);
  });
});
