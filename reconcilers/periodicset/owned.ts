/** Which Periodics belong to which set: those whose controller it is. An index finds them without a walk over the namespace. */
import type { Periodic } from '../../crds/v1/periodic.ts';
import { group, type OwnerReference } from '../../crds/v1/common.ts';

/** The index of Periodics by the uid of their set. */
export const bySet = 'periodic-set-uid';

/** For the informer of Periodics. */
export const periodicSetIndexers: Record<string, (periodic: Periodic) => readonly string[]> = {
  [bySet]: (periodic) => {
    const owner = setOf(periodic);
    return owner === undefined ? [] : [owner.uid];
  },
};

/** The set that a Periodic belongs to. */
export function setOf(periodic: Periodic): OwnerReference | undefined {
  const owner = controllerOf(periodic);
  return owner?.kind === 'PeriodicSet' && owner.apiVersion.startsWith(`${group}/`) ? owner : undefined;
}

export const controllerOf = (periodic: Periodic): OwnerReference | undefined =>
  periodic.metadata.ownerReferences?.find(({ controller }) => controller === true);
