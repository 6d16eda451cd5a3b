/** URLs of the API. Every segment and value that comes from an object is encoded, so that no name can address something else. */
import type { ObjectKey } from './objects.ts';
import type { ResourceType } from './resource.ts';

export type QueryValue = string | number | boolean | undefined;

const rootOf = (type: ResourceType): string => (type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`);

/** The collection, in one namespace or, without one, in all of them. */
export function collectionPath(type: ResourceType, namespace?: string): string {
  if (!type.namespaced || namespace === undefined || namespace === '') return `${rootOf(type)}/${type.plural}`;
  return `${rootOf(type)}/namespaces/${segment(namespace, type, 'namespace')}/${type.plural}`;
}

/** One object. Throws TypeError for a key that cannot be one. */
export function objectPath(type: ResourceType, key: ObjectKey, subresource?: string): string {
  if (type.namespaced && key.namespace === '') throw new TypeError(`${type.kind} "${key.name}": the namespace is missing`);
  const path = `${collectionPath(type, key.namespace)}/${segment(key.name, type, 'name')}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** Leaves out what is undefined. */
export function withQuery(path: string, query: Readonly<Record<string, QueryValue>> | object): string {
  const pairs: string[] = [];
  for (const [name, value] of Object.entries(query) as [string, QueryValue][]) {
    if (value !== undefined) pairs.push(`${name}=${encodeURIComponent(value)}`);
  }
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}

/** Proxies resolve dot segments, encoded or not; no object may have such a name anyway. */
function segment(value: string, type: ResourceType, field: string): string {
  if (value === '' || value === '.' || value === '..') throw new TypeError(`${type.kind}: ${field} must not be ${JSON.stringify(value)}`);
  // Half a character cannot be encoded; no object has such a name, which is what the server says then.
  return encodeURIComponent(value.toWellFormed());
}
