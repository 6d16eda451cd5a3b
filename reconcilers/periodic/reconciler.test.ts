import { describe, expect, it } from 'vitest';
import { TransportError } from '../../operator/kube/errors.ts';
import { newPeriodic, newRun, type PeriodicInput } from '../../operator/jobs/testing/periodics.ts';
import { World, failure } from './testing/world.ts';

const clock = (time: string): string => `2026-01-01T${time}Z`;

/** A Periodic that runs every ten minutes, created at midnight, looked at for the first time at `now`. */
async function start(now: string, input: PeriodicInput = {}): Promise<World> {
  const world = new World(newPeriodic(input), clock(now));
  await world.reconcile();
  return world;
}

describe('a slot', () => {
  it('starts a run with one creation and one status write, exactly at its time', async () => {
    const world = await start('00:05:00');
    const { requeueAfterMs = 0 } = await world.reconcile();
    expect(requeueAfterMs).toBe(300_000);
    await world.clock.advance(requeueAfterMs - 1);
    expect(await world.reconcile()).toEqual({ requeueAfterMs: 1 });
    expect(world.created).toEqual([]);
    await world.clock.advance(1);
    const writes = world.patches.length;
    await world.reconcile();
    expect(world.created).toEqual(['nightly-20260101t0010z']);
    expect(world.patches.length - writes).toBe(1);
    expect(world.status).toMatchObject({
      observedGeneration: 1,
      lastScheduleTime: clock('00:10:00'),
      lastRunTime: clock('00:10:00'),
      active: [{ name: 'nightly-20260101t0010z', slot: clock('00:10:00') }],
      nextScheduleTimes: ['00:20:00', '00:30:00', '00:40:00', '00:50:00', '01:00:00'].map(clock),
      schedule: { text: '0,10,20,30,40,50 * * * * Etc/UTC', since: clock('00:00:00') },
    });
    expect(world.condition('Ready')).toBe('True Scheduled');
    expect(await world.metrics.value('prow_periodic_runs_started_total', { cause: 'slot' })).toBe(1);
  });

  it('writes nothing in a second pass', async () => {
    const world = await start('00:10:00');
    const writes = [world.patches.length, world.created.length];
    await world.clock.advance(1000);
    await world.reconcile();
    world.restart();
    await world.reconcile();
    expect([world.patches.length, world.created.length]).toEqual(writes);
  });

  it('is skipped while a run is active, which is counted and told', async () => {
    const world = await start('00:10:00');
    await world.clock.advance(600_000);
    await world.reconcile();
    expect(world.created).toHaveLength(1);
    expect(world.status).toMatchObject({ lastScheduleTime: clock('00:20:00'), lastRunTime: clock('00:10:00') });
    expect(await world.metrics.value('prow_periodic_slots_skipped_total', { reason: 'ActiveRun' })).toBe(1);
    expect(world.events).toEqual(['Normal SlotSkipped A slot was skipped because an earlier run is active']);
  });

  it('that was slept through is missed, and the latest of them starts', async () => {
    const world = await start('00:10:00');
    world.finish('nightly-20260101t0010z');
    await world.clock.advance(35 * 60_000);
    world.restart();
    await world.reconcile();
    expect(world.created).toEqual(['nightly-20260101t0010z', 'nightly-20260101t0040z']);
    expect(world.status.missed).toEqual({
      count: 2,
      last: [
        { slot: clock('00:20:00'), reason: 'Superseded' },
        { slot: clock('00:30:00'), reason: 'Superseded' },
      ],
    });
    expect(await world.metrics.value('prow_periodic_slots_missed_total', { reason: 'Superseded' })).toBe(2);
    expect(world.events).toEqual(['Warning SlotsMissed 2 slots were missed (Superseded); status.missed names the latest']);
  });

  it('whose run was cleaned up does not start again', async () => {
    const world = await start('00:10:00');
    world.finish('nightly-20260101t0010z');
    await world.reconcile();
    world.remove('nightly-20260101t0010z');
    world.restart();
    await world.reconcile();
    expect(world.created).toHaveLength(1);
    expect(world.status.active).toEqual([]);
  });
});

describe('what became of runs', () => {
  it('is counted once: failures in a row, and the last success', async () => {
    const world = await start('00:10:00');
    for (const [state, want] of [
      ['failure', 1],
      ['error', 2],
      ['aborted', 2],
      ['success', 0],
      ['failure', 1],
    ] as const) {
      world.finish(world.created.at(-1) ?? '', state);
      await world.reconcile();
      expect([state, world.status.consecutiveFailures]).toEqual([state, want]);
      await world.clock.advance(600_000);
      await world.reconcile();
    }
    expect(world.status.lastSuccessfulTime).toBe(clock('00:40:00'));
    world.restart();
    await world.reconcile();
    expect(world.status.consecutiveFailures).toBe(1);
  });

  it('counts a run that ended and was deleted before anybody looked', async () => {
    const world = await start('00:10:00');
    world.finish('nightly-20260101t0010z', 'failure');
    world.remove('nightly-20260101t0010z');
    await world.reconcile();
    expect(world.status).toMatchObject({ active: [], consecutiveFailures: 1 });
  });
});

describe('run-now', () => {
  const annotate = (world: World, token: string): void =>
    world.edit((periodic) => ({ ...periodic, metadata: { ...periodic.metadata, annotations: { 'prow.k8s.io/run-now': token } } }));

  it('starts one run for each new token, whatever is active or suspended', async () => {
    const world = await start('00:10:00', { spec: { suspend: true } });
    annotate(world, 'one');
    await world.reconcile();
    await world.reconcile();
    expect(world.created).toHaveLength(1);
    annotate(world, 'two');
    await world.reconcile();
    expect(world.created).toHaveLength(2);
    expect(world.created.every((name) => /^nightly-now-[0-9a-f]{12}$/.test(name))).toBe(true);
    expect(world.status).toMatchObject({ lastRunNowToken: 'two', lastRunTime: clock('00:10:00') });
    expect(world.status.active?.map(({ slot }) => slot)).toEqual([undefined, undefined]);
    expect(world.condition('Suspended')).toBe('True Suspended');
  });

  it('works for a schedule that cannot be read', async () => {
    const world = await start('00:10:00', { spec: { cron: 'never' }, annotations: { 'prow.k8s.io/run-now': 'x' } });
    expect(world.created).toHaveLength(1);
    expect(world.status.lastRunNowToken).toBe('x');
  });
});

describe('an invalid schedule', () => {
  it('is said once, with the place of the fault, and not tried again', async () => {
    const world = await start('00:10:00', { spec: { cron: '61 * * * *' } });
    const message = 'spec.cron: "61 * * * *": column 1: the minute 61 is not between 0 and 59';
    expect(world.status.conditions).toMatchObject([
      { type: 'Ready', status: 'False', reason: 'InvalidSchedule', message },
      { type: 'Stalled', status: 'True', reason: 'InvalidSchedule', message },
    ]);
    expect(world.events).toEqual([`Warning InvalidSchedule ${message}`]);
    expect(await world.reconcile()).toEqual({});
    expect(world.patches).toHaveLength(1);
  });

  it('is over when the spec is corrected', async () => {
    const world = await start('00:10:00', { spec: { cron: '61 * * * *' } });
    world.edit((periodic) => ({ ...periodic, spec: { ...periodic.spec, cron: '@hourly' } }));
    await world.reconcile();
    expect([world.condition('Ready'), world.condition('Stalled')]).toEqual(['True Scheduled', undefined]);
    expect(world.status.observedGeneration).toBe(2);
  });
});

describe('a change of the schedule', () => {
  it('makes no slot of the past due', async () => {
    const world = await start('00:10:00');
    world.finish('nightly-20260101t0010z');
    await world.clock.advance(5 * 60_000);
    world.edit((periodic) => ({ ...periodic, spec: { ...periodic.spec, cron: '12 * * * *' } }));
    await world.reconcile();
    expect(world.created).toHaveLength(1);
    expect(world.status).toMatchObject({
      schedule: { text: '12 * * * * Etc/UTC', since: clock('00:15:00') },
      nextScheduleTimes: expect.arrayContaining([clock('01:12:00')]),
    });
  });
});

describe('a run that cannot be created', () => {
  it('because its name is taken: that slot is missed, the stranger is left alone, the next slot starts', async () => {
    const world = await start('00:05:00');
    const stranger = newRun(newPeriodic({ uid: 'another' }), { slot: clock('00:10:00') });
    world.add(stranger, false);
    await world.clock.advance(300_000);
    await world.reconcile();
    expect(world.created).toEqual([]);
    expect([world.condition('Ready'), world.condition('Stalled')]).toEqual(['False NameTaken', 'True NameTaken']);
    expect(world.status.missed).toEqual({ count: 1, last: [{ slot: clock('00:10:00'), reason: 'NameTaken' }] });
    expect(world.events[0]).toContain('Warning NameTaken The ProwJob nightly-20260101t0010z exists and does not belong');
    const writes = world.patches.length;
    await world.reconcile();
    expect(world.patches).toHaveLength(writes);
    await world.clock.advance(600_000);
    await world.reconcile();
    expect(world.created).toEqual(['nightly-20260101t0020z']);
    expect([world.condition('Ready'), world.condition('Stalled')]).toEqual(['True Scheduled', undefined]);
  });

  it('because the template is refused: no hot retry, and a correction helps', async () => {
    const world = await start('00:05:00');
    world.refuse = failure(422, 'Invalid', 'spec.job: Required value');
    await world.clock.advance(300_000);
    const result = await world.reconcile();
    expect(result.requeueAfterMs).toBe(600_000);
    expect(world.condition('Stalled')).toBe('True InvalidTemplate');
    expect(world.status.conditions?.[0]?.message).toContain('spec.job: Required value');
    world.refuse = undefined;
    world.edit((periodic) => ({ ...periodic, spec: { ...periodic.spec, suspend: false } }));
    await world.reconcile();
    expect([world.condition('Ready'), world.condition('Stalled')]).toEqual(['True Scheduled', undefined]);
  });

  it.each([
    { name: 'quota', refuse: failure(403, 'Forbidden', 'exceeded quota') },
    { name: 'an overloaded server', refuse: failure(503, 'ServiceUnavailable') },
    { name: 'no answer', refuse: new TransportError('timeout', 'no answer') },
  ])('for a passing reason ($name): the slot stays due', async ({ refuse }) => {
    const world = await start('00:05:00');
    world.refuse = refuse;
    await world.clock.advance(300_000);
    await expect(world.reconcile()).rejects.toBe(refuse);
    expect(world.condition('Reconciling')).toBe('True CreateFailed');
    expect(world.status.lastScheduleTime).toBeUndefined();
    const writes = world.patches.length;
    await expect(world.reconcile()).rejects.toBe(refuse);
    expect(world.patches).toHaveLength(writes);
    world.refuse = undefined;
    await world.reconcile();
    expect(world.created).toEqual(['nightly-20260101t0010z']);
    expect([world.condition('Ready'), world.condition('Reconciling')]).toEqual(['True Scheduled', undefined]);
  });
});

describe('a run that was created, and the answer of its creation was lost, while no cache shows it', () => {
  async function withoutAnswer(spec: PeriodicInput['spec'] = {}): Promise<World> {
    const world = await start('00:05:00', { spec: { ...spec } });
    await world.clock.advance(300_000);
    world.pull({ atWrite: 1, when: 'after' });
    await expect(world.reconcile()).rejects.toThrow('the plug was pulled after the write');
    expect(world.created).toEqual(['nightly-20260101t0010z']);
    return world;
  }

  it('answers its slot, whatever was decided if it did not exist', async () => {
    const world = await withoutAnswer();
    world.edit((periodic) => ({ ...periodic, spec: { ...periodic.spec, suspend: true } }));
    await world.reconcile();
    expect(world.status.skipped).toBeUndefined();
    expect(world.status).toMatchObject({ lastScheduleTime: clock('00:10:00'), active: [{ name: 'nightly-20260101t0010z' }] });
  });

  it.each(['Forbid', 'Replace', 'Queue'] as const)('is active for %s, so that the next slot does not start beside it', async (policy) => {
    const world = await withoutAnswer({ concurrencyPolicy: policy });
    await world.clock.advance(600_000);
    await world.reconcile();
    expect(world.created).toEqual(['nightly-20260101t0010z']);
    expect(world.status.missed).toBeUndefined();
  });

  it('stops the pass while nobody can be asked, and is not asked for once it is known', async () => {
    const world = await withoutAnswer();
    const asked = world.reads;
    world.refuseReads = failure(503, 'ServiceUnavailable');
    const writes = world.patches.length;
    await expect(world.reconcile()).rejects.toBe(world.refuseReads);
    expect(world.patches).toHaveLength(writes);
    world.refuseReads = undefined;
    await world.reconcile();
    await world.reconcile();
    expect(world.reads - asked).toBe(2);
    expect(world.status.active).toMatchObject([{ name: 'nightly-20260101t0010z' }]);
  });
});

it('is started, and not replaced, when its run exists and only status says that the slot waits', async () => {
  const world = await start('00:10:00', { spec: { concurrencyPolicy: 'Replace' } });
  await world.clock.advance(600_000);
  await world.reconcile();
  expect(world.status.waiting).toMatchObject([{ slot: clock('00:20:00'), reason: 'Replacing' }]);
  world.finish('nightly-20260101t0010z', 'aborted');
  world.pull({ atWrite: 2, when: 'before' });
  await expect(world.reconcile()).rejects.toThrow('the plug was pulled before the write');
  await world.clock.advance(600_000);
  await world.reconcile();
  expect(world.created).toEqual(['nightly-20260101t0010z', 'nightly-20260101t0020z']);
  expect(world.status.skipped).toBeUndefined();
  expect(world.status.waiting).toMatchObject([{ slot: clock('00:30:00'), reason: 'Replacing' }]);
  expect(world.aborted).toContain('nightly-20260101t0020z');
});

it('is skipped for good when the status write that said so was carried out and its answer lost', async () => {
  const world = await start('00:10:00');
  await world.clock.advance(600_000);
  world.pull({ atWrite: 1, when: 'after' });
  await expect(world.reconcile()).rejects.toThrow('the plug was pulled after the write');
  expect(world.status.skipped?.count).toBe(1);
  world.finish('nightly-20260101t0010z');
  await world.reconcile();
  await world.reconcile();
  expect(world.created).toEqual(['nightly-20260101t0010z']);
  expect(world.status.skipped?.count).toBe(1);
});

it('starts nothing from a cache that does not know yet that the Periodic is gone, after a status write that may have been carried out', async () => {
  const world = await start('00:10:00');
  await world.clock.advance(600_000);
  world.pull({ atWrite: 1, when: 'after' });
  await expect(world.reconcile()).rejects.toThrow('the plug was pulled after the write');
  world.finish('nightly-20260101t0010z');
  world.refuseReads = failure(404, 'NotFound');
  expect(await world.reconcile()).toEqual({});
  expect(await world.reconcile()).toEqual({});
  expect(world.created).toEqual(['nightly-20260101t0010z']);
  // Another of the same name.
  world.refuseReads = undefined;
  await world.clock.advance(600_000);
  await world.reconcile();
  expect(world.created).toEqual(['nightly-20260101t0010z', 'nightly-20260101t0030z']);
});

it('takes back what an earlier release said of a field that it did not act on', async () => {
  const said = {
    type: 'Unsupported',
    status: 'True',
    reason: 'FieldsIgnored',
    message: '',
    lastTransitionTime: '2025-12-31T00:00:00Z',
  } as const;
  const world = await start('00:10:00', { spec: { history: { successful: 3 } }, status: { conditions: [said] } });
  expect(world.status.conditions?.find(({ type }) => type === 'Unsupported')).toBeUndefined();
});

it('wakes at suspendUntil to say that it is over', async () => {
  const world = await start('00:01:00', { spec: { cron: '@daily', suspendUntil: clock('00:02:00') } });
  expect(world.condition('Suspended')).toBe('True SuspendedUntil');
  const { requeueAfterMs = 0 } = await world.reconcile();
  expect(requeueAfterMs).toBe(60_000);
  await world.clock.advance(requeueAfterMs);
  await world.reconcile();
  expect(world.condition('Suspended')).toBeUndefined();
});

it('finds a slot within minutes after somebody has set the clock', async () => {
  const world = await start('00:01:00', { spec: { cron: '@daily' } });
  const { requeueAfterMs = Infinity } = await world.reconcile();
  world.clock.jump(24 * 3_600_000);
  expect(requeueAfterMs).toBeLessThanOrEqual(600_000);
  await world.clock.advance(requeueAfterMs);
  await world.reconcile();
  expect(world.created).toEqual(['nightly-20260102t0000z']);
});

it('leaves an object alone that is gone or going', async () => {
  const world = new World(newPeriodic(), clock('00:10:00'));
  world.edit((periodic) => ({ ...periodic, metadata: { ...periodic.metadata, deletionTimestamp: clock('00:10:00') } }));
  expect(await world.reconcile()).toEqual({});
  expect([world.created, world.patches]).toEqual([[], []]);
});
