/** A delete that does not mind being late. */
import { isConflict, isNotFound } from '../../operator/kube/errors.ts';

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
