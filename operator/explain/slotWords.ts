/** What became of a slot, and why: the words for the reasons in the status of a Periodic. Pure. */
import type { Periodic, SlotWaitReason } from '../../crds/v1/periodic.ts';
import type { MissReason, SkipReason } from '../jobs/periodicDecisions.ts';

const skips: Readonly<Record<SkipReason, string>> = {
  Suspended: 'the Periodic was suspended',
  Stopped: 'too many runs in a row had ended badly',
  Excluded: 'the time was excluded',
  ActiveRun: 'an earlier run was still active (concurrencyPolicy Forbid)',
  MaxConcurrency: 'all runs that may be active at once were (maxConcurrency)',
  Replaced: 'it waited to replace a run, and a later slot took its turn',
  ScheduleChanged: 'the schedule was edited before it came',
};

const misses: Readonly<Record<MissReason, string>> = {
  Superseded: 'a later slot was made up for instead (missedRuns.policy Latest)',
  StartingDeadline: 'it could not start within spec.startingDeadline',
  MaxAge: 'it was older than missedRuns.maxAge when it could be made up for',
  SkipPolicy: 'it passed while the operator was down, and missedRuns.policy is Skip',
  QueueFull: 'as many slots waited as spec.maxQueued allows',
  NameTaken: 'something else has the name that its run would have',
  InvalidTemplate: 'the API server refused the run: spec.jobTemplate is not valid',
};

const wordsIn = (words: Readonly<Record<string, string>>, reason: string): string => new Map(Object.entries(words)).get(reason) ?? reason;

export const skipWords = (reason: string): string => wordsIn(skips, reason);
export const missWords = (reason: string): string => wordsIn(misses, reason);

export function waitWords(reason: string, { spec, status }: Periodic): string {
  const active = (status?.active ?? []).map(({ name }) => name).join(', ');
  const words: Readonly<Record<SlotWaitReason, string>> = {
    Queued: `for its turn in the queue${active === '' ? '' : `, behind ${active}`}`,
    Replacing: `for the end of the run that it replaces${active === '' ? '' : ` (${active})`}`,
    CatchUp: 'for its turn among the slots that are made up for',
    Retry: `to repeat a run that ended badly (spec.retry, ${spec.retry?.attempts ?? 0} repetitions at most)`,
  };
  return wordsIn(words, reason);
}
