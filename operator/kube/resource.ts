/**
 * What the client must know of a resource type to build its URL. The type parameter ties the wire shape to the address, so that
 * `client.get(pods, key)` is typed without a cast.
 */
import type { KubeObject } from './objects.ts';

export interface ResourceType<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set: carries T for inference. */
  readonly object?: T;
}

export const apiVersionOf = (type: ResourceType): string => (type.group === '' ? type.version : `${type.group}/${type.version}`);
