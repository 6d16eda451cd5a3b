/** Chance that can be had again: every number follows from a seed, so a failing test is replayed by its seed. */

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A number of 32 bits that follows from the text (FNV-1a). */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

/** Picks among things by chance. */
export class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  /** In [0, 1). */
  roll(): number {
    return this.#random();
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** One of them; throws when there is none. */
  pick<T>(of: readonly T[]): T {
    const picked = of[Math.floor(this.#random() * of.length)];
    if (picked === undefined) throw new Error('there is nothing to pick from');
    return picked;
  }

  /** One by its weight. */
  weighted<T>(of: readonly (readonly [weight: number, T])[]): T {
    let left = this.#random() * of.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, each] of of) {
      left -= weight;
      if (left < 0) return each;
    }
    return this.pick(of)[1];
  }
}
