/** The secondary indexes of a store: for each index a map from value to the objects that named it. */

/** Each names the values under which an object can be found. Pure: it is asked again when the object leaves. */
export type Indexers<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

interface Index<T> {
  readonly valuesOf: (object: T) => readonly string[];
  /** A set only where it takes one: most values, such as an owner's uid, belong to one object, and a set costs 200 bytes. */
  readonly objects: Map<string, T | Set<T>>;
}

export class StoreIndexes<T extends object> {
  readonly #indexes = new Map<string, Index<T>>();
  readonly #onError: (error: unknown) => void;

  constructor(indexers: Indexers<T>, onError: (error: unknown) => void) {
    for (const [name, valuesOf] of Object.entries(indexers)) this.#indexes.set(name, { valuesOf, objects: new Map() });
    this.#onError = onError;
  }

  get(name: string, value: string): readonly T[] {
    const index = this.#indexes.get(name);
    if (index === undefined)
      throw new TypeError(`the store has no index "${name}"; it has ${[...this.#indexes.keys()].join(', ') || 'none'}`);
    const found = index.objects.get(value);
    if (found === undefined) return [];
    return found instanceof Set ? [...found] : [found];
  }

  add(object: T): void {
    for (const index of this.#indexes.values()) {
      for (const value of this.#valuesOf(index, object)) {
        const found = index.objects.get(value);
        if (found === undefined || found === object) index.objects.set(value, object);
        else if (found instanceof Set) found.add(object);
        else index.objects.set(value, new Set([found, object]));
      }
    }
  }

  delete(object: T): void {
    for (const index of this.#indexes.values()) {
      for (const value of this.#valuesOf(index, object)) {
        const found = index.objects.get(value);
        if (found === object) index.objects.delete(value);
        else if (found instanceof Set && found.delete(object) && found.size === 0) index.objects.delete(value);
      }
    }
  }

  #valuesOf(index: Index<T>, object: T): readonly string[] {
    try {
      return index.valuesOf(object);
    } catch (error) {
      this.#onError(error);
      return [];
    }
  }
}
