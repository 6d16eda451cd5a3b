/**
 * Makes sure that the run of a slot exists. The name decides: a run of that name that is ours is the one, whether this pass, an earlier
 * pass or an earlier process created it, and even if it has been deleted since. A stranger's is never touched.
 */
import { prowJobs } from '../../../crds/resources.ts';
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../../crds/v1/periodicBackfill.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import { backfillUidOf, buildBackfillRun } from '../../../operator/jobs/backfillRun.ts';
import { ApiError, isAlreadyExists, isInvalid } from '../../../operator/kube/errors.ts';
import { keyOf } from '../../../operator/kube/objects.ts';
import type { ScopeSources } from '../scope.ts';

export interface StartRunDeps extends Pick<ScopeSources, 'api'> {
  readonly runs: Pick<ScopeSources['runs'], 'get' | 'lastDeleted'>;
  readonly runWriter: {
    create(run: ProwJob, options?: { readonly signal?: AbortSignal }): Promise<ProwJob>;
    /** A run that was found, and that the cache does not show. */
    noticed(run: ProwJob): void;
  };
}

export interface StartedRun {
  readonly kind: 'started';
  readonly slotMs: number;
  readonly run: ProwJob;
  /** False when the run was there already. */
  readonly created: boolean;
  /** The run has been deleted since. */
  readonly isGone?: true;
}

/** It will not help to try again before something changes. */
export interface RefusedRun {
  readonly kind: 'refused';
  readonly reason: 'NameTaken' | 'InvalidTemplate';
  readonly message: string;
}

/** Throws what is worth another try: no answer, no quota, no permission, a namespace that ends. */
export async function startRun(
  deps: StartRunDeps,
  { backfill, periodic }: { readonly backfill: PeriodicBackfill; readonly periodic: Periodic },
  slotMs: number,
  signal: AbortSignal,
): Promise<StartedRun | RefusedRun> {
  const wanted = buildBackfillRun(backfill, periodic, slotMs);
  const key = keyOf(wanted);
  const known = deps.runs.get(key);
  if (known !== undefined) return adopt(backfill, known, slotMs);
  const deleted = deps.runs.lastDeleted(key);
  if (deleted !== undefined && isOwn(backfill, deleted)) return { kind: 'started', slotMs, run: deleted, created: false, isGone: true };
  try {
    return { kind: 'started', slotMs, run: await deps.runWriter.create(wanted, { signal }), created: true };
  } catch (error) {
    if (isAlreadyExists(error)) {
      const found = await deps.api.get(prowJobs, key, { signal });
      deps.runWriter.noticed(found);
      return adopt(backfill, found, slotMs);
    }
    if (!isInvalid(error) && !(error instanceof ApiError && error.code === 400)) throw error;
    const { message, status } = error as ApiError;
    const why = `The API server refuses the run of the Periodic's jobTemplate: ${status.message ?? message}`;
    return { kind: 'refused', reason: 'InvalidTemplate', message: why };
  }
}

const isOwn = (backfill: PeriodicBackfill, run: ProwJob): boolean => backfillUidOf(run) === backfill.metadata.uid;

function adopt(backfill: PeriodicBackfill, run: ProwJob, slotMs: number): StartedRun | RefusedRun {
  if (isOwn(backfill, run)) return { kind: 'started', slotMs, run, created: false };
  const message =
    `The ProwJob ${run.metadata.name} exists and does not belong to this PeriodicBackfill, so its slot cannot start. ` +
    'Delete that ProwJob, or create the PeriodicBackfill again under another name.';
  return { kind: 'refused', reason: 'NameTaken', message };
}
