/**
 * One of many equal values, for caches of objects that have much in common. What was asked for last is remembered, up to a limit: a value
 * that comes again later is kept a second time, and nothing else happens.
 */

/** As a store's objects are: whoever shares a value must not change it. */
export class SharedValues {
  readonly #known = new Map<unknown, unknown>();
  readonly #most: number;

  constructor(most = 10_000) {
    this.#most = most;
  }

  /** A value that is equal to this one as JSON. */
  of<T>(value: T): T {
    if (typeof value !== 'string' && (typeof value !== 'object' || value === null)) return value;
    // An object begins with a bracket as JSON; a text is its own key. Both would have to be the same text to be mixed up.
    const key = typeof value === 'string' ? value : `\0${JSON.stringify(value)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known as T;
    if (this.#known.size >= this.#most) this.#known.clear();
    this.#known.set(key, value);
    return value;
  }
}
