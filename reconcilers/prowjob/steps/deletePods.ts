/** Asks for the end of pods, each by its uid, so that a later pod of the same name is never hit. Gone already is fine. */
import type { PodAccess } from '../../../operator/clusters/clusters.ts';
import { reporterFinalizer } from '../../../operator/jobs/labels.ts';
import type { Pod } from '../../../operator/kube/builtin.ts';
import { isConflict, isNotFound } from '../../../operator/kube/errors.ts';
import { keyOf } from '../../../operator/kube/objects.ts';
import { mergePatch } from '../../../operator/kube/patch.ts';

export interface DeleteInput {
  readonly pods: readonly Pod[];
  readonly access: PodAccess;
  readonly signal: AbortSignal;
  /** Take the finalizer of upstream's reporter off first: nobody reports these pods. Others' finalizers stay. */
  readonly release?: boolean;
  /** Without grace, for a pod whose node has not answered in time. */
  readonly force?: boolean;
}

export async function deletePods({ pods, access, signal, release = false, force = false }: DeleteInput): Promise<void> {
  for (const pod of pods) {
    const { uid } = pod.metadata;
    const precondition = uid === undefined ? {} : { uid };
    try {
      if (release) await takeOffFinalizer(pod, access, signal);
      if (force || pod.metadata.deletionTimestamp === undefined) {
        await access.writer.delete(keyOf(pod), { signal, ...precondition, ...(force ? { gracePeriodSeconds: 0 } : {}) });
      }
    } catch (error) {
      // Conflict: the precondition failed, so this pod is gone and another has its name, or it has changed and the next pass sees it.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}

async function takeOffFinalizer({ metadata }: Pod, access: PodAccess, signal: AbortSignal): Promise<void> {
  const { uid, resourceVersion, finalizers = [] } = metadata;
  if (!finalizers.includes(reporterFinalizer)) return;
  const left = finalizers.filter((finalizer) => finalizer !== reporterFinalizer);
  // A list is replaced as a whole: only in the version that was read.
  const patch = mergePatch({ metadata: { uid, resourceVersion, finalizers: left } });
  await access.writer.patch(keyOf({ metadata }), patch, { signal });
}
