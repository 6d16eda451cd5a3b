import { describe, expect, it } from 'vitest';
import { inMemory } from '../testing/inMemory.ts';
import { rulesOf } from './mergeRules.ts';
import { strategicMerge } from './strategicMerge.ts';

const rules = rulesOf(inMemory().info('pods'));
const containers = (...list: object[]) => ({ spec: { containers: list } });

interface Case {
  readonly name: string;
  readonly target: object;
  readonly patch: object;
  readonly expected: object;
}

const cases: readonly Case[] = [
  {
    name: 'merges a keyed list item by item',
    target: containers({ name: 'a', image: '1' }, { name: 'b', image: '1' }),
    patch: containers({ name: 'b', image: '2' }),
    expected: containers({ name: 'a', image: '1' }, { name: 'b', image: '2' }),
  },
  {
    name: 'adds an item with a new key',
    target: containers({ name: 'a' }),
    patch: containers({ name: 'b', env: [{ name: 'X', value: null }] }),
    expected: containers({ name: 'b', env: [{ name: 'X', value: null }] }, { name: 'a' }),
  },
  {
    name: 'deletes an item by its key',
    target: containers({ name: 'a' }, { name: 'b' }),
    patch: containers({ name: 'a', $patch: 'delete' }),
    expected: containers({ name: 'b' }),
  },
  {
    name: 'replaces a list on request',
    target: containers({ name: 'a' }),
    patch: containers({ name: 'b' }, { $patch: 'replace' }),
    expected: containers({ name: 'b' }),
  },
  {
    name: 'replaces an unkeyed list',
    target: { spec: { tolerations: [1] } },
    patch: { spec: { tolerations: [2] } },
    expected: { spec: { tolerations: [2] } },
  },
  { name: 'deletes with null', target: { a: 1, b: 2 }, patch: { a: null }, expected: { b: 2 } },
  {
    name: 'keeps only the keys that are retained',
    target: { spec: { strategy: { type: 'A', old: 1 } } },
    patch: { spec: { strategy: { $retainKeys: ['type'], type: 'B' } } },
    expected: { spec: { strategy: { type: 'B' } } },
  },
  {
    name: 'adds to and removes from a list of primitives',
    target: { metadata: { finalizers: ['a', 'b'] } },
    patch: { metadata: { finalizers: ['c'], '$deleteFromPrimitiveList/finalizers': ['a'] } },
    expected: { metadata: { finalizers: ['c', 'b'] } },
  },
  {
    name: 'orders what the patch names',
    target: containers({ name: 'a' }, { name: 'b' }, { name: 'c' }),
    patch: { spec: { '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }], containers: [{ name: 'c', image: 'x' }] } },
    expected: containers({ name: 'b' }, { name: 'c', image: 'x' }, { name: 'a' }),
  },
  {
    name: 'replaces a map on request',
    target: { data: { a: 1 } },
    patch: { data: { $patch: 'replace', b: 2 } },
    expected: { data: { b: 2 } },
  },
];

describe('strategic merge patch', () => {
  it.each(cases)('$name', ({ target, patch, expected }) => {
    expect(strategicMerge(target, patch, rules)).toEqual(expected);
  });

  it('refuses an item without its key', () => {
    expect(() => strategicMerge(containers({ name: 'a' }), containers({ image: 'x' }), rules)).toThrow(
      'does not contain declared merge key: name',
    );
  });
});
