/** Cleanup on build clusters: each by itself, one alias of each, and nothing that hangs on a cluster that is away. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { pod, run } from './testing/objects.ts';
import { CleanupWorld, hourMs, worldPolicy } from './testing/cleanupWorld.ts';

let world: CleanupWorld;
beforeEach(() => {
  world = new CleanupWorld(['west', 'twin']);
});
afterEach(() => world.stop());

const [westIndex, twinIndex] = [0, 1];
const west = () => world.others[westIndex]!;
const twin = () => world.others[twinIndex]!;
const minuteMs = 60_000;

it('a run takes its pod along, wherever it is', async () => {
  world.put(world.jobs, run('done', { completedAgoMs: 49 * hourMs, spec: { cluster: 'west' } }));
  west().put(pod('done'));
  expect(await world.pass()).toEqual(['pod west/done-pod', 'run done']);
});

it('a cluster that is away holds up no run; its pods go as orphans when it is back', async () => {
  west().state = 'unavailable';
  world.put(world.jobs, run('done', { completedAgoMs: 49 * hourMs, spec: { cluster: 'west' } }));
  west().put(pod('done'));
  west().put(pod('ttled'));
  world.put(world.jobs, run('ttled', { completedAgoMs: hourMs, spec: { cluster: 'west' } }));
  expect(await world.pass(hourMs)).toEqual(['run done']);
  west().state = 'ready';
  expect((await world.pass(minuteMs)).toSorted()).toEqual(['pod west/done-pod', 'pod west/ttled-pod', 'run done']);
});

it('two aliases of one cluster are worked off once, and counted once', async () => {
  twin().primary = false;
  for (const place of [west(), twin()]) {
    place.put(pod('ttled'));
    place.put(pod('aged'));
    place.put(pod('orphan'));
  }
  world.put(world.jobs, run('ttled', { completedAgoMs: hourMs, spec: { cluster: 'west' } }));
  world.put(world.jobs, run('aged', { completedAgoMs: 49 * hourMs, spec: { cluster: 'twin' } }));
  expect(await world.metrics.value('cleanup_overdue_objects', { object: 'pods' })).toBe(2);
  expect((await world.pass()).toSorted()).toEqual(['pod west/aged-pod', 'pod west/orphan-pod', 'pod west/ttled-pod', 'run aged']);
});

it('each cluster has a rate of its own', async () => {
  world.policy = { ...worldPolicy, cleanup: { ...worldPolicy.cleanup, deletesPerSecond: 2 } };
  for (const place of [world.own, west()]) {
    for (let index = 0; index < 5; index++) {
      const name = `${place.alias}-${index}`;
      world.put(world.jobs, run(name, { completedAgoMs: hourMs }));
      place.put(pod(name));
    }
  }
  await world.clock.advance(0);
  expect(world.calls.filter((call) => call.includes('west'))).toHaveLength(2);
  expect(world.calls).toHaveLength(4);
  await world.clock.advance(1500);
  expect(world.calls).toHaveLength(10);
});

it('an exclusion that is taken back holds at once', async () => {
  world.policy = { ...worldPolicy, cleanup: { ...worldPolicy.cleanup, excludeClusters: ['west', 'default'] } };
  world.put(world.jobs, run('here', { completedAgoMs: hourMs }));
  world.put(world.jobs, run('there', { completedAgoMs: hourMs }));
  world.own.put(pod('here'));
  west().put(pod('there'));
  expect(await world.pass(hourMs)).toEqual([]);
  expect(await world.metrics.value('cleanup_overdue_objects', { object: 'pods' })).toBe(0);
  world.policy = worldPolicy;
  expect(await world.metrics.value('cleanup_overdue_objects', { object: 'pods' })).toBe(2);
  world.settingsChanged();
  expect((await world.pass()).toSorted()).toEqual(['pod here-pod', 'pod west/there-pod']);
});
