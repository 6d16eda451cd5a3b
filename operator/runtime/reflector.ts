/**
 * Keeps a store equal to what the API server has: a paged list, then a watch, for ever. All decisions are in reflectorState.ts; this
 * file makes the calls, waits, and reports. It ends only with its signal: no answer, no silence and no garbage stops it.
 *
 * An API server that was restored from an older state accepts a watch from a version that it has not reached, and sends nothing. So
 * after a watch that makes doubtful whether the server is the same, the version is asked for before the next one.
 */
import { ApiError } from '../kube/errors.ts';
import type { ListQuery, WatchQuery } from '../kube/client.ts';
import type { KubeList, KubeObject, WatchEvent } from '../kube/objects.ts';
import { apiVersionOf } from '../kube/resource.ts';
import type { ResourceType } from '../kube/resource.ts';
import { sleep } from './clock.ts';
import type { Clock } from './clock.ts';
import { HistoryLostError } from './errors.ts';
import type { Logger } from './logger.ts';
import { failureOf } from './reflectorFailure.ts';
import { defaultTuning, next } from './reflectorState.ts';
import { compareVersions } from './resourceVersion.ts';
import type { Failure, FailureCause, ReflectorEffect, ReflectorInput, ReflectorState, ReflectorTuning } from './reflectorState.ts';
import type { Store } from './store.ts';

/** The two calls a reflector makes: a KubeClient, or a test's own. */
export interface ListWatcher {
  list<T extends KubeObject>(type: ResourceType<T>, query: ListQuery): Promise<KubeList<T>>;
  watch<T extends KubeObject>(type: ResourceType<T>, query: WatchQuery): AsyncIterable<WatchEvent<T>>;
}

/** What is counted. Implemented over prom-client elsewhere; every method must be cheap and must not throw. */
export interface ReflectorMetrics {
  /** A complete list of all pages. */
  listed(items: number, durationMs: number): void;
  watchStarted(): void;
  watchEnded(durationMs: number, events: number): void;
  event(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'): void;
  failed(cause: FailureCause): void;
  /** The version up to which the store has seen everything. */
  resourceVersion(version: string): void;
  /** A subscriber, an indexer or a transform threw. */
  handlerFailed(): void;
}

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: ListWatcher;
  readonly type: ResourceType<T>;
  readonly store: Store<T>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly metrics?: ReflectorMetrics;
  /** In [0, 1). Default Math.random. */
  readonly random?: () => number;
  readonly tuning?: Partial<ReflectorTuning>;
  /** Objects a page. */
  readonly pageSize?: number;
  /** What the server is asked to end a watch after; a jitter of ±10 s is added. */
  readonly watchSeconds?: number;
  /** How much longer than that silence is tolerated. */
  readonly idleMarginMs?: number;
  /**
   * When the last list is older than this, give or take a quarter, the end of a watch is followed by a new list. So an event that got lost
   * without a trace stays unknown for no longer than this and one watch. Default one hour.
   */
  readonly relistMs?: number;
}

/** kube-apiserver's own time-out for a watch is 30 to 60 min; below 5 min most load balancers let it live. */
const defaultWatchSeconds = 290;
const defaultRelistMs = 3_600_000;
/** Bookmarks come about once a minute: a watch that has lived so long without a word may be one into the future. */
const wordlessMs = 150_000;

export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #tuning: ReflectorTuning;
  readonly #random: () => number;
  #state: ReflectorState = { phase: 'idle' };
  /** The pages of the list so far, as the store will keep them. */
  #items: T[] = [];
  #listStartMs = 0;
  #listedFromMs = -Infinity;
  /** The server may not be what it was: its version is asked for before the next watch. */
  #isDoubtful = false;
  /** Monotonic; when the store is to be compared with a new list. */
  #agedAtMs = Infinity;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#tuning = { ...defaultTuning, ...options.tuning };
    this.#random = options.random ?? Math.random;
  }

  /** Where it stands now; for health pages and tests. */
  get state(): ReflectorState {
    return this.#state;
  }

  /** When (monotonic) the last complete list began; -Infinity before there was one. */
  get listedFromMs(): number {
    return this.#listedFromMs;
  }

  /** Resolves when the signal aborts. Rejects only for a defect of ours that a new list cannot mend. May be run once. */
  async run(signal: AbortSignal): Promise<void> {
    this.#advance({ type: 'start' });
    while (!signal.aborted) {
      try {
        await this.#turn(this.#state, signal);
      } catch (error) {
        if (this.#state.phase === 'backingOff') throw error;
        this.#advance({ type: 'failed', failure: failureOf(error) });
      }
    }
  }

  async #turn(state: ReflectorState, signal: AbortSignal): Promise<void> {
    if (state.phase === 'listing') await this.#list(state.token, signal);
    else if (state.phase === 'watching') await this.#listOrWatch(state.resourceVersion, signal);
    else if (state.phase === 'backingOff') await this.#wait(state.untilMs, signal);
  }

  async #list(token: string | undefined, signal: AbortSignal): Promise<void> {
    const { client, type, pageSize = 500 } = this.#options;
    if (token === undefined) this.#listStartMs = this.#options.clock.monotonic();
    const page = { limit: pageSize, ...(token === undefined ? {} : { continue: token }) };
    let list: KubeList<T>;
    try {
      list = await client.list(type, { ...this.#scope(), ...page, signal });
    } catch (error) {
      if (!signal.aborted) this.#advance({ type: 'failed', failure: failureOf(error) });
      return;
    }
    const more = list.metadata.continue;
    this.#advance({ type: 'page', resourceVersion: list.metadata.resourceVersion, ...(more === undefined ? {} : { more }) }, list.items);
  }

  async #listOrWatch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    if (this.#options.clock.monotonic() >= this.#agedAtMs) this.#advance({ type: 'aged' });
    else await this.#watch(resourceVersion, signal);
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { client, type, clock, metrics, watchSeconds = defaultWatchSeconds, idleMarginMs = 10_000 } = this.#options;
    if (this.#isDoubtful && !(await this.#clearDoubt(resourceVersion, signal))) return;
    const timeoutSeconds = Math.max(1, Math.round(watchSeconds + (this.#random() - 0.5) * Math.min(20, watchSeconds / 2)));
    const startMs = clock.monotonic();
    let events = 0;
    let failure: Failure = { cause: 'closed', message: 'the server ended the watch' };
    metrics?.watchStarted();
    try {
      const idleTimeoutMs = timeoutSeconds * 1000 + idleMarginMs;
      const query = { ...this.#scope(), resourceVersion, timeoutSeconds, idleTimeoutMs, allowWatchBookmarks: true, signal };
      for await (const event of client.watch(type, query)) {
        if (event.type === 'ERROR')
          throw new ApiError(`watch ${type.plural}`, event.object, event.object.code ?? 500, retryAfterOf(event.object));
        events += 1;
        this.#take(event);
      }
    } catch (error) {
      failure = failureOf(error);
    }
    const livedMs = clock.monotonic() - startMs;
    metrics?.watchEnded(livedMs, events);
    const endedInTime = failure.cause === 'closed' && livedMs >= (timeoutSeconds - 5) * 1000;
    this.#isDoubtful = !endedInTime || (events === 0 && livedMs >= wordlessMs);
    if (!signal.aborted) this.#advance({ type: 'failed', failure });
  }

  /** Whether the server has reached the version that the watch shall begin at. If not, or if it cannot be told, the failure is noted. */
  async #clearDoubt(resourceVersion: string, signal: AbortSignal): Promise<boolean> {
    const { client, type } = this.#options;
    try {
      const { metadata } = await client.list(type, { ...this.#scope(), limit: 1, signal });
      this.#checkVersion(metadata.resourceVersion, resourceVersion);
      this.#isDoubtful = false;
    } catch (error) {
      if (!signal.aborted) this.#advance({ type: 'failed', failure: failureOf(error) });
    }
    return !this.#isDoubtful;
  }

  /** A server never goes back, except to an older state of all it has. */
  #checkVersion(now: string | undefined, seen: string): void {
    if ((compareVersions(now, seen) ?? 0) < 0) throw new HistoryLostError(this.#options.type.plural, seen, now);
  }

  #take(event: Exclude<WatchEvent<T>, { type: 'ERROR' }>): void {
    const resourceVersion = event.object.metadata.resourceVersion ?? '';
    this.#options.metrics?.event(event.type);
    if (event.type === 'BOOKMARK' && this.#state.phase === 'watching') this.#checkVersion(resourceVersion, this.#state.resourceVersion);
    this.#options.metrics?.resourceVersion(resourceVersion);
    const { state } = this.#next({ type: 'event', resourceVersion });
    this.#state = state;
    if (event.type === 'BOOKMARK') this.#options.store.observe(resourceVersion);
    else this.#options.store.apply({ type: event.type, object: event.object });
  }

  async #wait(untilMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    try {
      await sleep(clock, untilMs - clock.monotonic(), signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    this.#advance({ type: 'timer' });
  }

  #next(input: ReflectorInput): ReturnType<typeof next> {
    return next(this.#state, input, { nowMs: this.#options.clock.monotonic(), random: this.#random() }, this.#tuning);
  }

  #advance(input: ReflectorInput, items: readonly T[] = []): void {
    const { state, effects } = this.#next(input);
    this.#state = state;
    for (const effect of effects) this.#perform(effect, items);
  }

  #perform(effect: ReflectorEffect, items: readonly T[]): void {
    const { store, clock, metrics } = this.#options;
    switch (effect.type) {
      case 'discard':
        this.#items = [];
        break;
      case 'collect':
        for (const item of items) this.#collect(item);
        break;
      case 'replace':
        store.replacePrepared(this.#items, effect.resourceVersion);
        this.#listedFromMs = this.#listStartMs;
        this.#isDoubtful = false;
        // Spread, so that not all kinds of all replicas are listed at once.
        this.#agedAtMs = clock.monotonic() + (this.#options.relistMs ?? defaultRelistMs) * (0.75 + this.#random() / 2);
        metrics?.listed(this.#items.length, clock.monotonic() - this.#listStartMs);
        metrics?.resourceVersion(effect.resourceVersion);
        this.#items = [];
        break;
      case 'apply':
        break;
      case 'report':
        this.#report(effect);
        break;
    }
  }

  /** Items of a list carry no apiVersion and kind, events do: here both do. An item without a name is no object and cannot be kept. */
  #collect(item: T): void {
    const { type, logger, store } = this.#options;
    if (typeof (item as Partial<T> | null)?.metadata?.name !== 'string') {
      logger.error('an item of a list has no name and is left out', { resource: type.plural });
      return;
    }
    if (!store.accepts(item)) return;
    this.#items.push(store.prepare(item.kind === undefined ? { ...item, apiVersion: apiVersionOf(type), kind: type.kind } : item));
  }

  #report({ failure, delayMs, failures }: Extract<ReflectorEffect, { type: 'report' }>): void {
    const { type, logger, metrics } = this.#options;
    metrics?.failed(failure.cause);
    const fields = { resource: type.plural, cause: failure.cause, failures, delayMs: Math.round(delayMs), err: failure.message };
    const state = this.#state;
    const resume = state.phase === 'backingOff' && state.then.do === 'watch' ? 'watch' : 'list';
    if (failure.cause === 'closed' && failures === 1) logger.debug('watch ended, will resume', fields);
    else if (failure.cause === 'rewound') logger.warn('the API server was restored from an older state, will list again', fields);
    else if (failure.cause === 'expired') logger.info('version expired, will list again', fields);
    else logger.warn(`${resume} failed, will try again`, fields);
  }

  #scope(): Pick<ListQuery & WatchQuery, 'namespace' | 'labelSelector' | 'fieldSelector'> {
    const { namespace, labelSelector, fieldSelector } = this.#options;
    return {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
  }
}

const retryAfterOf = (status: { readonly details?: { readonly retryAfterSeconds?: number } }): number | undefined => {
  const seconds = status.details?.retryAfterSeconds;
  return seconds === undefined || seconds <= 0 ? undefined : seconds * 1000;
};
