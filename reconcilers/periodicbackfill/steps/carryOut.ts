/**
 * Carries out decisions in order and stops at the first slot that could not start, so that the cursor never moves past a slot that is
 * still to be started. A run found to have failed already stops it, too, where spec says so.
 */
import type { BackfillDecision } from '../../../operator/jobs/backfillPlan.ts';
import { isComplete } from '../../../operator/jobs/runState.ts';
import { stamp } from '../../../operator/jobs/times.ts';
import { endedRun, type BackfillScope, type EndedRun } from '../scope.ts';
import { startRun, type RefusedRun, type StartRunDeps, type StartedRun } from './startRun.ts';

export interface Outcome {
  /** The slots that are dealt with. */
  readonly settled: readonly BackfillDecision[];
  readonly started: readonly StartedRun[];
  /** Runs that had ended before this pass found them. */
  readonly ended: readonly EndedRun[];
  readonly refusal?: RefusedRun;
  /** The next slot has to wait for its turn among those of the namespace. */
  readonly turnInMs?: number;
  /** What stopped the pass. The rest is still to be done. */
  readonly error?: unknown;
}

export interface CarryOutDeps extends StartRunDeps {
  /** 0: start now. Otherwise ask again after so many milliseconds, with the same id. */
  readonly budget: { take(namespace: string, lane: 'catchUp', id: string): number };
}

export async function carryOut(
  deps: CarryOutDeps,
  { backfill, periodic, startedSlots }: Pick<BackfillScope, 'backfill' | 'periodic' | 'startedSlots'>,
  decisions: readonly BackfillDecision[],
  signal: AbortSignal,
): Promise<Outcome> {
  const settled: BackfillDecision[] = [];
  const started: StartedRun[] = [];
  const ended: EndedRun[] = [];
  const done = (): Outcome => ({ settled, started, ended });
  try {
    for (const decision of decisions) {
      if (decision.outcome === 'start' && periodic !== undefined) {
        const turnInMs = startedSlots.has(decision.slotMs) ? 0 : turnOf(deps, backfill, decision.slotMs);
        if (turnInMs > 0) return { ...done(), turnInMs };
        const result = await startRun(deps, { backfill, periodic }, decision.slotMs, signal);
        if (result.kind === 'refused') return { ...done(), refusal: result };
        started.push(result);
        if (hasEnded(result)) ended.push(endedRun({ name: result.run.metadata.name, slot: stamp(result.slotMs) }, completed(result)));
      }
      settled.push(decision);
      if (backfill.spec.onFailure === 'Stop' && ended.some(({ succeeded }) => !succeeded)) return done();
    }
    return done();
  } catch (error) {
    return { ...done(), error };
  }
}

const turnOf = ({ budget }: CarryOutDeps, { metadata }: BackfillScope['backfill'], slotMs: number): number =>
  budget.take(metadata.namespace ?? '', 'catchUp', `${metadata.uid ?? metadata.name}/${slotMs}`);

/** A run that is gone has ended, whatever it said last. */
export const hasEnded = ({ run, isGone }: StartedRun): boolean => isGone === true || isComplete(run);

const completed = ({ run }: StartedRun): StartedRun['run'] | undefined => (isComplete(run) ? run : undefined);
