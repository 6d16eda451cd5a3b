/**
 * Walks an object with its schema and runs the CEL rules at every depth. An old value corresponds through fields, map keys and the
 * keys of a list map; items of other lists have no old value, so their transition rules do not run.
 */
import { isArray, isJsonObject, jsonEqual, type JsonObject } from '../json.ts';
import { evaluateRules } from './celRules.ts';
import { child, mapKey, type FieldError, type Path } from './fieldErrors.ts';
import { correspondingItem, indexItems } from './lists.ts';
import { typeNameOf } from './openApiValidation.ts';
import type { SchemaNode } from './schemaNode.ts';

/** Appends what the rules refuse. The value must have passed the rest of validation: rules trust its types. */
export function validateRules(value: unknown, old: unknown, node: SchemaNode, path: Path | undefined, errors: FieldError[]): void {
  if (!node.rulesInside || value === null || value === undefined) return;
  const before = old === null ? undefined : old;
  if (node.rules.length > 0) {
    const isUnchanged = before !== undefined && jsonEqual(value, before);
    evaluateRules(
      node.rules,
      { schema: node, typeName: node.types[0] ?? typeNameOf(value), value, old: before, isUnchanged },
      path,
      errors,
    );
  }
  if (isArray(value)) validateItemRules(value, before, node, path, errors);
  else if (isJsonObject(value)) validateFieldRules(value, before, node, path, errors);
}

function validateFieldRules(value: JsonObject, before: unknown, node: SchemaNode, path: Path | undefined, errors: FieldError[]): void {
  for (const key of Object.keys(value)) {
    const property = node.properties.get(key);
    const below = property ?? node.additional;
    if (typeof below !== 'object' || !below.rulesInside) continue;
    const oldItem = isJsonObject(before) && Object.hasOwn(before, key) ? before[key] : undefined;
    validateRules(value[key], oldItem, below, property === undefined ? mapKey(path, key) : child(path, key), errors);
  }
}

function validateItemRules(value: readonly unknown[], old: unknown, node: SchemaNode, path: Path | undefined, errors: FieldError[]): void {
  const { items } = node;
  if (items?.rulesInside !== true) return;
  const index = indexItems(old, node);
  value.forEach((item, position) => validateRules(item, correspondingItem(index, item, node), items, child(path, position), errors));
}
