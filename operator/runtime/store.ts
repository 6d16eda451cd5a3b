/**
 * The objects of one resource type as this process knows them. Fed by a reflector, and by our own writes at once, so that a
 * reconciler reads what it has just written. An object never goes back to an older version and a deleted one never comes back,
 * however late a watch event or a write's response arrives; only a new list may correct what the store believes.
 */
import type { KubeObject, ObjectKey } from '../kube/objects.ts';
import { formatKey, keyOf } from '../kube/objects.ts';
import { StoreIndexes } from './storeIndexes.ts';
import type { Indexers } from './storeIndexes.ts';
import { compareVersions } from './resourceVersion.ts';
import { realClock } from './clock.ts';
import { Tombstones, type TombstoneOptions } from './tombstones.ts';

export type Change<T> = {
  readonly type: 'added' | 'updated' | 'deleted';
  /** For a deletion: the last state that was seen. */
  readonly object: T;
  /** For an update. */
  readonly previous?: T;
  /** Set while the first list is delivered. */
  readonly initial?: boolean;
};

/** What reconcilers see of a store. Objects are frozen: whoever wants to change one makes a copy. */
export interface StoreReader<T> {
  get(key: ObjectKey): T | undefined;
  /** In no particular order; of one namespace or of all. */
  list(namespace?: string): readonly T[];
  /** The objects for which the indexer named this value. Throws for an index that does not exist. */
  byIndex(index: string, value: string): readonly T[];
  /** Whether a complete list has been seen. Before that, absence means nothing. */
  readonly hasSynced: boolean;
  readonly size: number;
  /** The last state of an object that this process saw deleted, for a while (see StoreOptions). May be of an earlier object of the same name. */
  lastDeleted(key: ObjectKey): T | undefined;
}

export interface StoreOptions<T> {
  readonly indexers?: Indexers<T>;
  /** Keeps only what is read. Must return a new object or the same; must not change its argument. */
  readonly transform?: (object: T) => T;
  /** How deep objects are frozen: 1 is the object itself. Default: all the way, which costs about as much as half of parsing it. */
  readonly freezeLevels?: number;
  /** How many deleted objects are remembered, and how long: 10,000 and five minutes where nothing is said. */
  readonly tombstones?: Partial<TombstoneOptions>;
  /** What makes an object unusable, as whoever sent it let it in: it is left out, until a version comes that is not. Default: nothing. */
  readonly problemOf?: (object: T) => string | undefined;
  /** A subscriber, an indexer or the transform threw. The store goes on without it. */
  readonly onError?: (error: unknown, what: 'subscriber' | 'indexer' | 'transform') => void;
}

export type StoreEvent<T> = { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T };

export class Store<T extends KubeObject> implements StoreReader<T> {
  readonly #spaces = new Map<string, Map<string, T>>();
  readonly #indexes: StoreIndexes<T>;
  readonly #transform: ((object: T) => T) | undefined;
  readonly #freezeLevels: number;
  readonly #problemOf: (object: T) => string | undefined;
  /** Keys of objects that exist and are left out. */
  readonly #leftOut = new Set<string>();
  readonly #onError: NonNullable<StoreOptions<T>['onError']>;
  readonly #subscribers = new Set<(change: Change<T>) => void>();
  readonly #tombstones: Tombstones<T>;
  /** Keys of own writes that neither the watch nor a list has confirmed. */
  readonly #own = new Set<string>();
  readonly #synced = Promise.withResolvers<void>();
  /** All changes up to this version have been seen. */
  #observed: string | undefined;
  #hasSynced = false;
  #size = 0;

  constructor(options: StoreOptions<T> = {}) {
    this.#transform = options.transform;
    this.#freezeLevels = options.freezeLevels ?? Infinity;
    this.#problemOf = options.problemOf ?? (() => undefined);
    this.#tombstones = new Tombstones<T>({ nowMs: () => realClock.monotonic(), ...options.tombstones });
    this.#onError = options.onError ?? (() => undefined);
    this.#indexes = new StoreIndexes(options.indexers ?? {}, (error) => this.#onError(error, 'indexer'));
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Resolves with the first complete list. */
  get whenSynced(): Promise<void> {
    return this.#synced.promise;
  }

  get size(): number {
    return this.#size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#spaces.get(key.namespace)?.get(key.name);
  }

  list(namespace?: string): readonly T[] {
    if (namespace !== undefined) return [...(this.#spaces.get(namespace)?.values() ?? [])];
    const all: T[] = [];
    for (const space of this.#spaces.values()) for (const object of space.values()) all.push(object);
    return all;
  }

  byIndex(index: string, value: string): readonly T[] {
    return this.#indexes.get(index, value);
  }

  lastDeleted(key: ObjectKey): T | undefined {
    return this.#tombstones.get(formatKey(key))?.object;
  }

  /** Every change from now on, in order. A subscriber that throws is reported and does not disturb the others. Returns how to end it. */
  subscribe(fn: (change: Change<T>) => void): () => void {
    const own = (change: Change<T>): void => fn(change);
    this.#subscribers.add(own);
    return () => {
      this.#subscribers.delete(own);
    };
  }

  /** The response of a write of ours. Ignored when the store has seen something newer. */
  record(object: T): void {
    if (isGone(object)) {
      this.recordDeleted(object);
      return;
    }
    const key = formatKey(keyOf(object));
    if (!this.accepts(object)) return;
    // Older than what the watch has shown, and not there: somebody has deleted it before the response came.
    if (this.#at(object) === undefined && (compareVersions(object.metadata.resourceVersion, this.#observed) ?? 1) <= 0) return;
    if (this.#isStale(key, object)) return;
    this.#own.add(key);
    this.#emit(this.#put(this.#ingest(object)));
  }

  /** The server confirmed that this object is gone. A newer object of the same name stays. */
  recordDeleted(object: T): void {
    this.#remove(object, true);
  }

  /** Reflector: one event of the watch. */
  apply(event: StoreEvent<T>): void {
    const { object } = event;
    const key = formatKey(keyOf(object));
    this.observe(object.metadata.resourceVersion);
    if (event.type !== 'DELETED' && !this.accepts(object)) {
      this.#leaveOut(this.#at(object));
      return;
    }
    if (event.type === 'DELETED') {
      // One that was left out is nobody's business, and may have any shape.
      if (!this.#leftOut.delete(key)) this.#remove(object, false);
      return;
    }
    if (compareVersions(object.metadata.resourceVersion, this.#at(object)?.metadata.resourceVersion) === 0) this.#own.delete(key);
    if (this.#isStale(key, object)) return;
    this.#own.delete(key);
    this.#emit(this.#put(this.#ingest(object)));
  }

  /** Reflector: whether the object can be kept. One that cannot is remembered, so that a later version of it counts. */
  accepts(object: T): boolean {
    if (this.#problemOf(object) === undefined) return true;
    this.#leftOut.add(formatKey(keyOf(object)));
    return false;
  }

  /** Reflector: nothing more will come up to this version. */
  observe(resourceVersion: string | undefined): void {
    this.#tombstones.sweep();
    if ((compareVersions(resourceVersion, this.#observed) ?? 1) > 0) this.#observed = resourceVersion;
  }

  /**
   * Reflector: the complete list as of resourceVersion. It is the truth, with one exception: what we wrote or deleted while the list
   * was under way is kept, until the next list. A list that is older than what has been seen tells of a restore from a backup: then
   * nothing is kept.
   */
  replace(items: readonly T[], resourceVersion: string): void {
    this.replacePrepared(
      items.map((item) => this.prepare(item)),
      resourceVersion,
    );
  }

  /**
   * What the store keeps of an object, which is the one that it holds when nothing has changed. A list comes in pages, and the whole objects
   * of all of them would be many times as large.
   */
  prepare(object: T): T {
    const present = this.#at(object);
    const { uid, resourceVersion } = object.metadata;
    const isHeld = uid !== undefined && present?.metadata.uid === uid && present.metadata.resourceVersion === resourceVersion;
    return isHeld ? present : this.#ingest(object);
  }

  /** As replace, for items that prepare has returned. */
  replacePrepared(items: readonly T[], resourceVersion: string): void {
    const initial = !this.#hasSynced;
    const isRestored = (compareVersions(resourceVersion, this.#observed) ?? 0) < 0;
    if (isRestored) {
      this.#own.clear();
      this.#tombstones.clear();
    }
    const changes: Change<T>[] = [];
    const listed = new Set<string>();
    for (const item of items) {
      const key = formatKey(keyOf(item));
      listed.add(key);
      if (!this.#isOverruled(key, item)) changes.push(...this.#put(item));
    }
    for (const object of this.list()) {
      const key = formatKey(keyOf(object));
      if (listed.has(key) || (this.#own.has(key) && (compareVersions(object.metadata.resourceVersion, resourceVersion) ?? 1) > 0)) continue;
      changes.push(...this.#take(object, object, false));
    }
    this.#own.clear();
    // Versions of what is gone now lie in the future: they would hide what is made from here on.
    if (isRestored) this.#tombstones.clear();
    this.#tombstones.confirm();
    this.#observed = resourceVersion;
    this.#hasSynced = true;
    this.#emit(initial ? changes.map((change) => ({ ...change, initial })) : changes);
    this.#synced.resolve();
  }

  #at(object: T): T | undefined {
    return this.#spaces.get(object.metadata.namespace ?? '')?.get(object.metadata.name);
  }

  /** Whether the store has seen this version or a later one already. */
  #isStale(key: string, object: T): boolean {
    const version = object.metadata.resourceVersion;
    const present = this.#at(object);
    if (present !== undefined) return (compareVersions(version, present.metadata.resourceVersion) ?? 1) <= 0;
    const buried = this.#tombstones.get(key)?.object;
    const isGoneForGood = buried !== undefined && isSame(buried, object) && !this.#leftOut.has(key);
    return buried !== undefined && (isGoneForGood || (compareVersions(version, buried.metadata.resourceVersion) ?? 1) <= 0);
  }

  /** Whether an own write since the last list says more than this item of a list. */
  #isOverruled(key: string, item: T): boolean {
    const version = item.metadata.resourceVersion;
    const present = this.#at(item);
    if (present !== undefined) {
      const order = compareVersions(version, present.metadata.resourceVersion);
      return order === 0 || (this.#own.has(key) && (order ?? 1) < 0);
    }
    const tombstone = this.#tombstones.get(key);
    if (tombstone?.unconfirmed !== true) return false;
    return isSame(tombstone.object, item) || (compareVersions(version, tombstone.object.metadata.resourceVersion) ?? 1) <= 0;
  }

  #remove(object: T, own: boolean): void {
    const key = formatKey(keyOf(object));
    const present = this.#at(object);
    const known = present ?? this.#tombstones.get(key)?.object;
    // Late news of an earlier object of this name.
    if (
      known !== undefined &&
      !isSame(known, object) &&
      (compareVersions(object.metadata.resourceVersion, known.metadata.resourceVersion) ?? 1) < 0
    )
      return;
    this.#own.delete(key);
    this.#emit(this.#take(present, this.#ingest(object), own));
  }

  /** Takes out what a version that cannot be used follows, as it was last seen. */
  #leaveOut(present: T | undefined): void {
    if (present !== undefined) this.#emit(this.#take(present, present, false));
  }

  /** Takes the object out, leaving a tombstone. */
  #take(present: T | undefined, last: T, unconfirmed: boolean): Change<T>[] {
    const { namespace = '', name } = last.metadata;
    this.#tombstones.add(formatKey({ namespace, name }), { object: last, unconfirmed });
    if (present === undefined) return [];
    const space = this.#spaces.get(namespace);
    space?.delete(name);
    if (space?.size === 0) this.#spaces.delete(namespace);
    this.#size -= 1;
    this.#indexes.delete(present);
    return [{ type: 'deleted', object: last }];
  }

  #put(object: T): Change<T>[] {
    const { namespace = '', name } = object.metadata;
    const previous = this.#at(object);
    if (previous !== undefined && !isSame(previous, object)) return [...this.#take(previous, previous, false), ...this.#put(object)];
    let space = this.#spaces.get(namespace);
    if (space === undefined) this.#spaces.set(namespace, (space = new Map<string, T>()));
    space.set(name, object);
    if (this.#leftOut.size > 0) this.#leftOut.delete(formatKey(keyOf(object)));
    if (previous === undefined) this.#size += 1;
    else this.#indexes.delete(previous);
    this.#indexes.add(object);
    return previous === undefined ? [{ type: 'added', object }] : [{ type: 'updated', object, previous }];
  }

  #ingest(object: T): T {
    let kept = object;
    try {
      if (this.#transform !== undefined) kept = this.#transform(object);
    } catch (error) {
      this.#onError(error, 'transform');
    }
    return freeze(kept, this.#freezeLevels);
  }

  #emit(changes: readonly Change<T>[]): void {
    for (const change of changes) {
      for (const subscriber of this.#subscribers) {
        try {
          subscriber(change);
        } catch (error) {
          this.#onError(error, 'subscriber');
        }
      }
    }
  }
}

/** The same object, not only one of the same name. Without uids (in tests) the name decides. */
const isSame = (a: KubeObject, b: KubeObject): boolean =>
  a.metadata.uid === undefined || b.metadata.uid === undefined || a.metadata.uid === b.metadata.uid;

/** A write's response that shows the last state of an object: its deletion was asked for, and nothing holds it any more. */
export const isGone = ({ metadata }: KubeObject): boolean =>
  metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0 && (metadata.finalizers ?? []).length === 0;

/** Freezes plain JSON, so many levels down. What is frozen already is taken to be so to that depth. */
export function freeze<V>(value: V, levels = Infinity): V {
  if (levels <= 0 || typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  if (Array.isArray(value)) for (const each of value) freeze(each, levels - 1);
  else for (const name in value) freeze(value[name], levels - 1);
  return value;
}
