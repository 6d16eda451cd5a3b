/** The status of a PeriodicSet: a pure function of what was read, what is still to be done, and what the last writes came to. */
import type { Condition } from '../../crds/v1/common.ts';
import type { PeriodicSet, PeriodicSetStatus } from '../../crds/v1/periodicSet.ts';
import { isConditionTrue, removeCondition, setCondition } from '../../operator/runtime/conditions.ts';
import { messageOf } from '../../operator/runtime/errors.ts';
import type { SetPlan, SetProblem } from './decide.ts';
import type { PeriodicSetScope } from './scope.ts';
import type { Outcome } from './steps/carryOut.ts';

const shownProblems = 20;
const longestMessage = 2000;

/** `plan` is what is to be done after the writes of `outcome`. */
export function periodicSetStatus(scope: PeriodicSetScope, plan: SetPlan, outcome: Outcome, nowMs: number): PeriodicSetStatus {
  const { set, expansion, owned } = scope;
  const { generation } = set.metadata;
  const living = [...owned.values()].filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const problems = merged([...plan.problems, ...outcome.refusals]);
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: conditionsOf(set, judge(scope, plan, problems, outcome.error), nowMs),
    ...(expansion.desired === 0 ? {} : { desired: expansion.desired }),
    current: plan.current,
    ready: living.filter(({ status }) => isConditionTrue(status?.conditions, 'Ready')).length,
    suspended: living.filter(({ spec, status }) => spec.suspend === true || isConditionTrue(status?.conditions, 'Suspended')).length,
    problems: problems.slice(0, shownProblems),
  };
}

/** One entry for each name, as the API wants it. */
function merged(problems: readonly SetProblem[]): readonly SetProblem[] {
  const byName = Map.groupBy(problems, ({ name }) => name);
  return [...byName.values()].flatMap((same) => {
    const [first] = same;
    const message = [...new Set(same.map((problem) => problem.message))].join('; ').slice(0, longestMessage);
    return first === undefined ? [] : [{ ...first, message }];
  });
}

interface Judgement {
  readonly kind: 'Ready' | 'Reconciling' | 'Stalled';
  readonly reason: string;
  readonly message: string;
}

function judge(scope: PeriodicSetScope, plan: SetPlan, problems: readonly SetProblem[], error: unknown): Judgement {
  const [first] = problems;
  if (first !== undefined) {
    const more = problems.length === 1 ? '' : ` (and ${problems.length - 1} more in status.problems)`;
    return { kind: 'Stalled', reason: first.reason, message: `${first.name}: ${first.message}${more}` };
  }
  if (error !== undefined) return { kind: 'Reconciling', reason: 'Retrying', message: messageOf(error).slice(0, longestMessage) };
  const [leaving] = plan.leaving;
  if (leaving !== undefined)
    return { kind: 'Reconciling', reason: 'AwaitingDeletion', message: `${leaving} is being deleted and will be made again.` };
  if (plan.create.length + plan.update.length + plan.remove.length > 0)
    return { kind: 'Reconciling', reason: 'Applying', message: 'Some Periodics are not as the template says yet.' };
  const { desired } = scope.expansion;
  const message = desired === 1 ? 'The Periodic is as the template says.' : `All ${desired} Periodics are as the template says.`;
  return { kind: 'Ready', reason: 'Applied', message };
}

function conditionsOf(set: PeriodicSet, { kind, reason, message }: Judgement, nowMs: number): readonly Condition[] {
  const { generation } = set.metadata;
  const seen = generation === undefined ? {} : { observedGeneration: generation };
  const before = set.status?.conditions ?? [];
  const ready = setCondition(before, { type: 'Ready', status: kind === 'Ready' ? 'True' : 'False', reason, message, ...seen }, nowMs);
  return (['Reconciling', 'Stalled'] as const).reduce(
    (conditions, type) =>
      type === kind
        ? setCondition(conditions, { type, status: 'True', reason, message, ...seen }, nowMs)
        : removeCondition(conditions, type),
    ready,
  );
}
