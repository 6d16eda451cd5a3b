/** The indexes by which the runs of one Periodic, or of one PeriodicBackfill, are found without a walk over all runs. */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { backfillUidOf } from './backfillRun.ts';
import { periodicUidOf } from './periodicRun.ts';

/** Name of the index: the uid of the Periodic that controls the run. */
export const runsByPeriodic = 'periodic-uid';
/** Name of the index: the uid of the PeriodicBackfill that controls the run. */
export const runsByBackfill = 'backfill-uid';

/** For the informer of ProwJobs. */
export const runIndexers: Record<string, (run: ProwJob) => readonly string[]> = {
  [runsByPeriodic]: (run) => {
    const uid = periodicUidOf(run);
    return uid === undefined ? [] : [uid];
  },
  [runsByBackfill]: (run) => {
    const uid = backfillUidOf(run);
    return uid === undefined ? [] : [uid];
  },
};
