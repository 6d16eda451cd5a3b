/** Writes of one resource type whose responses go into the store at once, so that the next pass reads what this one wrote. */
import type { CallOptions, DeleteOptions, PatchOptions, WriteOptions } from '../kube/client.ts';
import { isNotFound } from '../kube/errors.ts';
import type { KubeObject, ObjectKey } from '../kube/objects.ts';
import { mergePatch } from '../kube/patch.ts';
import type { Patch } from '../kube/patch.ts';
import type { ResourceType } from '../kube/resource.ts';
import type { Store } from './store.ts';

/** The calls a writer makes: a KubeClient, or a test's own. */
export interface WriteClient {
  create<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, patch: Patch, options?: PatchOptions): Promise<T>;
  remove<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, options?: DeleteOptions): Promise<T | undefined>;
}

export class ObjectWriter<T extends KubeObject> {
  readonly type: ResourceType<T>;
  readonly #client: WriteClient;
  readonly #store: Store<T> | undefined;

  constructor(client: WriteClient, type: ResourceType<T>, store?: Store<T>) {
    this.#client = client;
    this.type = type;
    this.#store = store;
  }

  async create(object: T, options: WriteOptions = {}): Promise<T> {
    return this.#recorded(await this.#client.create(this.type, object, options), options);
  }

  async patch(key: ObjectKey, patch: Patch, options: PatchOptions = {}): Promise<T> {
    return this.#recorded(await this.#client.patch(this.type, key, patch, options), options);
  }

  /**
   * A merge patch of the status subresource. The body is sent as it is, so it has a `status`; with `metadata.resourceVersion` in it the
   * write fails with Conflict when the object has changed since.
   */
  async patchStatus(key: ObjectKey, body: { readonly status: object; readonly metadata?: object }, options: CallOptions = {}): Promise<T> {
    return this.patch(key, mergePatch(body), { ...options, subresource: 'status' });
  }

  /**
   * Asks for the deletion. The store forgets the object when the server says that it is gone, and not while it is still terminating.
   * NotFound is thrown like any other error, after the store has learned of it.
   */
  async delete(key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    const present = this.#store?.get(key);
    const known = options.uid === undefined || present?.metadata.uid === options.uid ? present : undefined;
    let left: T | undefined;
    try {
      left = await this.#client.remove(this.type, key, options);
    } catch (error) {
      if (isNotFound(error) && known !== undefined) this.#store?.recordDeleted(known);
      throw error;
    }
    // An answer without a deletionTimestamp is the last state of an object that is gone already.
    if (left?.metadata.deletionTimestamp !== undefined) this.#store?.record(left);
    else if (known !== undefined) this.#store?.recordDeleted(known);
  }

  /** An object as a read of ours has just shown it, for what the cache may not show yet: the answer of its write was lost, say. */
  noticed(object: T): void {
    this.#store?.record(object);
  }

  #recorded(object: T, options: WriteOptions): T {
    if (options.dryRun !== true) this.#store?.record(object);
    return object;
  }
}
