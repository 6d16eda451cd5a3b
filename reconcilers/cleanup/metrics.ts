/** What cleanup has done, by reason. */
import type { Metrics } from '../../operator/runtime/metrics.ts';

const runReasons = ['aged', 'aged-periodic', 'history'] as const;
const podReasons = ['ttled', 'orphaned', 'run-deleted', 'lost'] as const;

export type PodReason = (typeof podReasons)[number];

export interface CleanupMetrics {
  runDeleted(reason: (typeof runReasons)[number]): void;
  podDeleted(reason: PodReason): void;
}

export function cleanupMetrics(metrics: Metrics): CleanupMetrics {
  const runs = metrics.counter<'reason'>({
    name: 'cleanup_prowjobs_deleted_total',
    help: 'Finished runs that were deleted. aged, aged-periodic: their time had come; history: their Periodic keeps fewer.',
    labels: ['reason'],
    zero: runReasons.map((reason) => ({ reason })),
  });
  const pods = metrics.counter<'reason'>({
    name: 'cleanup_pods_deleted_total',
    help: 'Pods that were deleted. ttled: their own time; orphaned: their run does not exist; run-deleted: with their run; lost: by force, because their node did not confirm their end.',
    labels: ['reason'],
    zero: podReasons.map((reason) => ({ reason })),
  });
  return {
    runDeleted: (reason) => runs.inc({ reason }),
    podDeleted: (reason) => pods.inc({ reason }),
  };
}
