/**
 * Defaulting, as Kubernetes does it on every read and write: a missing field gets its default, and so does a null that the schema does
 * not allow; a null without default is dropped. The input is never changed; where nothing is to do the same object comes back.
 */
import { isArray, isJsonObject, type JsonObject } from '../json.ts';
import type { SchemaNode } from './schemaNode.ts';

/** The value with its defaults. */
export function defaultValue(value: unknown, node: SchemaNode): unknown {
  if (isArray(value)) return defaultArray(value, node);
  return isJsonObject(value) ? defaultObject(value, node) : value;
}

function defaultArray(value: readonly unknown[], node: SchemaNode): unknown {
  const { items } = node;
  if (items === undefined) return value;
  const result = value.map((item) => defaultValue(item === null && !items.nullable && items.hasDefault ? items.defaultValue : item, items));
  return result.some((item, index) => item !== value[index]) ? result : value;
}

function defaultObject(value: JsonObject, node: SchemaNode): unknown {
  let changed = false;
  const entries: [string, unknown][] = [];
  for (const key of Object.keys(value)) {
    const item = value[key];
    const below = node.properties.get(key) ?? (typeof node.additional === 'object' ? node.additional : undefined);
    const isStrayNull = item === null && below !== undefined && !below.nullable;
    if (isStrayNull && !below.hasDefault) {
      changed = true;
      continue;
    }
    const result = below === undefined ? item : defaultValue(isStrayNull ? below.defaultValue : item, below);
    changed ||= result !== item;
    entries.push([key, result]);
  }
  for (const [key, property] of node.properties) {
    if (!property.hasDefault || Object.hasOwn(value, key)) continue;
    entries.push([key, defaultValue(property.defaultValue, property)]);
    changed = true;
  }
  return changed ? Object.fromEntries(entries) : value;
}
