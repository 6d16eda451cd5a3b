/**
 * Lists of type set and map: their items must differ, and an item of a map is found again by its keys.
 */
import { canonicalJson, isArray, isJsonObject, ownField, type JsonObject } from '../json.ts';
import { child, duplicate, invalid, type FieldError, type Path } from './fieldErrors.ts';
import type { SchemaNode } from './schemaNode.ts';

/** The keys of one item, defaults counted in. */
function keysOf(item: unknown, node: SchemaNode): JsonObject {
  const object = isJsonObject(item) ? item : {};
  return Object.fromEntries(
    node.listMapKeys
      .map((key) => [key, ownField(object, key) ?? node.items?.properties.get(key)?.defaultValue] as const)
      .filter(([, value]) => value !== undefined),
  );
}

/** Items of a list map by their keys, for finding the one that corresponds. */
export function indexItems(value: unknown, node: SchemaNode): ReadonlyMap<string, unknown> {
  const index = new Map<string, unknown>();
  if (!isArray(value) || node.listType !== 'map') return index;
  for (const item of value) index.set(canonicalJson(keysOf(item, node)), item);
  return index;
}

/** The item of the index that has the same keys. */
export const correspondingItem = (index: ReadonlyMap<string, unknown>, item: unknown, node: SchemaNode): unknown =>
  index.size === 0 ? undefined : index.get(canonicalJson(keysOf(item, node)));

/** Appends the items that occur twice, at any depth. */
export function validateListTypes(value: unknown, node: SchemaNode, path: Path | undefined, errors: FieldError[]): void {
  if (!node.listTypesInside) return;
  if (isArray(value)) {
    if (node.listType !== 'atomic') validateDistinct(value, node, path, errors);
    const { items } = node;
    if (items !== undefined) value.forEach((item, index) => validateListTypes(item, items, child(path, index), errors));
  } else if (isJsonObject(value)) {
    for (const key of Object.keys(value)) {
      const below = node.properties.get(key) ?? node.additional;
      if (typeof below === 'object') validateListTypes(value[key], below, child(path, key), errors);
    }
  }
}

function validateDistinct(value: readonly unknown[], node: SchemaNode, path: Path | undefined, errors: FieldError[]): void {
  const stray = node.listType === 'map' ? value.findIndex((item) => item !== null && !isJsonObject(item)) : -1;
  if (stray >= 0) {
    errors.push(invalid(child(path, stray), value[stray], 'must be an object for an array of list-type map'));
    return;
  }
  const seen = new Set<string>();
  const told = new Set<string>();
  value.forEach((item, index) => {
    if (item === null && node.listType === 'map') return;
    const identity = node.listType === 'map' ? keysOf(item, node) : item;
    const text = canonicalJson(identity);
    if (seen.has(text) && !told.has(text)) {
      errors.push(duplicate(child(path, index), identity));
      told.add(text);
    }
    seen.add(text);
  });
}
