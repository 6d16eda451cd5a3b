/**
 * Runs a reconciler over a queue of keys with a number of workers. It guarantees one pass per key at a time, a deadline for each
 * pass, and that no pass, however badly it ends, stops or delays the others. What a pass asks for is in reconciler.ts.
 */
import { randomUUID } from 'node:crypto';
import type { KubeObject, ObjectKey } from '../kube/objects.ts';
import { formatKey } from '../kube/objects.ts';
import type { Clock } from './clock.ts';
import type { ControllerMeter, Outcome } from './controllerMetrics.ts';
import { createControllerMeter } from './controllerMetrics.ts';
import { ReconcileError, StoppedError, asError, judge } from './errors.ts';
import type { Verdict } from './errors.ts';
import type { Logger } from './logger.ts';
import { turnOf } from './loopTurn.ts';
import type { Metrics } from './metrics.ts';
import type { Reconciler, Result } from './reconciler.ts';
import type { AddOptions, WorkItem } from './workQueue.ts';
import { WorkQueue } from './workQueue.ts';

export interface ControllerOptions {
  /** In metrics and log lines; unique in the process. */
  readonly name: string;
  readonly reconciler: Reconciler;
  /** Passes at the same time. Default 1. */
  readonly workers?: number;
  /** What a pass may take before its signal aborts. Default 60 s. */
  readonly reconcileTimeoutMs?: number;
  /** What an aborted pass may still take before its worker goes on without it. Default 5 s. */
  readonly abortGraceMs?: number;
  /** On stop, what passes may still take before their signals abort. Default 20 s. */
  readonly drainMs?: number;
  readonly queue?: { readonly baseDelayMs?: number; readonly maxDelayMs?: number };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What a controller needs of a cache: see Store. */
export interface WatchedStore<T extends KubeObject> {
  list(): readonly T[];
  subscribe(fn: (change: WatchedChange<T>) => void): () => void;
}

export interface WatchedChange<T extends KubeObject> {
  readonly type: 'added' | 'updated' | 'deleted';
  readonly object: T;
  readonly previous?: T;
  readonly initial?: boolean;
}

type Settled = { readonly ok: true; readonly result: Result } | { readonly ok: false; readonly error: unknown };

export class Controller {
  readonly name: string;
  readonly workers: number;
  readonly queue: WorkQueue;
  readonly #options: ControllerOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #meter: ControllerMeter;
  readonly #timeoutMs: number;
  readonly #graceMs: number;
  /** What begins each watch that waits for `run`. */
  readonly #unbegun = new Set<() => void>();
  readonly #subscriptions = new Set<() => void>();
  readonly #passes = new Set<AbortController>();
  #running = false;

  constructor(options: ControllerOptions) {
    this.name = options.name;
    this.workers = options.workers ?? 1;
    this.#options = options;
    this.#clock = options.clock;
    this.#logger = options.logger.child({ controller: options.name });
    this.#timeoutMs = options.reconcileTimeoutMs ?? 60_000;
    this.#graceMs = options.abortGraceMs ?? 5_000;
    this.#meter = createControllerMeter(options.metrics, options.name, this.workers);
    this.queue = new WorkQueue({ name: options.name, clock: options.clock, metrics: options.metrics, ...options.queue });
  }

  /** Asks for a pass over this key. Before `run` the key waits; after a stop it is ignored. */
  enqueue(key: ObjectKey, options?: AddOptions): void {
    this.queue.add(key, options);
  }

  /**
   * Wakes keys when objects of this cache change. Objects that are there already, or come with the first list, count as resyncs.
   * Pure mapping: `keys` is called once per change and must not block; when it throws, only that change is lost, loudly.
   * With afterMs the keys wait that long, so that many changes in a row lead to one pass.
   * Nothing is queued before `run`, which looks at everything that is there by then: a replica that stands by for weeks must not keep the keys
   * of all that came and went.
   * Returns how to end it, for a cache that goes away before the controller does.
   */
  watch<T extends KubeObject>(
    source: { readonly store: WatchedStore<T> },
    keys: (change: WatchedChange<T>) => readonly ObjectKey[],
    options: Pick<AddOptions, 'afterMs'> = {},
  ): () => void {
    const onChange = (change: WatchedChange<T>): void => {
      try {
        const priority = change.initial === true ? 'resync' : 'fresh';
        for (const key of keys(change)) this.queue.add(key, { ...options, priority });
      } catch (error) {
        this.#meter.panicked();
        const object = formatKey({ namespace: change.object.metadata.namespace ?? '', name: change.object.metadata.name });
        this.#logger.error('A change could not be mapped to keys; it is skipped', {
          object,
          kind: change.object.kind,
          error: asError(error),
        });
      }
    };
    let unsubscribe = (): void => undefined;
    const begin = (): void => {
      unsubscribe = source.store.subscribe(onChange);
      this.#subscriptions.add(unsubscribe);
      for (const object of source.store.list()) onChange({ type: 'added', object, initial: true });
    };
    if (this.#running) begin();
    else this.#unbegun.add(begin);
    return () => {
      this.#unbegun.delete(begin);
      this.#subscriptions.delete(unsubscribe);
      unsubscribe();
    };
  }

  /**
   * Works until the signal aborts, then takes nothing more and resolves when the passes in progress have ended. They have drainMs for
   * that before their own signals abort; when `cancel` aborts, theirs do so at once (the lease is lost). Never rejects.
   */
  async run(signal: AbortSignal, cancel?: AbortSignal): Promise<void> {
    if (this.#running) throw new Error(`Controller ${this.name} was started twice`);
    this.#running = true;
    for (const begin of this.#unbegun) begin();
    this.#unbegun.clear();
    const workers = Array.from({ length: this.workers }, () => this.#work());
    await aborted(signal, cancel);
    this.#stop();
    const abortAll = (): void => {
      for (const pass of this.#passes) pass.abort(new StoppedError());
    };
    const timer = this.#clock.after(this.#options.drainMs ?? 20_000, abortAll);
    if (cancel !== undefined) void aborted(cancel).then(abortAll);
    await Promise.all(workers);
    timer.cancel();
  }

  /** For tests: resolves when nothing is queued, due or being worked on. */
  idle(): Promise<void> {
    return this.queue.idle();
  }

  #stop(): void {
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    this.#subscriptions.clear();
    this.queue.stop();
  }

  async #work(): Promise<void> {
    const turn = turnOf(this.#clock);
    for (let item = await this.queue.get(); item !== undefined; item = await this.queue.get()) {
      await this.#pass(item);
      if (turn.isLong) await turn.next();
    }
  }

  /** One pass. Resolves when it has ended, or when it has ignored its deadline for so long that the worker leaves it behind. */
  async #pass(item: WorkItem): Promise<void> {
    const key = formatKey(item.key);
    const logger = this.#logger.child({ key, reconcileId: randomUUID() });
    const abort = new AbortController();
    this.#passes.add(abort);
    this.#meter.started();
    const startedMs = this.#clock.monotonic();
    const deadline = this.#clock.after(this.#timeoutMs, () => abort.abort(this.#timedOut(key)));
    const settled = this.#call(item.key, logger, abort.signal).then((outcome) => {
      deadline.cancel();
      this.#passes.delete(abort);
      this.#meter.ended((this.#clock.monotonic() - startedMs) / 1000);
      this.#conclude(item, outcome, logger, abort.signal);
      this.queue.done(item.key);
    });
    const leftBehind = this.#leaveBehind(abort.signal);
    const first = await Promise.race([settled.then(() => 'ended' as const), leftBehind.promise]);
    leftBehind.cancel();
    if (first === 'ended') return;
    this.#meter.stuck(1);
    logger.error('The pass goes on although its signal has aborted: its worker continues without it, the key stays blocked until it ends', {
      runningMs: Math.round(this.#clock.monotonic() - startedMs),
    });
    void settled.then(() => {
      this.#meter.stuck(-1);
      logger.warn('The pass that had ignored its signal has ended', { runningMs: Math.round(this.#clock.monotonic() - startedMs) });
    });
  }

  async #call(key: ObjectKey, logger: Logger, signal: AbortSignal): Promise<Settled> {
    try {
      const result = await this.#options.reconciler.reconcile(key, { signal, logger, clock: this.#clock });
      const { requeueAfterMs } = result;
      if (requeueAfterMs !== undefined && !Number.isFinite(requeueAfterMs)) {
        throw new TypeError(`The reconciler ${this.name} asked to be called again after ${requeueAfterMs} ms`);
      }
      return { ok: true, result };
    } catch (error) {
      return { ok: false, error };
    }
  }

  #leaveBehind(signal: AbortSignal): { readonly promise: Promise<'left'>; cancel(): void } {
    let cancel = (): void => undefined;
    const promise = new Promise<'left'>((resolve) => {
      const onAbort = (): void => {
        const timer = this.#clock.after(this.#graceMs, () => resolve('left'));
        cancel = () => timer.cancel();
      };
      cancel = () => signal.removeEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
    return { promise, cancel: () => cancel() };
  }

  #timedOut(key: string): ReconcileError {
    return new ReconcileError(`The pass over ${this.name} ${key} took longer than ${this.#timeoutMs} ms and was told to stop`, {
      code: 'ReconcileTimeout',
    });
  }

  #conclude(item: WorkItem, outcome: Settled, logger: Logger, signal: AbortSignal): void {
    if (outcome.ok) {
      this.queue.forget(item.key);
      this.#meter.concluded(this.#requeue(item.key, outcome.result));
      return;
    }
    const reason: unknown = signal.reason;
    if (reason instanceof StoppedError) {
      logger.debug('The pass was cut short because the process stops', { error: outcome.error });
      return;
    }
    const error =
      reason instanceof ReconcileError ? new ReconcileError(reason.message, { code: reason.code, cause: outcome.error }) : outcome.error;
    this.#fail(item, error, logger);
  }

  #requeue(key: ObjectKey, result: Result): Outcome {
    if (result.requeueAfterMs === undefined) return 'success';
    this.queue.add(key, { afterMs: Math.max(0, result.requeueAfterMs) });
    return result.requeueAfterMs > 0 ? 'requeue_after' : 'requeue';
  }

  #fail(item: WorkItem, error: unknown, logger: Logger): void {
    const verdict = judge(error);
    this.#meter.failed(verdict);
    this.#log(error, verdict, this.#retry(item, verdict), logger);
  }

  /** Returns the delay until the next pass; undefined when there is none. */
  #retry(item: WorkItem, verdict: Verdict): number | undefined {
    if (verdict.retry === 'never') {
      this.queue.forget(item.key);
      return undefined;
    }
    if (verdict.retryAfterMs === undefined) return this.queue.addRateLimited(item.key, item.priority);
    this.queue.add(item.key, { afterMs: Math.max(1, verdict.retryAfterMs), priority: item.priority });
    return verdict.retryAfterMs;
  }

  #log(error: unknown, verdict: Verdict, retryInMs: number | undefined, logger: Logger): void {
    const { message, code } = asError(error) as Error & { code?: unknown };
    const fields = { code, retryInMs };
    if (verdict.class === 'unexpected') logger.error('The pass failed in a way nobody foresaw', { ...fields, error: asError(error) });
    else if (verdict.class === 'conflict' || (error instanceof ReconcileError && error.isTold)) logger.debug(message, fields);
    else logger.warn(message, fields);
  }
}

/** Resolves as soon as one of them is aborted. */
const aborted = (...signals: readonly (AbortSignal | undefined)[]): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of signals) {
      if (signal?.aborted === true) resolve();
      signal?.addEventListener('abort', () => resolve(), { once: true });
    }
  });
