/**
 * What the API server needs of a store: objects in buckets, one global revision, a bounded history for watches and for lists of the past.
 * Everything is synchronous, so one request sees and changes one consistent state. The in-memory store is memoryStorage.ts; with a journal
 * (sqliteJournal.ts) it outlives its process.
 */
import type { KubeObject, ObjectKey } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';

/** An object as stored: plain JSON, deeply frozen, with the resourceVersion of its last write. */
export type StoredObject = KubeObject & Readonly<Record<string, unknown>>;

export interface StorageEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly bucket: string;
  readonly revision: number;
  /** The new state; for DELETED the last state with the revision of the deletion. */
  readonly object: StoredObject;
  readonly previous?: StoredObject;
}

export interface Storage {
  /** The revision of the last write. */
  readonly revision: number;
  get(bucket: string, key: ObjectKey): StoredObject | undefined;
  /** In the order of namespace, then name. No namespace: all of them. */
  list(bucket: string, namespace?: string): readonly StoredObject[];
  /** The list as it was at a revision; undefined when history does not reach that far. */
  listAt(bucket: string, revision: number, namespace?: string): readonly StoredObject[] | undefined;
  /** Creates or replaces. Stamps the next revision and freezes; the caller hands the object over. */
  write(bucket: string, object: KubeObject): StoredObject;
  /** Removes and returns the last state; undefined when there is none. */
  remove(bucket: string, key: ObjectKey): StoredObject | undefined;
  /** Events after a revision, oldest first; undefined when history does not reach that far. */
  eventsSince(bucket: string, revision: number): readonly StorageEvent[] | undefined;
  /** The oldest revision a watch of this bucket may start from. */
  oldestRevision(bucket: string): number;
  /** Calls on after each write, in order, within the write. No bucket: all writes. */
  subscribe(bucket: string | undefined, on: (event: StorageEvent) => void): () => void;
  /** Forgets all history, as an etcd compaction would. */
  compact(): void;
}

/** Where a store keeps what must outlive the process. The history of changes is not kept. */
export interface Journal {
  /** The revision of the last write that is kept. */
  readonly revision: number;
  /** Everything that is kept, in no order. */
  objects(): Iterable<{ readonly bucket: string; readonly object: StoredObject }>;
  /** Keeps a write before it takes effect. When it throws, the write does not happen. */
  record(event: StorageEvent): void;
}

/**
 * The API as controllers inside this process use it. Writes go through the same rules as over HTTPS; failures are ApiFailure
 * with the Status a client would get.
 */
export interface SandboxApi {
  get(type: ResourceType, key: ObjectKey): StoredObject | undefined;
  list(type: ResourceType, namespace?: string): readonly StoredObject[];
  /** Replays what exists as ADDED, then follows, in order, asynchronously. Returns the function that ends it. */
  watch(type: ResourceType, on: (event: { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: StoredObject }) => void): () => void;
  create(type: ResourceType, object: StoredObject): StoredObject;
  /** Undefined: the object is gone, or mutate found nothing to change. */
  update(
    type: ResourceType,
    key: ObjectKey,
    mutate: (object: StoredObject) => StoredObject | undefined,
    subresource?: 'status',
  ): StoredObject | undefined;
  /** A deletion as a client asks for it, with the object's own grace; only the object with this uid. */
  delete(type: ResourceType, key: ObjectKey, uid: string): void;
  /** The end of a graceful deletion: grace 0, and only the object with this uid. Finalizers are still honoured. */
  remove(type: ResourceType, key: ObjectKey, uid: string): void;
}
