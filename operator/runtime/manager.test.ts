import { afterEach, describe, expect, it } from 'vitest';
import { Controller } from './controller.ts';
import { StoppedError } from './errors.ts';
import { HealthServer } from './health.ts';
import { LeaderElector } from './leaderElector.ts';
import { Manager } from './manager.ts';
import type { Exit, ManagedInformer, ManagerOptions } from './manager.ts';
import { Metrics } from './metrics.ts';
import type { ReconcileContext, Result } from './reconciler.ts';
import { FakeClock, settle } from './testing/fakeClock.ts';
import { MemoryLeases } from './testing/memoryLeases.ts';
import { RecordingLogger } from './testing/recordingLogger.ts';

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true })));

/** An informer whose list and whose catching up end when the test says so. It notes what happens to it. */
class FakeInformer implements ManagedInformer {
  readonly type;
  readonly store = { hasSynced: false };
  readonly #listed = Promise.withResolvers<void>();
  readonly #caughtUp = Promise.withResolvers<void>();
  readonly #log: string[];
  failures = 0;

  constructor(plural: string, log: string[], ready = true) {
    this.type = { plural, group: 'x.io' };
    this.#log = log;
    if (ready) this.list();
    if (ready) this.#caughtUp.resolve();
  }

  list(): void {
    this.store.hasSynced = true;
    this.#listed.resolve();
  }

  becomeFresh(): void {
    this.#caughtUp.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#log.push(`${this.type.plural} run`);
    await untilAborted(signal);
    this.#log.push(`${this.type.plural} stopped`);
  }

  async synced(signal?: AbortSignal): Promise<void> {
    await Promise.race([this.#listed.promise, ...(signal === undefined ? [] : [untilAborted(signal)])]);
    signal?.throwIfAborted();
  }

  sinceMs: number | undefined;

  async catchUp(signal: AbortSignal, sinceMs?: number): Promise<void> {
    this.#log.push(`${this.type.plural} catches up`);
    this.sinceMs = sinceMs;
    if (this.failures-- > 0) throw new Error('no answer');
    await Promise.race([this.#caughtUp.promise, untilAborted(signal)]);
    signal.throwIfAborted();
  }
}

interface World {
  readonly clock: FakeClock;
  readonly log: string[];
  readonly logger: RecordingLogger;
  readonly manager: Manager;
  readonly controller: Controller;
  readonly stop: AbortController;
  run(): Promise<Exit>;
}

let worlds: World[] = [];
afterEach(async () => {
  for (const { stop, clock } of worlds) {
    stop.abort();
    await clock.advance(60_000);
  }
  worlds = [];
});

function world(
  options: Partial<ManagerOptions> & {
    clock?: FakeClock;
    log?: string[];
    informers?: FakeInformer[];
    pass?: (ctx: ReconcileContext) => Promise<Result>;
  } = {},
): World {
  const { clock = new FakeClock(), log = [], informers = [], pass, ...rest } = options;
  const logger = new RecordingLogger();
  const manager = new Manager({ clock, logger, ...rest });
  const reconcile = (_key: unknown, ctx: ReconcileContext): Promise<Result> => {
    log.push('pass');
    return pass === undefined ? Promise.resolve({}) : pass(ctx);
  };
  const controller = new Controller({ name: 'c', reconciler: { reconcile }, clock, logger, metrics: new Metrics(), drainMs: 1_000 });
  manager.addController(controller);
  for (const informer of informers) manager.addInformer(informer);
  const stop = new AbortController();
  const made: World = { clock, log, logger, manager, controller, stop, run: () => manager.run(stop.signal) };
  worlds.push(made);
  return made;
}

const electorOf = (id: string, clock: FakeClock, server: MemoryLeases, log: string[] = []): LeaderElector => {
  const client = server.clientOf(id);
  return new LeaderElector({
    client: {
      ...client,
      replace: (...call) => (log.push(call[1].spec?.holderIdentity === '' ? 'lease released' : 'lease renewed'), client.replace(...call)),
    },
    lease: { namespace: 'system', name: 'leader' },
    identity: id,
    clock,
    logger: new RecordingLogger(),
    random: () => 0,
  });
};

describe('Manager: starting', () => {
  it('runs controllers only after every cache is complete', async () => {
    const log: string[] = [];
    const things = new FakeInformer('things', log, false);
    const w = world({ log, informers: [things, new FakeInformer('pods', log)] });
    w.controller.enqueue({ namespace: 'ns', name: 'a' });
    void w.run();
    await settle();
    expect(log).toEqual(['things run', 'pods run']);
    things.list();
    await w.manager.leading();
    await w.controller.idle();
    expect(log).toEqual(['things run', 'pods run', 'pass']);
    expect(w.manager.phase).toBe('leading');
  });

  it('lists after it has won a lease that is free, so that the list is new enough', async () => {
    const [clock, log] = [new FakeClock(), [] as string[]];
    await clock.advance(5_000);
    const things = new FakeInformer('things', log);
    const elector = electorOf('a', clock, new MemoryLeases());
    const run = things.run.bind(things);
    things.run = (signal) => {
      log.push(elector.isLeader ? 'leads' : 'follows');
      return run(signal);
    };
    const w = world({ clock, log, informers: [things], elector });
    void w.run();
    await w.manager.leading();
    expect(log.slice(0, 2)).toEqual(['leads', 'things run']);
    expect(things.sinceMs).toBe(5_000);
  });

  it('lists at once when another replica leads, and after a second when nobody answers', async () => {
    const [clock, leases, log] = [new FakeClock(), new MemoryLeases(), [] as string[]];
    await electorOf('b', clock, leases).acquire(new AbortController().signal);
    void world({ clock, log, informers: [new FakeInformer('things', log)], elector: electorOf('a', clock, leases) }).run();
    await settle();
    expect(log).toEqual(['things run']);
    const never = electorOf('c', clock, leases);
    never.tryAcquire = () => new Promise(() => undefined);
    void world({ clock, log, informers: [new FakeInformer('pods', log)], elector: never }).run();
    await clock.advance(999);
    expect(log).not.toContain('pods run');
    await clock.advance(1);
    expect(log).toContain('pods run');
  });

  it('without an election, does not ask caches to catch up: they have just been listed', async () => {
    const log: string[] = [];
    const w = world({ log, informers: [new FakeInformer('things', log)] });
    void w.run();
    await w.manager.leading();
    expect(log).toEqual(['things run']);
  });

  it('keeps a standby replica warm, ready and idle, and catches up after winning, before the first pass', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const first = world({ clock, elector: electorOf('a', clock, server) });
    void first.run();
    await first.manager.leading();
    const log: string[] = [];
    const things = new FakeInformer('things', log, false);
    things.list();
    things.failures = 1;
    const second = world({ clock, log, informers: [things], elector: electorOf('b', clock, server) });
    second.controller.enqueue({ namespace: 'ns', name: 'a' });
    void second.run();
    await clock.advance(60_000);
    expect([second.manager.phase, log]).toEqual(['standby', ['things run']]);
    first.stop.abort();
    await clock.advance(4_000);
    expect(log).toEqual(['things run', 'things catches up', 'things catches up']);
    things.becomeFresh();
    await second.manager.leading();
    await second.controller.idle();
    expect(log.at(-1)).toBe('pass');
  });

  it('refuses to be extended or started again once it runs', async () => {
    const w = world();
    void w.run();
    await w.manager.leading();
    expect(() => w.manager.addInformer(new FakeInformer('things', []))).toThrow('has been started');
    await expect(w.run()).rejects.toThrow('has been started');
  });
});

describe('Manager: ending', () => {
  it('on a stop goes through the steps in order and exits with 0', async () => {
    const clock = new FakeClock();
    const log: string[] = [];
    const health = new HealthServer({ metrics: new Metrics(), logger: new RecordingLogger() });
    const w = world({
      clock,
      log,
      health,
      informers: [new FakeInformer('things', log)],
      elector: electorOf('a', clock, new MemoryLeases(), log),
      events: { flush: () => Promise.resolve(void log.push('events flushed')) },
      closers: [() => Promise.resolve(void log.push('pool closed'))],
      pass: async ({ signal }) => {
        await untilAborted(signal);
        log.push('pass ended');
        return {};
      },
    });
    w.controller.enqueue({ namespace: 'ns', name: 'a' });
    const running = w.run();
    await w.manager.leading();
    await settle();
    const url = w.manager.address!.url;
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    w.stop.abort();
    await settle();
    expect(log.at(-1)).toBe('pass');
    const answer = await fetch(`${url}/readyz`);
    expect([answer.status, await answer.text()]).toEqual([503, expect.stringContaining('[-] process: stopping')]);
    await clock.advance(1_000);
    expect(await running).toEqual({ reason: 'stopped', exitCode: 0 });
    expect(log.slice(-5)).toEqual(['pass ended', 'lease released', 'events flushed', 'things stopped', 'pool closed']);
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
    expect(clock.pendingTimers).toBe(0);
  });

  it('on a lost lease aborts passes at once and exits with 1', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const reasons: unknown[] = [];
    const w = world({
      clock,
      elector: electorOf('a', clock, server),
      pass: async ({ signal }) => {
        await untilAborted(signal);
        reasons.push(signal.reason);
        return {};
      },
    });
    const running = w.run();
    await w.manager.leading();
    w.controller.enqueue({ namespace: 'ns', name: 'a' });
    await clock.advance(1_000);
    server.overwrite({ holderIdentity: 'thief', leaseDurationSeconds: 15 });
    await clock.advance(1_000);
    expect(await running).toEqual({ reason: 'leaseLost', exitCode: 1 });
    expect(reasons).toEqual([expect.any(StoppedError)]);
    expect(server.lease?.spec?.holderIdentity).toBe('thief');
  });

  it('aborts passes at once when the lease is lost while they are being drained', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    let abortedAtMs = 0;
    const w = world({
      clock,
      elector: electorOf('a', clock, server),
      pass: async ({ signal }) => {
        await untilAborted(signal);
        abortedAtMs = clock.monotonic();
        return {};
      },
    });
    const running = w.run();
    await w.manager.leading();
    w.controller.enqueue({ namespace: 'ns', name: 'a' });
    await clock.advance(1_900);
    w.stop.abort();
    server.overwrite({ holderIdentity: 'thief', leaseDurationSeconds: 15 });
    await clock.advance(100);
    expect((await running).reason).toBe('stopped');
    // The renewal was due then; the drain time would have lasted until 2.9 s.
    expect(abortedAtMs).toBe(2_000);
  });

  it('stops a standby replica with 0', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    server.put({ metadata: { namespace: 'system', name: 'leader' }, spec: { holderIdentity: 'other', leaseDurationSeconds: 15 } });
    const w = world({ clock, elector: electorOf('a', clock, server) });
    const running = w.run();
    const leading = expect(w.manager.leading()).rejects.toThrow(StoppedError);
    await clock.advance(3_000);
    w.stop.abort();
    expect((await running).exitCode).toBe(0);
    await leading;
    expect(server.writes).toBe(1);
  });

  it.each([
    { name: 'rejects', run: () => Promise.reject(new Error('disk full')), says: 'disk full' },
    { name: 'ends on its own', run: () => Promise.resolve(), says: 'mirror ended although nobody asked it to' },
  ])('stops the process with 1 when a service $name', async ({ run, says }) => {
    const w = world();
    w.manager.addService({ name: 'mirror', run });
    const exit = await w.run();
    expect(exit).toMatchObject({ reason: 'failed', exitCode: 1 });
    expect(exit.reason === 'failed' && exit.error.message).toBe(says);
    expect(w.logger.lines).toContainEqual(expect.objectContaining({ level: 'error', fields: expect.objectContaining({ part: 'mirror' }) }));
  });

  it('runs leader-only services only while it leads', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const log: string[] = [];
    const w = world({ clock, log, elector: electorOf('a', clock, server), informers: [new FakeInformer('things', log)] });
    const service = (name: string, leaderOnly: boolean) => ({
      name,
      leaderOnly,
      run: async (signal: AbortSignal) => {
        log.push(name);
        await untilAborted(signal);
      },
    });
    w.manager.addService(service('solo', true)).addService(service('everywhere', false));
    void w.run();
    await w.manager.leading();
    expect(log).toEqual(['things run', 'everywhere', 'things catches up', 'solo']);
  });

  it('fails to start when the port is taken', async () => {
    const parts = { metrics: new Metrics(), logger: new RecordingLogger() };
    const holder = new HealthServer(parts);
    const { port } = await holder.start();
    const exit = await world({ health: new HealthServer({ ...parts, port }) }).run();
    await holder.stop();
    expect(exit).toMatchObject({ reason: 'failed', exitCode: 1, error: { code: 'EADDRINUSE' } });
  });

  it('gives up on what does not end in time', async () => {
    const clock = new FakeClock();
    const w = world({ clock, stopTimeoutMs: 2_000, closers: [() => new Promise(() => undefined)] });
    const running = w.run();
    await w.manager.leading();
    w.stop.abort();
    await clock.advance(2_000);
    expect((await running).exitCode).toBe(0);
    expect(w.logger.lines.map(({ level }) => level)).toContain('warn');
  });
});
