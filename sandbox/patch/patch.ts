/** The four kinds of patch over HTTP, told apart by their content type. */
import type { ObjectKey } from '../../operator/kube/objects.ts';
import { apiVersionOf } from '../../operator/kube/resource.ts';
import { applyPatch as applyJsonPatch } from 'rfc6902';
import type { Operation } from 'rfc6902';
import { parseText } from '../api/decode.ts';
import { ApiFailure, badRequest, conflict, invalidOptions, notFound, required } from '../api/failure.ts';
import { asObject, asString, cloneJson, field, isObject } from '../api/json.ts';
import type { JsonObject } from '../api/json.ts';
import type { ObjectService } from '../api/objectService.ts';
import type { WriteOptions } from '../api/writeOptions.ts';
import type { ResourceInfo } from '../api/resourceInfo.ts';
import type { StoredObject } from '../storage/storage.ts';
import { rulesOf } from './mergeRules.ts';
import { applyConfiguration } from './serverSideApply.ts';
import { strategicMerge } from './strategicMerge.ts';

export interface PatchRequest {
  readonly info: ResourceInfo;
  readonly key: ObjectKey;
  readonly type: string;
  readonly body: Buffer;
  readonly options: WriteOptions;
  readonly force: boolean;
  /** The request's fieldManager, which apply cannot do without. */
  readonly manager: string | undefined;
  readonly now: () => number;
}

/** RFC 7386. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === '__proto__') continue;
    if (value === null) Reflect.deleteProperty(result, key);
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

function jsonPatch(object: StoredObject, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('error decoding patch: a JSON patch must be a list of operations');
  const copy = cloneJson(object);
  const failed = applyJsonPatch(copy, patch as Operation[]).find((error) => error !== null);
  if (failed !== undefined) throw new ApiFailure(422, 'Invalid', 'the server rejected our request due to an error in our request', {});
  return copy;
}

/** Applies one patch request; `created` tells that a server-side apply made the object. */
export function applyPatch(service: ObjectService, request: PatchRequest): { readonly object: StoredObject; readonly created: boolean } {
  const { info, key, type, options } = request;
  const patch = parseText(request.body.toString(), type.endsWith('yaml'));
  if (type.endsWith('merge-patch+json') && !isObject(patch)) throw badRequest('error decoding patch: a merge patch must be an object');
  const modify = (change: (current: StoredObject) => unknown): { object: StoredObject; created: boolean } => ({
    object: service.modify(info, key, change, { ...options, isPatch: true }),
    created: false,
  });
  switch (type) {
    case 'application/merge-patch+json':
      return modify((current) => mergePatch(current, patch));
    case 'application/json-patch+json':
      return modify((current) => jsonPatch(current, patch));
    case 'application/strategic-merge-patch+json':
      if (info.crd !== undefined) throw unsupportedType();
      return modify((current) => strategicMerge(current, patch, rulesOf(info)));
    case 'application/apply-patch+yaml':
      return serverSideApply(service, request, patch);
    default:
      throw unsupportedType();
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** An applied configuration says of what kind it is; nothing is assumed. */
function checkType(info: ResourceInfo, patch: Readonly<JsonObject>): void {
  const apiVersion = asString(patch.apiVersion) ?? '';
  const kind = asString(patch.kind) ?? '';
  if (apiVersion === apiVersionOf(info) && kind === info.kind) return;
  throw badRequest(`invalid object type: ${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`);
}

const unsupportedType = (): ApiFailure => {
  const known = 'application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml';
  return new ApiFailure(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${known}`,
  );
};

function serverSideApply(
  service: ObjectService,
  request: PatchRequest,
  patch: unknown,
): { readonly object: StoredObject; readonly created: boolean } {
  const { info, key, options, force } = request;
  if (!isObject(patch)) throw badRequest('the applied configuration must be an object');
  const meta = asObject(patch.metadata);
  checkType(info, patch);
  if (request.manager === undefined) throw invalidOptions('PatchOptions', required('fieldManager', 'is required for apply patch'));
  if (Array.isArray(meta.managedFields) && meta.managedFields.length > 0) throw badRequest('metadata.managedFields must be nil');
  if (meta.name !== undefined && meta.name !== key.name) {
    throw badRequest(`the name of the object (${text(meta.name)}) does not match the name on the URL (${key.name})`);
  }
  const time = `${new Date(request.now()).toISOString().slice(0, 19)}Z`;
  const { manager } = request;
  const apply = (live: StoredObject | undefined): JsonObject =>
    applyConfiguration(live, patch, { info, name: key.name, manager, force, subresource: options.subresource, time });
  if (service.find(info, key) !== undefined)
    return { object: service.modify(info, key, apply, { ...options, applied: true }), created: false };
  if (options.subresource !== undefined) throw notFound(info, key.name);
  if (meta.uid !== undefined) {
    const why = `uid mismatch: the provided object specified uid ${text(meta.uid)}, and no existing object was found`;
    throw conflict(info, key.name, why);
  }
  const body = { ...patch, metadata: { ...meta, name: key.name } };
  const { metadata } = apply(undefined);
  return {
    object: service.create(
      info,
      key.namespace,
      { ...body, metadata: { ...body.metadata, managedFields: field(metadata, 'managedFields') } },
      { ...options, applied: true },
    ),
    created: true,
  };
}
