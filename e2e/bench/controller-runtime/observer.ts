/**
 * What the cluster shows of the widgets, by one watch that belongs to the driver: when each status came, and how long after the change that it
 * answers. Both times are taken from the same stream, so neither the driver's requests nor the operator's clock have a part in them.
 */
import type { KubeClient } from '../../../operator/kube/client.ts';
import { formatKey, keyOf } from '../../../operator/kube/objects.ts';
import { follow } from '../measuring/follow.ts';
import { widgets } from './widget.ts';
import type { Widget } from './widget.ts';

interface Seen {
  /** The newest generation that the watch has shown. */
  generation: number;
  /** The newest generation that is known of: a write's answer may come before the watch shows it. */
  wanted: number;
  /** The newest generation that a status has answered. */
  observed: number;
  /** When each generation after `observed` was first seen, oldest first. */
  readonly since: number[];
  run: string;
}

const stallMs = 60_000;

export class Observer {
  readonly #seen = new Map<string, Seen>();
  readonly #run: string;
  #marked = 0;
  #behind = 0;
  #firstMs: number | undefined;
  #lastMs = 0;
  #changedMs = performance.now();
  #latenciesMs: number[] = [];
  #wake = Promise.withResolvers<void>();
  readonly #stop = new AbortController();

  private constructor(run: string) {
    this.#run = run;
  }

  /** Resolves when the list is read. `run` is what the statuses that count will name. */
  static async start(client: KubeClient, run: string): Promise<Observer> {
    const observer = new Observer(run);
    await follow(client, widgets, {}, observer.#stop.signal, (widget) => observer.#take(widget));
    return observer;
  }

  stop(): void {
    this.#stop.abort();
  }

  /** The times of the first and the last status of this run. */
  get statusMs(): { readonly first: number; readonly last: number } {
    return { first: this.#firstMs ?? NaN, last: this.#lastMs };
  }

  /** From a change to its status, for each change since the last call. */
  takeLatenciesMs(): readonly number[] {
    const taken = this.#latenciesMs;
    this.#latenciesMs = [];
    return taken;
  }

  /** The driver has made this change: nothing is settled before its status came. */
  expect(changed: Widget): void {
    const seen = this.#of(changed);
    const before = isBehind(seen);
    seen.wanted = Math.max(seen.wanted, changed.metadata.generation ?? 0);
    this.#behind += isBehind(seen) - before;
  }

  /** Resolves when so many objects carry a status of this run, and each status answers the newest generation. Throws when nothing moves for a minute. */
  async settled(count: number): Promise<void> {
    while (this.#marked < count || this.#behind > 0) {
      const timer = setTimeout(() => this.#wake.resolve(), stallMs);
      await this.#wake.promise;
      clearTimeout(timer);
      this.#wake = Promise.withResolvers<void>();
      if (performance.now() - this.#changedMs >= stallMs)
        throw new Error(`${this.#run} stands still: ${this.#marked} of ${count} objects have its status, ${this.#behind} are behind`);
    }
  }

  #of(widget: Widget): Seen {
    const key = formatKey(keyOf(widget));
    let seen = this.#seen.get(key);
    if (seen !== undefined) return seen;
    const generation = widget.metadata.generation ?? 0;
    seen = { generation, wanted: generation, observed: widget.status?.observedGeneration ?? 0, since: [], run: '' };
    this.#seen.set(key, seen);
    this.#behind += isBehind(seen);
    return seen;
  }

  #take(widget: Widget): void {
    const nowMs = performance.now();
    const generation = widget.metadata.generation ?? 0;
    const seen = this.#of(widget);
    const before = isBehind(seen);
    for (let next = seen.generation + 1; next <= generation; next += 1) seen.since.push(nowMs);
    seen.generation = Math.max(seen.generation, generation);
    seen.wanted = Math.max(seen.wanted, generation);
    if (widget.status?.run === this.#run) this.#answered(seen, widget.status.observedGeneration ?? 0, nowMs);
    this.#behind += isBehind(seen) - before;
    this.#changedMs = nowMs;
    this.#wake.resolve();
  }

  #answered(seen: Seen, observed: number, nowMs: number): void {
    if (seen.run !== this.#run) {
      seen.run = this.#run;
      this.#marked += 1;
      this.#firstMs ??= nowMs;
    }
    if (observed > seen.observed) {
      const answered = Math.min(seen.since.length, observed - seen.observed);
      for (const sinceMs of seen.since.splice(0, answered)) this.#latenciesMs.push(nowMs - sinceMs);
      seen.observed = observed;
    }
    this.#lastMs = nowMs;
  }
}

const isBehind = ({ observed, wanted }: Seen): number => Number(observed < wanted);
