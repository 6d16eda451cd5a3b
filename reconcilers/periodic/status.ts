/**
 * The status of a Periodic after a pass: a pure function of what was read, what was planned and what was done. Equal input gives an
 * equal status, so a settled Periodic is not written.
 */
import type { PeriodicActiveRun, PeriodicStatus, PeriodicWaitingSlot } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { SlotDecision } from '../../operator/jobs/periodicDecisions.ts';
import { isMended } from '../../operator/jobs/periodicHolds.ts';
import { shownSlots, type PeriodicPlan } from '../../operator/jobs/periodicPlan.ts';
import { latestOf, resultsAfter } from '../../operator/jobs/periodicResults.ts';
import { attemptOfRun, isFinished, slotOfRun } from '../../operator/jobs/periodicRun.ts';
import { stamp } from '../../operator/jobs/times.ts';
import { conditionsOf } from './conditions.ts';
import type { PeriodicScope } from './scope.ts';
import type { Outcome } from './steps/carryOut.ts';

/** Slots without a run that status lists, of each kind. */
const shownIdle = 10;

/** `plan` is what planPeriodic said; without a readable schedule only its start by hand counts. */
export function periodicStatus(scope: PeriodicScope, plan: Partial<PeriodicPlan>, outcome: Outcome): PeriodicStatus {
  const { periodic } = scope;
  const before = periodic.status ?? {};
  const runs = withStarted(scope.runs, outcome);
  const cursor = outcome.settled.findLast(({ from }) => from === 'schedule')?.slotMs;
  const firsts = runs.filter((run) => attemptOfRun(run) === 1);
  const lastRunTime = latestOf([before.lastRunTime, ...firsts.map((run) => run.metadata.creationTimestamp)]);
  const results = resultsAfter(before, endedRuns(scope, outcome), isMended(periodic));
  const waiting = waitingAfter(before.waiting ?? [], outcome.settled);
  return {
    ...(periodic.metadata.generation === undefined ? {} : { observedGeneration: periodic.metadata.generation }),
    conditions: conditionsOf(scope, { plan, outcome, failures: results.consecutiveFailures ?? 0 }),
    ...given('schedule', plan.inForce === undefined ? before.schedule : { text: plan.inForce.text, since: stamp(plan.inForce.sinceMs) }),
    ...given('lastScheduleTime', cursor === undefined ? before.lastScheduleTime : stamp(cursor)),
    ...given('lastStartedSlot', lastStartedSlot(before, outcome)),
    ...given('lastRunTime', lastRunTime),
    ...results,
    nextScheduleTimes: nextTimes(plan, outcome),
    active: activeRuns(runs),
    ...given('waiting', waiting.length === 0 && before.waiting === undefined ? undefined : waiting),
    ...given(
      'skipped',
      idleAfter(
        before.skipped,
        outcome.settled.filter((decision) => decision.outcome === 'skip'),
      ),
    ),
    ...given(
      'missed',
      idleAfter(
        before.missed,
        outcome.settled.filter((decision) => decision.outcome === 'miss'),
      ),
    ),
    ...given('lastRunNowToken', outcome.token ?? before.lastRunNowToken),
  };
}

function lastStartedSlot(before: PeriodicStatus, { settled }: Outcome): string | undefined {
  return latestOf([before.lastStartedSlot, ...settled.flatMap(({ outcome, slotMs }) => (outcome === 'start' ? [stamp(slotMs)] : []))]);
}

/** What is still to be dealt with comes first: it is due, and it shows as overdue. */
function nextTimes(plan: Partial<PeriodicPlan>, { left }: Outcome): readonly string[] {
  const due = left.filter(({ from }) => from === 'schedule').map(({ slotMs }) => slotMs);
  return [...due, ...(plan.nextSlots ?? [])].slice(0, shownSlots).map(stamp);
}

/** The list without what has left it, and with what has joined it. */
function waitingAfter(before: readonly PeriodicWaitingSlot[], settled: readonly SlotDecision[]): readonly PeriodicWaitingSlot[] {
  const gone = new Set(settled.filter(({ from }) => from === 'waiting').map(({ slotMs, attempt }) => `${stamp(slotMs)}/${attempt}`));
  const joined = settled.flatMap((decision): readonly PeriodicWaitingSlot[] => {
    if (decision.outcome !== 'wait') return [];
    const { slotMs, attempt, reason, notBeforeMs } = decision;
    // Rounded up, so that nothing starts too early.
    const notBefore = notBeforeMs === undefined ? {} : { notBefore: stamp(Math.ceil(notBeforeMs / 1000) * 1000) };
    return [{ slot: stamp(slotMs), ...(attempt === 1 ? {} : { attempt }), reason, ...notBefore }];
  });
  if (gone.size + joined.length === 0) return before;
  const left = before.filter(({ slot, attempt = 1 }) => !gone.has(`${slot}/${attempt}`));
  return [...left, ...joined].sort((a, b) => compare(a.slot, b.slot) || (a.attempt ?? 1) - (b.attempt ?? 1));
}

/** Those that were counted before, and these. */
function idleAfter(
  before: PeriodicStatus['missed'],
  decisions: readonly Extract<SlotDecision, { outcome: 'skip' | 'miss' }>[],
): PeriodicStatus['missed'] {
  if (decisions.length === 0) return before;
  const last = decisions.slice(-shownIdle).map(({ slotMs, reason }) => ({ slot: stamp(slotMs), reason }));
  return { count: (before?.count ?? 0) + decisions.length, last: [...(before?.last ?? []), ...last].slice(-shownIdle) };
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

/** Runs whose end this pass is the first to see: each counts once, because status.active lists it exactly until then. */
function endedRuns(scope: PeriodicScope, outcome: Outcome): readonly ProwJob[] {
  const known = new Set(scope.ended.map((run) => run.metadata.uid));
  const adopted = outcome.started.map(({ run }) => run).filter((run) => isFinished(run) && !known.has(run.metadata.uid));
  return [...scope.ended, ...adopted];
}
