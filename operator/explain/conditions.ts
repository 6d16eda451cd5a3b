/** Conditions as an explanation reads them. Pure. */
import type { Condition } from '../../crds/v1/common.ts';

export const findCondition = (conditions: readonly Condition[] | undefined, type: string): Condition | undefined =>
  conditions?.find((condition) => condition.type === type);

/** The condition, where it holds. */
export function holding(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  const found = findCondition(conditions, type);
  return found?.status === 'True' ? found : undefined;
}
