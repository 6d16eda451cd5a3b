/**
 * Fits a part of the configuration to the schema of the manifest, as Prow's decoder would fit it to its types: keys in any case, text from
 * bare numbers and booleans, durations from bare nanoseconds. A key the schema does not know is left out and said so; a value of a wrong
 * type stays as it is, for the validation of the manifest to refuse.
 */
import { customResourceDefinitions } from '../../crds/definitions.ts';
import { formatDuration } from '../../crds/duration.ts';
import { isJsonObject, ownField, type JsonObject } from '../../crds/json.ts';
import { nearest } from '../../crds/nearest.ts';
import type { JobFindings } from './findings.ts';
import { child, isNull, textOf, type Entry, type ListTree, type MapTree, type Tree } from './tree.ts';

/** Where a part stands: whose it is, and what it is called in the configuration. */
export interface Site {
  readonly job: JobFindings;
  readonly field: string;
}

const fieldOf = (schema: JsonObject, name: string): JsonObject => {
  const value = ownField(schema, name);
  return isJsonObject(value) ? value : {};
};

const property = (schema: JsonObject, name: string): JsonObject => fieldOf(fieldOf(schema, 'properties'), name);

function periodicSpecSchema(): JsonObject {
  const definition = customResourceDefinitions().find(({ spec }) => spec.names.kind === 'Periodic');
  return property(definition?.spec.versions[0]?.schema.openAPIV3Schema ?? {}, 'spec');
}

const jobSpecSchema: JsonObject = property(property(periodicSpecSchema(), 'jobTemplate'), 'spec');

/** A field of the spec of a run, such as decoration_config. */
export const fitField = (tree: Tree, name: string, site: Site): Tree => fit(tree, property(jobSpecSchema, name), site);

/** A map of texts: labels, annotations. */
export const fitTexts = (tree: Tree): Tree => (tree.kind === 'map' ? mapValues(tree, (value) => asText(value)) : tree);

function fit(tree: Tree, schema: JsonObject, site: Site): Tree {
  if (tree.kind === 'list') return mapItems(tree, (item, index) => fit(item, fieldOf(schema, 'items'), inside(site, `[${index}]`)));
  if (tree.kind === 'map') return fitMap(tree, schema, site);
  const pattern = ownField(schema, 'pattern');
  if (typeof pattern === 'string' && pattern.includes('ns|us')) return asDuration(tree);
  return ownField(schema, 'type') === 'string' ? asText(tree) : tree;
}

const inside = ({ job, field }: Site, step: string): Site => ({
  job,
  field: step.startsWith('[') || field === '' ? `${field}${step}` : `${field}.${step}`,
});

function fitMap(tree: MapTree, schema: JsonObject, site: Site): Tree {
  if (ownField(schema, 'x-kubernetes-preserve-unknown-fields') === true) return fitPodPart(tree);
  const values = ownField(schema, 'additionalProperties');
  if (isJsonObject(values)) return mapValues(tree, (value, key) => fit(value, values, inside(site, key)));
  const known = Object.keys(fieldOf(schema, 'properties'));
  const entries = new Map<string, Entry>();
  for (const [written, entry] of tree.entries) {
    if (isNull(entry.value)) continue;
    const key = knownAs(written, known);
    if (key === undefined) site.job.leaveOut(entry.place, inside(site, written).field, unknownField(written, known), entry.value);
    else entries.set(key, { ...entry, value: fit(entry.value, property(schema, key), inside(site, key)) });
  }
  return { ...tree, entries };
}

/** The field that Prow's decoder takes a key for: the one of that name, else the one of that name in another case. */
export const knownAs = (key: string, known: readonly string[]): string | undefined =>
  known.includes(key) ? key : known.find((name) => name.toLowerCase() === key.toLowerCase());

/** The value of a field under any spelling of its name that Prow takes; undefined where there is none, or it is null. */
export function lookUp(tree: Tree, name: string): Tree | undefined {
  const exact = child(tree, name);
  if (exact !== undefined || tree.kind !== 'map') return exact;
  const written = [...tree.entries.keys()].find((key) => knownAs(key, [name]) !== undefined);
  return written === undefined ? undefined : child(tree, written);
}

export function unknownField(key: string, known: readonly string[]): string {
  const guess = nearest(key, known);
  return guess === undefined
    ? 'unknown field; Prow passes over it as well'
    : `unknown field: did you mean ${guess}? Prow passes over it as well`;
}

/** Names of pod fields that hold text, or a list or map of texts, wherever in a pod they stand. All other fields are left as they are. */
const podTexts: ReadonlySet<string> = new Set([
  ...['name', 'image', 'value', 'key', 'operator', 'effect', 'mountPath', 'subPath', 'subPathExpr', 'workingDir', 'path', 'fieldPath'],
  ...['secretName', 'claimName', 'medium', 'hostname', 'subdomain', 'nodeName', 'serviceAccountName', 'priorityClassName', 'ip'],
  ...['schedulerName', 'runtimeClassName', 'topologyKey', 'server', 'repository', 'revision', 'directory', 'driver', 'host', 'type'],
  ...['command', 'args', 'values', 'nodeSelector', 'matchLabels', 'labels', 'annotations', 'hostnames', 'nameservers', 'searches'],
  ...['terminationMessagePath', 'imagePullPolicy', 'restartPolicy', 'volumeName', 'storageClassName', 'fsType', 'user', 'role', 'level'],
]);

/** Pods have no schema here: the fields that are known to be text become text, and the API server judges the rest. */
export function fitPodPart(tree: Tree, isText = false): Tree {
  if (tree.kind === 'scalar') return isText ? asText(tree) : tree;
  if (tree.kind === 'list') return mapItems(tree, (item) => fitPodPart(item, isText && item.kind === 'scalar'));
  return mapValues(tree, (value, key) => fitPodPart(value, podTexts.has(key) || (isText && value.kind === 'scalar')));
}

const asText = (tree: Tree): Tree => {
  if (tree.kind !== 'scalar' || typeof tree.value === 'string') return tree;
  const { isFloat: _forgotten, ...rest } = tree;
  return { ...rest, value: textOf(tree) ?? '' };
};

const nanosecondMs = 1e-6;

const asDuration = (tree: Tree): Tree =>
  tree.kind === 'scalar' && typeof tree.value === 'number' ? { ...tree, value: formatDuration(tree.value * nanosecondMs) } : tree;

function mapValues(tree: MapTree, change: (value: Tree, key: string) => Tree): MapTree {
  const entries = [...tree.entries].map(([key, entry]): [string, Entry] => [key, { ...entry, value: change(entry.value, key) }]);
  return { ...tree, entries: new Map(entries) };
}

const mapItems = (tree: ListTree, change: (item: Tree, index: number) => Tree): ListTree => ({ ...tree, items: tree.items.map(change) });
