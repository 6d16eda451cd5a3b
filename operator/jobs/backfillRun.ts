/**
 * The run of a slot that a PeriodicBackfill makes up for. It is what the Periodic would have started, but for its name, its owner and its
 * place in the queue. Like every run of a schedule it depends only on the objects and the slot, so a second try finds the first one's work.
 */
import { apiVersion } from '../../crds/v1/common.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { label, shortLabelValue } from './labels.ts';
import { buildRun, runNameOf } from './periodicRun.ts';

/** So much less priority than a run of the schedule itself: of two that wait for the same place, the scheduled one goes first. */
const priorityCost = 10;
const lowestPriority = -(2 ** 31);

/** `periodic` gives the job and the template; the backfill owns the run, so it is none of the Periodic's active runs. */
export function buildBackfillRun(backfill: PeriodicBackfill, periodic: Periodic, slotMs: number): ProwJob {
  const cause = { kind: 'slot', slotMs } as const;
  const run = buildRun(periodic, cause);
  const { name, uid = '' } = backfill.metadata;
  return {
    ...run,
    metadata: {
      ...run.metadata,
      name: runNameOf(name, cause),
      labels: { ...run.metadata.labels, [label.backfill]: shortLabelValue(name) },
      ownerReferences: [{ apiVersion, kind: 'PeriodicBackfill', name, uid, controller: true, blockOwnerDeletion: true }],
    },
    spec: { ...run.spec, priority: Math.max(lowestPriority, (run.spec.priority ?? 0) - priorityCost) },
  };
}

/** The uid of the PeriodicBackfill that controls a run; undefined for other runs. */
export function backfillUidOf(run: ProwJob): string | undefined {
  const owner = run.metadata.ownerReferences?.find(({ controller }) => controller === true);
  return owner?.kind === 'PeriodicBackfill' && owner.apiVersion.startsWith('prow.k8s.io/') ? owner.uid : undefined;
}
