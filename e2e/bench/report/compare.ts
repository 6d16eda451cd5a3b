/** Two results of the same mode beside each other: what is worse by more than the rounds differ among themselves. Pure. */
import { spread } from '../measuring/statistics.ts';
import type { BenchResult, Figure } from './figures.ts';

export interface Change {
  readonly figure: Figure;
  readonly before: Figure;
  /** Share of the value before; above 0 is worse. Infinity where the value before was 0. */
  readonly worseBy: number;
  /** What chance may do: the larger spread of both, and never less than the floor for what was measured once. */
  readonly tolerance: number;
}

/** What a figure of a single round may differ by on a machine that is not quite quiet. */
const singleRound = 0.2;
/** Three rounds that happen to agree prove less than they seem to. */
const severalRounds = 0.05;

function toleranceOf(...figures: readonly Figure[]): number {
  return Math.max(...figures.map(({ samples }) => (samples.length > 1 ? Math.max(severalRounds, spread(samples)) : singleRound)));
}

function worseBy(before: Figure, after: Figure): number {
  const difference = after.better === 'less' ? after.value - before.value : before.value - after.value;
  if (difference === 0) return 0;
  return difference / Math.abs(before.value);
}

/** Every figure that both have, the worst first. Results of different modes have different sizes: comparing them is refused. */
export function changes(before: BenchResult, after: BenchResult): readonly Change[] {
  if (before.mode !== after.mode) throw new RangeError(`a ${after.mode} run cannot be compared with a ${before.mode} run`);
  const earlier = new Map(before.figures.map((figure) => [figure.id, figure]));
  return after.figures
    .flatMap((figure) => {
      const old = earlier.get(figure.id);
      return old === undefined ? [] : [{ figure, before: old, worseBy: worseBy(old, figure), tolerance: toleranceOf(old, figure) }];
    })
    .sort((a, b) => b.worseBy - a.worseBy);
}

export const regressions = (before: BenchResult, after: BenchResult): readonly Change[] =>
  changes(before, after).filter((change) => change.worseBy > change.tolerance);

/** Why figures of these two may differ although the code does not; undefined when nothing is known. */
export function differentMachines({ machine: a }: BenchResult, { machine: b }: BenchResult): string | undefined {
  const differs = a.cpu !== b.cpu || a.cpus !== b.cpus || a.node !== b.node || a.kubernetes !== b.kubernetes;
  return differs ? `${a.cpus} × ${a.cpu}, ${a.node}, Kubernetes ${a.kubernetes} then` : undefined;
}
