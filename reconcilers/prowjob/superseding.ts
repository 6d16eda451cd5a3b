/**
 * Which newer run takes the place of a presubmit. Asked anew at each pass, from the cache of runs: nobody tells an older run that it was
 * superseded, it sees the newer one. Only its own pass ends it, so no pod can be on its way meanwhile.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Clusters } from '../../operator/clusters/clusters.ts';
import { identityOf, isNewer } from '../../operator/jobs/identity.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { resolveRun, runProblem } from '../../operator/jobs/resolveRun.ts';
import { runsByIdentity } from '../../operator/jobs/runIndex.ts';
import { clusterOf, isAbortRequested } from '../../operator/jobs/runState.ts';
import { keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import type { Change, StoreReader } from '../../operator/runtime/store.ts';
import type { Scope } from './scope.ts';

export interface Contest {
  readonly jobs: Pick<StoreReader<ProwJob>, 'byIndex'>;
  readonly clusters: Pick<Clusters, 'get'>;
  readonly policy: JobPolicy;
}

/** The newest run of the same identity, if it is newer than this one and can start: one that is refused or aborted takes nobody's place. */
export function newerThan(run: ProwJob, contest: Contest): ProwJob | undefined {
  const identity = identityOf(run);
  if (identity === undefined) return undefined;
  return contest.jobs
    .byIndex(runsByIdentity, identity)
    .filter((other) => isNewer(other, run) && !isAbortRequested(other) && other.metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => (isNewer(a, b) ? -1 : 1))
    .find((other) => canStart(other, contest));
}

function canStart(run: ProwJob, { clusters, policy }: Contest): boolean {
  if (clusters.get(clusterOf(run), run.metadata.namespace ?? '').state === 'unknown') return false;
  return runProblem(resolveRun(run, policy)) === undefined;
}

/** The name of the newer run, when that one ends this one: by what this one's spec says, then by the settings. */
export function supersederOf({ run, status, pod, newer }: Scope, policy: JobPolicy): string | undefined {
  if (newer === undefined || (status.state !== 'triggered' && status.state !== 'pending')) return undefined;
  const how = run.spec.supersede ?? policy.prowJobs.supersede;
  const hasStarted = status.state === 'pending' || pod !== undefined;
  return how === 'Cancel' || (how === 'CancelIfNotStarted' && !hasStarted) ? newer.metadata.name : undefined;
}

/** The older runs that a change of this one concerns: those whose place it takes from now on. */
export function olderThan(change: Change<ProwJob>, jobs: Contest['jobs']): readonly ObjectKey[] {
  const { type, object, previous, initial } = change;
  const identity = type === 'deleted' || initial === true ? undefined : identityOf(object);
  if (identity === undefined || (previous !== undefined && identityOf(previous) !== undefined)) return [];
  return jobs
    .byIndex(runsByIdentity, identity)
    .filter((other) => isNewer(object, other))
    .map(keyOf);
}
