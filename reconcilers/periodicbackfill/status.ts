/**
 * The status of a PeriodicBackfill after a pass: a pure function of what was read, decided and done. Equal input gives an equal status,
 * so a settled one is not written. Always: started = succeeded + failed + active.
 */
import type { Condition } from '../../crds/v1/common.ts';
import type { PeriodicBackfill, PeriodicBackfillActiveRun, PeriodicBackfillStatus } from '../../crds/v1/periodicBackfill.ts';
import { cursorOf, recordedGrid, remainingSlots } from '../../operator/jobs/backfillPlan.ts';
import { stamp, timeMs } from '../../operator/jobs/times.ts';
import { findCondition, removeCondition, setCondition } from '../../operator/runtime/conditions.ts';
import { messageOf } from '../../operator/runtime/errors.ts';
import type { Decided, Hold } from './decide.ts';
import type { BackfillScope, EndedRun } from './scope.ts';
import { hasEnded, type Outcome } from './steps/carryOut.ts';

const shownFailures = 20;
const longestMessage = 2000;

/** What a pass comes to: the part of status that counts. */
type Tally = Counts & Position & Pick<PeriodicBackfillStatus, 'completionTime'>;
type Counts = Required<Pick<PeriodicBackfillStatus, 'started' | 'succeeded' | 'failed' | 'excluded' | 'active'>> &
  Pick<PeriodicBackfillStatus, 'failedSlots'>;
type Position = Pick<PeriodicBackfillStatus, 'cursor' | 'remaining' | 'schedule'>;

export function backfillStatus(scope: BackfillScope, decided: Decided, outcome: Outcome): PeriodicBackfillStatus {
  const { generation } = scope.backfill.metadata;
  const tally = tallyOf(scope, decided, outcome);
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: conditionsOf(scope, decided, outcome, tally),
    ...tally,
  };
}

function tallyOf(scope: BackfillScope, decided: Decided, outcome: Outcome): Tally {
  const ended = [...scope.ended, ...outcome.ended].sort((a, b) => compare(a.slot, b.slot));
  const counts = countsOf(scope, outcome, ended);
  const before = scope.backfill.status?.completionTime;
  const isOver = decided.isLast && outcome.settled.length === decided.decisions.length && counts.active.length === 0;
  const completionTime = before ?? (isOver ? lastCompletion(ended, scope.nowMs) : undefined);
  return { ...positionOf(scope, outcome), ...counts, ...(completionTime === undefined ? {} : { completionTime }) };
}

function countsOf(scope: BackfillScope, outcome: Outcome, ended: readonly EndedRun[]): Counts {
  const { started = 0, succeeded = 0, failed = 0, excluded = 0, failedSlots = [] } = scope.backfill.status ?? {};
  const bad = ended.filter((run) => !run.succeeded);
  const shown = [...failedSlots, ...bad.map(({ slot }) => slot)].slice(-shownFailures);
  return {
    started: started + outcome.started.length,
    succeeded: succeeded + ended.length - bad.length,
    failed: failed + bad.length,
    excluded: excluded + outcome.settled.filter((decision) => decision.outcome === 'exclude').length,
    active: activeRuns(scope, outcome),
    ...(shown.length === 0 ? {} : { failedSlots: shown }),
  };
}

function positionOf({ backfill, periodic, slots }: BackfillScope, outcome: Outcome): Position {
  const { schedule, cursor, remaining, completionTime } = backfill.status ?? {};
  const before = defined({ schedule, cursor, remaining });
  if (slots.kind !== 'grid' || periodic === undefined || completionTime !== undefined) return before;
  const lastMs = outcome.settled.at(-1)?.slotMs;
  const left = remainingSlots(backfill, periodic, slots.grid, lastMs ?? cursorOf(backfill));
  if (lastMs === undefined) return { ...before, remaining: left };
  return { schedule: recordedGrid(slots.grid), cursor: stamp(lastMs), remaining: left };
}

/** An absent field and one that is undefined are not the same on the wire. */
const defined = (fields: { readonly [K in keyof Position]: Position[K] | undefined }): Position =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

function activeRuns(scope: BackfillScope, outcome: Outcome): readonly PeriodicBackfillActiveRun[] {
  const added = outcome.started
    .filter((started) => !hasEnded(started))
    .map(({ run, slotMs }): PeriodicBackfillActiveRun => {
      const { name, uid } = run.metadata;
      return { name, ...(uid === undefined ? {} : { uid }), slot: stamp(slotMs) };
    });
  return [...scope.active, ...added].sort((a, b) => compare(a.slot, b.slot));
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

/** When the last run ended; now, where nobody knows or there was none. */
function lastCompletion(ended: readonly EndedRun[], nowMs: number): string {
  const times = ended.map(({ completionTime }) => timeMs(completionTime)).filter((ms) => ms !== undefined);
  return stamp(times.length === 0 ? nowMs : Math.max(...times));
}

type ConditionType = 'Ready' | 'Reconciling' | 'Stalled' | 'Suspended' | 'Stopped' | 'Complete';
type State = { readonly status: 'True' | 'False'; readonly reason: string; readonly message: string };
type Wanted = Partial<Record<ConditionType, State>> & { readonly Ready: State };

const conditionTypes = ['Ready', 'Reconciling', 'Stalled', 'Suspended', 'Stopped', 'Complete'] as const;

function conditionsOf(scope: BackfillScope, decided: Decided, outcome: Outcome, tally: Tally): readonly Condition[] {
  const { backfill, nowMs } = scope;
  const wanted = wantedConditions(scope, decided, outcome, tally);
  const { generation } = backfill.metadata;
  return conditionTypes.reduce<readonly Condition[]>((conditions, type) => {
    const state = wanted[type];
    return state === undefined
      ? removeCondition(conditions, type)
      : setCondition(conditions, { type, ...state, ...(generation === undefined ? {} : { observedGeneration: generation }) }, nowMs);
  }, backfill.status?.conditions ?? []);
}

const yes = (reason: string, message: string): State => ({ status: 'True', reason, message: cut(message) });
const no = (reason: string, message: string): State => ({ status: 'False', reason, message: cut(message) });

/** It waits for a person. */
const stalled = (reason: string, message: string): Wanted => ({ Ready: no(reason, message), Stalled: yes(reason, message) });
/** It is tried again. */
const passing = (reason: string, message: string): Wanted => ({ Ready: no(reason, message), Reconciling: yes(reason, message) });

function wantedConditions(scope: BackfillScope, decided: Decided, outcome: Outcome, tally: Tally): Wanted {
  if (tally.completionTime !== undefined) return complete(tally);
  if (outcome.error !== undefined) {
    return passing('CreateFailed', `A run could not be created and is tried again: ${messageOf(outcome.error)}`);
  }
  const refusal = outcome.refusal ?? lastRefusal(scope.backfill, decided);
  if (refusal !== undefined) return stalled(refusal.reason, refusal.message);
  const hold = decided.hold ?? (stoppedNow(scope.backfill, outcome) ? ({ kind: 'stopped' } as const) : undefined);
  return hold === undefined ? working(scope.backfill, decided) : held(hold, scope.backfill, tally);
}

const stoppedNow = ({ spec }: PeriodicBackfill, { ended }: Outcome): boolean =>
  spec.onFailure === 'Stop' && ended.some(({ succeeded }) => !succeeded);

/** A refusal stays until a run starts, something is edited, or a pass tries again: a pass without a place to fill did not. */
function lastRefusal(backfill: PeriodicBackfill, { decisions, hold }: Decided): { reason: string; message: string } | undefined {
  const before = findCondition(backfill.status?.conditions, 'Stalled');
  if (before === undefined || before.observedGeneration !== backfill.metadata.generation) return undefined;
  const tried = decisions.some(({ outcome }) => outcome === 'start');
  const lasts = hold === undefined && !tried && (before.reason === 'InvalidTemplate' || before.reason === 'NameTaken');
  return lasts ? before : undefined;
}

function complete({ started, succeeded, failed, excluded }: Tally): Wanted {
  const reason = started === 0 ? 'NoSlots' : failed > 0 ? 'Failed' : 'Succeeded';
  const message =
    started === 0
      ? `No slot of the range started a run; ${excluded} were left out.`
      : `${succeeded} of ${started} runs succeeded; ${excluded} slots were left out.`;
  return { Ready: yes('Complete', message), Complete: yes(reason, message) };
}

function held(hold: Hold, { spec, status }: PeriodicBackfill, tally: Tally): Wanted {
  if (hold.kind === 'fault') return stalled(hold.fault.reason, hold.fault.message);
  if (hold.kind === 'unseen') return passing('PeriodicNotSeen', `The schedule of Periodic ${spec.periodic} is being looked at.`);
  if (hold.kind === 'suspended') {
    const message = 'spec.suspend is true: no further run starts.';
    return { Ready: yes('Suspended', message), Suspended: yes('Suspended', message) };
  }
  const latest = tally.failedSlots?.at(-1) ?? status?.failedSlots?.at(-1) ?? '';
  const message = `The run of slot ${latest} ended badly and spec.onFailure is Stop. Any edit of spec goes on with the next slot.`;
  return { ...stalled('Stopped', message), Stopped: yes('RunFailed', message) };
}

function working({ spec }: PeriodicBackfill, { nextMs }: Decided): Wanted {
  if (nextMs !== undefined) {
    return { Ready: yes('WaitingForSlot', `The next slot is ${stamp(nextMs)}; a slot starts when its time has come.`) };
  }
  const most = spec.parallelism ?? 1;
  return { Ready: yes('Running', `Slots are run in order, ${most === 1 ? 'one at a time' : `at most ${most} at once`}.`) };
}

const cut = (message: string): string => (message.length <= longestMessage ? message : `${message.slice(0, longestMessage)}…`);
