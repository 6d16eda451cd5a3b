import { expect, test } from 'vitest';
import { growthExponent, linearithmicExponent, median, quantile, round, spread } from './statistics.ts';

test.each([
  { samples: [3], q: 0.5, is: 3 },
  { samples: [4, 1, 3, 2], q: 0.5, is: 2 },
  { samples: [4, 1, 3, 2], q: 0, is: 1 },
  { samples: [4, 1, 3, 2], q: 1, is: 4 },
  { samples: Array.from({ length: 100 }, (_, index) => 100 - index), q: 0.99, is: 99 },
])('the $q quantile of $samples is one of them: $is', ({ samples, q, is }) => {
  expect(quantile(samples, q)).toBe(is);
});

test.each([
  { samples: [5], middle: 5, apart: 0 },
  { samples: [10, 8, 12], middle: 10, apart: 0.2 },
  { samples: [1, 3], middle: 2, apart: 0.5 },
  { samples: [0, 0], middle: 0, apart: 0 },
])('the middle of $samples is $middle, and they lie $apart apart', ({ samples, middle, apart }) => {
  expect(median(samples)).toBe(middle);
  expect(spread(samples)).toBeCloseTo(apart);
});

test('no samples are no figure', () => {
  for (const of of [median, spread, (samples: readonly number[]) => quantile(samples, 0.5)])
    expect(() => of([])).toThrow('nothing was measured');
});

const sizes = [10, 40, 160];
test.each([
  { what: 'constant', of: () => 7, exponent: 0 },
  { what: 'linear', of: (n: number) => 3 * n, exponent: 1 },
  { what: 'quadratic', of: (n: number) => n * n, exponent: 2 },
])('growth that is $what has the exponent $exponent', ({ of, exponent }) => {
  expect(growthExponent(sizes.map((x) => ({ x, y: of(x) })))).toBeCloseTo(exponent);
});

test('n log n lies a little above linear', () => {
  expect(linearithmicExponent(sizes)).toBeGreaterThan(1.1);
  expect(linearithmicExponent(sizes)).toBeLessThan(1.3);
});

test.each([
  { points: [{ x: 1, y: 1 }], says: 'two sizes' },
  {
    points: [
      { x: 2, y: 1 },
      { x: 2, y: 5 },
    ],
    says: 'two sizes',
  },
  {
    points: [
      { x: 1, y: 0 },
      { x: 2, y: 1 },
    ],
    says: 'above zero',
  },
])('refuses to tell the growth of $points', ({ points, says }) => {
  expect(() => growthExponent(points)).toThrow(says);
});

test('three digits are enough', () => {
  expect([123_456, 0.012_345, 7].map(round)).toEqual([123_000, 0.0123, 7]);
});
