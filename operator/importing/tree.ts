/**
 * Configuration as a tree that remembers where each part stands and what comments belong to it, so that a manifest built from parts of
 * it keeps the comments, and a problem with the manifest can be told at the line of the configuration.
 */
import { isArray, isJsonObject, jsonEqual } from '../../crds/json.ts';
import { asGoText, type ScalarValue } from './goScalars.ts';

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** Comments around a key and its value, or around an item of a list. Lines without the `#`. */
export interface Remarks {
  readonly before: readonly string[];
  /** On the same line. */
  readonly beside: readonly string[];
  /** Below it, before the block around it ends. */
  readonly after: readonly string[];
}

interface Common {
  readonly place: Place;
  readonly remarks?: Remarks;
}

export interface ScalarTree extends Common {
  readonly kind: 'scalar';
  readonly value: ScalarValue;
  readonly isFloat?: boolean;
}
export interface ListTree extends Common {
  readonly kind: 'list';
  readonly items: readonly Tree[];
}
export interface MapTree extends Common {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Entry>;
}
export type Tree = ScalarTree | ListTree | MapTree;

export interface Entry {
  /** Of the key. */
  readonly place: Place;
  readonly value: Tree;
}

export const scalar = (value: ScalarValue, place: Place, remarks?: Remarks): ScalarTree => ({
  kind: 'scalar',
  value,
  place,
  ...(remarks === undefined ? {} : { remarks }),
});

/** A map of these fields, without those that are undefined. */
export function mapOf(fields: Readonly<Record<string, Tree | undefined>>, place: Place): MapTree {
  const entries = Object.entries(fields).flatMap(([key, value]): readonly [string, Entry][] =>
    value === undefined ? [] : [[key, { place: value.place, value }]],
  );
  return { kind: 'map', entries: new Map(entries), place };
}

export const listOf = (items: readonly Tree[], place: Place): ListTree => ({ kind: 'list', items, place });

/** The value of a field; undefined where there is none, or it is null, which is the same to Prow. */
export function child(tree: Tree | undefined, key: string): Tree | undefined {
  const value = tree?.kind === 'map' ? tree.entries.get(key)?.value : undefined;
  return value === undefined || isNull(value) ? undefined : value;
}

export const isNull = (tree: Tree): boolean => tree.kind === 'scalar' && tree.value === null;

/** The items of a list; none for anything else. */
export const itemsOf = (tree: Tree | undefined): readonly Tree[] => (tree?.kind === 'list' ? tree.items : []);

export const entriesOf = (tree: Tree | undefined): readonly (readonly [string, Entry])[] => (tree?.kind === 'map' ? [...tree.entries] : []);

/** The text of a scalar as a field for text holds it; undefined for lists and maps and where there is nothing. */
export const textOf = (tree: Tree | undefined): string | undefined =>
  tree?.kind === 'scalar' && tree.value !== null ? asGoText(tree.value, tree.isFloat === true) : undefined;

export const booleanOf = (tree: Tree | undefined): boolean | undefined =>
  tree?.kind === 'scalar' && typeof tree.value === 'boolean' ? tree.value : undefined;

export const numberOf = (tree: Tree | undefined): number | undefined =>
  tree?.kind === 'scalar' && typeof tree.value === 'number' ? tree.value : undefined;

/** The plain value. Keys that are null are left out. Integers beyond 2^53 lose digits. */
export function toJson(tree: Tree): unknown {
  if (tree.kind === 'list') return tree.items.map(toJson);
  if (tree.kind === 'map') {
    return Object.fromEntries([...tree.entries].filter(([, { value }]) => !isNull(value)).map(([key, { value }]) => [key, toJson(value)]));
  }
  return typeof tree.value === 'bigint' ? Number(tree.value) : tree.value;
}

/** The tree of a plain value: parts that are as in `like` are taken from there, with their comments; the others stand at its place. */
export function treeOf(value: unknown, like: Tree | undefined, place: Place): Tree {
  if (like !== undefined && jsonEqual(toJson(like), value)) return like;
  const own = { place: like?.place ?? place, ...(like?.remarks === undefined ? {} : { remarks: like.remarks }) };
  if (isArray(value)) {
    const known = itemsOf(like);
    return { kind: 'list', items: value.map((item, index) => treeOf(item, known[index], own.place)), ...own };
  }
  if (!isJsonObject(value)) return { kind: 'scalar', value: value as ScalarValue, ...own };
  const known = like?.kind === 'map' ? like.entries : undefined;
  const entries = Object.entries(value).map(([key, field]): readonly [string, Entry] => {
    const before = known?.get(key);
    return [key, { place: before?.place ?? own.place, value: treeOf(field, before?.value, own.place) }];
  });
  return { kind: 'map', entries: new Map(entries), ...own };
}

/** The same at another place in the manifest: the remarks of what stood there are what explains it. */
export const withRemarks = <T extends Tree>(tree: T, remarks: Remarks | undefined): T =>
  remarks === undefined ? tree : { ...tree, remarks };

const noRemarks: Remarks = { before: [], beside: [], after: [] };

/** Every comment of a part, in the order in which it was written. For parts that do not come along. */
export function allRemarks(tree: Tree): readonly string[] {
  const { before, beside, after } = tree.remarks ?? noRemarks;
  const inner = tree.kind === 'list' ? tree.items : entriesOf(tree).map(([, { value }]) => value);
  return [...before, ...beside, ...inner.flatMap(allRemarks), ...after];
}
