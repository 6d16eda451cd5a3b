/**
 * Objects to JSON text, each state of an object only once: twenty watchers and any number of lists share the text. The cached part is
 * all but kind and apiVersion, because lists of built-in kinds leave those out and versions of one kind differ only there.
 */
import { apiVersionOf } from '../../operator/kube/resource.ts';
import type { StoredObject } from '../storage/storage.ts';
import type { ResourceInfo } from './resourceInfo.ts';

const bodies = new WeakMap<StoredObject, string>();

function bodyOf(object: StoredObject): string {
  let text = bodies.get(object);
  if (text === undefined) {
    text = JSON.stringify({ ...object, kind: undefined, apiVersion: undefined }).slice(1);
    bodies.set(object, text);
  }
  return text;
}

export const encodeObject = (info: ResourceInfo, object: StoredObject): string =>
  `{"kind":${JSON.stringify(info.kind)},"apiVersion":${JSON.stringify(apiVersionOf(info))},${bodyOf(object)}`;

/** Items of built-in lists carry no kind and apiVersion; custom ones do. */
export const encodeItem = (info: ResourceInfo, object: StoredObject): string =>
  info.crd === undefined ? `{${bodyOf(object)}` : encodeObject(info, object);

export const encodePartial = (object: StoredObject): string =>
  JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata });
