/** What the ends of runs add up to. Each run counts once: status.active lists it until its end was seen. Pure. */
import type { PeriodicStatus } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { timeMs } from './times.ts';

export type Results = Pick<PeriodicStatus, 'lastCompletionTime' | 'lastSuccessfulTime' | 'consecutiveFailures'>;

/** An abort that someone asked for is neither a success nor a failure; a run that was stopped by its deadline failed. */
const isFailure = ({ status }: ProwJob): boolean =>
  status?.state === 'failure' || status?.state === 'error' || status?.reason === 'RunningTimeout';

/** `ended`: runs whose end is seen for the first time. `mended`: failures of the past no longer count. */
export function resultsAfter(before: PeriodicStatus, ended: readonly ProwJob[], mended: boolean): Results {
  let failures = mended ? 0 : (before.consecutiveFailures ?? 0);
  let succeeded = before.lastSuccessfulTime;
  let completed = before.lastCompletionTime;
  for (const run of ended.toSorted((a, b) => endedMs(a) - endedMs(b))) {
    completed = latestOf([completed, run.status?.completionTime]);
    if (isFailure(run)) failures += 1;
    if (run.status?.state !== 'success') continue;
    failures = 0;
    succeeded = latestOf([succeeded, run.status.completionTime]);
  }
  return {
    consecutiveFailures: failures,
    ...(completed === undefined ? {} : { lastCompletionTime: completed }),
    ...(succeeded === undefined ? {} : { lastSuccessfulTime: succeeded }),
  };
}

const endedMs = (run: ProwJob): number => timeMs(run.status?.completionTime) ?? 0;

/** The latest of some times, as it was written. */
export function latestOf(times: readonly (string | undefined)[]): string | undefined {
  let best: string | undefined;
  for (const time of times) if ((timeMs(time) ?? -Infinity) > (timeMs(best) ?? -Infinity)) best = time;
  return best;
}
