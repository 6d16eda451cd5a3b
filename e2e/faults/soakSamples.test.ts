/** What counts as growth: a slope does, waves and single peaks do not. */
import { describe, expect, it } from 'vitest';
import { allowances, fewestSamples, growthOf, median, readProbe, type Figure, type ProbeLine } from './soakSamples.ts';

const megabyte = 2 ** 20;
const usual: ProbeLine = { ageMs: 0, heapBytes: 40 * megabyte, rssBytes: 120 * megabyte, files: 40, sockets: 10, timers: 30 };
const samples = (valueAt: (at: number) => Partial<ProbeLine>, count = 60): readonly ProbeLine[] =>
  Array.from({ length: count }, (_, at) => ({ ...usual, ageMs: at * 1000, ...valueAt(at) }));
const growing = (lines: readonly ProbeLine[]): readonly string[] =>
  (growthOf(lines) ?? []).filter(({ isFlat }) => !isFlat).map(({ name }) => name);

interface Leak {
  readonly figure: Figure;
  /** Each sample. */
  readonly more: number;
  readonly name: string;
}

const leaks: readonly Leak[] = [
  { figure: 'heapBytes', more: megabyte, name: 'heap, MB' },
  { figure: 'rssBytes', more: 2 * megabyte, name: 'resident, MB' },
  { figure: 'files', more: 1, name: 'files' },
  { figure: 'sockets', more: 1, name: 'sockets' },
  { figure: 'timers', more: 2, name: 'timers' },
];

describe('growth', () => {
  it.each(leaks)('of $figure by $more a sample is seen', ({ figure, more, name }) => {
    expect(growing(samples((at) => ({ [figure]: usual[figure] + at * more })))).toEqual([name]);
  });

  it('is looked for in every figure', () => {
    expect(leaks.map(({ figure }) => figure)).toEqual(allowances.map(({ figure }) => figure));
  });

  it('is not seen in waves, in single peaks, or where a process becomes smaller', () => {
    const wave = (at: number): Partial<ProbeLine> => ({ heapBytes: (40 + 10 * Math.sin(at)) * megabyte, timers: 30 + (at % 7) * 10 });
    expect(growing(samples(wave))).toEqual([]);
    expect(growing(samples((at) => (at % 10 === 9 ? { rssBytes: 900 * megabyte, files: 900 } : {})))).toEqual([]);
    expect(growing(samples((at) => ({ heapBytes: (80 - at) * megabyte })))).toEqual([]);
  });

  it('is not judged by a few samples', () => {
    expect(growthOf(samples(() => ({}), fewestSamples - 1))).toBeUndefined();
    expect(growthOf(samples(() => ({}), fewestSamples))).toHaveLength(allowances.length);
  });
});

describe('the median', () => {
  it.each([
    { of: [], is: NaN },
    { of: [3], is: 3 },
    { of: [9, 1, 5], is: 5 },
    { of: [9, 1, 5, 7], is: 6 },
  ])('of $of is $is', ({ of, is }) => {
    expect(median(of)).toBe(is);
  });
});

describe('the lines of a probe', () => {
  it('are read up to where the process was killed', () => {
    const line = JSON.stringify(usual);
    expect(readProbe(`${line}\n${line}\n${line.slice(0, 20)}`)).toEqual([usual, usual]);
    expect(readProbe('')).toEqual([]);
  });
});
