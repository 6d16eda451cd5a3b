import { expect, test } from 'vitest';
import type { Figure } from './figures.ts';
import { plot, ticksFor } from './plot.ts';
import { markdownTable, textTable } from './table.ts';

const figures: readonly Figure[] = [
  {
    id: 'a',
    what: 'rate | beside the floor',
    unit: '×',
    value: 0.9512,
    better: 'more',
    bar: 0.9,
    samples: [0.94, 0.9512, 0.97],
    note: 'bare 50',
  },
  { id: 'b', what: 'memory', unit: 'MB', value: 1234.5, better: 'less', bar: 150, samples: [1234.5] },
  { id: 'c', what: 'told only', unit: '', value: 3, better: 'less', samples: [3] },
];

test('the table for the page says figure, range, bar and verdict', () => {
  expect(markdownTable(figures).split('\n').slice(2)).toEqual([
    '| rate \\| beside the floor | 0.951 × (0.94–0.97) | ≥ 0.9 × | ok | bare 50 |',
    '| memory | 1,230 MB | ≤ 150 MB | missed |  |',
    '| told only | 3 | – |  |  |',
  ]);
});

test('the table for the terminal has its columns in line, and each note below its row', () => {
  const [head = '', first = '', note, second = ''] = textTable(figures).split('\n');
  expect(note).toBe('    bare 50');
  for (const row of [first, second]) expect(row[head.indexOf('bar')]).toMatch(/[≥≤]/);
  expect(second).toMatch(/missed$/);
});

test.each([
  { low: 1, high: 1, is: [1, 2] },
  { low: 0.03, high: 0.3, is: [0.02, 0.05, 0.1, 0.2, 0.5] },
  { low: 100, high: 1000, is: [100, 200, 500, 1000] },
])('ticks from $low to $high: $is', ({ low, high, is }) => {
  expect(ticksFor(low, high)).toEqual(is);
});

const series = { id: 's', what: 'Time <of> things', unit: 'seconds', sizeOf: 'runs', points: [10, 40, 160].map((x) => ({ x, y: x / 2 })) };

test('a plot names its axes with their units, its exponent and its guides, and escapes what it is given', () => {
  const svg = plot(series);
  for (const text of [
    '>seconds<',
    '>runs (n)<',
    '>measured, n^1.00<',
    '>n<',
    '>n log n<',
    'Time &lt;of&gt; things',
    'prefers-color-scheme: dark',
  ])
    expect(svg).toContain(text);
  expect(svg.match(/<circle/g)).toHaveLength(3);
  expect(plot(series)).toBe(svg);
});

test('everything that is drawn lies within the picture', () => {
  const steep = { ...series, points: [10, 40, 160].map((x) => ({ x, y: x ** 3 })) };
  const heights = [...plot(steep).matchAll(/(?:cy|y1|y2)="([^"]+)"/g)].map(([, y]) => Number(y));
  expect(Math.min(...heights)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...heights)).toBeLessThanOrEqual(360);
});

test('what a logarithmic axis has no place for is refused', () => {
  expect(() => plot({ ...series, points: [] })).toThrow('two sizes');
  expect(() =>
    plot({
      ...series,
      points: [
        { x: 1, y: 0 },
        { x: 2, y: 1 },
      ],
    }),
  ).toThrow('above zero');
});
