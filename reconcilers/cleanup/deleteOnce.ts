/** A delete that does not mind being late. */
import type { PodAccess } from '../../operator/clusters/clusters.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { isConflict, isNotFound } from '../../operator/kube/errors.ts';
import { keyOf } from '../../operator/kube/objects.ts';

/** True when it was our call that deleted. Gone already, or replaced by another object of the same name, is fine and false. */
export async function deleteOnce(remove: () => Promise<unknown>): Promise<boolean> {
  try {
    await remove();
    return true;
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) return false;
    throw error;
  }
}

/** The precondition: this very object, never the next one of its name. */
export const uidOf = ({ metadata }: { readonly metadata: { readonly uid?: string } }): { readonly uid?: string } =>
  metadata.uid === undefined ? {} : { uid: metadata.uid };

/** Whether nobody has deleted the pod in the meantime: its run and its own time can come at once. */
export function isThere(pod: Pod, { pods }: PodAccess): boolean {
  const present = pods.get(keyOf(pod));
  return present !== undefined && present.metadata.uid === pod.metadata.uid && present.metadata.deletionTimestamp === undefined;
}
