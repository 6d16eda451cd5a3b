/** The indexes by which the runs of one Periodic, of one PeriodicBackfill, or of one presubmit are found without a walk over all runs. */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { backfillUidOf } from './backfillRun.ts';
import { identityOf } from './identity.ts';
import { periodicUidOf } from './periodicRun.ts';

/** Name of the index: the uid of the Periodic that controls the run. */
export const runsByPeriodic = 'periodic-uid';
/** Name of the index: the uid of the PeriodicBackfill that controls the run. */
export const runsByBackfill = 'backfill-uid';
/** Name of the index: what an unfinished presubmit run tests (identityOf). */
export const runsByIdentity = 'identity';

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
  [runsByIdentity]: (run) => {
    const identity = identityOf(run);
    return identity === undefined ? [] : [identity];
  },
};
