/** The API without HTTPS and kubelet, for tests of rules and controllers. */
import { builtins } from '../api/builtins.ts';
import { ObjectService } from '../api/objectService.ts';
import { Registry } from '../api/registry.ts';
import type { ResourceInfo } from '../api/resourceInfo.ts';
import { MemoryStorage } from '../storage/memoryStorage.ts';

export interface InMemory {
  readonly storage: MemoryStorage;
  readonly service: ObjectService;
  readonly registry: Registry;
  /** A built-in resource of the core group. */
  info(plural: string): ResourceInfo;
}

export const startMs = Date.UTC(2026, 0, 1);

export function inMemory(historySize?: number): InMemory {
  const storage = new MemoryStorage({ historySize });
  const registry = new Registry(builtins);
  const service = new ObjectService(storage, () => startMs);
  const info = (plural: string): ResourceInfo => {
    const found = registry.find('', 'v1', plural);
    if (found === undefined) throw new Error(`${plural} is not built in`);
    return found;
  };
  service.create(info('namespaces'), '', { metadata: { name: 'default' } });
  service.create(info('serviceaccounts'), 'default', { metadata: { name: 'default' } });
  return { storage, service, registry, info };
}

/** Lets everything run that was put off with setImmediate. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
