/**
 * Owner references: what has no living owner left is deleted; foreground deletion waits for the blocking dependents, orphaning removes the
 * references. An index by owner uid is kept from storage events, so a deletion costs as much as it has dependents.
 */
import type { ObjectKey, OwnerReference } from '../../operator/kube/objects.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import { ApiFailure } from '../api/failure.ts';
import type { ObjectService } from '../api/objectService.ts';
import type { Registry } from '../api/registry.ts';
import type { ResourceInfo } from '../api/resourceInfo.ts';
import type { Storage, StorageEvent, StoredObject } from '../storage/storage.ts';

interface Dependent {
  readonly bucket: string;
  readonly key: ObjectKey;
}

const idOf = (dependent: Dependent): string => `${dependent.bucket}|${dependent.key.namespace}|${dependent.key.name}`;

export class GarbageCollector {
  readonly #storage: Storage;
  readonly #service: ObjectService;
  readonly #registry: Registry;
  readonly #log: (line: string) => void;
  readonly #byOwner = new Map<string, Map<string, Dependent>>();
  readonly #queue = new Map<string, Dependent>();
  #scheduled = false;
  #stop: () => void = () => undefined;

  constructor(storage: Storage, service: ObjectService, registry: Registry, log: (line: string) => void) {
    this.#storage = storage;
    this.#service = service;
    this.#registry = registry;
    this.#log = log;
  }

  start(): void {
    this.#stop = this.#storage.subscribe(undefined, (event) => this.#observe(event));
    for (const bucket of new Set(this.#registry.all().map((info) => info.bucket))) {
      for (const object of this.#storage.list(bucket)) this.#observe({ type: 'ADDED', bucket, revision: 0, object });
    }
  }

  stop(): void {
    this.#stop();
  }

  #observe(event: StorageEvent): void {
    const { object, previous } = event;
    const self: Dependent = { bucket: event.bucket, key: keyOf(object) };
    const before = previous?.metadata.ownerReferences ?? [];
    const after = event.type === 'DELETED' ? [] : (object.metadata.ownerReferences ?? []);
    for (const owner of before) this.#unlink(owner.uid, self);
    for (const owner of after) this.#link(owner.uid, self);
    if (event.type !== 'DELETED') {
      if (after.length > 0 || object.metadata.deletionTimestamp !== undefined) this.#enqueue(self);
      return;
    }
    for (const dependent of this.#byOwner.get(object.metadata.uid ?? '')?.values() ?? []) this.#enqueue(dependent);
    // An owner that is deleted in the foreground waits for this object.
    for (const owner of before) this.#enqueueOwner(owner, self.key.namespace);
  }

  #link(uid: string, dependent: Dependent): void {
    let dependents = this.#byOwner.get(uid);
    if (dependents === undefined) this.#byOwner.set(uid, (dependents = new Map<string, Dependent>()));
    dependents.set(idOf(dependent), dependent);
  }

  #unlink(uid: string, dependent: Dependent): void {
    const dependents = this.#byOwner.get(uid);
    dependents?.delete(idOf(dependent));
    if (dependents?.size === 0) this.#byOwner.delete(uid);
  }

  #enqueueOwner(reference: OwnerReference, namespace: string): void {
    const info = this.#ownerInfo(reference);
    if (info !== undefined)
      this.#enqueue({ bucket: info.bucket, key: { namespace: info.namespaced ? namespace : '', name: reference.name } });
  }

  #enqueue(dependent: Dependent): void {
    this.#queue.set(idOf(dependent), dependent);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#drain());
  }

  #drain(): void {
    this.#scheduled = false;
    const batch = [...this.#queue.values()];
    this.#queue.clear();
    for (const item of batch) {
      try {
        this.#process(item);
      } catch (error) {
        // A conflict or a vanished object will be seen again through its own event.
        if (!(error instanceof ApiFailure)) this.#log(`garbage collector: ${idOf(item)}: ${String(error)}`);
      }
    }
  }

  #process(item: Dependent): void {
    const object = this.#storage.get(item.bucket, item.key);
    const info = object && this.#infoOf(item.bucket);
    if (info === undefined || object === undefined) return;
    if (object.metadata.deletionTimestamp !== undefined) {
      this.#finishDeletion(info, object);
      return;
    }
    const owners = object.metadata.ownerReferences ?? [];
    if (owners.length === 0) return;
    const living = owners.filter((owner) => this.#isAlive(owner, item.key.namespace));
    if (living.length === 0) {
      this.#service.delete(info, item.key, { uid: object.metadata.uid, propagationPolicy: this.#policyFor(object) });
    } else if (living.length < owners.length) {
      this.#service.modify(info, item.key, (current) => ({ ...current, metadata: { ...current.metadata, ownerReferences: living } }));
    }
  }

  /** Keeps orphaning and foreground deletion that the object itself asked for. */
  #policyFor(object: StoredObject): string {
    const finalizers = object.metadata.finalizers ?? [];
    return finalizers.includes('orphan') ? 'Orphan' : finalizers.includes('foregroundDeletion') ? 'Foreground' : 'Background';
  }

  #finishDeletion(info: ResourceInfo, object: StoredObject): void {
    const finalizers = object.metadata.finalizers ?? [];
    const dependents = [...(this.#byOwner.get(object.metadata.uid ?? '')?.values() ?? [])];
    if (finalizers.includes('orphan')) {
      for (const dependent of dependents) this.#orphan(dependent, object.metadata.uid);
      this.#dropFinalizer(info, object, 'orphan');
    } else if (finalizers.includes('foregroundDeletion')) {
      let blocking = 0;
      for (const dependent of dependents) blocking += this.#deleteForeground(dependent, object.metadata.uid);
      if (blocking === 0) this.#dropFinalizer(info, object, 'foregroundDeletion');
    }
  }

  #orphan(dependent: Dependent, ownerUid: string | undefined): void {
    const info = this.#infoOf(dependent.bucket);
    if (info === undefined || this.#storage.get(dependent.bucket, dependent.key) === undefined) return;
    this.#service.modify(info, dependent.key, (current) => {
      const rest = current.metadata.ownerReferences?.filter((owner) => owner.uid !== ownerUid);
      return { ...current, metadata: { ...current.metadata, ownerReferences: rest?.length === 0 ? undefined : rest } };
    });
  }

  /** 1 while the dependent still blocks its owner. */
  #deleteForeground(dependent: Dependent, ownerUid: string | undefined): number {
    const info = this.#infoOf(dependent.bucket);
    const object = this.#storage.get(dependent.bucket, dependent.key);
    if (info === undefined || object === undefined) return 0;
    const blocks = object.metadata.ownerReferences?.some((owner) => owner.uid === ownerUid && owner.blockOwnerDeletion === true) === true;
    const others =
      object.metadata.ownerReferences?.filter((owner) => owner.uid !== ownerUid && this.#isAlive(owner, dependent.key.namespace)) ?? [];
    if (others.length > 0) return 0;
    const gone =
      object.metadata.deletionTimestamp === undefined &&
      this.#service.delete(info, dependent.key, { propagationPolicy: 'Foreground' }).gone;
    return blocks && !gone ? 1 : 0;
  }

  #dropFinalizer(info: ResourceInfo, object: StoredObject, finalizer: string): void {
    this.#service.modify(info, keyOf(object), (current) => ({
      ...current,
      metadata: { ...current.metadata, finalizers: current.metadata.finalizers?.filter((name) => name !== finalizer) },
    }));
  }

  #ownerInfo(reference: OwnerReference): ResourceInfo | undefined {
    const slash = reference.apiVersion.indexOf('/');
    return this.#registry.findKind(slash < 0 ? '' : reference.apiVersion.slice(0, slash), reference.kind);
  }

  /** An owner of a kind that is not served counts as alive: nothing is deleted on a guess. */
  #isAlive(reference: OwnerReference, namespace: string): boolean {
    const info = this.#ownerInfo(reference);
    if (info === undefined) return true;
    const owner = this.#storage.get(info.bucket, { namespace: info.namespaced ? namespace : '', name: reference.name });
    return owner?.metadata.uid === reference.uid;
  }

  #infoOf(bucket: string): ResourceInfo | undefined {
    return this.#registry.all().find((info) => info.bucket === bucket);
  }
}
