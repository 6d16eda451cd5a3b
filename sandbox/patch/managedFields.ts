/**
 * metadata.managedFields: who set which field. Every write through the API is recorded, so that a server-side apply can tell conflicts
 * from free fields.
 */
import { apiVersionOf } from '../../operator/kube/resource.ts';
import { asArray, equalJson, field, isObject } from '../api/json.ts';
import type { JsonObject } from '../api/json.ts';
import { hasStatusSubresource } from '../api/resourceInfo.ts';
import type { ResourceInfo } from '../api/resourceInfo.ts';
import type { StoredObject } from '../storage/storage.ts';
import { difference, subtract, union } from './fieldSet.ts';
import type { FieldSet } from './fieldSet.ts';
import { rulesOf } from './mergeRules.ts';

export interface ManagerEntry {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly time: string;
  readonly fieldsType: 'FieldsV1';
  readonly fieldsV1: FieldSet;
  readonly subresource?: string;
}

export interface Writer {
  readonly manager?: string;
  readonly applied?: boolean;
  readonly subresource?: string | undefined;
}

const unmanagedMetadata = [
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
  'managedFields',
];
const unmanaged: FieldSet = {
  'f:apiVersion': {},
  'f:kind': {},
  'f:metadata': { '.': {}, ...Object.fromEntries(unmanagedMetadata.map((name) => [`f:${name}`, {}])) },
};

/** Parts that a built-in object has even when it is empty: nobody comes to own them by creating one. */
const always = { spec: {}, status: {}, involvedObject: {}, source: {}, roleRef: {} };

export const entriesOf = (object: unknown): readonly ManagerEntry[] =>
  asArray(field(field(object, 'metadata'), 'managedFields')).filter(
    (entry): entry is ManagerEntry => isObject(entry) && isObject(entry.fieldsV1),
  );

/** Without what no manager owns: identity, and the half of the object that this subresource does not write. */
export function ownable(info: ResourceInfo, set: FieldSet | undefined, subresource: string | undefined): FieldSet | undefined {
  const rest = subtract(set, unmanaged);
  if (rest === undefined || !hasStatusSubresource(info)) return rest;
  const kept = Object.entries(rest).filter(([step]) => (subresource === 'status' ? step === 'f:status' : step !== 'f:status'));
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

export const sameWriter = (entry: ManagerEntry, manager: string, operation: string, subresource: string | undefined): boolean =>
  entry.manager === manager && entry.operation === operation && entry.subresource === subresource;

export function newEntry(
  info: ResourceInfo,
  writer: { manager: string; operation: 'Apply' | 'Update'; subresource: string | undefined },
  fieldsV1: FieldSet,
  time: string,
): ManagerEntry {
  const { manager, operation, subresource } = writer;
  return {
    manager,
    operation,
    apiVersion: apiVersionOf(info),
    time,
    fieldsType: 'FieldsV1',
    fieldsV1,
    ...(subresource === undefined ? {} : { subresource }),
  };
}

/** Records in `object`, in place, that this writer changed what differs from `old`. */
export function trackFields(info: ResourceInfo, old: StoredObject | undefined, object: JsonObject, writer: Writer, time: string): void {
  const { manager, subresource } = writer;
  if (manager === undefined || writer.applied === true || !isObject(object.metadata)) return;
  const meta = object.metadata;
  if (forgets(meta) || (old !== undefined && entriesOf(old).length === 0)) return;
  const before = entriesOf(object);
  const delta = difference(old ?? (info.crd === undefined ? always : {}), object, rulesOf(info));
  const changed = ownable(info, delta.changed, subresource);
  const removed = old === undefined ? undefined : ownable(info, delta.removed, subresource);
  if (changed === undefined && removed === undefined) return;
  const entries = shared(before, { changed, removed }, (entry) => sameWriter(entry, manager, 'Update', subresource));
  const mine = before.find((entry) => sameWriter(entry, manager, 'Update', subresource));
  const own = mine === undefined ? changed : union(subtract(mine.fieldsV1, removed), changed);
  if (own !== undefined) entries.push(newEntry(info, { manager, operation: 'Update', subresource }, own, time));
  if (entries.length === 0) delete meta.managedFields;
  else meta.managedFields = inOrder(entries);
}

/** One empty entry asks to forget all owners; an object without owners is not given any by plain writes. */
function forgets(meta: JsonObject): boolean {
  const isReset = equalJson(meta.managedFields, [{}]);
  if (isReset || asArray(meta.managedFields).length === 0) delete meta.managedFields;
  return isReset;
}

const order = (entry: ManagerEntry): string => [entry.operation, entry.time, entry.manager, entry.subresource ?? ''].join(' ');

/** Appliers first, then by time. */
export const inOrder = (entries: readonly ManagerEntry[]): readonly ManagerEntry[] =>
  entries.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));

/** What is left to the other managers. */
function shared(
  before: readonly ManagerEntry[],
  delta: { readonly changed: FieldSet | undefined; readonly removed: FieldSet | undefined },
  isMine: (entry: ManagerEntry) => boolean,
): ManagerEntry[] {
  const lost = union(delta.changed, delta.removed);
  return before.flatMap((entry) => {
    const rest = isMine(entry) ? undefined : subtract(entry.fieldsV1, lost);
    if (rest === undefined) return [];
    return [equalJson(rest, entry.fieldsV1) ? entry : { ...entry, fieldsV1: rest }];
  });
}
