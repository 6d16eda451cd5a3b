/** Which combinations a matrix makes. Each is written as its values in the order of their names. */
import { describe, expect, it } from 'vitest';
import type { PeriodicSetSpec } from '../../crds/v1/periodicSet.ts';
import { combinationsOf, describeCombination } from './matrixCombinations.ts';

type Matrix = Omit<PeriodicSetSpec, 'template'>;

interface Case {
  readonly name: string;
  readonly spec: Matrix;
  readonly want: readonly string[];
}

const fruit = { matrix: { fruit: ['apple', 'pear'], animal: ['cat', 'dog'] } };

const cases: readonly Case[] = [
  {
    name: 'names by alphabet, values as written',
    spec: { matrix: { z: ['2', '1'], a: ['y', 'x'] } },
    want: ['a=y, z=2', 'a=y, z=1', 'a=x, z=2', 'a=x, z=1'],
  },
  { name: 'one value each is one combination', spec: { matrix: { a: ['x'], b: ['y'] } }, want: ['a=x, b=y'] },
  {
    name: 'exclude leaves out what agrees with all its values',
    spec: {
      ...fruit,
      exclude: [
        { fruit: 'apple', animal: 'cat' },
        { animal: 'dog', fruit: 'pear' },
      ],
    },
    want: ['animal=cat, fruit=pear', 'animal=dog, fruit=apple'],
  },
  {
    name: 'exclude with some of the names leaves out all that agree',
    spec: { ...fruit, exclude: [{ fruit: 'apple' }] },
    want: ['animal=cat, fruit=pear', 'animal=dog, fruit=pear'],
  },
  {
    name: 'exclude of a name that is not there leaves out nothing',
    spec: { matrix: { a: ['x'] }, exclude: [{ b: 'x' }] },
    want: ['a=x'],
  },
  {
    name: 'include without a name of the matrix goes to every combination',
    spec: { matrix: { a: ['x', 'y'] }, include: [{ color: 'green' }] },
    want: ['a=x, color=green', 'a=y, color=green'],
  },
  {
    name: 'a later include replaces what an earlier one added',
    spec: { matrix: { a: ['x', 'y'] }, include: [{ color: 'green' }, { a: 'y', color: 'pink' }] },
    want: ['a=x, color=green', 'a=y, color=pink'],
  },
  {
    name: 'include never replaces a value of the matrix: it makes a combination of its own',
    spec: { matrix: { a: ['x'] }, include: [{ a: 'z' }, { a: 'z', color: 'pink' }] },
    want: ['a=x', 'a=z', 'a=z, color=pink'],
  },
  {
    name: 'include brings back what exclude left out, as a combination of its own',
    spec: { ...fruit, exclude: [{ fruit: 'apple' }], include: [{ fruit: 'apple', animal: 'cat' }] },
    want: ['animal=cat, fruit=pear', 'animal=dog, fruit=pear', 'animal=cat, fruit=apple'],
  },
  {
    name: "the five includes of GitHub's own description",
    spec: {
      ...fruit,
      include: [
        { color: 'green' },
        { color: 'pink', animal: 'cat' },
        { fruit: 'apple', shape: 'circle' },
        { fruit: 'banana' },
        { fruit: 'banana', animal: 'cat' },
      ],
    },
    want: [
      'animal=cat, color=pink, fruit=apple, shape=circle',
      'animal=cat, color=pink, fruit=pear',
      'animal=dog, color=green, fruit=apple, shape=circle',
      'animal=dog, color=green, fruit=pear',
      'fruit=banana',
      'animal=cat, fruit=banana',
    ],
  },
  { name: 'includes alone are a list', spec: { include: [{ a: 'x' }, { a: 'y', b: 'z' }] }, want: ['a=x', 'a=y, b=z'] },
  {
    name: 'keys that objects inherit are only names',
    spec: { matrix: { constructor: ['x'], toString: ['y'] } },
    want: ['constructor=x, toString=y'],
  },
];

const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));

describe('the combinations', () => {
  it.each(cases)('$name', ({ spec, want }) => {
    const found = combinationsOf(spec);
    expect(found.ok && found.combinations.map(describeCombination)).toEqual(want);
  });

  it.each<{ name: string; spec: Matrix; path: string; message: RegExp }>([
    { name: 'none is left', spec: { matrix: { a: ['x'] }, exclude: [{ a: 'x' }] }, path: 'spec.exclude', message: /leaves no combination/ },
    {
      name: 'more than a thousand',
      spec: { matrix: { a: numbers(143), b: numbers(7) } },
      path: 'spec',
      message: /asks for 1001 Periodics/,
    },
    {
      name: 'a product that would not fit into memory',
      spec: { matrix: Object.fromEntries(numbers(10).map((name) => [`n${name}`, numbers(200)])) },
      path: 'spec.matrix',
      message: /at most 10000/,
    },
  ])('refused: $name', ({ spec, path, message }) => {
    expect(combinationsOf(spec)).toEqual({ ok: false, fault: { path, message: expect.stringMatching(message) } });
  });

  it('may be more before exclude than are left', () => {
    const found = combinationsOf({ matrix: { a: numbers(40), b: numbers(50) }, exclude: numbers(20).map((a) => ({ a })) });
    expect(found.ok && found.combinations.length).toBe(1000);
  });
});
