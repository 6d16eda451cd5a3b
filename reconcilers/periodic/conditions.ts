/** The conditions of a Periodic after a pass. Pure, and quiet: a message changes only when what it says does. */
import type { Condition } from '../../crds/v1/common.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { SlotDecision } from '../../operator/jobs/periodicDecisions.ts';
import { graceMs } from '../../operator/jobs/periodicDesk.ts';
import { isStopped } from '../../operator/jobs/periodicHolds.ts';
import type { PeriodicPlan } from '../../operator/jobs/periodicPlan.ts';
import { stamp, timeMs } from '../../operator/jobs/times.ts';
import { findCondition, removeCondition, setCondition } from '../../operator/runtime/conditions.ts';
import { messageOf } from '../../operator/runtime/errors.ts';
import type { PeriodicScope } from './scope.ts';
import type { Outcome, StartedRun } from './steps/carryOut.ts';

const longestMessage = 2000;

type ConditionType = 'Ready' | 'OnTime' | 'Reconciling' | 'Stalled' | 'Suspended' | 'Stopped' | 'Unsupported';

interface State {
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

/** Set, or absent when undefined. */
type Wanted = readonly [type: ConditionType, state: State | undefined];

export interface PassResult {
  readonly plan: Partial<PeriodicPlan>;
  readonly outcome: Outcome;
  /** Failures in a row after this pass. */
  readonly failures: number;
}

export function conditionsOf(scope: PeriodicScope, { plan, outcome, failures }: PassResult): readonly Condition[] {
  const { periodic, nowMs } = scope;
  const trouble = troubleOf(scope, outcome);
  const keepsHolds = plan.isUnfinished === true;
  const wanted: readonly Wanted[] = [
    ['Ready', trouble === undefined ? ready(scope) : { status: 'False', reason: trouble.reason, message: trouble.message }],
    ['OnTime', onTime(scope, outcome)],
    ['Reconciling', trouble?.passes === true ? { status: 'True', reason: trouble.reason, message: trouble.message } : undefined],
    ['Stalled', trouble?.passes === false ? { status: 'True', reason: trouble.reason, message: trouble.message } : undefined],
    ['Suspended', suspended(periodic, nowMs) ?? (keepsHolds ? stateOf(periodic, 'Suspended') : undefined)],
    ['Stopped', stopped(periodic, failures) ?? (keepsHolds ? stateOf(periodic, 'Stopped') : undefined)],
    // Written by earlier releases, which did not act on every field.
    ['Unsupported', undefined],
  ];
  const { generation } = periodic.metadata;
  return wanted.reduce<readonly Condition[]>(
    (conditions, [type, state]) =>
      state === undefined
        ? removeCondition(conditions, type)
        : setCondition(conditions, { type, ...state, ...(generation === undefined ? {} : { observedGeneration: generation }) }, nowMs),
    periodic.status?.conditions ?? [],
  );
}

function stateOf({ status }: Periodic, type: ConditionType): State | undefined {
  const found = findCondition(status?.conditions, type);
  return found?.status === 'True' ? { status: 'True', reason: found.reason, message: found.message } : undefined;
}

function ready({ parsed }: PeriodicScope): State {
  return { status: 'True', reason: 'Scheduled', message: parsed.ok ? `The schedule in force is ${parsed.schedule.text}.` : '' };
}

const asPlanned: State = { status: 'True', reason: 'AsPlanned', message: 'The latest slot that was due was dealt with on time.' };

/**
 * What the latest slot says: it was started late, or missed, or cannot be started at all. A slot that spec skips says nothing, and one that
 * waited for a place was not late.
 */
function onTime({ periodic, parsed, nowMs }: PeriodicScope, outcome: Outcome): State | undefined {
  const known = findCondition(periodic.status?.conditions, 'OnTime');
  const before: State | undefined =
    known === undefined ? undefined : { status: known.status === 'False' ? 'False' : 'True', reason: known.reason, message: known.message };
  if (!parsed.ok) return before;
  const started = new Map(outcome.started.map((run) => [run.decision, run] as const));
  const overdue = outcome.error === undefined ? undefined : outcome.left.find(({ outcome: next }) => next === 'start');
  if (overdue?.outcome === 'start' && nowMs - overdue.dueMs > graceMs) {
    return { status: 'False', reason: 'Late', message: `The slot ${stamp(overdue.slotMs)} is due and could not be started yet.` };
  }
  return outcome.settled.reduce((state, decision) => onTimeAfter(decision, started) ?? state, before ?? asPlanned);
}

function onTimeAfter(decision: SlotDecision, started: ReadonlyMap<StartedRun['decision'], StartedRun>): State | undefined {
  const slot = stamp(decision.slotMs);
  if (decision.outcome === 'miss')
    return { status: 'False', reason: 'Missed', message: `The slot ${slot} was missed: ${decision.reason}.` };
  if (decision.outcome !== 'start' || decision.attempt > 1) return undefined;
  const createdMs = timeMs(started.get(decision)?.run.metadata.creationTimestamp);
  const lagMs = createdMs === undefined ? 0 : createdMs - decision.dueMs;
  if (lagMs <= graceMs) return asPlanned;
  return { status: 'False', reason: 'Late', message: `The slot ${slot} started ${Math.round(lagMs / 1000)} s late.` };
}

function suspended({ spec }: Periodic, nowMs: number): State | undefined {
  if (spec.suspend === true) return { status: 'True', reason: 'Suspended', message: 'spec.suspend is true: slots are skipped.' };
  if (nowMs >= (timeMs(spec.suspendUntil) ?? -Infinity)) return undefined;
  return { status: 'True', reason: 'SuspendedUntil', message: `Slots before ${spec.suspendUntil ?? ''} are skipped.` };
}

function stopped({ spec }: Periodic, failures: number): State | undefined {
  if (!isStopped(spec, failures)) return undefined;
  const bound = spec.stopAfter?.consecutiveFailures ?? 0;
  const message =
    `Runs that failed in a row: ${failures}; spec.stopAfter.consecutiveFailures is ${bound}. Slots are skipped until a run succeeds ` +
    '(start one by hand), or spec is edited.';
  return { status: 'True', reason: 'ConsecutiveFailures', message };
}

interface Trouble {
  readonly reason: string;
  readonly message: string;
  /** Whether trying again may help. */
  readonly passes: boolean;
}

/** The worst that is wrong. A refusal stays until a run starts or spec changes: its slot is over, its cause is not. */
function troubleOf({ periodic, parsed }: PeriodicScope, outcome: Outcome): Trouble | undefined {
  if (!parsed.ok) {
    const message = parsed.problems.map((problem) => `${problem.path}: ${problem.message}`).join('; ');
    return { reason: 'InvalidSchedule', message: cut(message), passes: false };
  }
  if (outcome.error !== undefined) {
    return {
      reason: 'CreateFailed',
      message: cut(`A run could not be created and is tried again: ${messageOf(outcome.error)}`),
      passes: true,
    };
  }
  const refusal = outcome.refusals.at(-1);
  if (refusal !== undefined) return { reason: refusal.reason, message: cut(refusal.message), passes: false };
  const stalled = findCondition(periodic.status?.conditions, 'Stalled');
  const lasts = outcome.started.length === 0 && stalled !== undefined && stalled.observedGeneration === periodic.metadata.generation;
  return lasts && stalled.reason !== 'InvalidSchedule' ? { reason: stalled.reason, message: stalled.message, passes: false } : undefined;
}

const cut = (message: string): string => (message.length <= longestMessage ? message : `${message.slice(0, longestMessage)}…`);
