/**
 * Pruning: fields that the schema does not name are dropped, and named to the caller. The input is never changed; where nothing is
 * dropped the same object comes back.
 */
import { isArray, isJsonObject, type JsonObject } from '../json.ts';
import { child, formatPath, segmentsOf, type Path } from './fieldErrors.ts';
import type { SchemaNode } from './schemaNode.ts';

export interface PrunedField {
  readonly path: string;
  readonly segments: readonly (string | number)[];
}

const kept = new Set(['apiVersion', 'kind', 'metadata']);

/** Drops what the schema does not name. At the root, and in embedded resources, apiVersion, kind and metadata stay as they are. */
export function pruneValue(value: unknown, node: SchemaNode, pruned: PrunedField[]): unknown {
  return prune(value, { node, isResource: true }, undefined, pruned);
}

interface Place {
  /** Undefined: below something that keeps what the schema does not name. */
  readonly node: SchemaNode | undefined;
  readonly isResource: boolean;
}

function prune(value: unknown, place: Place, path: Path | undefined, pruned: PrunedField[]): unknown {
  if (isArray(value)) return pruneArray(value, place, path, pruned);
  return isJsonObject(value) && place.node !== undefined
    ? pruneObject(value, place.node, { path, isResource: place.isResource }, pruned)
    : value;
}

function pruneArray(value: readonly unknown[], { node }: Place, path: Path | undefined, pruned: PrunedField[]): unknown {
  const items = node?.items;
  if (items === undefined) return value;
  const result = value.map((item, index) => prune(item, { node: items, isResource: items.embedded }, child(path, index), pruned));
  return result.some((item, index) => item !== value[index]) ? result : value;
}

function pruneObject(
  value: JsonObject,
  node: SchemaNode,
  at: { readonly path: Path | undefined; readonly isResource: boolean },
  pruned: PrunedField[],
): unknown {
  let changed = false;
  const entries: [string, unknown][] = [];
  for (const key of Object.keys(value)) {
    const item = value[key];
    const path = child(at.path, key);
    if (at.isResource && kept.has(key)) {
      entries.push([key, item]);
      continue;
    }
    const below = node.properties.get(key) ?? node.additional;
    if (below === undefined && !node.preserveUnknown) {
      pruned.push({ path: formatPath(path), segments: segmentsOf(path) });
      changed = true;
      continue;
    }
    const result = typeof below === 'object' ? prune(item, { node: below, isResource: below.embedded }, path, pruned) : item;
    changed ||= result !== item;
    entries.push([key, result]);
  }
  return changed ? Object.fromEntries(entries) : value;
}
