import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NotLeaderError } from './errors.ts';
import { LeaderElector } from './leaderElector.ts';
import type { LeaderElectorOptions, LeadershipEnd } from './leaderElector.ts';
import { silentLogger } from './logger.ts';
import { Metrics } from './metrics.ts';
import { FakeClock, settle } from './testing/fakeClock.ts';
import { MemoryLeases, SkewedClock } from './testing/memoryLeases.ts';

const lease = { namespace: 'system', name: 'leader' };

interface Replica {
  readonly elector: LeaderElector;
  readonly stop: AbortController;
  /** How leading ended, once it has. */
  ended: LeadershipEnd | undefined;
  /** Why it stopped to campaign. */
  failed: unknown;
}

/** Starts to campaign, and holds the lease as soon as it is won. */
function join(
  clock: FakeClock,
  server: MemoryLeases,
  identity: string,
  options: Partial<LeaderElectorOptions> & { skewMs?: number } = {},
): Replica {
  const { skewMs = 0, ...rest } = options;
  const elector = new LeaderElector({
    client: server.clientOf(identity),
    lease,
    identity,
    clock: new SkewedClock(clock, skewMs),
    logger: silentLogger,
    random: () => 0,
    ...rest,
  });
  const replica: Replica = { elector, stop: new AbortController(), ended: undefined, failed: undefined };
  elector
    .acquire(replica.stop.signal)
    .then(() => elector.hold(replica.stop.signal))
    .then((end) => (replica.ended = end))
    .catch((error: unknown) => (replica.failed = error));
  return replica;
}

const holderOf = (server: MemoryLeases): string | undefined => server.lease?.spec?.holderIdentity;

describe('LeaderElector', () => {
  it('creates the lease, leads, and renews it every retry period', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const metrics = new Metrics();
    const { elector } = join(clock, server, 'a', { metrics });
    await settle();
    expect(elector.isLeader).toBe(true);
    expect(server.lease?.spec).toEqual({
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:00:00.000000Z',
      leaseTransitions: 0,
    });
    expect(await metrics.value('leader_election_master_status', { name: 'leader' })).toBe(1);
    await clock.advance(60_000);
    expect(server.lease?.spec?.renewTime).toBe('2026-01-01T00:01:00.000000Z');
    expect(server.lease?.spec?.acquireTime).toBe('2026-01-01T00:00:00.000000Z');
    expect(server.writes).toBe(31);
  });

  it('lets one of two lead, for as long as it renews', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    const b = join(clock, server, 'b');
    await clock.advance(300_000);
    expect([a.elector.isLeader, b.elector.isLeader]).toEqual([true, false]);
    expect(b.elector.holder).toBe('a');
  });

  it('hands over within half a second when the leader stops, counting the transition', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    const metrics = new Metrics();
    const b = join(clock, server, 'b', { metrics });
    await clock.advance(7_000);
    a.stop.abort();
    await settle();
    expect(a.ended).toBe('released');
    expect(server.lease?.spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 });
    expect(a.elector.mayWrite()).toBe(false);
    await clock.advance(500);
    expect(b.elector.isLeader).toBe(true);
    expect(server.lease?.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1, leaseDurationSeconds: 15 });
    expect(await metrics.value('leader_election_lease_transitions', { name: 'leader' })).toBe(1);
  });

  it.each([
    { name: 'clocks agree', skewMs: 0 },
    { name: 'the candidate is an hour ahead', skewMs: 3_600_000 },
    { name: 'the candidate is an hour behind', skewMs: -3_600_000 },
  ])('takes over from a crashed leader after the lease duration, and not before: $name', async ({ skewMs }) => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    await settle();
    const b = join(clock, server, 'b', { skewMs });
    await clock.advance(5_000);
    server.cut('a');
    const lastRenewalMs = 4_000;
    await clock.advance(lastRenewalMs + 15_000 - 5_000 - 1);
    expect(b.elector.isLeader).toBe(false);
    expect(a.elector.mayWrite()).toBe(false);
    // It may have seen the last renewal a quarter of the retry period late.
    await clock.advance(501);
    expect(b.elector.isLeader).toBe(true);
  });

  it('does not fall for a wall clock that jumps', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    const b = join(clock, server, 'b');
    await clock.advance(3_000);
    clock.jump(86_400_000);
    await clock.advance(30_000);
    clock.jump(-2 * 86_400_000);
    await clock.advance(30_000);
    expect([a.elector.mayWrite(), b.elector.isLeader]).toEqual([true, false]);
  });

  it('gives up at the renew deadline when it cannot renew, before anybody may take over', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    await clock.advance(4_000);
    server.cut('a');
    await clock.advance(9_999);
    expect([a.elector.mayWrite(), a.ended]).toEqual([true, undefined]);
    await clock.advance(1);
    expect([a.elector.mayWrite(), a.ended]).toEqual([false, 'lost']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives up at the renew deadline when calls neither fail nor end', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    await clock.advance(4_000);
    server.hang('a');
    await clock.advance(10_000);
    expect([a.elector.mayWrite(), a.ended]).toEqual([false, 'lost']);
  });

  it('survives failures that are shorter than the renew deadline', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    await clock.advance(4_000);
    server.cut('a');
    await clock.advance(7_500);
    server.heal('a');
    await clock.advance(60_000);
    expect([a.elector.mayWrite(), a.ended]).toEqual([true, undefined]);
  });

  it('gives up at once when another replica has taken the lease', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    await clock.advance(1_000);
    server.overwrite({ holderIdentity: 'thief', leaseDurationSeconds: 15 });
    await clock.advance(1_000);
    expect(a.ended).toBe('lost');
  });

  it('leaves a deleted lease to its holder for as long as that may believe to lead', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    const b = join(clock, server, 'b');
    await clock.advance(10_000);
    server.lease = undefined;
    server.cut('a');
    let two = 0;
    for (let ms = 0; ms < 20_000; ms += 100) {
      await clock.advance(100);
      if (a.elector.mayWrite() && b.elector.mayWrite()) two += 1;
    }
    expect([two, a.ended, b.elector.mayWrite()]).toEqual([0, 'lost', true]);
  });

  it('writes a deleted lease again, and goes on', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    const b = join(clock, server, 'b');
    await clock.advance(10_000);
    server.lease = undefined;
    await clock.advance(60_000);
    expect([holderOf(server), a.elector.mayWrite(), a.ended, b.elector.isLeader]).toEqual(['a', true, undefined, false]);
  });

  it('gives up when the lease goes back to an older version: the API server was restored, and so does one that waits', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    const b = join(clock, server, 'b');
    await clock.advance(4_000);
    const older = server.lease;
    await clock.advance(20_000);
    server.lease = older;
    await clock.advance(2_000);
    expect([a.ended, a.elector.mayWrite()]).toEqual(['lost', false]);
    expect(b.failed).toMatchObject({
      code: 'HistoryLost',
      message: expect.stringContaining('lease system/leader was at version') as string,
    });
  });

  it('refuses the first write after the process was frozen, before any timer has fired', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const frozen = new SkewedClock(clock, 0);
    const a = join(clock, server, 'a', { clock: frozen });
    await clock.advance(2_000);
    expect(() => a.elector.guard()).not.toThrow();
    frozen.skipMonotonic(10_000);
    expect(() => a.elector.guard()).toThrow(NotLeaderError);
    expect(a.ended).toBeUndefined();
  });

  it('counts a renewal from before it was sent: a slow answer does not buy time', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const a = join(clock, server, 'a');
    await clock.advance(2_000);
    server.delay('a', clock, 1_500);
    await clock.advance(2_000 + 2 * 1_500);
    server.cut('a');
    // The last write went out at 5.5 s.
    await clock.advance(5_500 + 10_000 - 7_000 - 1);
    expect(a.elector.mayWrite()).toBe(true);
    await clock.advance(1);
    expect(a.elector.mayWrite()).toBe(false);
  });

  it('is content with a lease without a spec, and keeps labels somebody put on it', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    const labels = { team: 'ci' };
    server.put({ metadata: { ...lease, labels } });
    const { elector } = join(clock, server, 'a');
    await settle();
    expect(elector.isLeader).toBe(true);
    expect(server.lease?.metadata.labels).toEqual(labels);
  });

  it('leaves nothing behind when it is stopped while it waits', async () => {
    const clock = new FakeClock();
    const server = new MemoryLeases();
    join(clock, server, 'a');
    const b = join(clock, server, 'b');
    await clock.advance(5_000);
    const timers = clock.pendingTimers;
    b.stop.abort();
    await settle();
    expect(clock.pendingTimers).toBe(timers - 1);
    expect(holderOf(server)).toBe('a');
  });

  it.each([
    { options: { leaseDurationMs: 10_000, renewDeadlineMs: 10_000 }, says: 'leaseDurationMs must be greater than renewDeadlineMs' },
    { options: { renewDeadlineMs: 2_000 }, says: 'renewDeadlineMs must be greater than 1.2 × retryPeriodMs' },
    { options: { identity: '' }, says: 'identity must not be empty' },
    { options: { leaseDurationMs: 900 }, says: 'a Lease counts in whole seconds' },
  ])('refuses settings that cannot be safe: $says', ({ options, says }) => {
    const base = { client: new MemoryLeases().clientOf('a'), lease, identity: 'a', clock: new FakeClock(), logger: silentLogger };
    expect(() => new LeaderElector({ ...base, ...options })).toThrow(says);
  });

  it('does not lead when it was stopped before', async () => {
    const elector = new LeaderElector({
      client: new MemoryLeases().clientOf('a'),
      lease,
      identity: 'a',
      clock: new FakeClock(),
      logger: silentLogger,
    });
    await expect(elector.acquire(AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
    expect(elector.isLeader).toBe(false);
  });
});

const fault = fc.record({
  who: fc.constantFrom('a', 'b', 'c'),
  what: fc.constantFrom('cut' as const, 'heal' as const, 'hang' as const, 'stop' as const),
  afterMs: fc.integer({ min: 1, max: 8_000 }),
});

describe('LeaderElector, whatever happens to three replicas', () => {
  it('never lets two write at once, and lets one lead again within the lease duration and a second', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fault, { maxLength: 12 }),
        fc.array(fc.integer({ min: -1e7, max: 1e7 }), { minLength: 3, maxLength: 3 }),
        async (faults, skews) => {
          const clock = new FakeClock();
          const server = new MemoryLeases();
          const replicas = new Map(['a', 'b', 'c'].map((id, at) => [id, join(clock, server, id, { skewMs: skews[at]! })]));
          const writers = (): number => [...replicas.values()].filter(({ elector }) => elector.mayWrite()).length;
          const stepMs = 250;
          const run = async (ms: number): Promise<void> => {
            for (let left = ms; left > 0; left -= stepMs) {
              await clock.advance(Math.min(stepMs, left));
              expect(writers()).toBeLessThanOrEqual(1);
            }
          };
          for (const { who, what, afterMs } of faults) {
            await run(afterMs);
            if (what === 'stop') replicas.get(who)?.stop.abort();
            else server[what](who);
          }
          // A fresh replica that nothing happens to: the rest may be dead.
          replicas.set('d', join(clock, server, 'd'));
          for (const id of ['a', 'b', 'c']) server.cut(id);
          await run(15_000 + 750 + stepMs);
          expect(replicas.get('d')?.elector.mayWrite()).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});
