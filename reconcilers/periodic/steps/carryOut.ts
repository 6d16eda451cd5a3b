/**
 * Carries out a plan in order and stops at the first run that could not be created for a passing reason, so that the cursor never moves
 * past a slot that is still to be started.
 */
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import type { MissReason, PeriodicPlan, SlotDecision } from '../../../operator/jobs/periodicPlan.ts';
import type { RunCause } from '../../../operator/jobs/periodicRun.ts';
import { startRun, type StartRunDeps } from './startRun.ts';

export interface StartedRun {
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
  readonly started: readonly StartedRun[];
  readonly refusals: readonly Refusal[];
  /** The token of a start by hand that is dealt with. */
  readonly token?: string;
  /** What stopped the pass. The rest of the plan is still to be done. */
  readonly error?: unknown;
}

export async function carryOut(
  deps: StartRunDeps,
  periodic: Periodic,
  plan: Pick<PeriodicPlan, 'manual' | 'decisions'>,
  signal: AbortSignal,
): Promise<Outcome> {
  const settled: SlotDecision[] = [];
  const started: StartedRun[] = [];
  const refusals: Refusal[] = [];
  let token: string | undefined;
  const start = async (cause: RunCause): Promise<MissReason | undefined> => {
    const result = await startRun(deps, periodic, cause, signal);
    if (result.kind === 'started') started.push({ cause, run: result.run, created: result.created });
    else refusals.push({ cause, reason: result.reason, message: result.message });
    return result.kind === 'refused' ? result.reason : undefined;
  };
  const done = (): Outcome => ({ settled, started, refusals, ...(token === undefined ? {} : { token }) });
  try {
    if (plan.manual !== undefined) {
      await start(plan.manual);
      token = plan.manual.token;
    }
    for (const decision of plan.decisions) {
      const refused = decision.outcome === 'start' ? await start({ kind: 'slot', slotMs: decision.slotMs }) : undefined;
      settled.push(refused === undefined ? decision : { outcome: 'miss', slotMs: decision.slotMs, reason: refused });
    }
    return done();
  } catch (error) {
    return { ...done(), error };
  }
}
