/**
 * How lists and maps merge, by kind: built-in kinds by the names of their fields, custom ones by the x-kubernetes-list-type and
 * x-kubernetes-map-type of their schema. Server-side apply, field ownership and the strategic merge patch all ask here.
 */
import { asArray, asString, field, isObject } from '../api/json.ts';
import type { ResourceInfo } from '../api/resourceInfo.ts';

export type ListRule = { readonly type: 'atomic' } | { readonly type: 'set' } | { readonly type: 'map'; readonly keys: readonly string[] };

/** The rules at one place of an object. */
export interface Rules {
  readonly list: ListRule;
  readonly atomicMap: boolean;
  child(name: string): Rules;
  item(): Rules;
}

const map = (...keys: string[]): ListRule => ({ type: 'map', keys });
const atomic: ListRule = { type: 'atomic' };

const builtinLists = new Map<string, ListRule>([
  ...['containers', 'initContainers', 'ephemeralContainers', 'volumes', 'env', 'imagePullSecrets', 'secrets'].map(
    (name) => [name, map('name')] as const,
  ),
  ...['containerStatuses', 'initContainerStatuses'].map((name) => [name, atomic] as const),
  ['volumeMounts', map('mountPath')],
  ['volumeDevices', map('devicePath')],
  ['ports', map('containerPort', 'protocol')],
  ['hostAliases', map('ip')],
  ['podIPs', map('ip')],
  ['hostIPs', map('ip')],
  ['conditions', map('type')],
  ['addresses', map('type')],
  ['ownerReferences', map('uid')],
  ['topologySpreadConstraints', map('topologyKey', 'whenUnsatisfiable')],
  ['finalizers', { type: 'set' }],
]);

const servicePorts = map('port', 'protocol');
const atomicMaps = new Set([
  'nodeSelector',
  'selector',
  'fieldRef',
  'secretKeyRef',
  'configMapKeyRef',
  'resourceFieldRef',
  'labelSelector',
  'roleRef',
]);

/** References are written whole: nobody owns a part of one. */
const atomicItems = new Set(['ownerReferences']);

function byName(info: ResourceInfo, name: string, isItem = false): Rules {
  const list = name === 'ports' && info.kind === 'Service' ? servicePorts : (builtinLists.get(name) ?? atomic);
  const rules: Rules = {
    list,
    atomicMap: isItem || atomicMaps.has(name),
    child: (child) => byName(info, child),
    item: () => byName(info, '', atomicItems.has(name)),
  };
  return rules;
}

function bySchema(schema: unknown): Rules {
  const type = asString(field(schema, 'x-kubernetes-list-type'));
  const keys = asArray(field(schema, 'x-kubernetes-list-map-keys')).filter((key) => typeof key === 'string');
  return {
    list: type === 'map' ? map(...keys) : type === 'set' ? { type } : atomic,
    atomicMap: field(schema, 'x-kubernetes-map-type') === 'atomic',
    child: (name) => bySchema(field(field(schema, 'properties'), name) ?? field(schema, 'additionalProperties')),
    item: () => bySchema(field(schema, 'items')),
  };
}

export function rulesOf(info: ResourceInfo): Rules {
  const names = byName(info, '');
  if (info.crd === undefined) return names;
  const schema = bySchema(info.openAPIV3Schema);
  return { ...schema, child: (name) => (name === 'metadata' ? names.child(name) : schema.child(name)) };
}

/** A list item's identity as FieldsV1 writes it: `k:{"name":"x"}` or `v:"x"`; undefined when a key is missing. */
export function itemId(rule: ListRule, item: unknown): string | undefined {
  if (rule.type === 'atomic') return undefined;
  if (rule.type === 'set') return `v:${JSON.stringify(item)}`;
  const pairs: string[] = [];
  for (const key of rule.keys.toSorted()) {
    // Ports without a protocol are TCP, before defaulting as well as after.
    const value = field(item, key) ?? (key === 'protocol' && isObject(item) ? 'TCP' : undefined);
    if (value === undefined) return undefined;
    pairs.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
  }
  return `k:{${pairs.join(',')}}`;
}
