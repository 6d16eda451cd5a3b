/**
 * The store in memory. Each write gets the next global revision; each bucket keeps its last events, so that watches can resume and
 * a list can show the state of a past revision by undoing what came later.
 */
import type { KubeObject, ObjectKey } from '../../operator/kube/objects.ts';
import type { Storage, StorageEvent, StoredObject } from './storage.ts';

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

export class MemoryStorage implements Storage {
  #revision = 1;
  readonly #buckets = new Map<string, Bucket>();
  readonly #allSubscribers = new Set<(event: StorageEvent) => void>();
  readonly #historySize: number;

  /** @param historySize events kept per bucket */
  constructor(historySize = 10_000) {
    this.#historySize = historySize;
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
    const revision = ++this.#revision;
    const stored = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }) as StoredObject;
    const space = this.#bucket(bucket).namespaces;
    const namespace = stored.metadata.namespace ?? '';
    let names = space.get(namespace);
    if (names === undefined) space.set(namespace, (names = new Map<string, StoredObject>()));
    const previous = names.get(stored.metadata.name);
    names.set(stored.metadata.name, stored);
    this.#publish({ type: previous === undefined ? 'ADDED' : 'MODIFIED', bucket, revision, object: stored, ...(previous && { previous }) });
    return stored;
  }

  remove(bucket: string, key: ObjectKey): StoredObject | undefined {
    const names = this.#buckets.get(bucket)?.namespaces.get(key.namespace);
    const previous = names?.get(key.name);
    if (names === undefined || previous === undefined) return undefined;
    const revision = ++this.#revision;
    names.delete(key.name);
    if (names.size === 0) this.#bucket(bucket).namespaces.delete(key.namespace);
    const object = deepFreeze({ ...previous, metadata: { ...previous.metadata, resourceVersion: String(revision) } }) as StoredObject;
    this.#publish({ type: 'DELETED', bucket, revision, object, previous });
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
      bucket = { namespaces: new Map(), history: [], compactedRevision: 0, subscribers: new Set(), sorted: new Map() };
      this.#buckets.set(name, bucket);
    }
    return bucket;
  }

  #publish(event: StorageEvent): void {
    const bucket = this.#bucket(event.bucket);
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
