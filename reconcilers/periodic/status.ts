/**
 * The status of a Periodic after a pass: a pure function of what was read, what was planned and what was done. Equal input gives an
 * equal status, so a settled Periodic is not written.
 */
import type { Condition } from '../../crds/v1/common.ts';
import type { Periodic, PeriodicActiveRun, PeriodicStatus } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { unsupportedFields, type PeriodicPlan } from '../../operator/jobs/periodicPlan.ts';
import { isFinished, slotOfRun } from '../../operator/jobs/periodicRun.ts';
import { findCondition, removeCondition, setCondition } from '../../operator/runtime/conditions.ts';
import { messageOf } from '../../operator/runtime/errors.ts';
import type { PeriodicScope } from './scope.ts';
import type { Outcome } from './steps/carryOut.ts';
import { stamp, timeMs } from '../../operator/jobs/times.ts';

const shownMisses = 10;
const longestMessage = 2000;

/** `plan` is what planPeriodic said; without a readable schedule only its start by hand counts. */
export function periodicStatus(scope: PeriodicScope, plan: Partial<PeriodicPlan>, outcome: Outcome): PeriodicStatus {
  const { periodic } = scope;
  const before = periodic.status ?? {};
  const runs = withStarted(scope.runs, outcome);
  const lastSlot = outcome.settled.at(-1)?.slotMs;
  const lastRunTime = latest([before.lastRunTime, ...runs.map((run) => run.metadata.creationTimestamp)]);
  const token = outcome.token ?? before.lastRunNowToken;
  return {
    ...(periodic.metadata.generation === undefined ? {} : { observedGeneration: periodic.metadata.generation }),
    conditions: conditionsOf(scope, outcome),
    ...given('schedule', plan.inForce === undefined ? before.schedule : { text: plan.inForce.text, since: stamp(plan.inForce.sinceMs) }),
    ...given('lastScheduleTime', lastSlot === undefined ? before.lastScheduleTime : stamp(lastSlot)),
    ...given('lastRunTime', lastRunTime),
    ...results(before, endedRuns(scope, outcome)),
    nextScheduleTimes: (plan.nextSlots ?? []).map(stamp),
    active: activeRuns(runs),
    ...given('missed', missedOf(before, outcome)),
    ...given('lastRunNowToken', token),
  };
}

/** A field, unless it has no value: an absent field and one that is undefined are not the same on the wire. */
function given<K extends keyof PeriodicStatus>(field: K, value: PeriodicStatus[K] | undefined): Partial<Pick<PeriodicStatus, K>> {
  return value === undefined ? {} : ({ [field]: value } as unknown as Pick<PeriodicStatus, K>);
}

/** The runs of the store, and those this pass started that the store may not know yet. */
function withStarted(runs: readonly ProwJob[], outcome: Outcome): readonly ProwJob[] {
  const known = new Set(runs.map((run) => run.metadata.uid));
  return [...runs, ...outcome.started.map(({ run }) => run).filter((run) => !known.has(run.metadata.uid))];
}

function activeRuns(runs: readonly ProwJob[]): readonly PeriodicActiveRun[] {
  return runs
    .filter((run) => !isFinished(run) && run.metadata.deletionTimestamp === undefined)
    .map((run): PeriodicActiveRun => {
      const slotMs = slotOfRun(run);
      const { name, uid } = run.metadata;
      return { name, ...(uid === undefined ? {} : { uid }), ...(slotMs === undefined ? {} : { slot: stamp(slotMs) }) };
    })
    .sort((a, b) => compare(a.slot ?? '', b.slot ?? '') || compare(a.name, b.name));
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** The latest of some times, as it was written. */
function latest(times: readonly (string | undefined)[]): string | undefined {
  let best: string | undefined;
  for (const time of times) if ((timeMs(time) ?? -Infinity) > (timeMs(best) ?? -Infinity)) best = time;
  return best;
}

/** Runs whose end this pass is the first to see: each counts once, because status.active lists it exactly until then. */
function endedRuns(scope: PeriodicScope, outcome: Outcome): readonly ProwJob[] {
  const known = new Set(scope.ended.map((run) => run.metadata.uid));
  const adopted = outcome.started.map(({ run }) => run).filter((run) => isFinished(run) && !known.has(run.metadata.uid));
  return [...scope.ended, ...adopted].sort((a, b) => endedMs(a) - endedMs(b));
}

const endedMs = (run: ProwJob): number => timeMs(run.status?.completionTime) ?? 0;

/** An abort that someone asked for is neither a success nor a failure; a run that was stopped by its deadline failed. */
function results(before: PeriodicStatus, ended: readonly ProwJob[]): Pick<PeriodicStatus, 'lastSuccessfulTime' | 'consecutiveFailures'> {
  let failures = before.consecutiveFailures ?? 0;
  let succeeded = before.lastSuccessfulTime;
  for (const { status } of ended) {
    const failed = status?.state === 'failure' || status?.state === 'error' || status?.reason === 'RunningTimeout';
    if (failed) failures += 1;
    if (status?.state !== 'success') continue;
    failures = 0;
    succeeded = latest([succeeded, status.completionTime]);
  }
  return { consecutiveFailures: failures, ...(succeeded === undefined ? {} : { lastSuccessfulTime: succeeded }) };
}

function missedOf(before: PeriodicStatus, outcome: Outcome): PeriodicStatus['missed'] {
  const misses = outcome.settled.filter((decision) => decision.outcome === 'miss');
  if (misses.length === 0) return before.missed;
  const last = misses.slice(-shownMisses).map(({ slotMs, reason }) => ({ slot: stamp(slotMs), reason }));
  return {
    count: (before.missed?.count ?? 0) + misses.length,
    last: [...(before.missed?.last ?? []), ...last].slice(-shownMisses),
  };
}

type ConditionType = 'Ready' | 'Reconciling' | 'Stalled' | 'Suspended' | 'Unsupported';

/** Set, or absent when undefined. */
type Wanted = readonly [
  type: ConditionType,
  state: { readonly status: 'True' | 'False'; readonly reason: string; readonly message: string } | undefined,
];

function conditionsOf(scope: PeriodicScope, outcome: Outcome): readonly Condition[] {
  const { periodic, nowMs } = scope;
  const trouble = troubleOf(scope, outcome);
  const unsupported = unsupportedFields(periodic.spec);
  const wanted: readonly Wanted[] = [
    ['Ready', trouble === undefined ? ready(scope) : { status: 'False', reason: trouble.reason, message: trouble.message }],
    ['Reconciling', trouble?.passes === true ? { status: 'True', reason: trouble.reason, message: trouble.message } : undefined],
    ['Stalled', trouble?.passes === false ? { status: 'True', reason: trouble.reason, message: trouble.message } : undefined],
    ['Suspended', suspended(periodic, nowMs)],
    ['Unsupported', unsupported.length === 0 ? undefined : unsupportedState(unsupported)],
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

function ready({ parsed }: PeriodicScope): Wanted[1] {
  return { status: 'True', reason: 'Scheduled', message: parsed.ok ? `The schedule in force is ${parsed.schedule.text}.` : '' };
}

function unsupportedState(fields: readonly string[]): Wanted[1] {
  const list = fields.map((field) => `spec.${field}`).join(', ');
  return { status: 'True', reason: 'FieldsIgnored', message: `This version does not act on: ${list}. Everything else works.` };
}

function suspended({ spec }: Periodic, nowMs: number): Wanted[1] {
  if (spec.suspend === true) return { status: 'True', reason: 'Suspended', message: 'spec.suspend is true: slots are skipped.' };
  if (nowMs >= (timeMs(spec.suspendUntil) ?? -Infinity)) return undefined;
  return { status: 'True', reason: 'SuspendedUntil', message: `Slots before ${spec.suspendUntil ?? ''} are skipped.` };
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
