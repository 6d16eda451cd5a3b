/** What a benchmark run found out, as data: what is written to the results file, printed, and compared with an earlier run. */
import type { Point } from '../measuring/statistics.ts';

export interface Figure {
  /** Stays the same from version to version: figures are compared by it. */
  readonly id: string;
  readonly what: string;
  /** Such as ×, ms, MB, %; empty for a count. */
  readonly unit: string;
  /** The median of the samples, unless the figure is of another kind (a percentile). */
  readonly value: number;
  readonly better: 'less' | 'more';
  /** At least or at most this, by `better`. Absent: told, not judged. */
  readonly bar?: number;
  /** One for each round. */
  readonly samples: readonly number[];
  /** What a reader needs beside the number: both sides of a ratio, how it was scaled down. */
  readonly note?: string;
}

/** How a figure grows with the size of the work. */
export interface Growth {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  /** What the sizes count, such as runs. */
  readonly sizeOf: string;
  readonly points: readonly Point[];
}

export interface Machine {
  readonly cpus: number;
  readonly cpu: string;
  readonly memoryMB: number;
  readonly kernel: string;
  readonly node: string;
  readonly kubernetes: string;
}

export interface BenchResult {
  readonly format: 1;
  readonly mode: string;
  /** RFC 3339 */
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly figures: readonly Figure[];
  readonly growth: readonly Growth[];
}

/** Undefined for a figure without a bar. */
export function isMet({ value, bar, better }: Figure): boolean | undefined {
  if (bar === undefined) return undefined;
  return better === 'less' ? value <= bar : value >= bar;
}
