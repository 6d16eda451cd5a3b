/**
 * The rules by which Flux and `kubectl wait` judge an object of a kind they do not know, for tests. Flux uses kstatus, whose order is:
 * deletion, observedGeneration, the first of Reconciling and Stalled that is true, Ready; without any of these the object counts as settled.
 */
import type { Condition } from '../../crds/v1/common.ts';

export type KstatusResult = 'Terminating' | 'InProgress' | 'Failed' | 'Current';

/** What both look at. */
export interface Judged {
  readonly metadata: { readonly generation?: number; readonly deletionTimestamp?: string };
  readonly status?: { readonly observedGeneration?: number; readonly conditions?: readonly Condition[] };
}

export function kstatus({ metadata, status = {} }: Judged): KstatusResult {
  if (metadata.deletionTimestamp !== undefined) return 'Terminating';
  if (status.observedGeneration !== undefined && status.observedGeneration !== metadata.generation) return 'InProgress';
  const conditions = status.conditions ?? [];
  const abnormal = conditions.find(({ type, status: is }) => (type === 'Reconciling' || type === 'Stalled') && is === 'True');
  if (abnormal !== undefined) return abnormal.type === 'Stalled' ? 'Failed' : 'InProgress';
  const ready = conditions.find(({ type }) => type === 'Ready');
  return ready === undefined || ready.status === 'True' ? 'Current' : 'InProgress';
}

/** Whether `kubectl wait --for=condition=TYPE` returns: the condition is True and speaks about this generation or a later one. */
export function isConditionMet({ metadata, status = {} }: Judged, type: string): boolean {
  const condition = status.conditions?.find((candidate) => candidate.type === type);
  if (condition?.status !== 'True') return false;
  const observed = condition.observedGeneration ?? status.observedGeneration;
  return observed === undefined || metadata.generation === undefined || observed >= metadata.generation;
}
