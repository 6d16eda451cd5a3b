/** Asks runs to end because a later slot takes their place. The request is part of the run, so asking again changes nothing. */
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import { isNotFound } from '../../../operator/kube/errors.ts';
import { keyOf, type ObjectKey } from '../../../operator/kube/objects.ts';
import { mergePatch, type Patch } from '../../../operator/kube/patch.ts';

export interface ReplaceRunsDeps {
  readonly runWriter: { patch(key: ObjectKey, patch: Patch, options?: { readonly signal?: AbortSignal }): Promise<ProwJob> };
}

/** Says which runs were asked. The uid makes sure that a run of the same name that came later is left alone. */
export async function replaceRuns(
  deps: ReplaceRunsDeps,
  periodic: Periodic,
  runs: readonly ProwJob[],
  signal: AbortSignal,
): Promise<readonly ProwJob[]> {
  const asked: ProwJob[] = [];
  for (const run of runs) {
    const abort = { by: `Periodic ${periodic.metadata.name}`, reason: 'A later slot of the schedule replaces this run.' };
    const { uid } = run.metadata;
    try {
      asked.push(
        await deps.runWriter.patch(keyOf(run), mergePatch({ ...(uid === undefined ? {} : { metadata: { uid } }), spec: { abort } }), {
          signal,
        }),
      );
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  return asked;
}
