import type { ResourceInfo } from '../api/resourceInfo.ts';
import type { JsonObject } from '../api/json.ts';
import type { StoredObject } from '../storage/storage.ts';
export interface Tracked {
  readonly manager?: string;
  readonly applied?: boolean;
  readonly subresource?: string | undefined;
}
export function trackFields(_info: ResourceInfo, _old: StoredObject | undefined, _object: JsonObject, _who: Tracked, _now: string): void {}
