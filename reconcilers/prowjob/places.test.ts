/** What waiting runs say of their place, over a real socket: right when they begin to wait, and later without a storm of writes. */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { prowJobs } from '../../crds/resources.ts';
import type { ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { World, namespace, type Operator } from './testing/world.ts';

let world: World;
let operator: Operator | undefined;

beforeAll(async () => {
  world = await World.open();
});

afterAll(() => world.close());

afterEach(async () => {
  await operator?.stop();
});

const waitsOf = (): readonly string[] => operator!.writes.filter((write) => /prowjobs\/line-\d+\/status/.test(write));

it('a queue that moves costs no write at once, and one for each run within a minute', async () => {
  const clock = new FakeClock(Date.now());
  operator = await world.operator({ clock, policy: { queueCapacities: new Map([['narrow', 1]]) } });
  const spec = (priority: number): Partial<ProwJobSpec> => ({ job_queue_name: 'narrow', priority });
  await world.createRun('first', spec(100));
  await world.untilPod('first');
  const names = Array.from({ length: 8 }, (_, index) => `line-${index}`);
  for (const [index, name] of names.entries()) {
    await world.createRun(name, spec(50 - index));
    await world.untilRun(name, 'waits', ({ status }) => status?.waiting?.position === index + 1);
  }
  expect((await world.run('line-3')).status?.waiting).toEqual({
    reason: 'QueueFull',
    message: 'Queue "narrow" has all 1 of its runs.',
    position: 4,
  });
  const entries = waitsOf().length;
  expect(entries).toBe(8);

  await world.endPod('first', 0);
  await world.untilPod('line-0');
  await operator.controller.idle();
  expect(waitsOf().length, 'only the run that started').toBe(entries + 1);
  expect((await world.run('line-1')).status?.waiting?.position).toBe(2);

  await clock.advance(61_000);
  await operator.controller.idle();
  const places = await Promise.all(names.slice(1).map(async (name) => (await world.run(name)).status?.waiting?.position));
  expect(places).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(waitsOf().length, 'one for each that waits').toBe(entries + 1 + 7);
  expect(
    operator.events.filter(({ reason }) => reason === 'QueueFull'),
    'an Event only when they began to wait',
  ).toHaveLength(8);

  await clock.advance(120_000);
  await operator.controller.idle();
  expect(waitsOf().length, 'nothing moved').toBe(entries + 1 + 7);
  for (const { metadata } of (await world.client.list(prowJobs, { namespace })).items)
    await world.client.delete(prowJobs, { namespace, name: metadata.name });
});
