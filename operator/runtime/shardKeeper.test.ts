/** Processes that share shards, with leases in memory and time that stands still: who may write for a namespace, at every instant. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LeaseClient } from './leaderElector.ts';
import { silentLogger } from './logger.ts';
import type { Exit } from './manager.ts';
import { shardOf } from './shardAssignment.ts';
import { ShardKeeper, type ShardLease, type Slice } from './shardKeeper.ts';
import { FakeClock, settle } from './testing/fakeClock.ts';
import { Ice, LeaseShelf } from './testing/leaseShelf.ts';

const namespaces = ['default', 'team-1', 'team-2', 'team-3', 'team-4', 'team-5', 'team-6', 'team-7', 'team-8', 'team-9'];

/** As a manager runs its controllers, with a drain that takes a while. */
class FakeSlice implements Slice {
  readonly #exited = Promise.withResolvers<Exit>();
  readonly #stop = new AbortController();
  readonly #lease: ShardLease;
  readonly #drain: () => Promise<void>;
  isWorking = false;

  constructor(lease: ShardLease, drain: () => Promise<void>) {
    this.#lease = lease;
    this.#drain = drain;
  }

  get exited(): Promise<Exit> {
    return this.#exited.promise;
  }

  async start(): Promise<void> {
    await this.#lease.acquire(this.#stop.signal);
    const release = new AbortController();
    this.isWorking = true;
    void this.#lease.hold(release.signal).then((end) => {
      this.isWorking = false;
      this.#exited.resolve(end === 'lost' ? { reason: 'leaseLost', exitCode: 1 } : { reason: 'stopped', exitCode: 0 });
    });
    this.#stop.signal.addEventListener('abort', () => void this.#drain().then(() => release.abort()), { once: true });
  }

  stop(): void {
    this.#stop.abort();
  }
}

interface Process {
  readonly id: string;
  readonly count: number;
  readonly keeper: ShardKeeper;
  readonly ice: Ice;
  readonly stop: AbortController;
  exit: Exit | undefined;
}

class World {
  readonly clock = new FakeClock();
  readonly shelf = new LeaseShelf();
  readonly processes: Process[] = [];

  join(count: number, drainMs = 300): Process {
    const id = `p${this.processes.length}`;
    const ice = new Ice(this.clock);
    const client: LeaseClient = this.shelf.clientOf(id, ice);
    const drain = (): Promise<void> => new Promise((resolve) => ice.after(drainMs, resolve));
    const slice = (_shard: number, lease: ShardLease): Slice => new FakeSlice(lease, drain);
    // Not in step, and the same in each run.
    let turn = this.processes.length + 1;
    const random = (): number => (turn = (turn * 48_271) % 2_147_483_647) / 2_147_483_647;
    const keeper = new ShardKeeper({
      client,
      lease: { namespace: 'system', name: 'op' },
      identity: id,
      count,
      slice,
      clock: ice,
      logger: silentLogger,
      random,
    });
    const process: Process = { id, count, keeper, ice, stop: new AbortController(), exit: undefined };
    void keeper.run(process.stop.signal).then((exit) => (process.exit = exit));
    this.processes.push(process);
    return process;
  }

  writersOf(namespace: string): readonly string[] {
    return this.processes.filter(({ keeper, count }) => keeper.mayWrite(shardOf(namespace, count))).map(({ id }) => id);
  }

  /** Time passes, and at no instant have two processes the right to write for one namespace. */
  async pass(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= 250) {
      await this.clock.advance(Math.min(250, leftMs));
      await settle();
      for (const namespace of namespaces) expect(this.writersOf(namespace).length, `writers of ${namespace}`).toBeLessThanOrEqual(1);
    }
  }

  shardsOf(...processes: Process[]): readonly number[] {
    return processes.map(({ keeper }) => keeper.shards.length);
  }
}

describe('ShardKeeper', () => {
  it('divides the shards evenly between processes that start together, without a hand-over', async () => {
    const world = new World();
    const all = [world.join(4), world.join(4)];
    await world.pass(4_000);
    expect(world.shardsOf(...all)).toEqual([2, 2]);
    expect([0, 1, 2, 3].map((shard) => world.shelf.at(`op-shard-${shard}`).lease?.spec?.leaseTransitions)).toEqual([0, 0, 0, 0]);
    expect(world.shelf.holderOf('op')).toBe('shards-of-4');
  });

  it('hands over to one that joins, and only what it needs', async () => {
    const world = new World();
    const first = world.join(4);
    await world.pass(4_000);
    expect(world.shardsOf(first)).toEqual([4]);
    const second = world.join(4);
    await world.pass(6_000);
    expect(world.shardsOf(first, second)).toEqual([2, 2]);
    const third = world.join(4);
    await world.pass(6_000);
    expect(world.shardsOf(first, second, third).toSorted()).toEqual([1, 1, 2]);
    for (const namespace of namespaces) expect(world.writersOf(namespace)).toHaveLength(1);
  });

  it('takes the shards of one that crashed within the lease duration and a second', async () => {
    const world = new World();
    const all = [world.join(4), world.join(4)];
    await world.pass(5_000);
    all[0]!.ice.freeze();
    // Its last renewal is up to a retry period old, the others' look a second.
    await world.pass(16_000);
    expect(world.shardsOf(all[1]!)).toEqual([4]);
    for (const namespace of namespaces) expect(world.writersOf(namespace)).toEqual(['p1']);
  });

  it('ends a process that was frozen past its deadline, before it writes anything', async () => {
    const world = new World();
    const all = [world.join(4), world.join(4)];
    await world.pass(5_000);
    all[0]!.ice.freeze();
    await world.pass(20_000);
    all[0]!.ice.thaw();
    await world.pass(3_000);
    expect(all[0]!.exit).toMatchObject({ reason: 'leaseLost', exitCode: 1 });
    expect(world.shardsOf(all[1]!)).toEqual([4]);
  });

  it('leaves within moments when it is told to stop: the others need not wait for a lease to expire', async () => {
    const world = new World();
    const all = [world.join(4), world.join(4)];
    await world.pass(5_000);
    all[0]!.stop.abort();
    await world.pass(3_000);
    expect(all[0]!.exit).toMatchObject({ reason: 'stopped', exitCode: 0 });
    expect(world.shardsOf(all[1]!)).toEqual([4]);
    all[1]!.stop.abort();
    await world.pass(2_000);
    expect(['op', 'op-shard-0', 'op-shard-3'].map((name) => world.shelf.holderOf(name))).toEqual(['', '', '']);
  });

  it('lets no process with another number of shards in, until the last of the old ones has gone', async () => {
    const world = new World();
    const old = [world.join(4), world.join(4)];
    await world.pass(5_000);
    const fresh = world.join(3);
    await world.pass(30_000);
    expect(world.shardsOf(...old, fresh)).toEqual([2, 2, 0]);
    expect(fresh.keeper.missing()).toBeUndefined();
    old[0]!.stop.abort();
    await world.pass(5_000);
    expect(world.shardsOf(fresh)).toEqual([0]);
    old[1]!.ice.freeze();
    // One lease duration for the group, and one for the shards: who held them is not known in the new group.
    await world.pass(35_000);
    expect(world.shardsOf(fresh)).toEqual([3]);
    expect(world.shelf.holderOf('op')).toBe('shards-of-3');
  });

  it('survives that somebody deletes the lease of the group', async () => {
    const world = new World();
    const all = [world.join(4), world.join(4)];
    await world.pass(5_000);
    world.shelf.at('op').lease = undefined;
    await world.pass(20_000);
    expect(world.shardsOf(...all)).toEqual([2, 2]);
    expect(all.map(({ exit }) => exit)).toEqual([undefined, undefined]);
  });

  it.each([50, 200])('keeps all its members when every call takes twice %d ms: none crowds another out', async (latencyMs) => {
    const world = new World();
    world.shelf.latencyMs = latencyMs;
    const all = [world.join(4), world.join(4), world.join(4), world.join(4)];
    await world.pass(300_000);
    expect(all.map(({ exit }) => exit)).toEqual([undefined, undefined, undefined, undefined]);
    expect(world.shardsOf(...all)).toEqual([1, 1, 1, 1]);
  });

  it('ends when somebody else takes the lease of a shard', async () => {
    const world = new World();
    const only = world.join(2);
    await world.pass(4_000);
    world.shelf
      .at('op-shard-1')
      .overwrite({ holderIdentity: 'a person', leaseDurationSeconds: 3600, renewTime: '2026-01-01T00:00:00.000000Z' });
    await world.pass(5_000);
    expect(only.exit).toMatchObject({ reason: 'leaseLost' });
  });

  it('reads past members that it cannot understand', async () => {
    const world = new World();
    const first = world.join(2);
    await world.pass(4_000);
    const group = world.shelf.at('op');
    group.put({
      ...group.lease!,
      metadata: { ...group.lease!.metadata, annotations: { 'shard-members': '[["x"], {"__proto__": 1}, 7, ["y", 1, ["0"], false]]' } },
    });
    await world.pass(5_000);
    group.put({ ...group.lease!, metadata: { ...group.lease!.metadata, annotations: { 'shard-members': 'no JSON' } } });
    await world.pass(20_000);
    expect(world.shardsOf(first)).toEqual([2]);
    expect(first.exit).toBeUndefined();
  });
});

type Step = { readonly do: 'join' | 'stop' | 'freeze' | 'thaw' | 'cut' | 'heal' | 'pass'; readonly pick: number };

describe('ShardKeeper, whatever happens to its processes', () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('join' as const), pick: fc.nat(9) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom('stop' as const, 'freeze' as const, 'thaw' as const, 'cut' as const, 'heal' as const),
        pick: fc.nat(5),
      }),
    },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('pass' as const), pick: fc.nat(24) }) },
  );

  it('never lets two write for one namespace, and lets one again once it is quiet', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
        const world = new World();
        world.join(3);
        for (const each of steps) await play(world, each);
        for (const { id, ice } of world.processes) {
          world.shelf.heal(id);
          ice.thaw();
        }
        const last = world.join(3);
        await world.pass(70_000);
        const alive = world.processes.filter(({ exit }) => exit === undefined);
        const leading = alive.filter(({ keeper }) => keeper.shards.length > 0).map(({ count }) => count);
        expect(last.exit).toBeUndefined();
        expect(new Set(leading).size).toBe(1);
        for (const namespace of namespaces) expect(world.writersOf(namespace)).toHaveLength(1);
        const shares = alive.filter(({ count }) => count === leading[0]).map(({ keeper }) => keeper.shards.length);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 12 },
    );
  });

  async function play(world: World, { do: what, pick }: Step): Promise<void> {
    const chosen = world.processes[pick % world.processes.length];
    if (what === 'pass' || chosen === undefined) return world.pass(pick * 1_000);
    if (what === 'join') {
      if (world.processes.length < 6) world.join(pick === 0 ? 2 : 3, pick * 400);
    } else if (what === 'stop') chosen.stop.abort();
    else if (what === 'freeze') chosen.ice.freeze();
    else if (what === 'thaw') chosen.ice.thaw();
    else world.shelf[what](chosen.id);
    await settle();
  }
});
