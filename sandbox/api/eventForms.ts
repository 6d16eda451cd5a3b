/** Events have two addresses and one storage. They are stored as core/v1 writes them; events.k8s.io/v1 renames some fields. */
import { deepFreeze } from '../storage/memoryStorage.ts';
import type { StoredObject } from '../storage/storage.ts';

const coreToNew = new Map([
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
]);
const newToCore = new Map([...coreToNew].map(([core, renamed]) => [renamed, core]));

const rename = (
  object: Readonly<Record<string, unknown>>,
  names: ReadonlyMap<string, string>,
  apiVersion: string,
): Record<string, unknown> => ({
  ...Object.fromEntries(Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value])),
  apiVersion,
});

const served = new WeakMap<StoredObject, StoredObject>();

export function eventToEventsV1(stored: StoredObject): StoredObject {
  let object = served.get(stored);
  if (object === undefined) {
    object = deepFreeze(rename(stored, coreToNew, 'events.k8s.io/v1') as unknown as StoredObject);
    served.set(stored, object);
  }
  return object;
}

export const eventToCore = (object: Record<string, unknown>): Record<string, unknown> => rename(object, newToCore, 'v1');
