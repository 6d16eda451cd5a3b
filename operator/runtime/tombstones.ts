/** What a store remembers of the objects it saw deleted: enough to know a late event for what it is. Bounded, oldest out first. */

export interface Tombstone<T> {
  /** The last state that was seen. */
  readonly object: T;
  /** The deletion was ours and no list has been seen since. */
  readonly unconfirmed: boolean;
}

export class Tombstones<T> {
  readonly #stones = new Map<string, Tombstone<T>>();
  readonly #unconfirmed = new Set<string>();
  readonly #most: number;

  constructor(most = 10_000) {
    this.#most = most;
  }

  get(key: string): Tombstone<T> | undefined {
    return this.#stones.get(key);
  }

  add(key: string, stone: Tombstone<T>): void {
    this.#stones.delete(key);
    this.#stones.set(key, stone);
    if (stone.unconfirmed) this.#unconfirmed.add(key);
    else this.#unconfirmed.delete(key);
    for (const oldest of this.#stones.keys()) {
      if (this.#stones.size <= this.#most) break;
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
