/** The address of a request: which resource, namespace, name and subresource a path means. */
import type { Registry } from './registry.ts';
import type { ResourceInfo } from './resourceInfo.ts';

export interface RequestInfo {
  readonly info: ResourceInfo;
  /** Undefined: all namespaces, or a cluster-scoped resource. */
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

interface Address {
  readonly group: string;
  readonly version: string;
  readonly namespace: string | undefined;
  /** plural, name, subresource … */
  readonly segments: readonly string[];
}

function splitPath(path: string): Address | undefined {
  const parts = path.split('/').slice(1).map(decodeURIComponent);
  const core = parts[0] === 'api';
  if (!core && parts[0] !== 'apis') return undefined;
  const [group = '', version = ''] = core ? ['', parts[1]] : [parts[1], parts[2]];
  const segments = parts.slice(core ? 2 : 3);
  if (segments.length === 0 || segments.includes('')) return undefined;
  // /api/v1/namespaces/x/status is a subresource; /api/v1/namespaces/x/pods is a namespace's content.
  const ofNamespace = group === '' && segments.length === 3 && ['status', 'finalize'].includes(segments[2] ?? '');
  if (segments[0] !== 'namespaces' || segments.length < 3 || ofNamespace) return { group, version, namespace: undefined, segments };
  return { group, version, namespace: segments[1], segments: segments.slice(2) };
}

/** Undefined when the path names nothing that is served. */
export function parsePath(registry: Registry, path: string): RequestInfo | undefined {
  const address = splitPath(path);
  if (address === undefined) return undefined;
  const { namespace } = address;
  const [plural = '', name, subresource] = address.segments;
  const info = registry.find(address.group, address.version, plural);
  if (info === undefined || (namespace !== undefined && !info.namespaced)) return undefined;
  // A list over all namespaces is the one case where a namespaced resource has no namespace in its path.
  if (info.namespaced && namespace === undefined && name !== undefined) return undefined;
  return { info, namespace, name, subresource };
}
