/**
 * Who holds the places that a waiting run needs, and who is before it, told from the runs as they are now. The operator decides by its own
 * ledger; this reads the same objects by the same order. Pure.
 */
import type { ProwJob, WaitReason } from '../../crds/v1/prowJob.ts';
import { clusterOf, createdMsOf, isAbortRequested, isComplete, isOurs, statusOf } from '../jobs/runState.ts';
import { compareRank, type StartRank } from '../jobs/startOrder.ts';

export interface Competition {
  /** Runs that have a place, in the order in which they got it. */
  readonly holders: readonly ProwJob[];
  /** Runs that wait for the same, in the order in which they start; the run itself among them. */
  readonly queue: readonly ProwJob[];
  /** Place of the run in the queue, from 1. 0: it does not wait. */
  readonly position: number;
}

/** Reasons that are about places which other runs hold. */
export type LimitReason = Extract<WaitReason, 'MaxConcurrency' | 'GlobalLimit' | 'NamespaceLimit' | 'ClusterLimit' | 'QueueFull'>;

const limitReasons: ReadonlySet<string> = new Set<LimitReason>([
  'MaxConcurrency',
  'GlobalLimit',
  'NamespaceLimit',
  'ClusterLimit',
  'QueueFull',
]);

export const isLimit = (reason: string): reason is LimitReason => limitReasons.has(reason);

export function competitionFor(run: ProwJob, reason: LimitReason, runs: readonly ProwJob[]): Competition {
  const rivals = runs.filter((other) => isOurs(other) && !isComplete(other) && shares(run, other, reason));
  const holders = rivals.filter(holdsPlace).sort((a, b) => pendingTime(a).localeCompare(pendingTime(b)));
  const queue = rivals.filter(waits).sort((a, b) => compareRank(rankOf(a), rankOf(b)));
  return { holders, queue, position: queue.findIndex(({ metadata }) => metadata.uid === run.metadata.uid) + 1 };
}

/** Whether both count against the same limit. */
function shares(run: ProwJob, other: ProwJob, reason: LimitReason): boolean {
  const sameNamespace = run.metadata.namespace === other.metadata.namespace;
  switch (reason) {
    case 'MaxConcurrency':
      return sameNamespace && run.spec.job === other.spec.job;
    case 'NamespaceLimit':
      return sameNamespace;
    case 'ClusterLimit':
      // Aliases other than default belong to a namespace.
      return clusterOf(run) === clusterOf(other) && (sameNamespace || clusterOf(run) === 'default');
    case 'QueueFull':
      return run.spec.job_queue_name === other.spec.job_queue_name;
    case 'GlobalLimit':
      return true;
  }
}

/** A run that was asked to end keeps its place until its pod has gone. */
const holdsPlace = (run: ProwJob): boolean => statusOf(run).state === 'pending' || (statusOf(run).attempts?.length ?? 0) > 0;

const waits = (run: ProwJob): boolean => statusOf(run).state === 'triggered' && !isAbortRequested(run);

const pendingTime = ({ status }: ProwJob): string => status?.pendingTime ?? '';

const rankOf = (run: ProwJob): StartRank => ({
  priority: run.spec.priority ?? 0,
  createdMs: createdMsOf(run),
  uid: run.metadata.uid ?? '',
});
