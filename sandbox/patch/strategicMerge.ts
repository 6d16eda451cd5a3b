/**
 * Strategic merge patch for built-in kinds: lists with a merge key are patched item by item, and the directives `$patch`, `$retainKeys`,
 * `$deleteFromPrimitiveList` and `$setElementOrder` are honoured. kubectl apply, edit, label and set send these.
 */
import { cloneJson, equalJson, field, isObject } from '../api/json.ts';
import type { JsonObject } from '../api/json.ts';
import { badRequest } from '../api/failure.ts';
import type { Rules } from './mergeRules.ts';

const deleteFrom = '$deleteFromPrimitiveList/';
const orderOf = '$setElementOrder/';

export function strategicMerge(target: unknown, patch: unknown, rules: Rules): unknown {
  if (!isObject(patch)) throw badRequest('a strategic merge patch must be an object');
  return mergeMap(isObject(target) ? target : {}, patch, rules);
}

function mergeMap(target: Readonly<JsonObject>, patch: Readonly<JsonObject>, rules: Rules): JsonObject {
  if (patch.$patch === 'replace') return withoutDirectives(patch);
  if (patch.$patch === 'delete') return {};
  const result: JsonObject = { ...target };
  retainKeys(result, patch.$retainKeys);
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(deleteFrom)) dropPrimitives(result, key.slice(deleteFrom.length), value);
    if (key.startsWith('$') || key === '__proto__') continue;
    if (value === null) Reflect.deleteProperty(result, key);
    else result[key] = mergeValue(result[key], value, rules.child(key));
  }
  for (const [key, order] of Object.entries(patch)) {
    if (key.startsWith(orderOf)) reorder(result, key.slice(orderOf.length), order, rules.child(key.slice(orderOf.length)));
  }
  return result;
}

function mergeValue(current: unknown, value: unknown, rules: Rules): unknown {
  if (isObject(value)) return isObject(current) ? mergeMap(current, value, rules) : withoutNulls(withoutDirectives(value));
  if (!Array.isArray(value)) return value;
  const items = value as unknown[];
  const currentItems: readonly unknown[] = Array.isArray(current) ? (current as unknown[]) : [];
  if (rules.list.type === 'set') return [...currentItems, ...items.filter((item) => !currentItems.some((known) => equalJson(known, item)))];
  return rules.list.type === 'map' ? mergeItems(currentItems, items, rules) : cloneJson(items);
}

/** Strategic merge knows one key a list: the first of those that server-side apply uses. */
const mergeKey = (rules: Rules): string => (rules.list.type === 'map' ? (rules.list.keys[0] ?? 'name') : 'name');

function mergeItems(current: readonly unknown[], patch: readonly unknown[], rules: Rules): unknown[] {
  const key = mergeKey(rules);
  const directive = patch.find((item) => field(item, '$patch') === 'replace');
  if (directive !== undefined)
    return patch.filter((item) => item !== directive).map((item) => (isObject(item) ? withoutDirectives(item) : item));
  const result = [...current];
  for (const item of patch) {
    if (!isObject(item) || item[key] === undefined)
      throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    const at = result.findIndex((known) => field(known, key) === item[key]);
    if (item.$patch === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at < 0) result.push(withoutNulls(withoutDirectives(item)));
    else result[at] = mergeMap(result[at] as JsonObject, item, rules.item());
  }
  return result;
}

function retainKeys(target: JsonObject, keys: unknown): void {
  if (!Array.isArray(keys)) return;
  for (const key of Object.keys(target)) if (!keys.includes(key)) Reflect.deleteProperty(target, key);
}

function dropPrimitives(target: JsonObject, name: string, values: unknown): void {
  const list = target[name];
  if (Array.isArray(list) && Array.isArray(values)) target[name] = list.filter((item) => !values.includes(item));
}

/** Items that the patch names come in its order; others keep their place behind the one they followed. */
function reorder(target: JsonObject, name: string, order: unknown, rules: Rules): void {
  const list = target[name];
  if (!Array.isArray(list) || !Array.isArray(order)) return;
  const key = mergeKey(rules);
  const idOf = (item: unknown): unknown => (isObject(item) ? item[key] : item);
  const wanted = order.map(idOf);
  const named = list.filter((item) => wanted.includes(idOf(item))).sort((a, b) => wanted.indexOf(idOf(a)) - wanted.indexOf(idOf(b)));
  let next = 0;
  target[name] = list.map((item: unknown): unknown => (wanted.includes(idOf(item)) ? named[next++] : item));
}

function withoutDirectives(value: Readonly<JsonObject>): JsonObject {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !key.startsWith('$'))
      .map(([key, inner]) => [key, isObject(inner) ? withoutDirectives(inner) : inner]),
  );
}

const withoutNulls = (value: Readonly<JsonObject>): JsonObject =>
  Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => [key, isObject(inner) ? withoutNulls(inner) : inner]),
  );
