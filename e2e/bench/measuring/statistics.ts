/** The little statistics that the figures need. Pure; every function refuses an empty list, because a figure without a sample is none. */

function sorted(samples: readonly number[]): readonly number[] {
  if (samples.length === 0) throw new RangeError('no samples: nothing was measured');
  return samples.toSorted((a, b) => a - b);
}

/** The smallest sample that at least the share `q` of all does not exceed (nearest rank), so that it is one that was really measured. */
export function quantile(samples: readonly number[], q: number): number {
  const all = sorted(samples);
  return all[Math.max(0, Math.ceil(q * all.length) - 1)] ?? NaN;
}

/** The middle one; of an even number the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  const all = sorted(samples);
  const upper = all[Math.floor(all.length / 2)] ?? NaN;
  return all.length % 2 === 1 ? upper : ((all[all.length / 2 - 1] ?? NaN) + upper) / 2;
}

/** How far rounds of the same thing lie apart: half of the range, as a share of the median. 0 for a single round. */
export function spread(samples: readonly number[]): number {
  const all = sorted(samples);
  const middle = median(all);
  return middle === 0 ? 0 : ((all.at(-1) ?? NaN) - (all[0] ?? NaN)) / 2 / Math.abs(middle);
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * The exponent k of y = c·x^k that fits best (least squares of the logarithms): 1 is linear, 2 is quadratic. Throws for fewer than two sizes and
 * for values that have no logarithm.
 */
export function growthExponent(points: readonly Point[]): number {
  const logs = points.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }));
  if (new Set(points.map(({ x }) => x)).size < 2) throw new RangeError('growth needs two sizes or more');
  if (!logs.every(({ x, y }) => Number.isFinite(x) && Number.isFinite(y))) throw new RangeError('growth needs sizes and values above zero');
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(logs.map(({ x }) => x)), mean(logs.map(({ y }) => y))];
  const covariance = mean(logs.map(({ x, y }) => (x - meanX) * (y - meanY)));
  return covariance / mean(logs.map(({ x }) => (x - meanX) ** 2));
}

/** The exponent that n·log n has between these sizes: a little more than 1, and less the larger they are. */
export const linearithmicExponent = (sizes: readonly number[]): number => growthExponent(sizes.map((x) => ({ x, y: x * Math.log2(x) })));

/** Three significant digits, without an exponent. */
export function round(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(3)) : value;
}
