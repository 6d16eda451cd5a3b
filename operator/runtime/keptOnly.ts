/**
 * A cache that keeps only some of what it is sent, for conditions that no selector can express. What is left out still moves the watch on,
 * as a bookmark does; an object that was kept and does not belong here any more is deleted from the cache.
 */
import type { ListQuery, WatchQuery } from '../kube/client.ts';
import type { KubeList, KubeObject, ObjectKey, WatchEvent } from '../kube/objects.ts';
import { keyOf } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';
import type { ListWatcher } from './reflector.ts';

/** `has`: whether the cache holds an object of this name. */
export function keptOnly(client: ListWatcher, keep: (object: KubeObject) => boolean, has: (key: ObjectKey) => boolean): ListWatcher {
  return {
    async list<T extends KubeObject>(type: ResourceType<T>, query: ListQuery): Promise<KubeList<T>> {
      const list = await client.list(type, query);
      return { ...list, items: list.items.filter((item) => !isNamed(item) || keep(item)) };
    },
    async *watch<T extends KubeObject>(type: ResourceType<T>, query: WatchQuery): AsyncGenerator<WatchEvent<T>, void> {
      for await (const event of client.watch(type, query)) {
        if (event.type === 'ERROR' || event.type === 'BOOKMARK' || keep(event.object)) yield event;
        else if (has(keyOf(event.object))) yield { type: 'DELETED', object: event.object };
        else yield { type: 'BOOKMARK', object: { metadata: { resourceVersion: event.object.metadata.resourceVersion ?? '' } } };
      }
    },
  };
}

/** What is no object at all is for the reflector to report. */
const isNamed = (item: KubeObject | null): boolean => typeof (item as Partial<KubeObject> | null)?.metadata?.name === 'string';
