/**
 * What a write means: defaulting, validation, generation, optimistic concurrency, finalizers and graceful deletion, in Kubernetes' order.
 * HTTP handlers and in-process controllers both come through here. Every method is synchronous, so a read-modify-write cannot interleave.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import { deepFreeze } from '../storage/memoryStorage.ts';
import type { Storage, StoredObject } from '../storage/storage.ts';
import { ApiFailure, alreadyExists, badRequest, conflict, forbidden, invalid, invalidValue, modified, notFound } from './failure.ts';
import { asArray, asObject, asString, cloneJson, equalJson, isObject } from './json.ts';
import type { JsonObject } from './json.ts';
import { dropUnknownFields } from './knownFields.ts';
import { metadataErrors } from './objectMeta.ts';
import { hasStatusSubresource } from './resourceInfo.ts';
import type { ResourceInfo } from './resourceInfo.ts';
import { trackFields } from '../patch/managedFields.ts';

export interface WriteOptions {
  readonly dryRun?: boolean;
  /** Who writes, for managedFields; empty: not tracked. */
  readonly manager?: string;
  readonly fieldValidation?: 'Ignore' | 'Warn' | 'Strict';
  /** Called with each Warning header to send. */
  readonly warn?: (text: string) => void;
  readonly subresource?: string | undefined;
  /** managedFields were already set by an apply. */
  readonly applied?: boolean;
  /** Unknown or duplicate fields that decoding found. */
  readonly decodingErrors?: readonly string[];
}

export interface DeleteOptions {
  readonly dryRun?: boolean;
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: string | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

export interface DeleteResult {
  readonly object: StoredObject;
  /** False while finalizers or a grace period hold the object. */
  readonly gone: boolean;
}

const maxObjectBytes = 1.5 * 1024 * 1024;
const nameAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

const randomSuffix = (): string => [...randomBytes(5)].map((byte) => nameAlphabet[byte % nameAlphabet.length]).join('');

/** metadata of a private copy, for writing. */
function metaOf(object: JsonObject): JsonObject {
  if (!isObject(object.metadata)) object.metadata = {};
  return object.metadata as JsonObject;
}

const setOrDelete = (target: JsonObject, name: string, value: unknown): void => {
  if (value === undefined) delete target[name];
  else target[name] = value;
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
    const object = this.#decode(info, body, options);
    const meta = metaOf(object);
    this.#checkNamespace(info, namespace, meta);
    if (meta.resourceVersion !== undefined && meta.resourceVersion !== '') {
      throw new ApiFailure(500, '', 'resourceVersion should not be set on objects to be created');
    }
    const generated = asString(meta.name) === undefined || meta.name === '';
    if (generated) {
      const base = asString(meta.generateName) ?? '';
      meta.name = base === '' ? '' : base.slice(0, 58) + randomSuffix();
    }
    const name = String(meta.name);
    this.#checkLiveNamespace(info, namespace, name);
    Object.assign(meta, { uid: randomUUID(), creationTimestamp: this.#stamp() });
    for (const fieldName of ['deletionTimestamp', 'deletionGracePeriodSeconds', 'selfLink', 'resourceVersion']) delete meta[fieldName];
    if (info.hasGeneration) meta.generation = 1;
    else delete meta.generation;
    if (info.crd !== undefined && hasStatusSubresource(info)) delete object.status;
    info.strategy?.prepare?.(object, undefined, undefined);
    const next = (info.schema?.applyDefaults(object) ?? object) as unknown as StoredObject;
    this.#validate(info, next, undefined, undefined);
    if (this.#storage.get(info.bucket, { namespace, name }) !== undefined) throw alreadyExists(info, name);
    if (options.applied !== true) delete meta.managedFields;
    trackFields(info, undefined, next as unknown as JsonObject, options, this.#stamp());
    return this.#commit(info, next, options);
  }

  /**
   * Reads, changes and writes one object. change gets the served object and returns a new one (never the same, changed in place).
   * Nothing is written when the result equals what is there.
   */
  modify(info: ResourceInfo, key: ObjectKey, change: (current: StoredObject) => unknown, options: WriteOptions = {}): StoredObject {
    const served = this.get(info, key);
    const old = info.toServed === undefined ? served : (this.#storage.get(info.bucket, key) ?? served);
    const decoded = this.#decode(info, change(served), options);
    this.#checkNamespace(info, key.namespace, metaOf(decoded));
    this.#checkIdentity(info, old, metaOf(decoded));
    this.#keepSystemFields(info, old, decoded, options.subresource);
    info.strategy?.prepare?.(decoded, old, options.subresource);
    const object = info.schema?.applyDefaults(decoded) ?? decoded;
    const meta = metaOf(object);
    if (info.hasGeneration && this.#desiredChanged(info, old, object)) meta.generation = (old.metadata.generation ?? 0) + 1;
    const next = object as unknown as StoredObject;
    this.#validate(info, next, old, options.subresource);
    trackFields(info, old, object, options, this.#stamp());
    meta.resourceVersion = old.metadata.resourceVersion;
    if (equalJson(next, old)) return served;
    if (
      meta.deletionTimestamp !== undefined &&
      !isHeld(info, next, asArray(meta.finalizers)) &&
      !(Number(meta.deletionGracePeriodSeconds ?? 0) > 0)
    ) {
      if (options.dryRun !== true) this.#storage.remove(info.bucket, key);
      return next;
    }
    return this.#commit(info, next, options);
  }

  delete(info: ResourceInfo, key: ObjectKey, options: DeleteOptions = {}): DeleteResult {
    const served = this.get(info, key);
    const old = info.toServed === undefined ? served : (this.#storage.get(info.bucket, key) ?? served);
    this.#checkPreconditions(info, old, options);
    const finalizers = this.#deletionFinalizers(info, old, options.propagationPolicy);
    const asked = options.gracePeriodSeconds;
    const graceSeconds = info.strategy?.gracePeriodSeconds?.(old, asked) ?? 0;
    const deleting = old.metadata.deletionTimestamp !== undefined;
    const pendingGrace = old.metadata.deletionGracePeriodSeconds ?? 0;
    // A second delete may shorten the wait, never lengthen it.
    const waits = graceSeconds > 0 && !(deleting && pendingGrace === 0);
    if (!waits && !isHeld(info, old, finalizers)) {
      if (options.dryRun === true) return { object: served, gone: true };
      const removed = this.#storage.remove(info.bucket, key);
      return { object: removed === undefined ? served : this.present(info, removed), gone: true };
    }
    const sameFinalizers = equalJson(finalizers, old.metadata.finalizers ?? []);
    if (deleting && sameFinalizers && graceSeconds >= pendingGrace) return { object: served, gone: false };
    const object = cloneJson(old) as unknown as JsonObject;
    const meta = metaOf(object);
    setOrDelete(meta, 'finalizers', finalizers.length === 0 ? undefined : finalizers);
    if (!deleting || graceSeconds < pendingGrace) {
      meta.deletionTimestamp = this.#stamp(graceSeconds);
      meta.deletionGracePeriodSeconds = graceSeconds;
    }
    if (!deleting && old.metadata.generation !== undefined) meta.generation = old.metadata.generation + 1;
    if (info.bucket === 'namespaces') object.status = { ...asObject(object.status), phase: 'Terminating' };
    return { object: this.#commit(info, object as unknown as StoredObject, options), gone: false };
  }

  /** Validates what decoding found against the wish of the client, and drops what the schema does not know. */
  #decode(info: ResourceInfo, body: unknown, options: WriteOptions): JsonObject {
    if (!isObject(body)) throw badRequest(`the object provided is unrecognized: ${info.kind} must be an object`);
    const expected = info.group === '' ? info.version : `${info.group}/${info.version}`;
    const { apiVersion = expected, kind = info.kind } = body;
    if (kind !== info.kind || apiVersion !== expected) {
      throw badRequest(
        kind === info.kind
          ? `the API version in the data (${String(apiVersion)}) does not match the expected API version (${expected})`
          : `${info.kind} in version "${info.version}" cannot be handled as a ${info.kind}: the kind in the data is ${String(kind)}`,
      );
    }
    if (body.metadata !== undefined && body.metadata !== null && !isObject(body.metadata)) {
      throw badRequest(`${info.kind} in version "${info.version}" cannot be handled as a ${info.kind}: metadata must be an object`);
    }
    const copy: JsonObject = { ...cloneJson(body), apiVersion, kind };
    const pruned = info.schema?.prune(copy);
    const object = pruned?.object ?? copy;
    const unknown = [...dropUnknownFields(info.kind, info.crd !== undefined, object), ...(pruned?.pruned ?? [])];
    const problems = [...(options.decodingErrors ?? []), ...unknown.map((path) => `unknown field "${path}"`)];
    if (problems.length > 0 && options.fieldValidation === 'Strict')
      throw badRequest(
        `${info.kind} in version "${info.version}" cannot be handled as a ${info.kind}: strict decoding error: ${problems.join(', ')}`,
      );
    if (options.fieldValidation === 'Warn') for (const problem of problems) options.warn?.(problem);
    const complete = info.schema?.applyDefaults(object) ?? object;
    // Defaulting shares what it did not change; what follows writes into metadata.
    if (complete === copy || info.schema === undefined) return info.toStored === undefined ? complete : info.toStored(complete);
    return { ...complete, ...(isObject(complete.metadata) ? { metadata: { ...complete.metadata } } : {}) };
  }

  #checkNamespace(info: ResourceInfo, namespace: string, meta: JsonObject): void {
    if (!info.namespaced) return void delete meta.namespace;
    if (meta.namespace !== undefined && meta.namespace !== '' && meta.namespace !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
    }
    meta.namespace = namespace;
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

  #checkIdentity(info: ResourceInfo, old: StoredObject, meta: JsonObject): void {
    const { name, uid, resourceVersion } = old.metadata;
    meta.name ??= name;
    if (meta.name !== name) {
      throw badRequest(`the name of the object (${String(meta.name)}) does not match the name on the URL (${name})`);
    }
    if (meta.uid !== undefined && meta.uid !== '' && meta.uid !== uid) {
      throw conflict(info, name, `Precondition failed: UID in precondition: ${String(meta.uid)}, UID in object meta: ${uid ?? ''}`);
    }
    const asked = meta.resourceVersion;
    if (asked === undefined || asked === '' || asked === '0') {
      if (info.requiresResourceVersion)
        throw invalid(info, name, [invalidValue('metadata.resourceVersion', 0, 'must be specified for an update')]);
    } else if (asked !== resourceVersion) throw modified(info, name);
  }

  /** What a writer cannot change: identity, times, generation, and the other half of the object when there is a status subresource. */
  #keepSystemFields(info: ResourceInfo, old: StoredObject, object: JsonObject, subresource: string | undefined): void {
    const meta = metaOf(object);
    const kept = [
      'uid',
      'creationTimestamp',
      'deletionTimestamp',
      'deletionGracePeriodSeconds',
      'generation',
      'generateName',
      'selfLink',
    ] as const;
    const oldMeta = old.metadata as unknown as JsonObject;
    for (const name of kept) setOrDelete(meta, name, oldMeta[name]);
    if (meta.managedFields === undefined && oldMeta.managedFields !== undefined) meta.managedFields = oldMeta.managedFields;
    if (subresource === 'status') {
      const status = object.status;
      const managedFields = meta.managedFields;
      const keptMeta = info.crd === undefined ? { ...meta, ownerReferences: oldMeta.ownerReferences } : { ...oldMeta };
      for (const name of Object.keys(object)) delete object[name];
      Object.assign(object, cloneJson(old), { status, metadata: cloneJson({ ...keptMeta, managedFields }) });
      if (status === undefined) delete object.status;
    } else if (hasStatusSubresource(info)) setOrDelete(object, 'status', cloneJson(old.status));
    if (oldMeta.deletionTimestamp !== undefined) {
      const added = asArray(meta.finalizers).filter((name) => !asArray(oldMeta.finalizers).includes(name));
      if (added.length > 0) {
        throw invalid(info, old.metadata.name, [
          {
            path: 'metadata.finalizers',
            type: 'FieldValueForbidden',
            message: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((name) => JSON.stringify(name)).join(', ')}}`,
          },
        ]);
      }
    }
  }

  /** Generation counts changes of what is wanted: everything but metadata, and status where that is a subresource. */
  #desiredChanged(info: ResourceInfo, old: StoredObject, next: JsonObject): boolean {
    const desired = (object: Readonly<JsonObject>): JsonObject => {
      const rest = { ...object };
      delete rest.metadata;
      if (hasStatusSubresource(info)) delete rest.status;
      return rest;
    };
    return !equalJson(desired(old), desired(next));
  }

  #validate(info: ResourceInfo, object: StoredObject, old: StoredObject | undefined, subresource: string | undefined): void {
    const errors = [
      ...metadataErrors(info, object),
      ...(info.strategy?.validate?.(object, old, subresource) ?? []),
      ...(info.schema?.validate(object, old) ?? []),
    ];
    if (errors.length > 0) throw invalid(info, object.metadata.name, errors);
  }

  #checkPreconditions(info: ResourceInfo, old: StoredObject, options: DeleteOptions): void {
    const { name, uid = '', resourceVersion = '' } = old.metadata;
    if (options.uid !== undefined && options.uid !== uid) {
      throw conflict(info, name, `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid}`);
    }
    if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
      throw conflict(
        info,
        name,
        `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${resourceVersion}`,
      );
    }
  }

  #deletionFinalizers(info: ResourceInfo, old: StoredObject, policy: string | undefined): readonly string[] {
    const finalizers = old.metadata.finalizers ?? [];
    const rest = finalizers.filter((name) => name !== 'foregroundDeletion' && name !== 'orphan');
    if (policy === 'Foreground') return [...rest, 'foregroundDeletion'];
    if (policy === 'Orphan') return [...rest, 'orphan'];
    if (policy === 'Background') return rest;
    if (policy !== undefined)
      throw badRequest(`DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "${policy}"`);
    return finalizers;
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

/** Something still keeps a deleted object: its finalizers, or for a namespace its content. */
const isHeld = (info: ResourceInfo, object: StoredObject, finalizers: readonly unknown[]): boolean =>
  finalizers.length > 0 || (info.bucket === 'namespaces' && asArray(asObject(object.spec).finalizers).length > 0);

/** Length of the JSON in characters, found without building it. Cheaper than JSON.stringify, and exact enough for a limit. */
function roughSize(value: unknown): number {
  if (typeof value === 'string') return value.length + 2;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + roughSize(item) + 1, 2);
  if (!isObject(value)) return 4;
  let size = 2;
  for (const key of Object.keys(value)) size += key.length + 4 + roughSize(value[key]);
  return size;
}
