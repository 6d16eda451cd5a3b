/** The algebra that field ownership rests on. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inMemory } from '../testing/inMemory.ts';
import { difference, fieldsOf, intersect, pathsOf, subtract, union } from './fieldSet.ts';
import type { FieldSet } from './fieldSet.ts';
import { rulesOf } from './mergeRules.ts';

const rules = rulesOf(inMemory().info('configmaps'));
const object = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', 'd'),
  fc.oneof(fc.integer(), fc.dictionary(fc.constantFrom('x', 'y'), fc.integer())),
);
const sets = object.map((value) => fieldsOf(value, rules));
const paths = (set: FieldSet | undefined) => (set === undefined ? [] : pathsOf(set)).sort();

describe('field sets', () => {
  it('union, intersection and difference are those of their members', () => {
    fc.assert(
      fc.property(sets, sets, (a, b) => {
        const [left, right] = [paths(a), paths(b)];
        expect(paths(union(a, b))).toEqual([...new Set([...left, ...right])].sort());
        expect(paths(intersect(a, b))).toEqual(left.filter((path) => right.includes(path)));
        expect(paths(subtract(a, b))).toEqual(left.filter((path) => !right.includes(path)));
      }),
    );
  });

  it('an object does not differ from itself', () => {
    fc.assert(
      fc.property(object, (value) => {
        expect(difference(value, structuredClone(value), rules)).toEqual({ changed: undefined, removed: undefined });
      }),
    );
  });

  it('what a change removed is not in the new object, and what it set is', () => {
    fc.assert(
      fc.property(object, object, (before, after) => {
        const { changed, removed } = difference(before, after, rules);
        const all = paths(fieldsOf(after, rules, true));
        expect(paths(changed).filter((path) => !all.includes(path))).toEqual([]);
        expect(paths(removed).filter((path) => all.includes(path))).toEqual([]);
      }),
    );
  });
});
