/** The log of a schedule: a line for each run, and one for all slots that a pass gave up for one reason. */
import { expect, it } from 'vitest';
import { newPeriodic } from '../../operator/jobs/testing/periodics.ts';
import { World } from './testing/world.ts';

const start = '2026-01-01T00:05:00Z';
const lines = (world: World): readonly unknown[] =>
  world.logger.lines.filter(({ level }) => level === 'info').map(({ message, fields }) => ({ message, ...fields }));
const nightly = { namespace: 'team', name: 'nightly' };

it('a slot that starts is one line, and a settled pass none', async () => {
  const world = new World(newPeriodic({}), start);
  await world.reconcile();
  expect(lines(world)).toEqual([]);
  await world.clock.advance(300_000);
  await world.reconcile();
  await world.reconcile();
  expect(lines(world)).toEqual([
    { message: 'Run created', ...nightly, run: 'nightly-20260101t0010z', cause: 'slot', slot: '2026-01-01T00:10:00Z' },
  ]);
});

it('a slot that is skipped is one line with its reason', async () => {
  const world = new World(newPeriodic({}), '2026-01-01T00:10:00Z');
  await world.reconcile();
  await world.clock.advance(600_000);
  await world.reconcile();
  expect(lines(world).slice(1)).toEqual([
    { message: 'Slots skipped', ...nightly, reason: 'ActiveRun', slots: 1, latest: '2026-01-01T00:20:00Z' },
  ]);
});

it('a night that was slept through is one line, beside that of the run that starts', async () => {
  const world = new World(newPeriodic({}), start);
  await world.reconcile();
  await world.clock.advance(8 * 3_600_000);
  world.restart();
  await world.reconcile();
  const told = lines(world);
  expect(told).toHaveLength(2);
  expect(told[0]).toMatchObject({ message: 'Run created', slot: '2026-01-01T08:00:00Z' });
  expect(told[1]).toEqual({ message: 'Slots missed', ...nightly, reason: 'Superseded', slots: 47, latest: '2026-01-01T07:50:00Z' });
});

it('a start by hand names its token', async () => {
  const world = new World(newPeriodic({}), start);
  await world.reconcile();
  world.edit((periodic) => ({ ...periodic, metadata: { ...periodic.metadata, annotations: { 'prow.k8s.io/run-now': 'please' } } }));
  await world.reconcile();
  expect(lines(world)).toEqual([expect.objectContaining({ message: 'Run created', cause: 'manual', token: 'please' })]);
});
