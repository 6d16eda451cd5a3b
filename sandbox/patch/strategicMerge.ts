/**
 * Strategic merge patch for built-in kinds: lists with a merge key are patched item by item, and the directives `$patch`, `$retainKeys`,
 * `$deleteFromPrimitiveList` and `$setElementOrder` are honoured. kubectl apply, edit, label and set send these.
 */
import { cloneJson, equalJson, field, isObject } from '../api/json.ts';
import type { JsonObject } from '../api/json.ts';
import { ApiFailure, badRequest } from '../api/failure.ts';
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
    if (key.startsWith(orderOf)) reorder(result, target, { name: key.slice(orderOf.length), order, rules });
  }
  return result;
}

function mergeValue(current: unknown, value: unknown, rules: Rules): unknown {
  if (isObject(value)) return isObject(current) ? mergeMap(current, value, rules) : withoutNulls(withoutDirectives(value));
  if (!Array.isArray(value)) return value;
  const items = value as unknown[];
  const currentItems: readonly unknown[] = Array.isArray(current) ? (current as unknown[]) : [];
  if (rules.list.type === 'set') {
    const merged = [...currentItems, ...items.filter((item) => !currentItems.some((known) => equalJson(known, item)))];
    return inOrder(merged, items, currentItems);
  }
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
      throw new ApiFailure(500, '', `map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
    if (item.$patch !== undefined && !['delete', 'merge', 'replace'].includes(item.$patch as string))
      throw new ApiFailure(500, '', `unknown patch type: ${JSON.stringify(item.$patch)} in map: ${JSON.stringify(item)}`);
    const at = result.findIndex((known) => field(known, key) === item[key]);
    if (item.$patch === 'delete') {
      if (at >= 0) result.splice(at, 1);
    } else if (at < 0) result.push(withoutNulls(withoutDirectives(item)));
    else result[at] = mergeMap(result[at] as JsonObject, item, rules.item());
  }
  const idOf = (item: unknown): unknown => field(item, key);
  return inOrder(result, patch.map(idOf), current.map(idOf), idOf);
}

/** What the patch names comes in the patch's order; what it does not name comes before it where it did before. */
function inOrder(
  merged: readonly unknown[],
  wanted: readonly unknown[],
  before: readonly unknown[],
  idOf = (item: unknown): unknown => item,
): unknown[] {
  const named = merged.filter((item) => wanted.includes(idOf(item))).sort((a, b) => wanted.indexOf(idOf(a)) - wanted.indexOf(idOf(b)));
  const others = merged.filter((item) => !wanted.includes(idOf(item)));
  const result: unknown[] = [];
  while (named.length > 0 && others.length > 0) {
    const [place, rival] = [before.indexOf(idOf(others[0])), before.indexOf(idOf(named[0]))];
    result.push(place >= 0 && rival >= 0 && place < rival ? others.shift() : named.shift());
  }
  return [...result, ...others, ...named];
}

function retainKeys(target: JsonObject, keys: unknown): void {
  if (!Array.isArray(keys)) return;
  for (const key of Object.keys(target)) if (!keys.includes(key)) Reflect.deleteProperty(target, key);
}

function dropPrimitives(target: JsonObject, name: string, values: unknown): void {
  const list = target[name];
  if (Array.isArray(list) && Array.isArray(values)) target[name] = list.filter((item) => !values.includes(item));
}

function reorder(result: JsonObject, target: Readonly<JsonObject>, wish: { name: string; order: unknown; rules: Rules }): void {
  const list = result[wish.name];
  if (!Array.isArray(list) || !Array.isArray(wish.order)) return;
  const key = mergeKey(wish.rules.child(wish.name));
  const idOf = (item: unknown): unknown => (isObject(item) ? item[key] : item);
  const before = target[wish.name];
  result[wish.name] = inOrder(list, wish.order.map(idOf), Array.isArray(before) ? before.map(idOf) : [], idOf);
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
