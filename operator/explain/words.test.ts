/** Times, lists and columns as a person reads them. */
import { expect, it } from 'vitest';
import { listed, relative, sentence, someOf, span, table } from './words.ts';

it.each([
  [0, '0 s'],
  [-5_000, '0 s'],
  [999, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [61_000, '1 min 1 s'],
  [3_600_000, '1 h'],
  [3_660_500, '1 h 1 min'],
  [90_000_000, '1 d 1 h'],
  [86_400_000 * 400, '400 d'],
])('%d ms is %s', (ms, want) => expect(span(ms)).toBe(want));

it.each([
  [1_000, 'in 1 s'],
  [0, 'just now'],
  [-500, 'just now'],
  [-1_000, '1 s ago'],
])('%d ms from now is %s', (ms, want) => expect(relative(1_000_000 + ms, 1_000_000)).toBe(want));

it('makes sentences', () => {
  expect(['a\n b', 'a.', 'a?', ''].map(sentence)).toEqual(['a b.', 'a.', 'a?', '']);
  expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(listed)).toEqual(['', 'a', 'a and b', 'a, b and c']);
  expect(someOf(['1', '2', '3', '4', '5', '6', '7'])).toEqual(['1', '2', '3', '4', '5', '… and 2 more']);
  expect(someOf(['1', '2', '3', '4', '5'])).toHaveLength(5);
  expect(
    table([
      ['A', 'LONG'],
      ['xyz', ''],
    ]),
  ).toEqual(['A    LONG', 'xyz']);
});
