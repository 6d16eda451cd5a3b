import fc from 'fast-check';
import { expect, it } from 'vitest';
import { checkMetadata } from '../../crds/metadata.ts';
import { periodicNames } from './names.ts';

interface Row {
  readonly name: string;
  readonly jobs: readonly string[];
  readonly prefix?: string;
  readonly names: readonly (string | RegExp)[];
}

const rows: readonly Row[] = [
  { name: 'a name that is valid stays', jobs: ['ci-unit.v1'], names: ['ci-unit.v1'] },
  { name: 'upper case and underscores', jobs: ['CI_Unit'], names: ['ci-unit'] },
  { name: 'ends that are not allowed', jobs: ['-a.', '._b-.-c_'], names: ['a', 'b.c'] },
  { name: 'a prefix', jobs: ['Unit'], prefix: 'team-', names: ['team-unit'] },
  { name: 'nothing left', jobs: ['---'], names: [/^job-[0-9a-f]{8}$/] },
  { name: 'two that become one: the one that is valid keeps it', jobs: ['A_b', 'a-b'], names: [/^a-b-[0-9a-f]{8}$/, 'a-b'] },
  { name: 'two that become one and are both changed', jobs: ['A_b', 'a_B'], names: [/^a-b-[0-9a-f]{8}$/, /^a-b-[0-9a-f]{8}$/] },
  { name: 'too long', jobs: ['x'.repeat(300)], names: [/^x{244}-[0-9a-f]{8}$/] },
];

it.each(rows)('$name', ({ jobs, prefix = '', names }) => {
  const found = periodicNames(jobs, prefix);
  expect(found).toHaveLength(names.length);
  for (const [index, name] of names.entries()) {
    if (typeof name === 'string') expect(found[index]).toBe(name);
    else expect(found[index]).toMatch(name);
  }
});

it('gives every job a valid name of its own that does not depend on the others before it', () => {
  const job = fc.string({ unit: fc.constantFrom('a', 'A', 'b', 'B', '.', '_', '-', '1'), minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.uniqueArray(job, { maxLength: 20 }), (jobs) => {
      const names = periodicNames(jobs, '');
      expect(new Set(names).size).toBe(jobs.length);
      expect(names.flatMap((name) => checkMetadata({ name }))).toEqual([]);
      expect([...periodicNames([...jobs].reverse(), '')].reverse()).toEqual(names);
    }),
  );
});
