/**
 * Whether a process that does the same work all the time grows. Pure: samples in, figures and a verdict out. Medians are compared, because
 * single samples depend on what was under way at that moment.
 */
import path from 'node:path';

/** Where a process writes them: beside its settings. */
export const probeFile = (dir: string, pid: number): string => path.join(dir, `probe-${pid}.jsonl`);

/** What a process held at one moment, after its garbage was collected. */
export interface ProbeLine {
  /** Since the process began. */
  readonly ageMs: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
  /** Open file descriptors, sockets included. */
  readonly files: number;
  readonly sockets: number;
  readonly timers: number;
}

export type Figure = Exclude<keyof ProbeLine, 'ageMs'>;

interface Allowance {
  readonly figure: Figure;
  readonly name: string;
  /** In the unit that is shown. */
  readonly unit: number;
  /** The second half may be larger by this share of the first quarter, and by this much besides, in the unit that is shown. */
  readonly share: number;
  readonly more: number;
}

const megabyte = 2 ** 20;

/** Work comes in waves, which open connections and let them close again, and the heap keeps what its generations have not let go: allowed is noise, no slope. */
export const allowances: readonly Allowance[] = [
  { figure: 'heapBytes', name: 'heap, MB', unit: megabyte, share: 0.1, more: 3 },
  { figure: 'rssBytes', name: 'resident, MB', unit: megabyte, share: 0.15, more: 15 },
  { figure: 'files', name: 'files', unit: 1, share: 0.1, more: 20 },
  { figure: 'sockets', name: 'sockets', unit: 1, share: 0.1, more: 16 },
  { figure: 'timers', name: 'timers', unit: 1, share: 0.2, more: 20 },
];

export interface Growth {
  readonly name: string;
  /** Median of the first quarter, and of the second half. */
  readonly early: number;
  readonly late: number;
  readonly allowed: number;
  readonly isFlat: boolean;
}

/** The middle one; NaN when there is none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = NaN, high = NaN] = [sorted[Math.max(0, middle - 1)], sorted[middle]];
  return sorted.length % 2 === 0 ? (low + high) / 2 : high;
}

/** Too few samples say nothing. */
export const fewestSamples = 24;

/** Compares the second half with the first quarter; undefined where there are too few samples. */
export function growthOf(samples: readonly ProbeLine[]): readonly Growth[] | undefined {
  if (samples.length < fewestSamples) return undefined;
  const first = samples.slice(0, Math.ceil(samples.length / 4));
  const second = samples.slice(Math.floor(samples.length / 2));
  return allowances.map(({ figure, name, unit, share, more }) => {
    const [early, late] = [first, second].map((part) => median(part.map((sample) => sample[figure])) / unit) as [number, number];
    const allowed = early * (1 + share) + more;
    return { name, early, late, allowed, isFlat: late <= allowed };
  });
}

/** The lines that a probe wrote; half a line of a process that was killed is left out. */
export const readProbe = (text: string): readonly ProbeLine[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as ProbeLine);
