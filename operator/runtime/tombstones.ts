/** What a store remembers of the objects it saw deleted: enough to know a late event for what it is. Bounded in number and in time, oldest out first. */

export interface Tombstone<T> {
  /** The last state that was seen. */
  readonly object: T;
  /** The deletion was ours and no list has been seen since. */
  readonly unconfirmed: boolean;
}

export interface TombstoneOptions {
  /** How many at most. Default 10,000. */
  readonly most?: number;
  /**
   * How long each, in milliseconds. Default: five minutes. Late news come within one, and the pass that the deletion wakes at once, or after a few
   * retries; where hundreds of pods go every minute, the last states of all of them are most of what a process would hold.
   */
  readonly keepMs?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly nowMs: () => number;
}

const defaultKeepMs = 5 * 60_000;

interface Dated<T> extends Tombstone<T> {
  readonly sinceMs: number;
}

export class Tombstones<T> {
  /** In the order in which they were set. */
  readonly #stones = new Map<string, Dated<T>>();
  readonly #unconfirmed = new Set<string>();
  readonly #most: number;
  readonly #keepMs: number;
  readonly #nowMs: () => number;

  constructor({ most = 10_000, keepMs = defaultKeepMs, nowMs }: TombstoneOptions) {
    this.#most = most;
    this.#keepMs = keepMs;
    this.#nowMs = nowMs;
  }

  get(key: string): Tombstone<T> | undefined {
    return this.#stones.get(key);
  }

  add(key: string, stone: Tombstone<T>): void {
    this.#stones.delete(key);
    this.#stones.set(key, { ...stone, sinceMs: this.#nowMs() });
    if (stone.unconfirmed) this.#unconfirmed.add(key);
    else this.#unconfirmed.delete(key);
    this.sweep();
  }

  /** Drops what is too old or too many. Costs nothing while there is nothing to drop. */
  sweep(): void {
    if (this.#stones.size === 0) return;
    const fromMs = this.#nowMs() - this.#keepMs;
    for (const [oldest, { sinceMs }] of this.#stones) {
      if (this.#stones.size <= this.#most && sinceMs >= fromMs) break;
      this.#stones.delete(oldest);
      this.#unconfirmed.delete(oldest);
    }
  }

  /** What was remembered never happened. */
  clear(): void {
    this.#stones.clear();
    this.#unconfirmed.clear();
  }

  /** A list has been seen: from now on it, not the tombstone, says what exists. */
  confirm(): void {
    for (const key of this.#unconfirmed) {
      const stone = this.#stones.get(key);
      if (stone !== undefined) this.#stones.set(key, { ...stone, unconfirmed: false });
    }
    this.#unconfirmed.clear();
  }
}
