import { describe, expect, it } from 'vitest';
import type { ObjectKey } from '../kube/objects.ts';
import { formatKey } from '../kube/objects.ts';
import { Metrics } from './metrics.ts';
import { FakeClock, settle } from './testing/fakeClock.ts';
import { WorkQueue, freshPerResync } from './workQueue.ts';

const key = (name: string, namespace = 'ns'): ObjectKey => ({ namespace, name });

function newQueue(options: { metrics?: Metrics; baseDelayMs?: number; maxDelayMs?: number } = {}) {
  const clock = new FakeClock();
  return { clock, queue: new WorkQueue({ name: 'test', clock, ...options }) };
}

/** Takes everything that is ready, in order, ending each at once. */
async function takeAll(queue: WorkQueue): Promise<string[]> {
  const taken: string[] = [];
  while (queue.depth > 0) {
    const item = await queue.get();
    if (item === undefined) break;
    taken.push(formatKey(item.key));
    queue.done(item.key);
  }
  return taken;
}

describe('WorkQueue', () => {
  it('gives a key out once, however often it was added', async () => {
    const { queue } = newQueue();
    for (let i = 0; i < 5; i++) queue.add(key('a'));
    expect(await takeAll(queue)).toEqual(['ns/a']);
  });

  it('holds a key back while it is being worked on, and gives it out once more when it was added meanwhile', async () => {
    const { queue } = newQueue();
    queue.add(key('a'));
    const first = await queue.get();
    queue.add(key('a'));
    queue.add(key('a'));
    expect(queue.depth).toBe(0);
    queue.done(first!.key);
    expect(await takeAll(queue)).toEqual(['ns/a']);
  });

  it('hands a new key straight to a worker that waits', async () => {
    const { queue } = newQueue();
    const waiting = queue.get();
    queue.add(key('a'));
    expect((await waiting)?.key).toEqual(key('a'));
    expect(queue.depth).toBe(0);
  });

  it.each([
    { name: 'a later time does not replace an earlier one', delays: [100, 500], atMs: 100 },
    { name: 'an earlier time replaces a later one', delays: [500, 100], atMs: 100 },
    { name: 'now replaces any time', delays: [500, 0], atMs: 0 },
    { name: 'any time is absorbed by now', delays: [0, 500], atMs: 0 },
  ])('delays: $name', async ({ delays, atMs }) => {
    const { queue, clock } = newQueue();
    for (const afterMs of delays) queue.add(key('a'), { afterMs });
    if (atMs > 0) {
      await clock.advance(atMs - 1);
      expect(queue.depth).toBe(0);
      await clock.advance(1);
    }
    expect(await takeAll(queue)).toEqual(['ns/a']);
    await clock.advance(1_000);
    expect(queue.depth).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('lets delayed keys out in the order of their times with one timer', async () => {
    const { queue, clock } = newQueue();
    queue.add(key('c'), { afterMs: 30 });
    queue.add(key('a'), { afterMs: 10 });
    queue.add(key('b'), { afterMs: 20 });
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(30);
    expect(await takeAll(queue)).toEqual(['ns/a', 'ns/b', 'ns/c']);
  });

  it('loses none of several keys that fall due together while one worker waits', async () => {
    const { queue, clock } = newQueue();
    const waiting = queue.get();
    for (const name of ['a', 'b', 'c']) queue.add(key(name), { afterMs: 100 });
    await clock.advance(100);
    const first = await waiting;
    expect(first?.key).toEqual(key('a'));
    expect(queue.processing).toBe(1);
    queue.done(first!.key);
    expect(await takeAll(queue)).toEqual(['ns/b', 'ns/c']);
  });

  it('keeps a delay that was asked for while the key is being worked on', async () => {
    const { queue, clock } = newQueue();
    queue.add(key('a'));
    const item = await queue.get();
    queue.add(key('a'), { afterMs: 10 });
    await clock.advance(10);
    expect(queue.depth).toBe(0);
    queue.done(item!.key);
    expect(await takeAll(queue)).toEqual(['ns/a']);
  });

  it('doubles the delay with each failure up to the longest, and starts over after forget', () => {
    const { queue } = newQueue({ maxDelayMs: 100 });
    const delays = Array.from({ length: 7 }, () => queue.addRateLimited(key('a')));
    expect(delays).toEqual([5, 10, 20, 40, 80, 100, 100]);
    expect(queue.failures(key('a'))).toBe(7);
    queue.forget(key('a'));
    expect(queue.addRateLimited(key('a'))).toBe(5);
  });

  it('takes fresh keys before resyncs, and a resync every ninth turn', async () => {
    const { queue } = newQueue();
    queue.add(key('old-1'), { priority: 'resync' });
    queue.add(key('old-2'), { priority: 'resync' });
    for (let i = 0; i < 20; i++) queue.add(key(`new-${i}`));
    const taken = await takeAll(queue);
    expect(taken.indexOf('ns/old-1')).toBe(freshPerResync);
    expect(taken.indexOf('ns/old-2')).toBe(2 * freshPerResync + 1);
  });

  it('moves a waiting resync to the fresh ones when it becomes urgent, and never the other way', async () => {
    const { queue } = newQueue();
    queue.add(key('a'), { priority: 'resync' });
    queue.add(key('b'), { priority: 'resync' });
    queue.add(key('b'));
    queue.add(key('b'), { priority: 'resync' });
    expect(queue.depth).toBe(2);
    expect(await queue.get()).toEqual({ key: key('b'), priority: 'fresh' });
    expect(await queue.get()).toEqual({ key: key('a'), priority: 'resync' });
  });

  it('takes namespaces in turn, so that a crowd in one delays the others by one key each', async () => {
    const { queue } = newQueue();
    for (let i = 0; i < 100; i++) queue.add(key(`${i}`, 'crowd'));
    queue.add(key('x', 'small'));
    queue.add(key('y', 'other'));
    const taken = await takeAll(queue);
    expect(taken.slice(0, 4)).toEqual(['crowd/0', 'small/x', 'other/y', 'crowd/1']);
    expect(taken).toHaveLength(102);
  });

  it('on stop frees waiting workers, drops what waits, refuses more and drains what is in progress', async () => {
    const { queue, clock } = newQueue();
    queue.add(key('a'));
    const item = await queue.get();
    const waiting = queue.get();
    queue.add(key('late'), { afterMs: 10 });
    queue.stop();
    expect(await waiting).toBeUndefined();
    queue.add(key('b'));
    expect(await queue.get()).toBeUndefined();
    let drained = false;
    const draining = queue.drained().then(() => (drained = true));
    await settle();
    expect(drained).toBe(false);
    queue.done(item!.key);
    await draining;
    expect(clock.pendingTimers).toBe(0);
  });

  it('is idle when only delays in the future are left', async () => {
    const { queue, clock } = newQueue();
    queue.add(key('a'));
    queue.add(key('b'), { afterMs: 1_000 });
    let idle = false;
    const waiting = queue.idle().then(() => (idle = true));
    const item = await queue.get();
    await settle();
    expect(idle).toBe(false);
    queue.done(item!.key);
    await waiting;
    expect(queue.delayed).toBe(1);
    await clock.advance(1_000);
    expect(queue.depth).toBe(1);
  });

  it('ignores a done for a key nobody works on', async () => {
    const { queue } = newQueue();
    queue.add(key('a'));
    queue.done(key('a'));
    queue.done(key('never'));
    expect(await takeAll(queue)).toEqual(['ns/a']);
  });

  it('reports client-go figures, all there from the start', async () => {
    const metrics = new Metrics();
    const { queue, clock } = newQueue({ metrics });
    const at = (name: string) => metrics.value(`workqueue_${name}`, { name: 'test' });
    for (const name of ['depth', 'adds_total', 'retries_total', 'longest_running_processor_seconds', 'unfinished_work_seconds']) {
      expect(await at(name), name).toBe(0);
    }
    expect(await at('queue_duration_seconds_count')).toBe(0);
    expect(await at('work_duration_seconds_count')).toBe(0);
    queue.add(key('a'));
    queue.add(key('b'));
    queue.add(key('b'));
    await clock.advance(2_000);
    expect(await at('depth')).toBe(2);
    expect(await at('adds_total')).toBe(2);
    const a = await queue.get();
    await clock.advance(1_000);
    await queue.get();
    await clock.advance(3_000);
    expect(await at('depth')).toBe(0);
    expect(await at('queue_duration_seconds_sum')).toBe(5);
    expect(await at('longest_running_processor_seconds')).toBe(4);
    expect(await at('unfinished_work_seconds')).toBe(7);
    queue.done(a!.key);
    queue.addRateLimited(key('a'));
    expect(await at('work_duration_seconds_sum')).toBe(4);
    expect(await at('retries_total')).toBe(1);
  });
});
