/**
 * Server-side apply: the applied fields become the manager's, fields it no longer applies go unless somebody else owns them, and a
 * changed field of another manager is a conflict unless forced.
 */
import { ApiFailure, resourceDetails } from '../api/failure.ts';
import { cloneJson, equalJson, isObject } from '../api/json.ts';
import type { JsonObject } from '../api/json.ts';
import type { ResourceInfo } from '../api/resourceInfo.ts';
import { childrenOf, difference, fieldsOf, intersect, pathsOf, subtract, union } from './fieldSet.ts';
import type { FieldSet } from './fieldSet.ts';
import { entriesOf, inOrder, newEntry, ownable, sameWriter } from './managedFields.ts';
import type { ManagerEntry } from './managedFields.ts';
import { itemId, rulesOf } from './mergeRules.ts';
import type { Rules } from './mergeRules.ts';

export interface Application {
  readonly info: ResourceInfo;
  readonly name: string;
  readonly manager: string;
  readonly force: boolean;
  readonly subresource: string | undefined;
  readonly time: string;
}

/** The live object with the applied one merged in, managedFields included. `live` is undefined when apply creates. */
export function applyConfiguration(live: unknown, applied: JsonObject, application: Application): JsonObject {
  const { info, manager, subresource } = application;
  const rules = rulesOf(info);
  const before = entriesOf(live);
  const newSet = ownable(info, fieldsOf(applied, rules), subresource);
  const merged = mergeApplied(live ?? {}, applied, rules) as JsonObject;
  const others = conflictFree(
    application,
    before.filter((entry) => !sameWriter(entry, manager, 'Apply', subresource)),
    difference(live ?? {}, merged, rules).changed,
    newSet,
  );
  const mine = before.find((entry) => sameWriter(entry, manager, 'Apply', subresource));
  const othersSet = others.reduce<FieldSet | undefined>((all, entry) => union(all, entry.fieldsV1), undefined);
  const abandoned = subtract(mine?.fieldsV1, newSet);
  const result = (abandoned === undefined ? merged : removeFields(merged, abandoned, union(othersSet, newSet), rules)) as JsonObject;
  const entry =
    newSet &&
    newEntry(
      info,
      { manager, operation: 'Apply', subresource },
      newSet,
      mine !== undefined && equalJson(mine.fieldsV1, newSet) ? mine.time : application.time,
    );
  const managedFields = entry === undefined ? others : [...others, entry];
  const unchanged = equalJson(managedFields.toSorted(byManager), before.toSorted(byManager));
  return {
    ...result,
    metadata: { ...(isObject(result.metadata) ? result.metadata : {}), managedFields: unchanged ? before : inOrder(managedFields) },
  };
}

const byManager = (a: ManagerEntry, b: ManagerEntry): number => {
  const id = (entry: ManagerEntry): string => `${entry.manager} ${entry.operation} ${entry.subresource ?? ''}`;
  return id(a) < id(b) ? -1 : id(a) > id(b) ? 1 : 0;
};

/** The other managers' entries, without what this apply takes over. Throws the conflict when it may not. */
function conflictFree(
  application: Application,
  others: readonly ManagerEntry[],
  changed: FieldSet | undefined,
  applied: FieldSet | undefined,
): readonly ManagerEntry[] {
  const touched = intersect(changed, applied);
  const conflicts = others.flatMap((entry) => {
    const set = intersect(entry.fieldsV1, touched);
    return set === undefined ? [] : [{ entry, set }];
  });
  if (conflicts.length === 0) return others;
  if (!application.force) throw conflictFailure(application, conflicts);
  return others.flatMap((entry) => {
    const rest = subtract(entry.fieldsV1, touched);
    return rest === undefined ? [] : [{ ...entry, fieldsV1: rest }];
  });
}

function conflictFailure({ info, name }: Application, conflicts: readonly { entry: ManagerEntry; set: FieldSet }[]): ApiFailure {
  const described = conflicts.map(({ entry, set }) => {
    const using =
      entry.operation === 'Update'
        ? ` using ${entry.apiVersion}${entry.subresource === undefined ? '' : ` with subresource "${entry.subresource}"`}`
        : '';
    return {
      paths: pathsOf(set).sort(),
      message: `conflict with "${entry.manager}"${entry.subresource !== undefined && entry.operation === 'Apply' ? ` with subresource "${entry.subresource}"` : ''}${using}`,
    };
  });
  const count = described.reduce((sum, { paths }) => sum + paths.length, 0);
  const text = described.map(({ message, paths }) =>
    count === 1 ? `${message}: ${paths[0] ?? ''}` : `${plural(message, paths)}:\n${paths.map((path) => `- ${path}`).join('\n')}`,
  );
  return new ApiFailure(409, 'Conflict', `Apply failed with ${count} conflict${count === 1 ? '' : 's'}: ${text.join('\n')}`, {
    ...resourceDetails(info, name),
    causes: described.flatMap(({ message, paths }) => paths.map((path) => ({ reason: 'FieldManagerConflict', message, field: path }))),
  });
}

const plural = (message: string, paths: readonly string[]): string =>
  paths.length === 1 ? message : message.replace('conflict', 'conflicts');

/** `applied` laid over `live`: maps and keyed lists piece by piece, everything else replaced. */
export function mergeApplied(live: unknown, applied: unknown, rules: Rules): unknown {
  const pieces = childrenOf(applied, rules);
  if (pieces === undefined || childrenOf(live, rules) === undefined || Array.isArray(live) !== Array.isArray(applied))
    return cloneJson(applied);
  if (Array.isArray(live)) {
    const items = [...(live as unknown[])];
    const positions = new Map(items.map((item, i) => [itemId(rules.list, item), i]));
    for (const piece of pieces) {
      const at = positions.get(piece.step);
      if (at === undefined) items.push(cloneJson(piece.value));
      else items[at] = mergeApplied(items[at], piece.value, piece.rules);
    }
    return items;
  }
  const result: JsonObject = { ...(live as JsonObject) };
  for (const piece of pieces) {
    const key = piece.step.slice(2);
    if (key !== '__proto__')
      result[key] = Object.hasOwn(result, key) ? mergeApplied(result[key], piece.value, piece.rules) : cloneJson(piece.value);
  }
  return result;
}

const gone = Symbol('gone');

/** Without the abandoned fields, as far as nobody in `kept` owns them or something below them. */
function removeFields(value: unknown, abandoned: FieldSet, kept: FieldSet | undefined, rules: Rules): unknown {
  const result = removeFrom(value, abandoned, kept, rules);
  return result === gone ? {} : result;
}

function removeFrom(value: unknown, abandoned: FieldSet, kept: FieldSet | undefined, rules: Rules): unknown {
  const member = Object.hasOwn(abandoned, '.') || Object.keys(abandoned).length === 0;
  if (member && kept === undefined) return gone;
  const children = childrenOf(value, rules);
  if (children === undefined) return value;
  const rest = children.flatMap((child) => {
    const below = abandoned[child.step];
    const next = below === undefined ? child.value : removeFrom(child.value, below, kept?.[child.step], child.rules);
    return next === gone ? [] : [{ key: child.step.slice(2), value: next }];
  });
  // A map or list that this removal emptied was only there for what it held.
  if (rest.length === 0 && children.length > 0 && kept === undefined) return gone;
  return Array.isArray(value) ? rest.map((child) => child.value) : Object.fromEntries(rest.map((child) => [child.key, child.value]));
}
