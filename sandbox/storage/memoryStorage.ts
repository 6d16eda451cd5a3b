/**
 * The store in memory. Each write gets the next global revision; each bucket keeps its last events, so that watches can resume and
 * a list can show the state of a past revision by undoing what came later. With a journal it begins with what that has kept, at its
 * revision, with no history.
 */
import type { KubeObject, ObjectKey } from '../../operator/kube/objects.ts';
import type { Journal, Storage, StorageEvent, StoredObject } from './storage.ts';

interface Bucket {
  readonly namespaces: Map<string, Map<string, StoredObject>>;
  /** Oldest first. */
  history: StorageEvent[];
  /** All events after this revision are in history. */
  compactedRevision: number;
  readonly subscribers: Set<(event: StorageEvent) => void>;
  /** Lists by namespace (undefined: all), until the next write: the pages of one list are sorted once. */
  readonly sorted: Map<string | undefined, readonly StoredObject[]>;
}

const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const storageKey = (object: KubeObject): string => `${object.metadata.namespace ?? ''}/${object.metadata.name}`;

export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
  return value;
}

export interface MemoryStorageOptions {
  /** Events kept per bucket. */
  readonly historySize?: number | undefined;
  readonly journal?: Journal | undefined;
}

export class MemoryStorage implements Storage {
  #revision = 1;
  /** Nothing is known of what happened up to here. */
  readonly #firstRevision: number;
  readonly #buckets = new Map<string, Bucket>();
  readonly #allSubscribers = new Set<(event: StorageEvent) => void>();
  readonly #historySize: number;
  readonly #journal: Journal | undefined;

  constructor({ historySize = 10_000, journal }: MemoryStorageOptions = {}) {
    this.#historySize = historySize;
    this.#journal = journal;
    this.#revision = journal?.revision ?? 1;
    this.#firstRevision = journal === undefined ? 0 : this.#revision;
    for (const { bucket, object } of journal?.objects() ?? []) this.#names(bucket, object).set(object.metadata.name, deepFreeze(object));
  }

  get revision(): number {
    return this.#revision;
  }

  get(bucket: string, key: ObjectKey): StoredObject | undefined {
    return this.#buckets.get(bucket)?.namespaces.get(key.namespace)?.get(key.name);
  }

  list(bucket: string, namespace?: string): readonly StoredObject[] {
    const found = this.#buckets.get(bucket);
    if (found === undefined) return [];
    const known = found.sorted.get(namespace);
    if (known !== undefined) return known;
    const names = namespace === undefined ? [...found.namespaces.keys()].sort(byCode) : [namespace];
    const sorted = names.flatMap((name) =>
      [...(found.namespaces.get(name)?.values() ?? [])].sort((a, b) => byCode(a.metadata.name, b.metadata.name)),
    );
    found.sorted.set(namespace, sorted);
    return sorted;
  }

  listAt(bucket: string, revision: number, namespace?: string): readonly StoredObject[] | undefined {
    const later = this.eventsSince(bucket, revision);
    if (later === undefined) return undefined;
    if (later.length === 0) return this.list(bucket, namespace);
    const state = new Map(this.list(bucket, namespace).map((object) => [storageKey(object), object]));
    for (const event of later.toReversed()) {
      if (namespace !== undefined && event.object.metadata.namespace !== namespace) continue;
      if (event.previous === undefined) state.delete(storageKey(event.object));
      else state.set(storageKey(event.object), event.previous);
    }
    return [...state.values()].sort(
      (a, b) => byCode(a.metadata.namespace ?? '', b.metadata.namespace ?? '') || byCode(a.metadata.name, b.metadata.name),
    );
  }

  write(bucket: string, object: KubeObject): StoredObject {
    const revision = this.#revision + 1;
    const stored = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }) as StoredObject;
    const previous = this.get(bucket, { namespace: stored.metadata.namespace ?? '', name: stored.metadata.name });
    const type = previous === undefined ? 'ADDED' : 'MODIFIED';
    const event: StorageEvent = { type, bucket, revision, object: stored, ...(previous && { previous }) };
    this.#journal?.record(event);
    this.#names(bucket, stored).set(stored.metadata.name, stored);
    this.#publish(event);
    return stored;
  }

  /** The objects beside this one, by name. */
  #names(bucket: string, { metadata: { namespace = '' } }: KubeObject): Map<string, StoredObject> {
    const { namespaces } = this.#bucket(bucket);
    let names = namespaces.get(namespace);
    if (names === undefined) namespaces.set(namespace, (names = new Map<string, StoredObject>()));
    return names;
  }

  remove(bucket: string, key: ObjectKey): StoredObject | undefined {
    const names = this.#buckets.get(bucket)?.namespaces.get(key.namespace);
    const previous = names?.get(key.name);
    if (names === undefined || previous === undefined) return undefined;
    const revision = this.#revision + 1;
    const object = deepFreeze({ ...previous, metadata: { ...previous.metadata, resourceVersion: String(revision) } }) as StoredObject;
    const event: StorageEvent = { type: 'DELETED', bucket, revision, object, previous };
    this.#journal?.record(event);
    names.delete(key.name);
    if (names.size === 0) this.#bucket(bucket).namespaces.delete(key.namespace);
    this.#publish(event);
    return object;
  }

  eventsSince(bucket: string, revision: number): readonly StorageEvent[] | undefined {
    const { history, compactedRevision } = this.#bucket(bucket);
    if (revision < compactedRevision) return undefined;
    let low = 0;
    let high = history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((history[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return history.slice(low);
  }

  oldestRevision(bucket: string): number {
    return this.#bucket(bucket).compactedRevision;
  }

  subscribe(bucket: string | undefined, on: (event: StorageEvent) => void): () => void {
    const subscribers = bucket === undefined ? this.#allSubscribers : this.#bucket(bucket).subscribers;
    subscribers.add(on);
    return () => subscribers.delete(on);
  }

  compact(): void {
    for (const bucket of this.#buckets.values()) {
      bucket.history = [];
      bucket.compactedRevision = this.#revision;
    }
  }

  #bucket(name: string): Bucket {
    let bucket = this.#buckets.get(name);
    if (bucket === undefined) {
      bucket = { namespaces: new Map(), history: [], compactedRevision: this.#firstRevision, subscribers: new Set(), sorted: new Map() };
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }

  #publish(event: StorageEvent): void {
    const bucket = this.#bucket(event.bucket);
    this.#revision = event.revision;
    bucket.sorted.clear();
    bucket.history.push(event);
    if (bucket.history.length > this.#historySize * 1.25) {
      const dropped = bucket.history.splice(0, bucket.history.length - this.#historySize);
      bucket.compactedRevision = dropped.at(-1)?.revision ?? bucket.compactedRevision;
    }
    for (const on of bucket.subscribers) on(event);
    for (const on of this.#allSubscribers) on(event);
  }
}
