/** The spans of time that a Periodic leaves out. Pure. */
import type { PeriodicExclusion, PeriodicSpec } from '../../crds/v1/periodic.ts';
import { timeMs } from './times.ts';

/** The exclusion that this instant falls into; the first of several. */
export function exclusionAt({ exclusions }: Pick<PeriodicSpec, 'exclusions'>, ms: number): PeriodicExclusion | undefined {
  return exclusions?.find(({ from, to }) => (timeMs(from) ?? Infinity) <= ms && ms < (timeMs(to) ?? -Infinity));
}
