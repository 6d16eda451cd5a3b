/**
 * One leader among the replicas, by a Lease. Rules are client-go's: another's lease counts as expired only when this process has seen
 * it unchanged for the whole lease duration on its own monotonic clock, so the hosts' clocks need not agree; writes are conditional
 * on the resourceVersion; the leader gives up when it could not renew within the renew deadline, well before others may take over.
 * `mayWrite` does not wait for a timer: a process that was frozen past its deadline refuses its first write after waking up.
 * A lease whose version goes back tells that the API server was restored from an older state: then this process ends, because what it
 * remembers never happened.
 */
import type { Lease } from '../kube/builtin.ts';
import { leases } from '../kube/builtin.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../kube/errors.ts';
import type { ObjectKey, ObjectMeta } from '../kube/objects.ts';
import { formatKey } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';
import { apiVersionOf } from '../kube/resource.ts';
import type { Clock } from './clock.ts';
import { formatMicroTime, sleep } from './clock.ts';
import { HistoryLostError, NotLeaderError, messageOf } from './errors.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { compareVersions } from './resourceVersion.ts';

interface LeaseCallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** The calls of KubeClient that the elector needs. They must bypass the write guard that asks this very elector. */
export interface LeaseClient {
  get(type: ResourceType<Lease>, key: ObjectKey, options?: LeaseCallOptions): Promise<Lease>;
  create(type: ResourceType<Lease>, object: Lease, options?: LeaseCallOptions): Promise<Lease>;
  replace(type: ResourceType<Lease>, object: Lease, options?: LeaseCallOptions): Promise<Lease>;
}

/**
 * Several processes that hold one lease together, under one identity. Each renews it for itself, so each knows by its own clock until
 * when nobody outside the party can have it. What they tell each other is in the lease's metadata, so it changes with the lease in one step.
 */
export interface LeaseParty {
  /** Called with every state of the lease that was read or written. */
  saw(lease: Lease): void;
  /** The metadata of a claim. `isTakeOver`: another had the lease, or nobody; so nobody of the party may write just now. */
  sign(metadata: ObjectMeta, isTakeOver: boolean): ObjectMeta;
  /** The metadata without this process, and whether nobody else is named in them: then the lease is released. */
  leave(metadata: ObjectMeta): { readonly metadata: ObjectMeta; readonly isLast: boolean };
}

export interface LeaderElectorOptions {
  readonly client: LeaseClient;
  readonly lease: ObjectKey;
  /** Unique among the replicas and among restarts of one, e.g. pod name and a random part. */
  readonly identity: string;
  /** How long others wait after they last saw the leader move. Default 15 s. */
  readonly leaseDurationMs?: number;
  /** How long the leader tries to renew before it gives up. Default 10 s; must be less than the lease duration. */
  readonly renewDeadlineMs?: number;
  /**
   * How often the leader renews. Default 2 s. A candidate looks four times as often, since what it saw last decides how long it waits:
   * a crash is made good within the lease duration and about a third of this.
   */
  readonly retryPeriodMs?: number;
  /** The identity is that of a party, which this process joins. */
  readonly party?: LeaseParty;
  /** Whether the holder is known for certain to write no more, so that its lease need not be seen to expire. */
  readonly isGone?: (holder: string, signal: AbortSignal) => Promise<boolean>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
}

/** How leading ended: stopped by us and released, or taken away. */
export type LeadershipEnd = 'released' | 'lost';

/** The renew deadline must leave room for more than one try. */
const minTries = 1.2;

export class LeaderElector {
  readonly identity: string;
  readonly #options: LeaderElectorOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #durationMs: number;
  readonly #deadlineMs: number;
  readonly #retryMs: number;
  readonly #master;
  readonly #transitions;
  /** The lease as last seen, and when (monotonic) it last looked different. */
  #observed: Lease | undefined;
  #observedAtMs = 0;
  #leading = false;
  /** Set when the API server showed an older state than before. */
  #historyLost: HistoryLostError | undefined;
  /** Monotonic time before the last successful renewal was sent: the others count from later than this. */
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  /** Ends the pause between two renewals. */
  #hurry: () => void = () => undefined;

  constructor(options: LeaderElectorOptions) {
    this.#options = options;
    this.identity = options.identity;
    this.#clock = options.clock;
    this.#logger = options.logger.child({ lease: formatKey(options.lease), identity: options.identity });
    this.#durationMs = options.leaseDurationMs ?? 15_000;
    this.#deadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryMs = options.retryPeriodMs ?? 2_000;
    if (this.#durationMs < 1_000)
      throw new RangeError(`leaseDurationMs ${this.#durationMs} is below 1,000: a Lease counts in whole seconds`);
    if (this.#durationMs <= this.#deadlineMs) throw new RangeError('leaseDurationMs must be greater than renewDeadlineMs');
    if (this.#deadlineMs <= this.#retryMs * minTries) throw new RangeError('renewDeadlineMs must be greater than 1.2 × retryPeriodMs');
    if (options.identity === '') throw new RangeError('identity must not be empty');
    this.#master = options.metrics?.gauge({
      name: 'leader_election_master_status',
      help: '1 while this process holds the lease',
      labels: ['name'],
      zero: [{ name: options.lease.name }],
    });
    this.#transitions = options.metrics?.gauge({
      name: 'leader_election_lease_transitions',
      help: 'How often the lease has changed hands since it was created, as the lease itself counts',
      labels: ['name'],
    });
  }

  get isLeader(): boolean {
    return this.#leading;
  }

  /** Who holds the lease as far as this process has seen; empty when nobody does. */
  get holder(): string {
    return this.#observed?.spec?.holderIdentity ?? '';
  }

  /** True while this process leads and renewed less than the renew deadline ago, as of this very moment. */
  mayWrite(): boolean {
    return this.#leading && this.#historyLost === undefined && this.#clock.monotonic() - this.#renewedAtMs < this.#deadlineMs;
  }

  /** For the client's beforeWrite: throws NotLeaderError when this process may not write. */
  readonly guard = (): void => {
    if (!this.mayWrite()) throw new NotLeaderError();
  };

  /**
   * Resolves when this process leads; rejects with the signal's reason, or with HistoryLostError. Errors of single tries are logged and
   * retried.
   */
  async acquire(signal: AbortSignal): Promise<void> {
    await this.#orGiveBack(() => this.#campaign(signal));
    this.#begin();
  }

  /** One try: true when this process leads. Rejects as acquire does; other errors are logged, and the answer is false. */
  async tryAcquire(signal: AbortSignal): Promise<boolean> {
    const won = await this.#orGiveBack(async () => {
      const isOurs = await this.#try(signal);
      if (this.#historyLost !== undefined) throw this.#historyLost;
      signal.throwIfAborted();
      return isOurs;
    });
    if (won) this.#begin();
    else this.#hideTransitions();
    return won;
  }

  /** Renews at once, when the party has something to tell. */
  renewNow(): void {
    this.#hurry();
  }

  /**
   * Keeps the lease until `release` aborts (then hands it over and resolves "released") or until it is lost (resolves "lost" within the
   * renew deadline). Call after `acquire`. Never rejects.
   */
  async hold(release: AbortSignal): Promise<LeadershipEnd> {
    do await this.#pause(release);
    while (await this.#renewInTime(release));
    if (release.aborted && this.mayWrite()) {
      this.#end();
      await this.#release();
      this.#hideTransitions();
      return 'released';
    }
    this.#end();
    if (this.#historyLost !== undefined) this.#logger.error('The lease is given up', { error: this.#historyLost.message });
    else this.#logger.error('The lease is lost: it could not be renewed in time, or another replica has it', { holder: this.holder });
    return 'lost';
  }

  /** The write that made us leader may have arrived although the process was told to stop meanwhile. */
  async #orGiveBack<V>(work: () => Promise<V>): Promise<V> {
    try {
      return await work();
    } catch (error) {
      if (this.holder === this.identity) await this.#release();
      throw error;
    }
  }

  #begin(): void {
    this.#leading = true;
    this.#master?.set({ name: this.#options.lease.name }, 1);
    this.#logger.info('This replica leads');
  }

  /** Who does not follow a lease must not show what it was when last seen: beside the holder's figure it would look like changes. */
  #hideTransitions(): void {
    this.#transitions?.remove({ name: this.#options.lease.name });
  }

  /** Until the next renewal. Members of a party keep out of step, or one of them would lose the race for the same write each time. */
  async #pause(release: AbortSignal): Promise<void> {
    const pauseMs = this.#options.party === undefined ? this.#retryMs : this.#retryMs * (1 + 0.5 * this.#random());
    const hurried = new Promise<void>((resolve) => {
      this.#hurry = resolve;
    });
    const done = new AbortController();
    const slept = sleep(this.#clock, pauseMs, AbortSignal.any([release, done.signal])).catch(() => undefined);
    await Promise.race([slept, hurried]);
    done.abort();
  }

  async #campaign(signal: AbortSignal): Promise<void> {
    let said = '';
    while (!(await this.#try(signal))) {
      if (this.#historyLost !== undefined) throw this.#historyLost;
      if (this.holder !== said && this.holder !== '') this.#logger.info('Waiting: another replica leads', { holder: this.holder });
      said = this.holder;
      await sleep(this.#clock, this.#untilNextLookMs(), signal);
    }
    signal.throwIfAborted();
  }

  /** A quarter of the retry period, a little more at random, and no later than the lease expires. */
  #untilNextLookMs(): number {
    const lookMs = (this.#retryMs / 4) * (1 + 0.5 * this.#random());
    const expiresInMs =
      this.#observed === undefined ? lookMs : this.#observedAtMs + this.#durationOf(this.#observed) - this.#clock.monotonic();
    return expiresInMs > 0 ? Math.min(lookMs, expiresInMs) : lookMs;
  }

  #end(): void {
    this.#leading = false;
    this.#master?.set({ name: this.#options.lease.name }, 0);
  }

  /** Tries until it works; false when the deadline passes, another holds the lease, or release aborts. */
  async #renewInTime(release: AbortSignal): Promise<boolean> {
    while (!release.aborted) {
      const leftMs = this.#renewedAtMs + this.#deadlineMs - this.#clock.monotonic();
      if (leftMs <= 0) return false;
      if (await this.#tryWithin(leftMs)) return true;
      if (this.holder !== this.identity || this.#historyLost !== undefined) return false;
      const leftAfterMs = this.#renewedAtMs + this.#deadlineMs - this.#clock.monotonic();
      await sleep(this.#clock, Math.min(this.#afterFailureMs(), Math.max(0, leftAfterMs)), release).catch(() => undefined);
    }
    return false;
  }

  /** In a party the usual failure is that another member was quicker. */
  #afterFailureMs(): number {
    return this.#options.party === undefined ? this.#retryMs : this.#retryMs * 0.05 * this.#random();
  }

  /** One try that ends at the deadline even if the client does not. */
  async #tryWithin(leftMs: number): Promise<boolean> {
    const abort = new AbortController();
    const late = new Promise<false>((resolve) => {
      abort.signal.addEventListener('abort', () => resolve(false), { once: true });
    });
    const timer = this.#clock.after(leftMs, () => abort.abort(new Error('The renew deadline has passed')));
    try {
      return await Promise.race([this.#try(abort.signal), late]);
    } finally {
      timer.cancel();
    }
  }

  /** One look at the lease, and one write when it is ours or free. True when it is ours afterwards. Rejects only when aborted. */
  async #try(signal: AbortSignal): Promise<boolean> {
    const call = { signal, timeoutMs: Math.min(this.#deadlineMs / 2, 5_000) };
    try {
      const current = await this.#options.client.get(leases, this.#options.lease, call);
      this.#observe(current);
      if (this.#historyLost !== undefined) return false;
      if (!this.#isFree(current) && !(await this.#isAbandoned(current, signal))) return false;
      return await this.#write(signal, (nowMs) => this.#options.client.replace(leases, this.#claim(current, nowMs), call));
    } catch (error) {
      if (signal.aborted) return this.#leading ? false : Promise.reject(signal.reason as Error);
      // Somebody deleted the lease of a leader that is at work: it has to learn of it first.
      if (isNotFound(error)) return this.#observed !== undefined && !this.#isFree(this.#observed) ? false : this.#create(signal, call);
      this.#log(error);
      return false;
    }
  }

  async #create(signal: AbortSignal, call: LeaseCallOptions): Promise<boolean> {
    try {
      return await this.#write(signal, (nowMs) => this.#options.client.create(leases, this.#claim(undefined, nowMs), call));
    } catch (error) {
      if (signal.aborted) return this.#leading ? false : Promise.reject(signal.reason as Error);
      this.#log(error);
      return false;
    }
  }

  /** The renewal counts from before the write was sent, and not at all when it came back after the try had been given up. */
  async #write(signal: AbortSignal, send: (nowMs: number) => Promise<Lease>): Promise<boolean> {
    const sentAtMs = this.#clock.monotonic();
    const written = await send(this.#clock.now());
    this.#observe(written);
    if (signal.aborted) return false;
    this.#renewedAtMs = sentAtMs;
    return true;
  }

  /** The write that follows is conditional on the version that was read: a holder that has come back since makes it fail. */
  async #isAbandoned({ spec }: Lease, signal: AbortSignal): Promise<boolean> {
    return (await this.#options.isGone?.(spec?.holderIdentity ?? '', signal)) === true;
  }

  #log(error: unknown): void {
    const usual = isConflict(error) || isAlreadyExists(error);
    if (usual) this.#logger.debug('Another replica wrote the lease first', { error: messageOf(error) });
    else this.#logger.warn('The lease could not be read or written; trying again', { error: messageOf(error) });
  }

  #observe(lease: Lease): void {
    const before = this.#observed?.metadata.resourceVersion;
    if ((compareVersions(lease.metadata.resourceVersion, before) ?? 0) < 0) {
      this.#historyLost ??= new HistoryLostError(`lease ${formatKey(this.#options.lease)}`, before, lease.metadata.resourceVersion);
    }
    if (!sameRecord(this.#observed, lease)) this.#observedAtMs = this.#clock.monotonic();
    this.#observed = lease;
    this.#options.party?.saw(lease);
    this.#transitions?.set({ name: this.#options.lease.name }, lease.spec?.leaseTransitions ?? 0);
  }

  #isFree(lease: Lease): boolean {
    const { holderIdentity = '' } = lease.spec ?? {};
    if (holderIdentity === '' || holderIdentity === this.identity) return true;
    return this.#clock.monotonic() - this.#observedAtMs >= this.#durationOf(lease);
  }

  /** The holder's own figure: it may be configured differently from ours. */
  #durationOf(lease: Lease): number {
    const { leaseDurationSeconds } = lease.spec ?? {};
    return leaseDurationSeconds === undefined ? this.#durationMs : leaseDurationSeconds * 1000;
  }

  #claim(current: Lease | undefined, nowMs: number): Lease {
    const now = formatMicroTime(nowMs);
    const mine = current?.spec?.holderIdentity === this.identity;
    const { namespace, name } = this.#options.lease;
    const metadata = current?.metadata ?? { namespace, name };
    return {
      apiVersion: apiVersionOf(leases),
      kind: leases.kind,
      metadata: this.#options.party?.sign(metadata, current !== undefined && !mine) ?? metadata,
      spec: {
        ...current?.spec,
        holderIdentity: this.identity,
        leaseDurationSeconds: Math.ceil(this.#durationMs / 1000),
        acquireTime: mine ? (current.spec.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: current === undefined ? 0 : (current.spec?.leaseTransitions ?? 0) + (mine ? 0 : 1),
      },
    };
  }

  /** Empties the lease so that the next replica need not wait. Failing is harmless: they wait the lease duration. */
  async #release(): Promise<void> {
    const { party, client, lease } = this.#options;
    const observed = this.#observed;
    if (observed?.spec?.holderIdentity !== this.identity) return;
    try {
      // Others of the party renew it all the time: the state of the last renewal is hardly ever the present one.
      const current = party === undefined ? observed : await client.get(leases, lease, { timeoutMs: 2_000 });
      this.#observe(await client.replace(leases, this.#withoutUs(current), { timeoutMs: 2_000 }));
      this.#logger.info('The lease is released');
    } catch (error) {
      this.#logger.warn('The lease could not be released; the next leader waits until it expires', { error: messageOf(error) });
    }
  }

  #withoutUs(current: Lease): Lease {
    const left = this.#options.party?.leave(current.metadata);
    const remains = left === undefined ? current : { ...current, metadata: left.metadata };
    if (left?.isLast === false || current.spec?.holderIdentity !== this.identity) return remains;
    const now = formatMicroTime(this.#clock.now());
    const spec = {
      holderIdentity: '',
      leaseDurationSeconds: 1,
      acquireTime: now,
      renewTime: now,
      leaseTransitions: current.spec.leaseTransitions ?? 0,
    };
    return { ...remains, spec };
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }
}

/** A renewal, a takeover and a release each change the resourceVersion; nothing else about the object matters here. */
function sameRecord(a: Lease | undefined, b: Lease): boolean {
  return a !== undefined && JSON.stringify(a.spec ?? {}) === JSON.stringify(b.spec ?? {}) && a.metadata.uid === b.metadata.uid;
}
