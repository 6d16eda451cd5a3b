/**
 * What a write means: defaulting, validation, generation, optimistic concurrency, finalizers and graceful deletion, in Kubernetes' order.
 * HTTP handlers and in-process controllers both come through here. Every method is synchronous, so a read-modify-write cannot interleave.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import { deepFreeze } from '../storage/memoryStorage.ts';
import type { Storage, StoredObject } from '../storage/storage.ts';
import { isHeld, planDeletion } from './deletion.ts';
import type { DeletionPlan } from './deletion.ts';
import { ApiFailure, alreadyExists, forbidden, invalid, notFound } from './failure.ts';
import { checkIdentity, checkNamespace, decodeIncoming, desiredChanged, keepSystemFields, metaOf, setOrDelete } from './incoming.ts';
import { asObject, asString, cloneJson, equalJson, isObject } from './json.ts';
import type { JsonObject } from './json.ts';
import { metadataErrors } from './objectMeta.ts';
import { hasStatusSubresource } from './resourceInfo.ts';
import type { ResourceInfo } from './resourceInfo.ts';
import type { DeleteOptions, WriteOptions } from './writeOptions.ts';
import { trackFields } from '../patch/managedFields.ts';

export interface DeleteResult {
  readonly object: StoredObject;
  /** False while finalizers or a grace period hold the object. */
  readonly gone: boolean;
}

const maxObjectBytes = 1.5 * 1024 * 1024;
const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

const randomSuffix = (): string => [...randomBytes(5)].map((byte) => nameAlphabet[byte % nameAlphabet.length]).join('');

const serverSet = new Set(['generation', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink', 'resourceVersion']);

/** The name that was given, or one made from generateName. Empty when there is neither; validation tells. */
function nameFor(meta: JsonObject): string {
  const given = asString(meta.name) ?? '';
  const base = asString(meta.generateName) ?? '';
  const name = given === '' && base !== '' ? base.slice(0, 58) + randomSuffix() : given;
  meta.name = name;
  return name;
}

/** A deleted object that nothing holds any more. */
const isFinished = (info: ResourceInfo, object: StoredObject): boolean => {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  return deletionTimestamp !== undefined && deletionGracePeriodSeconds <= 0 && !isHeld(info, object, finalizers);
};

export class ObjectService {
  readonly #storage: Storage;
  readonly #now: () => number;
  readonly #defaulted = new WeakMap<StoredObject, { schema: unknown; object: StoredObject }>();

  constructor(storage: Storage, now: () => number) {
    this.#storage = storage;
    this.#now = now;
  }

  /** The object as clients of this resource see it: defaults of today's schema, and the address's own form. */
  present(info: ResourceInfo, stored: StoredObject): StoredObject {
    if (info.schema === undefined) return info.toServed === undefined ? stored : info.toServed(stored);
    const known = this.#defaulted.get(stored);
    if (known?.schema === info.schema) return known.object;
    const object = deepFreeze(info.schema.applyDefaults(stored));
    this.#defaulted.set(stored, { schema: info.schema, object });
    return object;
  }

  find(info: ResourceInfo, key: ObjectKey): StoredObject | undefined {
    const stored = this.#storage.get(info.bucket, key);
    return stored && this.present(info, stored);
  }

  get(info: ResourceInfo, key: ObjectKey): StoredObject {
    const object = this.find(info, key);
    if (object === undefined) throw notFound(info, key.name);
    return object;
  }

  create(info: ResourceInfo, namespace: string, body: unknown, options: WriteOptions = {}): StoredObject {
    const object = decodeIncoming(info, body, options);
    const meta = metaOf(object);
    checkNamespace(info, namespace, meta);
    if (meta.resourceVersion !== undefined && meta.resourceVersion !== '') {
      throw new ApiFailure(500, '', 'resourceVersion should not be set on objects to be created');
    }
    const name = nameFor(meta);
    this.#checkLiveNamespace(info, namespace, name);
    for (const key of Object.keys(meta)) if (serverSet.has(key)) Reflect.deleteProperty(meta, key);
    Object.assign(meta, { uid: randomUUID(), creationTimestamp: this.#stamp(), ...(info.hasGeneration ? { generation: 1 } : {}) });
    if (info.crd !== undefined && hasStatusSubresource(info)) delete object.status;
    const next = this.#complete(info, object);
    this.#validate(info, next, undefined, undefined);
    if (this.#storage.get(info.bucket, { namespace, name }) !== undefined) throw alreadyExists(info, name);
    const created = next as unknown as JsonObject;
    if (options.applied !== true) delete metaOf(created).managedFields;
    trackFields(info, undefined, created, options, this.#stamp());
    return this.#commit(info, next, options);
  }

  #complete(info: ResourceInfo, object: JsonObject): StoredObject {
    info.strategy?.prepare?.(object, undefined, undefined);
    info.strategy?.admit?.(info, object, this.#storage);
    return (info.schema?.applyDefaults(object) ?? object) as unknown as StoredObject;
  }

  /**
   * Reads, changes and writes one object. change gets the served object and returns a new one (never the same, changed in place).
   * Nothing is written when the result equals what is there.
   */
  modify(info: ResourceInfo, key: ObjectKey, change: (current: StoredObject) => unknown, options: WriteOptions = {}): StoredObject {
    const served = this.get(info, key);
    const old = this.#storedForm(info, served);
    const decoded = decodeIncoming(info, change(served), options);
    checkNamespace(info, key.namespace, metaOf(decoded));
    checkIdentity(info, old, metaOf(decoded));
    keepSystemFields(info, old, decoded, options.subresource);
    info.strategy?.prepare?.(decoded, old, options.subresource);
    const object = info.schema?.applyDefaults(decoded) ?? decoded;
    const meta = metaOf(object);
    if (info.hasGeneration && desiredChanged(info, old, object)) meta.generation = (old.metadata.generation ?? 0) + 1;
    const next = object as unknown as StoredObject;
    this.#validate(info, next, old, options.subresource);
    trackFields(info, old, object, options, this.#stamp());
    meta.resourceVersion = old.metadata.resourceVersion;
    if (equalJson(next, old)) return served;
    if (isFinished(info, next)) {
      if (options.dryRun !== true) this.#storage.remove(info.bucket, key);
      return next;
    }
    return this.#commit(info, next, options);
  }

  delete(info: ResourceInfo, key: ObjectKey, options: DeleteOptions = {}): DeleteResult {
    const served = this.get(info, key);
    const old = this.#storedForm(info, served);
    const plan = planDeletion(info, old, options);
    if (plan.action === 'none') return { object: served, gone: false };
    if (plan.action === 'mark') return { object: this.#commit(info, this.#markDeleted(info, old, plan), options), gone: false };
    // A kind with a grace period is marked even when the grace is zero: whoever watches sees the time of the deletion.
    const marks = info.strategy?.gracePeriodSeconds !== undefined && old.metadata.deletionTimestamp === undefined;
    if (marks) this.#commit(info, this.#markDeleted(info, old, plan), options);
    const removed = options.dryRun === true ? undefined : this.#storage.remove(info.bucket, key);
    return { object: removed === undefined ? served : this.present(info, removed), gone: true };
  }

  #markDeleted(info: ResourceInfo, old: StoredObject, { finalizers, graceSeconds }: DeletionPlan): StoredObject {
    const object = cloneJson(old) as unknown as JsonObject;
    const meta = metaOf(object);
    setOrDelete(meta, 'finalizers', finalizers.length === 0 ? undefined : finalizers);
    if (graceSeconds !== undefined) {
      meta.deletionTimestamp = this.#stamp(graceSeconds);
      meta.deletionGracePeriodSeconds = graceSeconds;
    }
    const first = old.metadata.deletionTimestamp === undefined;
    if (first && old.metadata.generation !== undefined) meta.generation = old.metadata.generation + 1;
    if (info.bucket === 'namespaces') object.status = { ...asObject(object.status), phase: 'Terminating' };
    return object as unknown as StoredObject;
  }

  #storedForm(info: ResourceInfo, served: StoredObject): StoredObject {
    if (info.toServed === undefined) return served;
    return this.#storage.get(info.bucket, { namespace: served.metadata.namespace ?? '', name: served.metadata.name }) ?? served;
  }

  #checkLiveNamespace(info: ResourceInfo, namespace: string, name: string): void {
    if (!info.namespaced) return;
    const owner = this.#storage.get('namespaces', { namespace: '', name: namespace });
    if (owner === undefined) throw notFound({ group: '', plural: 'namespaces', kind: 'Namespace' }, namespace);
    if (owner.metadata.deletionTimestamp === undefined) return;
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    const cause = { reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' };
    throw forbidden(info, name, why, cause);
  }

  #validate(info: ResourceInfo, object: StoredObject, old: StoredObject | undefined, subresource: string | undefined): void {
    const errors = [
      ...metadataErrors(info, object),
      ...(info.strategy?.validate?.(object, old, subresource) ?? []),
      ...(info.schema?.validate(object, old) ?? []),
    ];
    // A kind that is stored in another group's form is judged, and named, in that form.
    if (errors.length > 0) throw invalid(info.toStored === undefined ? info : { ...info, group: '' }, object.metadata.name, errors);
  }

  #commit(info: ResourceInfo, object: StoredObject, options: { readonly dryRun?: boolean }): StoredObject {
    if (options.dryRun === true) return info.toServed === undefined ? object : info.toServed(object);
    if (roughSize(object) > maxObjectBytes) {
      throw new ApiFailure(500, '', 'etcdserver: request is too large');
    }
    return this.present(info, this.#storage.write(info.bucket, object));
  }

  #stamp(laterSeconds = 0): string {
    return `${new Date(this.#now() + laterSeconds * 1000).toISOString().slice(0, 19)}Z`;
  }
}

/** Length of the JSON in characters, found without building it. Cheaper than JSON.stringify, and exact enough for a limit. */
function roughSize(value: unknown): number {
  if (typeof value === 'string') return value.length + 2;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + roughSize(item) + 1, 2);
  if (!isObject(value)) return 4;
  let size = 2;
  for (const key of Object.keys(value)) size += key.length + 4 + roughSize(value[key]);
  return size;
}
