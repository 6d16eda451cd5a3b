/**
 * Sets of field paths in the form of FieldsV1: `{"f:spec":{"f:replicas":{}}}`. A node without children is a member; one with children
 * is a member when it has the child ".". The functions never change their arguments.
 */
import { equalJson, isObject } from '../api/json.ts';
import type { JsonObject } from '../api/json.ts';
import { itemId } from './mergeRules.ts';
import type { Rules } from './mergeRules.ts';

export interface FieldSet {
  readonly [step: string]: FieldSet;
}

type Building = Record<string, FieldSet>;

const leaf: FieldSet = {};

const isMember = (set: FieldSet): boolean => Object.hasOwn(set, '.') || Object.keys(set).length === 0;

const stepsOf = (set: FieldSet): readonly string[] => Object.keys(set).filter((step) => step !== '.');

/** A node from its children and membership; undefined when nothing is left. */
function node(children: Building, member: boolean): FieldSet | undefined {
  if (Object.keys(children).length === 0) return member ? leaf : undefined;
  return member ? { '.': leaf, ...children } : children;
}

export function union(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const children: Building = {};
  for (const step of new Set([...stepsOf(a), ...stepsOf(b)])) {
    const child = union(a[step], b[step]);
    if (child !== undefined) children[step] = child;
  }
  return node(children, isMember(a) || isMember(b));
}

export function subtract(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (a === undefined || b === undefined) return a;
  const children: Building = {};
  for (const step of stepsOf(a)) {
    const child = subtract(a[step], b[step]);
    if (child !== undefined) children[step] = child;
  }
  return node(children, isMember(a) && !isMember(b));
}

export function intersect(a: FieldSet | undefined, b: FieldSet | undefined): FieldSet | undefined {
  if (a === undefined || b === undefined) return undefined;
  const children: Building = {};
  for (const step of stepsOf(a)) {
    const child = intersect(a[step], b[step]);
    if (child !== undefined) children[step] = child;
  }
  return node(children, isMember(a) && isMember(b));
}

/** Members as Kubernetes' conflict messages print them: `.spec.containers[name="x"].image`. */
export function pathsOf(set: FieldSet, prefix = ''): string[] {
  const own = isMember(set) && prefix !== '' ? [prefix] : [];
  return [...own, ...stepsOf(set).flatMap((step) => pathsOf(set[step] ?? leaf, prefix + stepText(step)))];
}

function stepText(step: string): string {
  const body = step.slice(2);
  if (step.startsWith('f:')) return `.${body}`;
  if (step.startsWith('v:')) return `[=${body}]`;
  const pairs = Object.entries(JSON.parse(body) as JsonObject).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return `[${pairs.join(',')}]`;
}

interface Child {
  readonly step: string;
  readonly value: unknown;
  readonly rules: Rules;
}

/** What is below a value as far as it is merged piece by piece; undefined for scalars and everything atomic. */
export function childrenOf(value: unknown, rules: Rules): readonly Child[] | undefined {
  if (Array.isArray(value)) {
    if (rules.list.type === 'atomic') return undefined;
    const children = value.map((item) => ({ step: itemId(rules.list, item) ?? '', value: item as unknown, rules: rules.item() }));
    return children.some((child) => child.step === '') ? undefined : children;
  }
  if (!isObject(value) || rules.atomicMap) return undefined;
  return Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .map((key) => ({ step: `f:${key}`, value: value[key], rules: rules.child(key) }));
}

/** All fields a value sets. Items of keyed lists are members themselves; maps only when they are empty or `withMaps`. */
export function fieldsOf(value: unknown, rules: Rules, withMaps = false, isItem = false): FieldSet {
  const children = childrenOf(value, rules);
  if (children === undefined || children.length === 0) return leaf;
  const fields: Building = {};
  for (const child of children) fields[child.step] = fieldsOf(child.value, child.rules, withMaps, Array.isArray(value));
  return isItem || withMaps ? { '.': leaf, ...fields } : fields;
}

export interface Difference {
  /** Added or changed. */
  readonly changed: FieldSet | undefined;
  readonly removed: FieldSet | undefined;
}

/** What `after` sets otherwise than `before`. */
export function difference(before: unknown, after: unknown, rules: Rules): Difference {
  if (before === after) return { changed: undefined, removed: undefined };
  const old = childrenOf(before, rules);
  const next = childrenOf(after, rules);
  if (old === undefined || next === undefined || Array.isArray(before) !== Array.isArray(after)) {
    return equalJson(before, after)
      ? { changed: undefined, removed: undefined }
      : { changed: fieldsOf(after, rules, true), removed: undefined };
  }
  const oldBySteps = new Map(old.map((child) => [child.step, child]));
  const changed: Building = {};
  const removed: Building = {};
  for (const child of next) {
    const counterpart = oldBySteps.get(child.step);
    oldBySteps.delete(child.step);
    const inner: Difference =
      counterpart === undefined
        ? { changed: fieldsOf(child.value, child.rules, true), removed: undefined }
        : difference(counterpart.value, child.value, child.rules);
    if (inner.changed !== undefined) changed[child.step] = inner.changed;
    if (inner.removed !== undefined) removed[child.step] = inner.removed;
  }
  for (const [step, child] of oldBySteps) removed[step] = fieldsOf(child.value, child.rules, true);
  return { changed: node(changed, false), removed: node(removed, false) };
}
