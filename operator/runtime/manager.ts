/**
 * Owns the life of a process: what starts in which order, and how it ends. A replica that does not lead keeps its caches warm and runs
 * no controller. One that comes to lead starts its controllers only when every cache is at least as new as the moment it won.
 *
 * Start: health server, informers and always-on services, lease, caches caught up, controllers and leader-only services.
 * Stop: readiness off, intake off, passes drained, lease released, events flushed, informers and servers closed.
 */
import type { Clock } from './clock.ts';
import { sleep } from './clock.ts';
import type { Controller } from './controller.ts';
import { StoppedError, asError, messageOf } from './errors.ts';
import type { HealthServer } from './health.ts';
import type { LeaderElector } from './leaderElector.ts';
import type { Logger } from './logger.ts';

/** What the manager needs of an informer: see Informer. */
export interface ManagedInformer {
  readonly type: { readonly plural: string; readonly group: string };
  readonly store: { readonly hasSynced: boolean };
  run(signal: AbortSignal): Promise<void>;
  synced(signal?: AbortSignal): Promise<void>;
  /** Resolves when the cache is at least as new as a consistent read that began after this call, or after that (monotonic) moment. */
  catchUp?(signal: AbortSignal, sinceMs?: number): Promise<void>;
}

/** Anything else that runs: resolves after the signal has aborted; a rejection ends the process. */
export interface Service {
  readonly name: string;
  /** Default false: runs on every replica. */
  readonly leaderOnly?: boolean;
  run(signal: AbortSignal): Promise<void>;
  /** Undefined when ready, else what is missing. */
  ready?(): string | undefined;
}

export interface ManagerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health?: HealthServer;
  /** Without one this process leads from the start. */
  readonly elector?: Pick<LeaderElector, 'acquire' | 'hold'> & Partial<Pick<LeaderElector, 'tryAcquire'>>;
  readonly events?: { flush(): Promise<void> };
  /** Closed last, in this order: pools, files. */
  readonly closers?: readonly (() => Promise<void>)[];
  /** How long all of stopping may take before the rest is left undone. Default 30 s. */
  readonly stopTimeoutMs?: number;
}

/** stopped: we were asked to. leaseLost, failed: the process must exit non-zero so that it is started anew. */
export type Exit =
  | { readonly reason: 'stopped'; readonly exitCode: 0 }
  | { readonly reason: 'leaseLost'; readonly exitCode: 1 }
  | { readonly reason: 'failed'; readonly exitCode: 1; readonly error: Error };

export type Phase = 'new' | 'starting' | 'standby' | 'leading' | 'stopping' | 'stopped';

const catchUpRetryMs = 1_000;
/** Informers wait so long for the first try to get the lease: a list that begins after it was won need not be caught up with a second one. */
const headStartMs = 1_000;

const lost: Exit = { reason: 'leaseLost', exitCode: 1 };
const stoppedWell: Exit = { reason: 'stopped', exitCode: 0 };

export class Manager {
  readonly #options: ManagerOptions;
  readonly #logger: Logger;
  readonly #informers: ManagedInformer[] = [];
  readonly #controllers: Controller[] = [];
  readonly #services: Service[] = [];
  /** Stops intake. */
  readonly #work = new AbortController();
  /** Cuts passes short. */
  readonly #cancel = new AbortController();
  /** Stops informers and always-on services. */
  readonly #base = new AbortController();
  readonly #release = new AbortController();
  readonly #running: Promise<unknown>[] = [];
  readonly #working: Promise<unknown>[] = [];
  readonly #exit = Promise.withResolvers<Exit>();
  readonly #leading = Promise.withResolvers<void>();
  #held: Promise<unknown> | undefined;
  #phase: Phase = 'new';
  #address: { readonly host: string; readonly port: number; readonly url: string } | undefined;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#logger = options.logger;
    // Nobody needs to wait for leadership; when nobody does, its failure is still reported through the exit.
    this.#leading.promise.catch(() => undefined);
    options.health?.addReadyCheck('process', () => (this.#phase === 'stopping' || this.#phase === 'stopped' ? 'stopping' : undefined));
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Where the health server listens, once it does. */
  get address(): { readonly host: string; readonly port: number; readonly url: string } | undefined {
    return this.#address;
  }

  addInformer(informer: ManagedInformer): this {
    this.#beforeStart('informer');
    this.#informers.push(informer);
    const { plural, group } = informer.type;
    const name = group === '' ? plural : `${plural}.${group}`;
    this.#options.health?.addReadyCheck(`cache ${name}`, () => (informer.store.hasSynced ? undefined : 'not listed yet'));
    return this;
  }

  addController(controller: Controller): this {
    this.#beforeStart('controller');
    this.#controllers.push(controller);
    return this;
  }

  addService(service: Service): this {
    this.#beforeStart('service');
    this.#services.push(service);
    this.#options.health?.addReadyCheck(service.name, () => service.ready?.());
    return this;
  }

  /** Resolves when the controllers run; rejects when the process ends before that. */
  leading(): Promise<void> {
    return this.#leading.promise;
  }

  /** Runs until the signal aborts, the lease is lost or a part fails, then stops everything in order. Never rejects. */
  async run(signal: AbortSignal): Promise<Exit> {
    this.#beforeStart('second run');
    this.#phase = 'starting';
    const onAbort = (): void => this.#exit.resolve(stoppedWell);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    void this.#start().catch((error: unknown) => this.#fail('start', error));
    const exit = await this.#exit.promise;
    signal.removeEventListener('abort', onAbort);
    this.#phase = 'stopping';
    this.#leading.reject(new StoppedError());
    await this.#within(this.#stop(exit), this.#options.stopTimeoutMs ?? 30_000, 'Stopping took too long; leaving the rest undone');
    this.#phase = 'stopped';
    return exit;
  }

  async #start(): Promise<void> {
    this.#address = await this.#options.health?.start();
    if (this.#address !== undefined) this.#logger.info('Serving health and metrics', { url: this.#address.url });
    const firstTry = this.#tryToLead();
    await this.#headStart(firstTry);
    for (const informer of this.#informers) this.#run(this.#running, `informer ${informer.type.plural}`, informer.run(this.#base.signal));
    for (const service of this.#services) {
      if (service.leaderOnly !== true) this.#run(this.#running, service.name, service.run(this.#base.signal));
    }
    const wonMs = (await firstTry) ?? (await this.#lead());
    const { signal } = this.#work;
    if (signal.aborted) return;
    // Only now: what was seen before may be older than the previous leader's last writes.
    await Promise.all(this.#informers.map((informer) => this.#fresh(informer, signal, wonMs)));
    signal.throwIfAborted();
    this.#phase = 'leading';
    for (const controller of this.#controllers) {
      this.#run(this.#working, `controller ${controller.name}`, controller.run(signal, this.#cancel.signal));
    }
    for (const service of this.#services) if (service.leaderOnly === true) this.#run(this.#working, service.name, service.run(signal));
    this.#logger.info('Controllers run', { controllers: this.#controllers.map(({ name }) => name) });
    this.#leading.resolve();
  }

  /** When (monotonic) the first try to get the lease succeeded; undefined when it did not. */
  async #tryToLead(): Promise<number | undefined> {
    const { elector, clock } = this.#options;
    if (elector?.tryAcquire === undefined || !(await elector.tryAcquire(this.#work.signal))) return undefined;
    const wonMs = clock.monotonic();
    this.#hold(elector);
    return wonMs;
  }

  /** Resolves with the first try, or when it takes too long. That it failed is noticed by whoever waits for its result. */
  async #headStart(firstTry: Promise<unknown>): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(headStartMs, late.resolve);
    await Promise.race([firstTry.catch(() => undefined), late.promise]);
    timer.cancel();
  }

  /** Resolves when this process leads, with the (monotonic) moment at which it did. */
  async #lead(): Promise<number> {
    const { elector, clock } = this.#options;
    if (elector === undefined) return clock.monotonic();
    this.#phase = 'standby';
    await elector.acquire(this.#work.signal);
    const wonMs = clock.monotonic();
    this.#hold(elector);
    return wonMs;
  }

  #hold(elector: NonNullable<ManagerOptions['elector']>): void {
    this.#held = elector.hold(this.#release.signal).then((end) => {
      if (end !== 'lost') return;
      this.#cancel.abort(new StoppedError('The lease is lost'));
      this.#exit.resolve(lost);
    });
  }

  /** A read that fails is repeated: an API server that is away for a moment is no reason to give the lease back. */
  async #fresh(informer: ManagedInformer, signal: AbortSignal, wonMs: number): Promise<void> {
    await informer.synced(signal);
    if (this.#options.elector === undefined || informer.catchUp === undefined) return;
    for (;;) {
      try {
        await informer.catchUp(signal, wonMs);
        return;
      } catch (error) {
        signal.throwIfAborted();
        const resource = informer.type.plural;
        this.#logger.warn('A cache could not be brought up to date; trying again', {
          resource,
          error: messageOf(error),
          retryInMs: catchUpRetryMs,
        });
        await sleep(this.#options.clock, catchUpRetryMs, signal);
      }
    }
  }

  async #stop(exit: Exit): Promise<void> {
    const { events, health, closers = [] } = this.#options;
    this.#logger.info('Stopping', { reason: exit.reason });
    if (exit.reason !== 'stopped') this.#cancel.abort(new StoppedError());
    this.#work.abort(new StoppedError());
    await Promise.all(this.#working);
    this.#release.abort(new StoppedError());
    await this.#held;
    if (events !== undefined) await this.#within(events.flush(), 5_000, 'Some events could not be sent in time');
    this.#base.abort(new StoppedError());
    await Promise.all(this.#running);
    await health?.stop();
    for (const close of closers) await close().catch((error: unknown) => this.#logger.warn('Closing failed', { error: messageOf(error) }));
    this.#logger.info('Stopped', { reason: exit.reason });
  }

  /** Keeps track of a part. Parts end when they are told to; one that ends on its own, or fails, ends the process. */
  #run(parts: Promise<unknown>[], name: string, part: Promise<void>): void {
    parts.push(
      part.then(
        () => {
          if (!this.#work.signal.aborted) this.#fail(name, new Error(`${name} ended although nobody asked it to`));
        },
        (error: unknown) => this.#fail(name, error),
      ),
    );
  }

  #fail(part: string, error: unknown): void {
    if (this.#work.signal.aborted || this.#base.signal.aborted) {
      if (!(error instanceof StoppedError)) this.#logger.debug('A part failed while stopping', { part, error: messageOf(error) });
      return;
    }
    this.#logger.error('A part of the process failed; it will stop', { part, error: asError(error) });
    this.#exit.resolve({ reason: 'failed', exitCode: 1, error: asError(error) });
  }

  async #within(work: Promise<void>, limitMs: number, complaint: string): Promise<void> {
    const late = Promise.withResolvers<'late'>();
    const timer = this.#options.clock.after(limitMs, () => late.resolve('late'));
    const end = await Promise.race([work.then(() => 'done' as const), late.promise]).catch((error: unknown) => {
      this.#logger.warn('Stopping failed in part', { error: messageOf(error) });
      return 'done' as const;
    });
    timer.cancel();
    if (end === 'late') this.#logger.warn(complaint, { limitMs });
  }

  #beforeStart(what: string): void {
    if (this.#phase !== 'new') throw new Error(`A ${what} was added to a manager that has been started`);
  }
}
