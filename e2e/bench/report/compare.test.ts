import { expect, test } from 'vitest';
import { changes, differentMachines, regressions } from './compare.ts';
import type { BenchResult, Figure } from './figures.ts';
import { isMet } from './figures.ts';

const machine = { cpus: 2, cpu: 'a', memoryMB: 1, kernel: '6', node: 'v24', kubernetes: '1.36' };
const figure = (part: Partial<Figure>): Figure => ({
  id: 'rate',
  what: 'rate',
  unit: '',
  value: 10,
  better: 'more',
  samples: [10],
  ...part,
});
const result = (...figures: readonly Figure[]): BenchResult => ({
  format: 1,
  mode: 'quick',
  at: '',
  commit: 'c',
  machine,
  figures,
  growth: [],
});

interface Case {
  readonly what: string;
  readonly before: Partial<Figure>;
  readonly after: Partial<Figure>;
  readonly isWorse: boolean;
}

test.each<Case>([
  { what: 'measured once, within what chance does', before: { value: 10 }, after: { value: 8.5 }, isWorse: false },
  { what: 'measured once, far away', before: { value: 10 }, after: { value: 7 }, isWorse: true },
  { what: 'better', before: { value: 10 }, after: { value: 20 }, isWorse: false },
  { what: 'less is better', before: { value: 10, better: 'less' }, after: { value: 13, better: 'less' }, isWorse: true },
  { what: 'rounds that agree', before: { samples: [10, 10, 10] }, after: { value: 9, samples: [9, 9, 9] }, isWorse: true },
  {
    what: 'rounds that agree, a little less',
    before: { samples: [10, 10, 10] },
    after: { value: 9.7, samples: [9.7, 9.7] },
    isWorse: false,
  },
  { what: 'rounds that do not agree', before: { samples: [8, 10, 12] }, after: { value: 9, samples: [9, 9, 9] }, isWorse: false },
  { what: 'something where nothing was', before: { value: 0, better: 'less' }, after: { value: 1, better: 'less' }, isWorse: true },
  { what: 'nothing where nothing was', before: { value: 0, better: 'less' }, after: { value: 0, better: 'less' }, isWorse: false },
])('$what: worse is $isWorse', ({ before, after, isWorse }) => {
  expect(regressions(result(figure(before)), result(figure(after)))).toHaveLength(isWorse ? 1 : 0);
});

test('the worst comes first, and a figure that is new is no change', () => {
  const before = result(figure({ id: 'a' }), figure({ id: 'b' }));
  const after = result(figure({ id: 'a', value: 9 }), figure({ id: 'b', value: 5 }), figure({ id: 'c' }));
  expect(changes(before, after).map((change) => [change.figure.id, change.worseBy])).toEqual([
    ['b', 0.5],
    ['a', 0.1],
  ]);
});

test('results of different sizes are not compared', () => {
  expect(() => changes({ ...result(), mode: 'full' }, result())).toThrow('a quick run cannot be compared with a full run');
});

test('another machine is named', () => {
  expect(differentMachines(result(), result())).toBeUndefined();
  expect(differentMachines({ ...result(), machine: { ...machine, cpus: 8 } }, result())).toContain('8 × a');
});

test.each([
  { part: { value: 1, bar: 1 }, met: true },
  { part: { value: 0.9, bar: 1 }, met: false },
  { part: { value: 0.9, bar: 1, better: 'less' }, met: true },
  { part: { value: NaN, bar: 1, better: 'less' }, met: false },
  { part: { value: 5 }, met: undefined },
] as const)('$part meets its bar: $met', ({ part, met }) => {
  expect(isMet(figure(part))).toBe(met);
});
