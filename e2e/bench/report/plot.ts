/**
 * One figure against the size of the work as an SVG, both axes logarithmic, with lines for n and n·log n through the first point: what lies between or
 * below them grows no faster. Readable on light and on dark pages: its colours follow what the reader has chosen. Pure, and the same for the same points.
 */
import { growthExponent, round, type Point } from '../measuring/statistics.ts';
import type { Growth } from './figures.ts';

const width = 560;
const height = 360;
const margin = { left: 78, right: 118, top: 44, bottom: 56 };
const style = `
  .ink { fill: #1f2328 } .axis { stroke: #59636e; fill: none } .grid { stroke: #d1d9e0 } .guide { stroke: #818b98; fill: none; stroke-dasharray: 5 4 }
  .data { stroke: #0969da; fill: none; stroke-width: 2 } .dot { fill: #0969da } .soft { fill: #59636e } text { font: 12px sans-serif }
  @media (prefers-color-scheme: dark) {
    .ink { fill: #f0f6fc } .axis { stroke: #9198a1 } .grid { stroke: #3d444d } .guide { stroke: #9198a1 }
    .data { stroke: #4493f8 } .dot { fill: #4493f8 } .soft { fill: #9198a1 }
  }`;

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

interface Axis {
  readonly ticks: readonly number[];
  readonly at: (value: number) => number;
}

/** 1, 2 and 5 of each power of ten that touches the range; the ends are ticks. */
export function ticksFor(low: number, high: number): readonly number[] {
  const steps: number[] = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)) + 1; power += 1) {
    for (const factor of [1, 2, 5]) steps.push(Number((factor * 10 ** power).toPrecision(1)));
  }
  const from = steps.findLastIndex((step) => step <= low);
  const to = steps.findIndex((step) => step >= high);
  return steps.slice(from, Math.max(to, from + 1) + 1);
}

function axisFor(values: readonly number[], from: number, to: number): Axis {
  const ticks = ticksFor(Math.min(...values), Math.max(...values));
  const [low = 1, high = 10] = [ticks[0], ticks.at(-1)];
  return { ticks, at: (value) => from + ((Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low))) * (to - from) };
}

const short = (value: number): string => (value >= 1000 ? value.toLocaleString('en-US') : String(round(value)));
const text = (x: number, y: number, content: string, attributes = ''): string =>
  `<text x="${round1(x)}" y="${round1(y)}" class="ink" ${attributes}>${escape(content)}</text>`;
const round1 = (value: number): number => Math.round(value * 10) / 10;
const polyline = (points: readonly Point[], name: string): string =>
  `<polyline class="${name}" points="${points.map(({ x, y }) => `${round1(x)},${round1(y)}`).join(' ')}"/>`;

/** Throws for fewer than two points, and for values that a logarithmic axis has no place for. */
export function plot({ what, unit, sizeOf, points }: Growth): string {
  const exponent = growthExponent(points);
  const [first] = points;
  if (first === undefined) throw new RangeError('nothing to plot');
  const guides = [
    { name: 'n', of: (x: number) => (first.y * x) / first.x },
    { name: 'n log n', of: (x: number) => (first.y * x * Math.log2(x)) / (first.x * Math.log2(first.x)) },
  ].map(({ name, of }) => ({ name, points: points.map(({ x }) => ({ x, y: of(x) })) }));
  const bottom = height - margin.bottom;
  const right = width - margin.right;
  const xAxis = axisFor(
    points.map(({ x }) => x),
    margin.left,
    right,
  );
  const yAxis = axisFor(
    [...points, ...guides.flatMap((guide) => guide.points)].map(({ y }) => y),
    bottom,
    margin.top,
  );
  const placed = (all: readonly Point[]): readonly Point[] => all.map(({ x, y }) => ({ x: xAxis.at(x), y: yAxis.at(y) }));
  const grid = yAxis.ticks.map((tick) => {
    const y = yAxis.at(tick);
    const line = `<line class="grid" x1="${margin.left}" x2="${right}" y1="${round1(y)}" y2="${round1(y)}"/>`;
    return line + text(margin.left - 8, y + 4, short(tick), 'text-anchor="end"');
  });
  const sizes = points.map(({ x }) => text(xAxis.at(x), bottom + 18, short(x), 'text-anchor="middle"'));
  const names = spaced([
    ...guides.map((guide) => ({ name: guide.name, y: placed(guide.points).at(-1)?.y ?? 0 })),
    { name: `measured, n^${exponent.toFixed(2)}`, y: placed(points).at(-1)?.y ?? 0 },
  ]).map(({ name, y }) => text(right + 8, y + 4, name));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(`${what}: grows with n^${exponent.toFixed(2)}`)}">`,
    `<style>${style}\n</style>`,
    text(margin.left, 22, what, 'font-weight="bold"'),
    ...grid,
    `<path class="axis" d="M${margin.left} ${margin.top}V${bottom}H${right}"/>`,
    ...sizes,
    text((margin.left + right) / 2, height - 14, `${sizeOf} (n)`, 'text-anchor="middle"'),
    text(0, 0, unit, `text-anchor="middle" transform="translate(18 ${(margin.top + bottom) / 2}) rotate(-90)"`),
    ...guides.map((guide) => polyline(placed(guide.points), 'guide')),
    polyline(placed(points), 'data'),
    ...placed(points).map(({ x, y }) => `<circle class="dot" cx="${round1(x)}" cy="${round1(y)}" r="4"/>`),
    ...names,
    '</svg>',
    '',
  ].join('\n');
}

interface Name {
  readonly name: string;
  readonly y: number;
}

/** Moves names apart that would lie on each other, from the top down. */
function spaced(names: readonly Name[]): readonly Name[] {
  let last = -Infinity;
  return names
    .toSorted((a, b) => a.y - b.y)
    .map(({ name, y }) => {
      last = Math.max(y, last + 15);
      return { name, y: last };
    });
}
