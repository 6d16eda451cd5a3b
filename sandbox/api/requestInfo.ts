/** The address of a request: which resource, namespace, name and subresource a path means. */
import type { Registry } from './registry.ts';
import type { ResourceInfo } from './resourceInfo.ts';

export interface RequestInfo {
  readonly info: ResourceInfo;
  /** Undefined: all namespaces, or a cluster-scoped resource. */
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  /** What follows the subresource, for proxies. */
  readonly rest: string;
}

/** Undefined when the path names nothing that is served. */
export function parsePath(registry: Registry, path: string): RequestInfo | undefined {
  const parts = path.split('/').slice(1).map(decodeURIComponent);
  const core = parts[0] === 'api';
  if (!core && parts[0] !== 'apis') return undefined;
  const group = core ? '' : (parts[1] ?? '');
  const version = core ? parts[1] : parts[2];
  let segments = parts.slice(core ? 2 : 3);
  if (version === undefined || segments.length === 0 || segments.includes('')) return undefined;
  let namespace: string | undefined;
  const namespaceSubresource = group === '' && segments.length === 3 && (segments[2] === 'status' || segments[2] === 'finalize');
  if (segments[0] === 'namespaces' && segments.length > 2 && !namespaceSubresource) {
    namespace = segments[1];
    segments = segments.slice(2);
  }
  const [plural = '', name, subresource, ...rest] = segments;
  const info = registry.find(group, version, plural);
  if (info === undefined || (namespace !== undefined) !== info.namespaced) {
    // A list over all namespaces is the one case where a namespaced resource has no namespace in its path.
    if (info?.namespaced !== true || name !== undefined) return undefined;
  }
  return { info, namespace, name, subresource, rest: rest.join('/') };
}
