import { describe, expect, it } from 'vitest';
import { ApiError, TransportError } from '../kube/errors.ts';
import type { KubeObject, ObjectKey } from '../kube/objects.ts';
import { formatKey, keyOf } from '../kube/objects.ts';
import { Controller } from './controller.ts';
import type { ControllerOptions, WatchedChange } from './controller.ts';
import { ReconcileError } from './errors.ts';
import { Metrics } from './metrics.ts';
import type { ReconcileContext, Result } from './reconciler.ts';
import { FakeClock, settle } from './testing/fakeClock.ts';
import { RecordingLogger } from './testing/recordingLogger.ts';

const a: ObjectKey = { namespace: 'ns', name: 'a' };
const b: ObjectKey = { namespace: 'ns', name: 'b' };

type Pass = (key: ObjectKey, ctx: ReconcileContext) => Promise<Result>;

function start(pass: Pass, options: Partial<ControllerOptions> = {}) {
  const clock = new FakeClock();
  const metrics = new Metrics();
  const logger = new RecordingLogger();
  const passes: string[] = [];
  const reconciler = {
    reconcile: (key: ObjectKey, ctx: ReconcileContext): Promise<Result> => {
      passes.push(formatKey(key));
      return pass(key, ctx);
    },
  };
  const controller = new Controller({ name: 'test', reconciler, clock, metrics, logger, ...options });
  const stop = new AbortController();
  const cancel = new AbortController();
  const running = controller.run(stop.signal, cancel.signal);
  const total = (result: string) => metrics.value('controller_runtime_reconcile_total', { controller: 'test', result });
  const figure = (name: string) => metrics.value(`controller_runtime_${name}`, { controller: 'test' });
  return { clock, metrics, logger, passes, controller, stop, cancel, running, total, figure };
}

const done: Pass = () => Promise.resolve({});

describe('Controller: what a pass asks for', () => {
  it('nothing: waits for the next change', async () => {
    const t = start(done);
    t.controller.enqueue(a);
    await t.controller.idle();
    await t.clock.advance(3_600_000);
    expect(t.passes).toEqual(['ns/a']);
    expect(await t.total('success')).toBe(1);
  });

  it('a later look: comes then, once', async () => {
    let asked = false;
    const t = start(() => {
      const result = asked ? {} : { requeueAfterMs: 5_000 };
      asked = true;
      return Promise.resolve(result);
    });
    t.controller.enqueue(a);
    await t.clock.advance(4_999);
    expect(t.passes).toHaveLength(1);
    await t.clock.advance(1);
    await t.clock.advance(60_000);
    expect(t.passes).toHaveLength(2);
    expect(await t.total('requeue_after')).toBe(1);
  });

  it('at once (0): comes behind what waits already', async () => {
    let asked = false;
    const t = start((key) => {
      const again = key.name === 'a' && !asked;
      asked = true;
      return Promise.resolve(again ? { requeueAfterMs: 0 } : {});
    });
    t.controller.enqueue(a);
    t.controller.enqueue(b);
    await t.controller.idle();
    expect(t.passes).toEqual(['ns/a', 'ns/b', 'ns/a']);
    expect(await t.total('requeue')).toBe(1);
  });

  it('nonsense: counts as a defect instead of a silent standstill', async () => {
    const t = start(() => Promise.resolve({ requeueAfterMs: Number.NaN }));
    t.controller.enqueue(a);
    await t.controller.idle();
    expect(await t.figure('reconcile_panics_total')).toBe(1);
  });
});

interface ThrowCase {
  readonly name: string;
  readonly thrown: () => unknown;
  /** When the second pass comes; undefined: not at all. */
  readonly secondAtMs: number | undefined;
  readonly level: 'debug' | 'warn' | 'error';
  readonly terminal?: number;
  readonly panics?: number;
  /** A stack trace is for defects only. */
  readonly stack: boolean;
}

const status = (code: number, reason: string, retryAfterMs?: number): ApiError =>
  new ApiError('GET x', { reason, message: 'no' }, code, retryAfterMs);

const throwCases: readonly ThrowCase[] = [
  { name: 'ReconcileError', thrown: () => new ReconcileError('cannot', { code: 'X' }), secondAtMs: 5, level: 'warn', stack: false },
  {
    name: 'ReconcileError after',
    thrown: () => new ReconcileError('busy', { code: 'X', retry: 'after', retryAfterMs: 700 }),
    secondAtMs: 700,
    level: 'warn',
    stack: false,
  },
  {
    name: 'ReconcileError after, without a time',
    thrown: () => new ReconcileError('busy', { code: 'X', retry: 'after' }),
    secondAtMs: 5,
    level: 'warn',
    stack: false,
  },
  {
    name: 'ReconcileError never',
    thrown: () => new ReconcileError('bad spec', { code: 'X', retry: 'never' }),
    secondAtMs: undefined,
    level: 'warn',
    terminal: 1,
    stack: false,
  },
  {
    name: 'ReconcileError that the log has already',
    thrown: () => new ReconcileError('cannot', { code: 'X', isTold: true }),
    secondAtMs: 5,
    level: 'debug',
    stack: false,
  },
  { name: 'ApiError', thrown: () => status(500, 'InternalError'), secondAtMs: 5, level: 'warn', stack: false },
  {
    name: 'ApiError with Retry-After',
    thrown: () => status(429, 'TooManyRequests', 3_000),
    secondAtMs: 3_000,
    level: 'warn',
    stack: false,
  },
  { name: 'Conflict', thrown: () => status(409, 'Conflict'), secondAtMs: 5, level: 'debug', stack: false },
  { name: 'TransportError', thrown: () => new TransportError('reset', 'gone'), secondAtMs: 5, level: 'warn', stack: false },
  { name: 'a defect', thrown: () => new TypeError('x is undefined'), secondAtMs: 5, level: 'error', panics: 1, stack: true },
  { name: 'something that is no error', thrown: () => 'text', secondAtMs: 5, level: 'error', panics: 1, stack: true },
];

describe('Controller: a pass that throws', () => {
  it.each(throwCases)('$name', async ({ thrown, secondAtMs, level, terminal = 0, panics = 0, stack }) => {
    let first = true;
    const t = start(() => {
      const fails = first;
      first = false;
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- reconcilers may throw anything
      return fails ? Promise.reject(thrown()) : Promise.resolve({});
    });
    t.controller.enqueue(a);
    await t.controller.idle();
    expect(await t.total('error')).toBe(1);
    expect(await t.figure('reconcile_errors_total')).toBe(1);
    expect(await t.figure('terminal_reconcile_errors_total')).toBe(terminal);
    expect(await t.figure('reconcile_panics_total')).toBe(panics);
    expect(t.logger.lines).toHaveLength(1);
    expect(t.logger.lines[0]?.level).toBe(level);
    expect(t.logger.lines[0]?.fields).toMatchObject({ controller: 'test', key: 'ns/a', reconcileId: expect.any(String) });
    expect(t.logger.lines[0]?.fields.error instanceof Error).toBe(stack);
    if (secondAtMs === undefined) {
      await t.clock.advance(10_000_000);
      expect(t.passes).toHaveLength(1);
      return;
    }
    await t.clock.advance(secondAtMs - 1);
    expect(t.passes).toHaveLength(1);
    await t.clock.advance(1);
    expect(t.passes).toHaveLength(2);
    expect(t.controller.queue.failures(a)).toBe(0);
  });

  it('synchronously is the same', async () => {
    const t = start(() => {
      throw new ReconcileError('at once', { code: 'X' });
    });
    t.controller.enqueue(a);
    await t.controller.idle();
    expect(await t.total('error')).toBe(1);
  });

  it('is retried ever more seldom and does not delay another key', async () => {
    const t = start((key) => (key.name === 'a' ? Promise.reject(new ReconcileError('no', { code: 'X' })) : Promise.resolve({})));
    t.controller.enqueue(a);
    await t.clock.advance(5 + 10 + 20 + 40);
    expect(t.passes).toHaveLength(5);
    t.controller.enqueue(b);
    await settle();
    expect(t.passes).toHaveLength(6);
  });
});

describe('Controller: workers and deadlines', () => {
  it('works on as many keys as it has workers, and on each key once at a time', async () => {
    const release: (() => void)[] = [];
    const t = start(() => new Promise((resolve) => release.push(() => resolve({}))), { workers: 2 });
    for (const name of ['a', 'b', 'c']) t.controller.enqueue({ namespace: 'ns', name });
    await settle();
    t.controller.enqueue(a);
    await settle();
    expect(t.passes).toEqual(['ns/a', 'ns/b']);
    expect(await t.figure('active_workers')).toBe(2);
    expect(await t.figure('max_concurrent_reconciles')).toBe(2);
    release.shift()?.();
    await settle();
    expect(t.passes).toEqual(['ns/a', 'ns/b', 'ns/c']);
    release.shift()?.();
    await settle();
    expect(t.passes).toEqual(['ns/a', 'ns/b', 'ns/c', 'ns/a']);
  });

  it('tells a pass that takes too long to stop, and counts it as an error with a code', async () => {
    const t = start(
      (_key, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        }),
      { reconcileTimeoutMs: 1_000 },
    );
    t.controller.enqueue(a);
    await t.clock.advance(1_000);
    expect(await t.total('error')).toBe(1);
    expect(t.logger.lines).toMatchObject([{ level: 'warn', fields: { code: 'ReconcileTimeout' } }]);
    expect(await t.figure('stuck_passes')).toBe(0);
  });

  it('leaves a pass behind that ignores its signal: other keys go on, its own key waits until it ends', async () => {
    let end = (): void => undefined;
    const t = start((key) => (key.name === 'a' ? new Promise((resolve) => (end = () => resolve({}))) : Promise.resolve({})), {
      reconcileTimeoutMs: 1_000,
      abortGraceMs: 500,
    });
    t.controller.enqueue(a);
    t.controller.enqueue(b);
    await t.clock.advance(1_499);
    expect(t.passes).toEqual(['ns/a']);
    await t.clock.advance(1);
    expect(t.passes).toEqual(['ns/a', 'ns/b']);
    expect(await t.figure('stuck_passes')).toBe(1);
    expect(t.logger.lines.map(({ level }) => level)).toEqual(['error']);
    t.controller.enqueue(a);
    await settle();
    expect(t.passes).toEqual(['ns/a', 'ns/b']);
    end();
    await t.clock.advance(0);
    expect(t.passes).toEqual(['ns/a', 'ns/b', 'ns/a']);
    expect(await t.figure('stuck_passes')).toBe(0);
  });
});

describe('Controller: stopping', () => {
  it('takes nothing more, lets passes end, and leaves no timer behind', async () => {
    let end = (): void => undefined;
    const t = start(() => new Promise((resolve) => (end = () => resolve({ requeueAfterMs: 10 }))));
    t.controller.enqueue(a);
    t.controller.enqueue(b);
    await settle();
    t.stop.abort();
    t.controller.enqueue({ namespace: 'ns', name: 'late' });
    let ended = false;
    void t.running.then(() => (ended = true));
    await settle();
    expect(ended).toBe(false);
    end();
    await t.running;
    expect(t.passes).toEqual(['ns/a']);
    expect(t.clock.pendingTimers).toBe(0);
  });

  const untilAborted: Pass = (_key, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });

  it('aborts passes that outlast the drain time, without calling that an error', async () => {
    const t = start(untilAborted, { drainMs: 300 });
    t.controller.enqueue(a);
    await settle();
    t.stop.abort();
    await t.clock.advance(299);
    expect(await t.figure('active_workers')).toBe(1);
    await t.clock.advance(1);
    await t.running;
    expect(await t.total('error')).toBe(0);
    expect(t.logger.lines.filter(({ level }) => level !== 'debug')).toEqual([]);
  });

  it('aborts passes at once when it is cancelled', async () => {
    const t = start(untilAborted);
    t.controller.enqueue(a);
    await settle();
    t.cancel.abort();
    await t.running;
    expect(t.clock.pendingTimers).toBe(0);
  });

  it('gives up on a pass that ignores even that', async () => {
    const t = start(() => new Promise(() => undefined), { drainMs: 100, abortGraceMs: 50 });
    t.controller.enqueue(a);
    await settle();
    t.stop.abort();
    await t.clock.advance(150);
    await t.running;
    expect(await t.figure('stuck_passes')).toBe(1);
  });
});

describe('Controller: watching', () => {
  const object = (name: string): KubeObject => ({ kind: 'Thing', metadata: { namespace: 'ns', name } });

  function source(initial: readonly KubeObject[]) {
    const subscribers = new Set<(change: WatchedChange<KubeObject>) => void>();
    return {
      emit: (change: WatchedChange<KubeObject>): void => subscribers.forEach((fn) => fn(change)),
      subscribers,
      store: {
        list: () => initial,
        subscribe: (fn: (change: WatchedChange<KubeObject>) => void) => {
          subscribers.add(fn);
          return () => subscribers.delete(fn);
        },
      },
    };
  }

  it('wakes what is there already after what has just changed', async () => {
    const clock = new FakeClock();
    const passes: string[] = [];
    const reconciler = { reconcile: (key: ObjectKey) => (passes.push(key.name), Promise.resolve({})) };
    const controller = new Controller({ name: 'test', reconciler, clock, metrics: new Metrics(), logger: new RecordingLogger() });
    const things = source([object('first'), object('old')]);
    controller.watch(things, ({ object: changed }) => [keyOf(changed)]);
    const stop = new AbortController();
    const running = controller.run(stop.signal);
    things.emit({ type: 'added', object: object('listed'), initial: true });
    things.emit({ type: 'deleted', object: object('new') });
    await controller.idle();
    expect(passes).toEqual(['first', 'new', 'old', 'listed']);
    stop.abort();
    await running;
    expect(things.subscribers.size).toBe(0);
  });

  it('queues nothing before it runs, and then what is there', async () => {
    const clock = new FakeClock();
    const passes: string[] = [];
    const reconciler = { reconcile: (key: ObjectKey) => (passes.push(key.name), Promise.resolve({})) };
    const controller = new Controller({ name: 'test', reconciler, clock, metrics: new Metrics(), logger: new RecordingLogger() });
    const present = [object('old')];
    const things = source(present);
    const closed = source([object('closed')]);
    controller.watch(things, ({ object: changed }) => [keyOf(changed)]);
    controller.watch(closed, ({ object: changed }) => [keyOf(changed)])();
    present.push(object('came'));
    things.emit({ type: 'added', object: object('came') });
    things.emit({ type: 'deleted', object: object('went') });
    expect([controller.queue.depth, things.subscribers.size]).toEqual([0, 0]);
    const stop = new AbortController();
    const running = controller.run(stop.signal);
    await controller.idle();
    expect(passes).toEqual(['old', 'came']);
    stop.abort();
    await running;
  });

  it('survives a mapping that throws, and says which object it was', async () => {
    const t = start(done);
    const things = source([]);
    t.controller.watch(things, ({ object: changed }) => {
      if (changed.metadata.name === 'bad') throw new TypeError('no labels');
      return [keyOf(changed)];
    });
    things.emit({ type: 'added', object: object('bad') });
    things.emit({ type: 'added', object: object('good') });
    await t.controller.idle();
    expect(t.passes).toEqual(['ns/good']);
    expect(t.logger.lines).toMatchObject([{ level: 'error', fields: { object: 'ns/bad' } }]);
    expect(await t.figure('reconcile_panics_total')).toBe(1);
  });
});
