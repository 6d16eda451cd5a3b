/** A map by object key. Without "namespace/name" as a text for each entry, which would take more memory than most entries do. */
import type { ObjectKey } from '../kube/objects.ts';

export class KeyMap<V> {
  readonly #spaces = new Map<string, Map<string, V>>();

  get({ namespace, name }: ObjectKey): V | undefined {
    return this.#spaces.get(namespace)?.get(name);
  }

  set({ namespace, name }: ObjectKey, value: V): void {
    let space = this.#spaces.get(namespace);
    if (space === undefined) this.#spaces.set(namespace, (space = new Map<string, V>()));
    space.set(name, value);
  }

  delete({ namespace, name }: ObjectKey): void {
    const space = this.#spaces.get(namespace);
    if (space?.delete(name) === true && space.size === 0) this.#spaces.delete(namespace);
  }

  /** All values as they are now: the map may change while they are walked through. */
  values(): readonly V[] {
    return [...this.#spaces.values()].flatMap((space) => [...space.values()]);
  }
}
