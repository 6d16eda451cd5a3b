/** The status of a PluginConfig: a pure function of the object and of what it was resolved to. */
import type { Condition } from '../../crds/v1/common.ts';
import type { PluginConfig, PluginConfigStatus } from '../../crds/v1/pluginConfig.ts';
import type { PluginResolution } from '../../operator/jobs/pluginResolution.ts';
import { removeCondition, setCondition } from '../../operator/runtime/conditions.ts';

export function pluginConfigStatus(config: PluginConfig, { resolved, problems }: PluginResolution, nowMs: number): PluginConfigStatus {
  const { generation } = config.metadata;
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: conditionsOf(config, problems, nowMs),
    resolved,
    problems,
  };
}

function conditionsOf(config: PluginConfig, problems: PluginResolution['problems'], nowMs: number): readonly Condition[] {
  const { generation } = config.metadata;
  const before = config.status?.conditions ?? [];
  const seen = generation === undefined ? {} : { observedGeneration: generation };
  const [first] = problems;
  if (first === undefined) {
    const ready = { type: 'Ready', status: 'True', reason: 'Resolved', message: 'Everything in spec takes effect.', ...seen } as const;
    return removeCondition(setCondition(before, ready, nowMs), 'Stalled');
  }
  const reason = problems.every((problem) => problem.reason === 'Conflict') ? 'Conflict' : 'InvalidSpec';
  const more = problems.length === 1 ? '' : ` (and ${problems.length - 1} more in status.problems)`;
  const message = `${first.path}: ${first.message}${more}`;
  const notReady = setCondition(before, { type: 'Ready', status: 'False', reason, message, ...seen }, nowMs);
  return setCondition(notReady, { type: 'Stalled', status: 'True', reason, message, ...seen }, nowMs);
}
