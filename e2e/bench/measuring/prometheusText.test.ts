import { expect, test } from 'vitest';
import { added, readSamples, total } from './prometheusText.ts';

const text = `# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{verb="GET",path="/a\\"b\\\\c"} 3
requests_total{verb="PUT"} 1.5e2 1700000000000
requests_total_other 9
plain 4
`;

test('reads the families that were asked for, with their labels', () => {
  const samples = readSamples(text, new Set(['requests_total', 'plain']));
  expect(samples.map(({ name, value }) => [name, value])).toEqual([
    ['requests_total', 3],
    ['requests_total', 150],
    ['plain', 4],
  ]);
  expect(samples[0]?.labels).toEqual(
    new Map([
      ['verb', 'GET'],
      ['path', '/a"b\\c'],
    ]),
  );
  expect(total(samples, 'requests_total')).toBe(153);
  expect(total(samples, 'absent')).toBe(0);
});

test('what was added is told without what stayed', () => {
  const before = new Map([
    ['a', 1],
    ['b', 2],
  ]);
  expect(
    added(
      before,
      new Map([
        ['a', 1],
        ['b', 5],
        ['c', 1],
      ]),
    ),
  ).toEqual(
    new Map([
      ['b', 3],
      ['c', 1],
    ]),
  );
});
