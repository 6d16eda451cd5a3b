/**
 * The queue between "something may have changed" and the workers. It guarantees:
 * one key is never given to two workers at once; a key added while it is being worked on is given out once more afterwards;
 * any number of adds before that count as one, and the earliest of their times and the most urgent of their priorities win;
 * fresh work goes before resyncs, which still get every ninth turn; namespaces take turns, so none can crowd out another.
 */
import type { ObjectKey } from '../kube/objects.ts';
import { formatKey } from '../kube/objects.ts';
import type { Clock, Timer } from './clock.ts';
import { DelayHeap } from './delayHeap.ts';
import type { Slot } from './fairLane.ts';
import { FairLane } from './fairLane.ts';
import { KeyMap } from './keyMap.ts';
import type { Metrics } from './metrics.ts';
import type { QueueMeter } from './workQueueMetrics.ts';
import { createQueueMeter } from './workQueueMetrics.ts';

/** fresh: somebody waits for it. resync: a look that is due anyway (start-up, safety net). */
export type Priority = 'fresh' | 'resync';

export interface AddOptions {
  /** Not before this many milliseconds have passed. Default 0. */
  readonly afterMs?: number;
  /** Default fresh. */
  readonly priority?: Priority;
}

export interface WorkItem {
  readonly key: ObjectKey;
  readonly priority: Priority;
}

export interface WorkQueueOptions {
  /** The metrics' label. */
  readonly name: string;
  readonly clock: Clock;
  readonly metrics?: Metrics;
  /** First delay of addRateLimited; it doubles with each failure. Default 5 ms. */
  readonly baseDelayMs?: number;
  /** Longest delay of addRateLimited. Default 1,000 s. */
  readonly maxDelayMs?: number;
}

/** After being passed over by so many fresh items a waiting resync gets its turn. */
export const freshPerResync = 8;

/**
 * Everything the queue knows of one key. Exists while the key is waiting, delayed or being worked on. Tens of thousands may be delayed, so while one is,
 * its numbers are whole or absent: V8 gives each fraction an object of its own.
 */
interface Entry extends ObjectKey {
  /** What the next hand-out will say. */
  priority: Priority;
  /** Its place in a lane while it is ready. */
  slot: Slot<Entry> | undefined;
  /** Monotonic; while it is ready. */
  readySinceMs: number | undefined;
  /** Monotonic, whole; its place in the delay heap while `at` is set. */
  dueMs: number;
  at: number | undefined;
  turn: number;
  /** Monotonic start of the work in progress. */
  startedMs: number | undefined;
  /** Added while being worked on: goes to its lane at done. */
  dirty: boolean;
}

export class WorkQueue {
  readonly #clock: Clock;
  readonly #meter: QueueMeter;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #entries = new KeyMap<Entry>();
  readonly #processing = new Set<Entry>();
  readonly #failures = new Map<string, number>();
  readonly #lanes = { fresh: new FairLane<Entry>(), resync: new FairLane<Entry>() };
  readonly #delayed = new DelayHeap<Entry>();
  readonly #takers: ((item: WorkItem | undefined) => void)[] = [];
  readonly #idlers: (() => void)[] = [];
  readonly #drainers: (() => void)[] = [];
  #freshInARow = 0;
  #timer: { readonly handle: Timer; readonly dueMs: number } | undefined;
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#baseDelayMs = options.baseDelayMs ?? 5;
    this.#maxDelayMs = options.maxDelayMs ?? 1_000_000;
    this.#meter = createQueueMeter(options.name, options.metrics, () => this.#workingForMs());
  }

  /** Ready to be given out now. */
  get depth(): number {
    return this.#lanes.fresh.size + this.#lanes.resync.size;
  }

  /** Waiting for their time. */
  get delayed(): number {
    return this.#delayed.size;
  }

  get processing(): number {
    return this.#processing.size;
  }

  /** How often in a row this key has failed. */
  failures(key: ObjectKey): number {
    return this.#failures.get(formatKey(key)) ?? 0;
  }

  /** Asks for one pass over this key. Ignored once the queue is stopped. */
  add(key: ObjectKey, options: AddOptions = {}): void {
    if (this.#stopped) return;
    const { afterMs = 0, priority = 'fresh' } = options;
    const entry = this.#entry(key);
    if (afterMs > 0) this.#addDelayed(entry, priority, Math.ceil(this.#clock.monotonic() + afterMs));
    else this.#addNow(entry, priority);
  }

  /** Counts a failure of this key and asks for another pass after a delay that doubles each time. Returns the delay. */
  addRateLimited(key: ObjectKey, priority: Priority = 'fresh'): number {
    const id = formatKey(key);
    const failed = this.#failures.get(id) ?? 0;
    this.#failures.set(id, failed + 1);
    const afterMs = Math.min(this.#baseDelayMs * 2 ** failed, this.#maxDelayMs);
    this.#meter.retried();
    this.add(key, { afterMs, priority });
    return afterMs;
  }

  /** The key is well again: the next failure starts from the shortest delay. */
  forget(key: ObjectKey): void {
    this.#failures.delete(formatKey(key));
  }

  /** The next item as soon as there is one; undefined when the queue has stopped. Call `done` with its key afterwards. */
  get(): Promise<WorkItem | undefined> {
    if (this.#stopped) return Promise.resolve(undefined);
    const item = this.#take();
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve) => {
      this.#takers.push(resolve);
      this.#checkIdle();
    });
  }

  /** The work on this key has ended, well or badly. */
  done(key: ObjectKey): void {
    const entry = this.#entries.get(key);
    if (entry?.startedMs === undefined) return;
    this.#meter.finished(this.#clock.monotonic() - entry.startedMs);
    entry.startedMs = undefined;
    this.#processing.delete(entry);
    if (entry.dirty) {
      entry.dirty = false;
      this.#makeReady(entry);
    } else if (entry.at === undefined) {
      this.#entries.delete(entry);
    }
    if (this.#processing.size === 0) for (const resolve of this.#drainers.splice(0)) resolve();
    this.#checkIdle();
  }

  /** Takes nothing more, hands out nothing more and drops what waits (the next process looks at everything anyway). */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#timer?.handle.cancel();
    this.#timer = undefined;
    this.#delayed.clear();
    for (let entry = this.#shift(); entry !== undefined; entry = this.#shift()) entry.slot = undefined;
    this.#meter.depth(0);
    for (const entry of this.#entries.values()) {
      entry.dirty = false;
      if (entry.startedMs === undefined) this.#entries.delete(entry);
    }
    for (const resolve of this.#takers.splice(0)) resolve(undefined);
    if (this.#processing.size === 0) for (const resolve of this.#drainers.splice(0)) resolve();
    this.#meter.stop();
    this.#checkIdle();
  }

  /** Resolves once nothing is being worked on. Meant for after `stop`. */
  drained(): Promise<void> {
    return this.#processing.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#drainers.push(resolve));
  }

  /** Resolves when nothing is ready, due or being worked on. Delays that lie in the future do not count. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idlers.push(resolve);
      this.#checkIdle();
    });
  }

  #entry(key: ObjectKey): Entry {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: Entry = {
      namespace: key.namespace,
      name: key.name,
      priority: 'resync',
      slot: undefined,
      readySinceMs: undefined,
      dueMs: 0,
      at: undefined,
      turn: 0,
      startedMs: undefined,
      dirty: false,
    };
    this.#entries.set(entry, entry);
    return entry;
  }

  #addNow(entry: Entry, priority: Priority): void {
    if (priority === 'fresh' && entry.priority === 'resync') this.#promote(entry);
    this.#undelay(entry);
    if (entry.startedMs !== undefined) {
      if (!entry.dirty) this.#meter.added();
      entry.dirty = true;
    } else if (entry.slot === undefined) {
      this.#meter.added();
      this.#makeReady(entry);
    }
  }

  #addDelayed(entry: Entry, priority: Priority, dueMs: number): void {
    if (priority === 'fresh' && entry.priority === 'resync') this.#promote(entry);
    if (entry.slot !== undefined || entry.dirty) return;
    if (entry.at !== undefined && entry.dueMs <= dueMs) return;
    this.#undelay(entry);
    entry.dueMs = dueMs;
    this.#delayed.push(entry);
    this.#arm();
  }

  /** A key that waits among the resyncs and becomes urgent moves over; its wait so far still counts. */
  #promote(entry: Entry): void {
    entry.priority = 'fresh';
    if (entry.slot === undefined) return;
    this.#lanes.resync.cancel(entry.slot);
    entry.slot = this.#lanes.fresh.push(entry.namespace, entry);
  }

  #undelay(entry: Entry): void {
    this.#delayed.remove(entry);
  }

  #makeReady(entry: Entry): void {
    entry.readySinceMs = this.#clock.monotonic();
    entry.slot = this.#lanes[entry.priority].push(entry.namespace, entry);
    this.#meter.depth(this.depth);
    if (this.#takers.length === 0) return;
    // Not #take: what falls due in there would be handed to the same taker, and this item to nobody.
    const item = this.#takeReady();
    if (item !== undefined) this.#takers.shift()?.(item);
  }

  #take(): WorkItem | undefined {
    this.#moveDue();
    return this.#takeReady();
  }

  #takeReady(): WorkItem | undefined {
    const entry = this.#shift();
    if (entry === undefined) return undefined;
    const nowMs = this.#clock.monotonic();
    const item: WorkItem = { key: { namespace: entry.namespace, name: entry.name }, priority: entry.priority };
    entry.slot = undefined;
    entry.priority = 'resync';
    entry.startedMs = nowMs;
    this.#processing.add(entry);
    this.#meter.depth(this.depth);
    this.#meter.started(nowMs - (entry.readySinceMs ?? nowMs));
    entry.readySinceMs = undefined;
    return item;
  }

  #shift(): Entry | undefined {
    const { fresh, resync } = this.#lanes;
    if (fresh.size > 0 && (resync.size === 0 || this.#freshInARow < freshPerResync)) {
      this.#freshInARow = resync.size > 0 ? this.#freshInARow + 1 : 0;
      return fresh.shift();
    }
    this.#freshInARow = 0;
    return resync.shift();
  }

  #arm(): void {
    const next = this.#delayed.peek();
    if (next === undefined || this.#timer?.dueMs === next.dueMs) return;
    if (this.#timer !== undefined && this.#timer.dueMs < next.dueMs) return;
    this.#timer?.handle.cancel();
    const fire = (): void => {
      this.#timer = undefined;
      this.#moveDue();
      this.#arm();
      this.#checkIdle();
    };
    this.#timer = { dueMs: next.dueMs, handle: this.#clock.after(next.dueMs - this.#clock.monotonic(), fire) };
  }

  #moveDue(): void {
    const nowMs = this.#clock.monotonic();
    for (let next = this.#delayed.peek(); next !== undefined && next.dueMs <= nowMs; next = this.#delayed.peek()) {
      this.#delayed.pop();
      this.#addNow(next, next.priority);
    }
  }

  #checkIdle(): void {
    if (this.#idlers.length === 0) return;
    if (!this.#stopped) this.#moveDue();
    if (this.depth > 0 || this.#processing.size > 0) return;
    for (const resolve of this.#idlers.splice(0)) resolve();
  }

  #workingForMs(): { readonly longestMs: number; readonly sumMs: number } {
    const nowMs = this.#clock.monotonic();
    let longestMs = 0;
    let sumMs = 0;
    for (const entry of this.#processing) {
      const forMs = nowMs - (entry.startedMs ?? nowMs);
      longestMs = Math.max(longestMs, forMs);
      sumMs += forMs;
    }
    return { longestMs, sumMs };
  }
}
