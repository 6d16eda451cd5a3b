/**
 * From what a client sent to an object that may be stored: kind and version, unknown fields, identity, and everything that a writer cannot
 * change. All of it works on private copies.
 */
import type { StoredObject } from '../storage/storage.ts';
import { badRequest, conflict, forbiddenField, invalid, invalidValue, modified } from './failure.ts';
import { asArray, asObject, cloneJson, equalJson, field, isObject } from './json.ts';
import type { JsonObject } from './json.ts';
import { dropUnknownFields } from './knownFields.ts';
import type { WriteOptions } from './writeOptions.ts';
import { hasStatusSubresource } from './resourceInfo.ts';
import type { ResourceInfo } from './resourceInfo.ts';

/** metadata of a private copy, for writing. */
export function metaOf(object: JsonObject): JsonObject {
  if (!isObject(object.metadata)) object.metadata = {};
  return object.metadata as JsonObject;
}

export const setOrDelete = (target: JsonObject, name: string, value: unknown): void => {
  if (value === undefined) Reflect.deleteProperty(target, name);
  else target[name] = value;
};

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** The body must be an object of this kind and version; either may be left out. */
function checkKind(info: ResourceInfo, body: JsonObject, expected: string): void {
  const { apiVersion = expected, kind = info.kind } = body;
  const prefix = `${info.kind} in version "${info.version}" cannot be handled as a ${info.kind}`;
  if (kind !== info.kind) throw badRequest(`${prefix}: the kind in the data is ${text(kind)}`);
  if (apiVersion !== expected) {
    throw badRequest(`the API version in the data (${text(apiVersion)}) does not match the expected API version (${expected})`);
  }
  if (body.metadata !== undefined && body.metadata !== null && !isObject(body.metadata))
    throw badRequest(`${prefix}: metadata must be an object`);
}

const typeName = (value: unknown): string => (Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value);

/** Maps of strings of built-in kinds: another value is one that cannot be decoded. */
function checkStringMaps(info: ResourceInfo, body: JsonObject): void {
  const maps = [
    ...['labels', 'annotations'].map((name) => [`ObjectMeta.metadata.${name}`, field(body.metadata, name)] as const),
    ...['data', 'stringData'].map((name) => [`${info.kind}.${name}`, body[name]] as const),
  ];
  for (const [path, map] of maps) {
    const wrong = Object.values(asObject(map)).find((value) => typeof value !== 'string' && value !== null);
    if (wrong === undefined) continue;
    const why = `json: cannot unmarshal ${typeName(wrong)} into Go struct field ${path} of type string`;
    throw badRequest(`${info.kind} in version "${info.version}" cannot be handled as a ${info.kind}: ${why}`);
  }
}

/** Tells of unknown and repeated fields as the client asked for: not at all, in warnings, or as a refusal. */
function reportProblems(info: ResourceInfo, body: JsonObject, problems: readonly string[], options: WriteOptions): void {
  if (options.fieldValidation === 'Warn') for (const problem of problems) options.warn?.(problem);
  if (problems.length === 0 || options.fieldValidation !== 'Strict') return;
  const text = `strict decoding error: ${problems.join(', ')}`;
  if (options.isPatch === true) throw invalid({ group: '', plural: '', kind: '' }, '', [invalidValue('patch', JSON.stringify(body), text)]);
  throw badRequest(`${info.kind} in version "${info.version}" cannot be handled as a ${info.kind}: ${text}`);
}

/** Lists and maps of metadata that are empty are not written. */
function dropEmpty(meta: unknown): void {
  if (!isObject(meta)) return;
  for (const name of ['labels', 'annotations', 'finalizers', 'ownerReferences']) {
    const value = meta[name];
    if (value === null || (typeof value === 'object' && Object.keys(value).length === 0)) Reflect.deleteProperty(meta, name);
  }
}

/** A private copy in stored form, pruned and defaulted. */
export function decodeIncoming(info: ResourceInfo, body: unknown, options: WriteOptions): JsonObject {
  if (!isObject(body)) throw badRequest(`the object provided is unrecognized: ${info.kind} must be an object`);
  const apiVersion = info.group === '' ? info.version : `${info.group}/${info.version}`;
  checkKind(info, body, apiVersion);
  if (info.crd === undefined) checkStringMaps(info, body);
  const copy: JsonObject = { ...cloneJson(body), apiVersion, kind: info.kind };
  const pruned = info.schema?.prune(copy);
  const object = pruned?.object ?? copy;
  const unknown = [...dropUnknownFields(info.kind, info.crd !== undefined, object), ...(pruned?.pruned ?? [])];
  dropEmpty(object.metadata);
  reportProblems(info, body, [...(options.decodingErrors ?? []), ...unknown.map((path) => `unknown field "${path}"`)], options);
  const complete = info.schema?.applyDefaults(object) ?? object;
  if (info.toStored !== undefined) return info.toStored(complete);
  // Defaulting shares what it did not change; what follows writes into metadata.
  return complete === copy ? complete : { ...complete, ...(isObject(complete.metadata) ? { metadata: { ...complete.metadata } } : {}) };
}

/** The namespace of the address wins; another one in the object is an error. */
export function checkNamespace(info: ResourceInfo, namespace: string, meta: JsonObject): void {
  if (!info.namespaced) {
    delete meta.namespace;
    return;
  }
  if (meta.namespace !== undefined && meta.namespace !== '' && meta.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  meta.namespace = namespace;
}

/** Name, uid and resourceVersion of an update against what is stored. */
export function checkIdentity(info: ResourceInfo, old: StoredObject, meta: JsonObject): void {
  const { name, uid, resourceVersion } = old.metadata;
  meta.name ??= name;
  if (meta.name !== name) {
    throw badRequest(`the name of the object (${text(meta.name)}) does not match the name on the URL (${name})`);
  }
  if (meta.uid !== undefined && meta.uid !== '' && meta.uid !== uid) {
    throw conflict(info, name, `Precondition failed: UID in precondition: ${text(meta.uid)}, UID in object meta: ${uid ?? ''}`);
  }
  const asked = meta.resourceVersion;
  if (asked === undefined || asked === '' || asked === '0') {
    if (info.requiresResourceVersion)
      throw invalid(info, name, [invalidValue('metadata.resourceVersion', 0, 'must be specified for an update')]);
  } else if (asked !== resourceVersion) throw modified(info, name);
}

const systemFields = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'generateName',
  'selfLink',
];

/** Puts back what a writer cannot change: identity, times, generation, and the other half of the object when there is a status subresource. */
export function keepSystemFields(info: ResourceInfo, old: StoredObject, object: JsonObject, subresource: string | undefined): void {
  const meta = metaOf(object);
  const oldMeta = old.metadata as unknown as JsonObject;
  for (const name of systemFields) setOrDelete(meta, name, oldMeta[name]);
  meta.managedFields ??= oldMeta.managedFields;
  if (subresource === 'status') keepAllButStatus(info, old, object);
  else if (hasStatusSubresource(info)) setOrDelete(object, 'status', cloneJson(old.status));
  if (oldMeta.deletionTimestamp === undefined) return;
  const added = asArray(meta.finalizers).filter((name) => !asArray(oldMeta.finalizers).includes(name));
  if (added.length === 0) return;
  const list = added.map((name) => JSON.stringify(name)).join(', ');
  const why = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
  throw invalid(info, old.metadata.name, [forbiddenField('metadata.finalizers', why)]);
}

/** A write to /status of a custom resource changes nothing of metadata; of a built-in one it may change labels and annotations. */
function keepAllButStatus(info: ResourceInfo, old: StoredObject, object: JsonObject): void {
  const { status } = object;
  const meta = metaOf(object);
  const kept: JsonObject = info.crd === undefined ? { ...meta, ownerReferences: old.metadata.ownerReferences } : { ...old.metadata };
  for (const name of Object.keys(object)) Reflect.deleteProperty(object, name);
  Object.assign(object, cloneJson(old), { metadata: cloneJson({ ...kept, managedFields: meta.managedFields }) });
  setOrDelete(object, 'status', status);
}

/** Generation counts changes of what is wanted: everything but metadata, and status where that is a subresource. */
export function desiredChanged(info: ResourceInfo, old: StoredObject, next: JsonObject): boolean {
  const desired = (object: Readonly<JsonObject>): JsonObject => {
    const rest = { ...object };
    delete rest.metadata;
    if (hasStatusSubresource(info)) delete rest.status;
    return rest;
  };
  return !equalJson(desired(old), desired(next));
}
