/**
 * Conditions as Kubernetes keeps them: one per type, and lastTransitionTime moves only when the status does.
 * Pure. Equal input gives the same array back, so a caller can tell by identity that there is nothing to write.
 */
import type { Condition } from '../kube/objects.ts';
import { formatTime } from './clock.ts';

export type ConditionInput = Omit<Condition, 'lastTransitionTime'>;

/** The conditions with this one added or changed. Order is kept; a new type goes to the end. nowMs is wall time. */
export function setCondition(conditions: readonly Condition[] | undefined, input: ConditionInput, nowMs: number): readonly Condition[] {
  const current = conditions ?? [];
  const before = current.find((condition) => condition.type === input.type);
  if (before === undefined) return [...current, { ...input, lastTransitionTime: formatTime(nowMs) }];
  if (isSame(before, input)) return current;
  const lastTransitionTime = before.status === input.status ? before.lastTransitionTime : formatTime(nowMs);
  return current.map((condition) => (condition === before ? { ...input, lastTransitionTime } : condition));
}

/** The conditions without this type; the same array when there was none. */
export function removeCondition(conditions: readonly Condition[] | undefined, type: string): readonly Condition[] {
  const current = conditions ?? [];
  return current.some((condition) => condition.type === type) ? current.filter((condition) => condition.type !== type) : current;
}

export const findCondition = (conditions: readonly Condition[] | undefined, type: string): Condition | undefined =>
  conditions?.find((condition) => condition.type === type);

/** True when the condition is there and "True". */
export const isConditionTrue = (conditions: readonly Condition[] | undefined, type: string): boolean =>
  findCondition(conditions, type)?.status === 'True';

const isSame = (a: Condition, b: ConditionInput): boolean =>
  a.status === b.status && a.reason === b.reason && a.message === b.message && a.observedGeneration === b.observedGeneration;
