/** The rules of a deletion: preconditions, what the propagation policy makes of the finalizers, and what still holds an object. */
import type { StoredObject } from '../storage/storage.ts';
import { conflict } from './failure.ts';
import { asArray, asObject, equalJson } from './json.ts';
import type { DeleteOptions } from './writeOptions.ts';
import type { ResourceInfo } from './resourceInfo.ts';

function checkPreconditions(info: ResourceInfo, old: StoredObject, options: DeleteOptions): void {
  const { name, uid = '', resourceVersion = '' } = old.metadata;
  // Here, and only here, Kubernetes names the kind where it else names the resource.
  const named = { ...info, plural: info.kind };
  if (options.uid !== undefined && options.uid !== uid) {
    const why = `the UID in the precondition (${options.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`;
    throw conflict(named, name, why);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    const why = `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`;
    throw conflict(named, name, why);
  }
}

/** Foreground and Orphan are finalizers that the garbage collector takes away when it has done its part. */
function deletionFinalizers(old: StoredObject, policy: string | undefined): readonly string[] {
  const finalizers = old.metadata.finalizers ?? [];
  const rest = finalizers.filter((name) => name !== 'foregroundDeletion' && name !== 'orphan');
  if (policy === 'Foreground') return [...rest, 'foregroundDeletion'];
  if (policy === 'Orphan') return [...rest, 'orphan'];
  if (policy === 'Background') return rest;
  return finalizers;
}

/** Something still keeps a deleted object: its finalizers, or for a namespace its content. */
export const isHeld = (info: ResourceInfo, object: StoredObject, finalizers: readonly unknown[]): boolean =>
  finalizers.length > 0 || (info.bucket === 'namespaces' && asArray(asObject(object.spec).finalizers).length > 0);

export interface DeletionPlan {
  /** remove: it goes now. mark: it gets, or changes, its deletion time or finalizers. none: it is on its way already. */
  readonly action: 'remove' | 'mark' | 'none';
  readonly finalizers: readonly string[];
  /** Undefined: the time that was set before stands. */
  readonly graceSeconds: number | undefined;
}

/** While a grace period runs, only a shorter one changes anything. */
function isPending(old: StoredObject, asked: number | undefined): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds: pending = 0 } = old.metadata;
  return deletionTimestamp !== undefined && pending > 0 && (asked ?? pending) >= pending;
}

/** What a delete request does to an object. Throws Conflict when a precondition does not hold. */
export function planDeletion(info: ResourceInfo, old: StoredObject, options: DeleteOptions): DeletionPlan {
  checkPreconditions(info, old, options);
  const { deletionTimestamp, deletionGracePeriodSeconds: pendingGrace = 0, finalizers: before = [] } = old.metadata;
  if (isPending(old, options.gracePeriodSeconds)) return { action: 'none', finalizers: before, graceSeconds: undefined };
  const finalizers = deletionFinalizers(old, options.propagationPolicy);
  const graceSeconds = info.strategy?.gracePeriodSeconds?.(old, options.gracePeriodSeconds) ?? 0;
  const deleting = deletionTimestamp !== undefined;
  // A second delete may shorten the wait, never lengthen it.
  const keepsTime = deleting && graceSeconds >= pendingGrace;
  const waits = graceSeconds > 0 && !(deleting && pendingGrace === 0);
  if (!waits && !isHeld(info, old, finalizers)) return { action: 'remove', finalizers, graceSeconds };
  if (keepsTime && equalJson(finalizers, before)) return { action: 'none', finalizers, graceSeconds: undefined };
  return { action: 'mark', finalizers, graceSeconds: keepsTime ? undefined : graceSeconds };
}
