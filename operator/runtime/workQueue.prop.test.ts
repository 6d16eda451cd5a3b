/**
 * The queue against a naive model: a list of wanted keys with times and priorities. Whatever is added, delayed, taken and ended in
 * whatever order, the queue must hold what the model holds, and hand out only what the model says may be handed out.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ObjectKey } from '../kube/objects.ts';
import { formatKey, parseKey } from '../kube/objects.ts';
import { FakeClock } from './testing/fakeClock.ts';
import { WorkQueue, freshPerResync } from './workQueue.ts';
import type { Priority } from './workQueue.ts';

interface Wanted {
  atMs: number;
  priority: Priority;
}

class Model {
  nowMs = 0;
  /** Keys that are owed a pass that has not begun. */
  readonly wanted = new Map<string, Wanted>();
  readonly working = new Set<string>();
  /** How many other namespaces' keys of the same priority went before, for each namespace that could have gone. */
  readonly passedOver = new Map<string, number>();
  freshInARow = 0;

  add(key: string, afterMs: number, priority: Priority): void {
    const known = this.wanted.get(key);
    const atMs = this.nowMs + afterMs;
    if (known === undefined) this.wanted.set(key, { atMs, priority });
    else {
      known.atMs = Math.min(known.atMs, atMs);
      if (priority === 'fresh') known.priority = 'fresh';
    }
  }

  /** Keys that may be handed out now. */
  ready(priority?: Priority): string[] {
    const due = [...this.wanted].filter(([key, { atMs }]) => atMs <= this.nowMs && !this.working.has(key));
    return due.filter(([, wanted]) => priority === undefined || wanted.priority === priority).map(([key]) => key);
  }
}

interface Real {
  readonly clock: FakeClock;
  readonly queue: WorkQueue;
}

const check = (model: Model, { queue }: Real): void => {
  expect(queue.depth).toBe(model.ready().length);
  expect(queue.processing).toBe(model.working.size);
};

class Add implements fc.AsyncCommand<Model, Real> {
  readonly key: string;
  readonly afterMs: number;
  readonly priority: Priority;
  constructor(key: string, afterMs: number, priority: Priority) {
    this.key = key;
    this.afterMs = afterMs;
    this.priority = priority;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    model.add(this.key, this.afterMs, this.priority);
    real.queue.add(parseKey(this.key), { afterMs: this.afterMs, priority: this.priority });
    check(model, real);
    return Promise.resolve();
  }
  toString = (): string => `add(${this.key}, ${this.afterMs}, ${this.priority})`;
}

class Take implements fc.AsyncCommand<Model, Real> {
  check = (model: Model): boolean => model.ready().length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const fresh = model.ready('fresh');
    const resync = model.ready('resync');
    const item = await real.queue.get();
    const key = formatKey(item!.key);
    // Only what is owed, due and not being worked on, with the most urgent priority it was asked with.
    expect(model.ready()).toContain(key);
    expect(item!.priority).toBe(model.wanted.get(key)!.priority);
    // Fresh before resync, and the resyncs are not starved.
    if (item!.priority === 'resync' && fresh.length > 0) expect(model.freshInARow).toBe(freshPerResync);
    if (item!.priority === 'fresh' && resync.length > 0) expect(model.freshInARow).toBeLessThan(freshPerResync);
    model.freshInARow = item!.priority === 'fresh' && resync.length > 0 ? model.freshInARow + 1 : 0;
    this.#checkFairness(model, item!.key.namespace, item!.priority === 'fresh' ? fresh : resync, item!.priority);
    model.wanted.delete(key);
    model.working.add(key);
    check(model, real);
  }
  /** A namespace with ready keys is passed over by each other namespace at most once before its turn. */
  #checkFairness(model: Model, taken: string, candidates: readonly string[], priority: Priority): void {
    const waiting = new Set(candidates.map((key) => parseKey(key).namespace));
    for (const namespace of namespaces) {
      const id = `${priority} ${namespace}`;
      if (!waiting.has(namespace) || namespace === taken) model.passedOver.delete(id);
      else model.passedOver.set(id, (model.passedOver.get(id) ?? 0) + 1);
      expect(model.passedOver.get(id) ?? 0).toBeLessThan(namespaces.length);
    }
  }
  toString = (): string => 'take';
}

class Done implements fc.AsyncCommand<Model, Real> {
  readonly pick: number;
  constructor(pick: number) {
    this.pick = pick;
  }
  check = (model: Model): boolean => model.working.size > 0;
  async run(model: Model, real: Real): Promise<void> {
    const key = [...model.working][this.pick % model.working.size]!;
    model.working.delete(key);
    real.queue.done(parseKey(key));
    check(model, real);
    return Promise.resolve();
  }
  toString = (): string => `done(${this.pick})`;
}

class Wait implements fc.AsyncCommand<Model, Real> {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = (): boolean => true;
  async run(model: Model, real: Real): Promise<void> {
    model.nowMs += this.ms;
    await real.clock.advance(this.ms);
    check(model, real);
  }
  toString = (): string => `wait(${this.ms})`;
}

const namespaces = ['red', 'green', 'blue'];
const key = fc
  .tuple(fc.constantFrom(...namespaces), fc.constantFrom('a', 'b', 'c', 'd'))
  .map(([namespace, name]) => `${namespace}/${name}`);
const delay = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 100 }) });
const priority = fc.constantFrom<Priority>('fresh', 'fresh', 'resync');
const commands = [
  fc.tuple(key, delay, priority).map(([...args]) => new Add(...args)),
  fc.tuple(key, delay, priority).map(([...args]) => new Add(...args)),
  fc.constant(new Take()),
  fc.nat(11).map((pick) => new Done(pick)),
  fc.integer({ min: 1, max: 60 }).map((ms) => new Wait(ms)),
];

describe('WorkQueue against its model', () => {
  it('agrees whatever is added, taken, ended and waited for', async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 200, size: 'max' }), async (sequence) => {
        const clock = new FakeClock();
        const real = { clock, queue: new WorkQueue({ name: 'q', clock }) };
        const model = new Model();
        await fc.asyncModelRun(() => ({ model, real }), sequence);
        // Nothing is lost: all that is owed comes out in the end.
        for (const working of [...model.working]) await new Done(0).run(model, real).then(() => expect(working).toBeTruthy());
        await new Wait(200).run(model, real);
        while (model.ready().length > 0) {
          await new Take().run(model, real);
          await new Done(0).run(model, real);
        }
        expect(model.wanted.size).toBe(0);
        expect([real.queue.depth, real.queue.delayed, real.queue.processing, clock.pendingTimers]).toEqual([0, 0, 0, 0]);
      }),
      { numRuns: 200 },
    );
  });

  it('serves waiting workers exactly as it serves asking ones', async () => {
    const adds = fc.array(fc.tuple(key, delay, priority), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(adds, fc.integer({ min: 1, max: 5 }), async (wanted, workers) => {
        const clock = new FakeClock();
        const queue = new WorkQueue({ name: 'q', clock });
        const open = new Set<string>();
        const taken = new Set<string>();
        const work = async (): Promise<void> => {
          for (let item = await queue.get(); item !== undefined; item = await queue.get()) {
            const id = formatKey(item.key);
            expect(open.has(id)).toBe(false);
            open.add(id);
            taken.add(id);
            await Promise.resolve();
            open.delete(id);
            queue.done(item.key);
          }
        };
        const running = Array.from({ length: workers }, work);
        for (const [id, afterMs, how] of wanted) queue.add(parseKey(id), { afterMs, priority: how });
        await clock.advance(100);
        await queue.idle();
        expect([...taken].sort()).toEqual([...new Set(wanted.map(([id]) => id))].sort());
        queue.stop();
        await Promise.all(running);
      }),
      { numRuns: 100 },
    );
  });

  it('takes time proportional to what it holds: a crowd of 20,000 keys in one namespace is no problem', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ name: 'q', clock });
    const keys: ObjectKey[] = Array.from({ length: 20_000 }, (_, at) => ({ namespace: 'crowd', name: `${at}` }));
    for (const each of keys) queue.add(each, { priority: 'resync' });
    for (const each of keys) queue.add(each);
    let taken = 0;
    while (queue.depth > 0) {
      queue.done((await queue.get())!.key);
      taken++;
    }
    expect(taken).toBe(keys.length);
  });
});
