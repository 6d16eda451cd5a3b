/**
 * Carries out a plan in order and stops at the first run that could not be created for a passing reason, or whose turn has not come, so that
 * the cursor never moves past a slot that is still to be started.
 */
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import type { MissReason, SlotDecision, StartDecision } from '../../../operator/jobs/periodicDecisions.ts';
import type { PeriodicPlan } from '../../../operator/jobs/periodicPlan.ts';
import type { RunCause } from '../../../operator/jobs/periodicRun.ts';
import type { StartBudget } from '../startBudget.ts';
import { startRun, type StartRunDeps } from './startRun.ts';

export interface StartedRun {
  /** Absent for a start by hand. */
  readonly decision?: StartDecision;
  readonly cause: RunCause;
  readonly run: ProwJob;
  readonly created: boolean;
}

export interface Refusal {
  readonly cause: RunCause;
  readonly reason: MissReason;
  readonly message: string;
}

export interface Outcome {
  /** The slots that are dealt with. A start that was refused is a miss here. */
  readonly settled: readonly SlotDecision[];
  /** The slots that are still to be dealt with, in their order. */
  readonly left: readonly SlotDecision[];
  readonly started: readonly StartedRun[];
  readonly refusals: readonly Refusal[];
  /** The token of a start by hand that is dealt with. */
  readonly token?: string;
  /** What stopped the pass. The rest of the plan is still to be done. */
  readonly error?: unknown;
  /** The next start has to wait for so long, because too many schedules start at once. */
  readonly waitMs?: number;
}

export interface CarryOutDeps extends StartRunDeps {
  readonly budget: Pick<StartBudget, 'take'>;
}

export async function carryOut(
  deps: CarryOutDeps,
  periodic: Periodic,
  plan: Pick<PeriodicPlan, 'manual' | 'decisions'>,
  signal: AbortSignal,
): Promise<Outcome> {
  const settled: SlotDecision[] = [];
  const started: StartedRun[] = [];
  const refusals: Refusal[] = [];
  let token: string | undefined;
  const start = async (cause: RunCause, decision?: StartDecision): Promise<MissReason | undefined> => {
    const result = await startRun(deps, periodic, cause, signal);
    if (result.kind === 'started')
      started.push({ cause, run: result.run, created: result.created, ...(decision === undefined ? {} : { decision }) });
    else refusals.push({ cause, reason: result.reason, message: result.message });
    return result.kind === 'refused' ? result.reason : undefined;
  };
  const done = (): Outcome => ({
    settled,
    left: plan.decisions.slice(settled.length),
    started,
    refusals,
    ...(token === undefined ? {} : { token }),
  });
  // What follows from runs that ended is written whatever else fails: nobody sees their end a second time.
  for (const decision of plan.decisions) if (decision.from === 'ended') settled.push(decision);
  try {
    if (plan.manual !== undefined) {
      await start(plan.manual);
      token = plan.manual.token;
    }
    for (const decision of plan.decisions.slice(settled.length)) {
      if (decision.outcome !== 'start') {
        settled.push(decision);
        continue;
      }
      const waitMs = turnOf(deps, periodic, decision);
      if (waitMs > 0) return { ...done(), waitMs };
      const refused = await start({ kind: 'slot', slotMs: decision.slotMs, attempt: decision.attempt }, decision);
      settled.push(refused === undefined ? decision : refusedAs(decision, refused));
    }
    return done();
  } catch (error) {
    return { ...done(), error };
  }
}

/** How long this start has to wait for its turn. */
function turnOf({ budget }: CarryOutDeps, { metadata }: Periodic, { slotMs, attempt, isLate, exists }: StartDecision): number {
  if (exists) return 0;
  return budget.take(metadata.namespace ?? '', isLate ? 'catchUp' : 'onTime', `${metadata.uid ?? metadata.name}/${slotMs}/${attempt}`);
}

/** The slot of a repetition has had its run, so it is not missed. */
function refusedAs({ slotMs, attempt, from }: StartDecision, reason: MissReason): SlotDecision {
  return attempt > 1 ? { slotMs, attempt, from, outcome: 'drop', reason: 'Refused' } : { slotMs, attempt, from, outcome: 'miss', reason };
}
