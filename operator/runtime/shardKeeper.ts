/**
 * Leads this process's fair part of the shards, each by a lease of its own, and runs a slice of the operator for each. A slice works only
 * while its lease and that of the group are held; a shard that another process lacks is drained and handed over. What a slice cannot
 * survive, the process does not either: it ends, and the others take its shards.
 */
import { sleep } from './clock.ts';
import type { Clock } from './clock.ts';
import { NotLeaderError, StoppedError, asError, messageOf } from './errors.ts';
import { LeaderElector } from './leaderElector.ts';
import type { LeaderElectorOptions, LeadershipEnd, LeaseClient } from './leaderElector.ts';
import type { Logger } from './logger.ts';
import type { Exit } from './manager.ts';
import type { Metrics } from './metrics.ts';
import { assignShards } from './shardAssignment.ts';
import { ShardGroup } from './shardGroup.ts';

/** What a slice may do, and for how long: in place of a LeaderElector. */
export interface ShardLease {
  /** For the slice's client: throws NotLeaderError when it may not write. */
  readonly guard: () => void;
  acquire(signal: AbortSignal): Promise<void>;
  hold(release: AbortSignal): Promise<LeadershipEnd>;
}

/** The part of the operator that looks after one shard. */
export interface Slice {
  /** Rejects when it cannot be set up; then nothing of it runs. */
  start(): Promise<void>;
  /** Begins the ordered stop. */
  stop(): void;
  /** Never rejects. */
  readonly exited: Promise<Exit>;
  /** Whether its controllers run. */
  readonly isWorking: boolean;
}

export interface ShardKeeperOptions extends Pick<LeaderElectorOptions, 'leaseDurationMs' | 'renewDeadlineMs' | 'retryPeriodMs' | 'random'> {
  readonly client: LeaseClient;
  /** The lease of the group; those of the shards are named after it. */
  readonly lease: { readonly namespace: string; readonly name: string };
  readonly identity: string;
  readonly count: number;
  readonly slice: (shard: number, lease: ShardLease) => Slice;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

interface Held {
  readonly slice: Slice;
  readonly lease: HeldLease;
  readonly ended: Promise<void>;
  isStopping: boolean;
}

export const shardLeaseName = (name: string, shard: number): string => `${name}-shard-${shard}`;

export class ShardKeeper {
  readonly #options: ShardKeeperOptions;
  readonly #logger: Logger;
  readonly #group: ShardGroup;
  readonly #electors: readonly LeaderElector[];
  readonly #held = new Map<number, Held>();
  readonly #exit = Promise.withResolvers<Exit>();
  readonly #release = new AbortController();
  readonly #work = new AbortController();
  #groupEnd: Promise<LeadershipEnd> | undefined;
  #hasJoined = false;
  #hasLooked = false;

  constructor(options: ShardKeeperOptions) {
    const { lease, count, identity, slice: _slice, ...rest } = options;
    this.#options = options;
    this.#logger = options.logger;
    const { metrics: _metrics, ...ofGroup } = rest;
    this.#group = new ShardGroup({ ...ofGroup, lease, id: identity, count, shards: () => this.shards });
    this.#electors = Array.from({ length: count }, (_, shard) => {
      const own = { namespace: lease.namespace, name: shardLeaseName(lease.name, shard) };
      return new LeaderElector({ ...rest, lease: own, identity, isGone: (holder, signal) => this.#group.isGone(holder, signal) });
    });
  }

  /** The shards whose leases this process holds, those that it hands over included. */
  get shards(): readonly number[] {
    return [...this.#held.keys()].sort((a, b) => a - b);
  }

  /** Whether this process may write for this shard, as of this very moment. */
  mayWrite(shard: number): boolean {
    return this.#group.mayWrite() && (this.#electors[shard]?.mayWrite() ?? false);
  }

  /** Undefined when all is well, else what is missing. A process without a shard, or that waits for another group to end, misses nothing. */
  missing(): string | undefined {
    if (!this.#hasJoined) return undefined;
    if (!this.#hasLooked) return 'the shards have not been divided yet';
    const waiting = [...this.#held].filter(([, { slice, isStopping }]) => !slice.isWorking && !isStopping).map(([shard]) => shard);
    return waiting.length === 0 ? undefined : `shards ${waiting.join(', ')} do not work yet`;
  }

  /** Runs until the signal aborts, a lease is lost or a slice fails, then stops everything in order. Never rejects. */
  async run(signal: AbortSignal): Promise<Exit> {
    const onAbort = (): void => this.#exit.resolve({ reason: 'stopped', exitCode: 0 });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    const working = this.#lead().catch((error: unknown) => {
      if (!this.#work.signal.aborted) this.#fail(error);
    });
    const exit = await this.#exit.promise;
    signal.removeEventListener('abort', onAbort);
    this.#group.beginLeaving();
    this.#work.abort(new StoppedError());
    await working;
    for (const held of this.#held.values()) held.slice.stop();
    await Promise.all([...this.#held.values()].map(({ ended }) => ended));
    this.#release.abort(new StoppedError());
    await this.#groupEnd;
    return exit;
  }

  async #lead(): Promise<void> {
    const { clock, count } = this.#options;
    const { signal } = this.#work;
    await this.#group.join(signal);
    this.#groupEnd = this.#group.hold(this.#release.signal);
    void this.#groupEnd.then((end) => {
      if (end === 'lost') this.#exit.resolve({ reason: 'leaseLost', exitCode: 1 });
    });
    this.#hasJoined = true;
    this.#logger.info('This process is one of those that share the shards', { shards: count });
    const { retryPeriodMs = 2_000, random = Math.random } = this.#options;
    // Processes that start together find each other before one of them takes everything.
    if (this.#group.isFounder) await sleep(clock, retryPeriodMs, signal);
    for (;;) {
      await this.#look(signal);
      await sleep(clock, (retryPeriodMs / 4) * (1 + 0.5 * random()), signal);
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { count, identity } = this.#options;
    try {
      await this.#group.look(signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#logger.debug('The lease of the group could not be read; trying again', { error: messageOf(error) });
      return;
    }
    const wanted = assignShards(count, this.#group.members());
    for (const [shard, held] of this.#held) if (wanted.get(shard) !== identity) this.#handOver(shard, held);
    for (const [shard, owner] of wanted) {
      if (owner !== identity || this.#held.has(shard) || this.#group.isHeldByOther(shard)) continue;
      if ((await this.#electors[shard]?.tryAcquire(signal)) === true) this.#begin(shard);
    }
    this.#hasLooked = true;
  }

  #handOver(shard: number, held: Held): void {
    if (held.isStopping) return;
    held.isStopping = true;
    this.#logger.info('Handing a shard over: another process has fewer', { shard });
    held.slice.stop();
  }

  #begin(shard: number): void {
    const elector = this.#electors[shard];
    if (elector === undefined) return;
    const lease = new HeldLease(elector, this.#group);
    const slice = this.#options.slice(shard, lease);
    this.#logger.info('This process leads a shard', { shard });
    const ended = this.#follow(shard, slice, lease).finally(() => {
      this.#held.delete(shard);
      this.#group.tell();
    });
    this.#held.set(shard, { slice, lease, ended, isStopping: false });
    this.#group.tell();
  }

  /** Until the slice has ended and its lease is given back. */
  async #follow(shard: number, slice: Slice, lease: HeldLease): Promise<void> {
    try {
      await slice.start();
    } catch (error) {
      await lease.giveBack();
      this.#fail(error);
      return;
    }
    const exit = await slice.exited;
    if (exit.reason !== 'stopped') {
      this.#logger.error('A shard has ended; so does the process', { shard, reason: exit.reason });
      this.#exit.resolve(exit);
    } else if (!(await lease.giveBack())) this.#fail(new Error(`Shard ${shard} did not stop in time; its lease is left to expire`));
  }

  #fail(error: unknown): void {
    this.#exit.resolve({ reason: 'failed', exitCode: 1, error: asError(error) });
  }
}

/** A lease that has been taken already. Lost with that of the group, too. */
class HeldLease implements ShardLease {
  readonly #elector: LeaderElector;
  readonly #group: ShardGroup;
  #holding: Promise<LeadershipEnd> | undefined;

  constructor(elector: LeaderElector, group: ShardGroup) {
    this.#elector = elector;
    this.#group = group;
  }

  readonly guard = (): void => {
    if (!this.#group.mayWrite() || !this.#elector.mayWrite()) throw new NotLeaderError();
  };

  acquire(signal: AbortSignal): Promise<void> {
    return signal.aborted ? Promise.reject(asError(signal.reason)) : Promise.resolve();
  }

  hold(release: AbortSignal): Promise<LeadershipEnd> {
    this.#holding ??= this.#elector.hold(release);
    return Promise.race([this.#holding, this.#group.lost]);
  }

  /** After the slice has ended: releases what it never came to hold. False when it still holds on, because something of it still runs. */
  async giveBack(): Promise<boolean> {
    if (this.#holding === undefined) await this.hold(AbortSignal.abort(new StoppedError()));
    return !this.#elector.isLeader;
  }
}
