/**
 * Makes sure that the run of a slot, or of a start by hand, exists. The name decides: a run of that name that is ours is the one, whether
 * this pass, an earlier pass or an earlier process created it, and even if it has been deleted since. A stranger's is never touched.
 */
import { prowJobs } from '../../../crds/resources.ts';
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import type { MissReason } from '../../../operator/jobs/periodicDecisions.ts';
import { buildRun, periodicUidOf, type RunCause } from '../../../operator/jobs/periodicRun.ts';
import { ApiError, isAlreadyExists, isInvalid } from '../../../operator/kube/errors.ts';
import { keyOf, type ObjectKey } from '../../../operator/kube/objects.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';
import type { StoreReader } from '../../../operator/runtime/store.ts';
import type { UnsureRuns } from './unsureRuns.ts';

export interface StartRunDeps {
  readonly runs: Pick<StoreReader<ProwJob>, 'get' | 'lastDeleted'>;
  readonly runWriter: {
    create(run: ProwJob, options?: { readonly signal?: AbortSignal }): Promise<ProwJob>;
    /** A run that was found, and that the cache does not show. */
    noticed(run: ProwJob): void;
  };
  readonly unsure: Pick<UnsureRuns, 'failed'>;
  readonly api: { get(type: ResourceType<ProwJob>, key: ObjectKey, options?: { readonly signal?: AbortSignal }): Promise<ProwJob> };
}

export type StartResult =
  /** `created` is false when the run was there already. */
  | { readonly kind: 'started'; readonly run: ProwJob; readonly created: boolean }
  /** It will not help to try again before something changes. */
  | { readonly kind: 'refused'; readonly reason: Extract<MissReason, 'NameTaken' | 'InvalidTemplate'>; readonly message: string };

/** Throws what is worth another try: no answer, no quota, no permission, a namespace that ends. */
export async function startRun(deps: StartRunDeps, periodic: Periodic, cause: RunCause, signal: AbortSignal): Promise<StartResult> {
  const wanted = buildRun(periodic, cause);
  const key = keyOf(wanted);
  const known = deps.runs.get(key);
  if (known !== undefined) return adopt(periodic, known);
  const deleted = deps.runs.lastDeleted(key);
  if (deleted !== undefined && isOwn(periodic, deleted)) return { kind: 'started', run: deleted, created: false };
  try {
    return { kind: 'started', run: await deps.runWriter.create(wanted, { signal }), created: true };
  } catch (error) {
    if (isAlreadyExists(error)) {
      const found = await deps.api.get(prowJobs, key, { signal });
      deps.runWriter.noticed(found);
      return adopt(periodic, found);
    }
    deps.unsure.failed(keyOf(periodic), key.name, error);
    if (!isInvalid(error) && !(error instanceof ApiError && error.code === 400)) throw error;
    const message = `The API server refuses the run of spec.jobTemplate: ${(error as ApiError).status.message ?? (error as ApiError).message}`;
    return { kind: 'refused', reason: 'InvalidTemplate', message };
  }
}

const isOwn = (periodic: Periodic, run: ProwJob): boolean => periodicUidOf(run) === periodic.metadata.uid;

function adopt(periodic: Periodic, run: ProwJob): StartResult {
  if (isOwn(periodic, run)) return { kind: 'started', run, created: false };
  const message =
    `The ProwJob ${run.metadata.name} exists and does not belong to this Periodic, so its slot could not start. ` +
    'Delete that ProwJob, or give this Periodic another name.';
  return { kind: 'refused', reason: 'NameTaken', message };
}
