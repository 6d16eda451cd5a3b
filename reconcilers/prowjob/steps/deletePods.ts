/** Asks for the graceful end of pods, each by its uid, so that a later pod of the same name is never hit. Gone already is fine. */
import type { PodAccess } from '../../../operator/clusters/clusters.ts';
import type { Pod } from '../../../operator/kube/builtin.ts';
import { isConflict, isNotFound } from '../../../operator/kube/errors.ts';
import { keyOf } from '../../../operator/kube/objects.ts';

export async function deletePods(targets: readonly Pod[], access: PodAccess, signal: AbortSignal): Promise<void> {
  for (const pod of targets) {
    const { uid } = pod.metadata;
    try {
      await access.writer.delete(keyOf(pod), { signal, ...(uid === undefined ? {} : { uid }) });
    } catch (error) {
      // Conflict: the uid precondition failed, so this pod is gone and another has its name.
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
}
