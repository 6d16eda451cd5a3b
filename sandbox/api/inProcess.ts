/** The API for controllers of this process: same rules as over HTTPS, no encoding. */
import type { ObjectKey } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import type { SandboxApi, Storage } from '../storage/storage.ts';
import type { ObjectService } from './objectService.ts';
import type { Registry } from './registry.ts';
import type { DeleteOptions } from './writeOptions.ts';

type WatchHandler = Parameters<SandboxApi['watch']>[1];
type WatchEvent = Parameters<WatchHandler>[0];

export function inProcessApi(storage: Storage, service: ObjectService, registry: Registry): SandboxApi {
  const remove = (type: ResourceType, key: ObjectKey, options: DeleteOptions): void => {
    const info = registry.of(type);
    if (service.find(info, key)?.metadata.uid === options.uid) service.delete(info, key, options);
  };
  return {
    get: (type, key) => service.find(registry.of(type), key),
    list(type, namespace) {
      const info = registry.of(type);
      return storage.list(info.bucket, namespace).map((object) => service.present(info, object));
    },
    watch: (type, on) => watch(storage, service, registry, type, on),
    create: (type, object) => service.create(registry.of(type), object.metadata.namespace ?? '', object),
    update(type, key, mutate, subresource) {
      const info = registry.of(type);
      const current = service.find(info, key);
      const next = current && mutate(current);
      return next === undefined || next === current ? undefined : service.modify(info, key, () => next, { subresource });
    },
    delete: (type, key, uid) => remove(type, key, { uid }),
    remove: (type, key, uid) => remove(type, key, { uid, gracePeriodSeconds: 0 }),
  };
}

function watch(storage: Storage, service: ObjectService, registry: Registry, type: ResourceType, on: WatchHandler): () => void {
  const info = registry.of(type);
  let pending: WatchEvent[] = storage.list(info.bucket).map((stored) => ({ type: 'ADDED', object: service.present(info, stored) }));
  let scheduled = false;
  let stopped = false;
  const deliver = (): void => {
    scheduled = false;
    const events = pending;
    pending = [];
    for (const event of events) if (!stopped) on(event);
  };
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(deliver);
  };
  if (pending.length > 0) schedule();
  const unsubscribe = storage.subscribe(info.bucket, (event) => {
    pending.push({ type: event.type, object: service.present(info, event.object) });
    schedule();
  });
  return () => {
    stopped = true;
    unsubscribe();
  };
}
