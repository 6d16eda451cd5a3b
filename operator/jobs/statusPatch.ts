/**
 * What of a status has to be written. Field by field, so that a merge patch carries only what changed, and nothing at all is written
 * for a status that says the same. Order of keys does not count: an API server may give them back in another one.
 */

/** The fields of `next` that differ from `current`; null for those that are gone. Undefined when there is nothing to write. */
export function changedFields<S extends object>(current: S | undefined, next: S): Readonly<Record<string, unknown>> | undefined {
  const before = new Map(definedEntries(current ?? {}));
  const after = new Map(definedEntries(next));
  const changed = [...after].filter(([field, value]) => !sameJson(before.get(field), value));
  const gone = [...before.keys()].filter((field) => !after.has(field)).map((field) => [field, null] as const);
  return changed.length + gone.length === 0 ? undefined : Object.fromEntries([...changed, ...gone]);
}

const definedEntries = (object: object): [string, unknown][] => Object.entries(object).filter(([, value]) => value !== undefined);

/** Whether two JSON values say the same. The order of keys does not count, that of list items does. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  }
  const [left, right] = [definedEntries(a), new Map(definedEntries(b))];
  return left.length === right.size && left.every(([field, value]) => right.has(field) && sameJson(value, right.get(field)));
}
