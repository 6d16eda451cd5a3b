/**
 * Runs the slots of a Periodic in a range of time, oldest first, so many at once, each once, whenever the process dies.
 *
 * The order of writes is that of a Periodic. First the run of a slot is created, under a name that only the backfill and the slot decide;
 * then one write of status moves the cursor past the slot and lists the run as active. Dying in between leaves the slot due: the next pass
 * finds the run by its name. Of every run up to the cursor status knows whether it has been counted, because status.active lists it until then.
 */
import { periodicBackfills } from '../../crds/resources.ts';
import type { PeriodicBackfillStatus } from '../../crds/v1/periodicBackfill.ts';
import { ScheduleCache } from '../../operator/jobs/schedule.ts';
import { changedFields } from '../../operator/jobs/statusPatch.ts';
import { stamp } from '../../operator/jobs/times.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { keyOf, type KubeObject, type ObjectKey } from '../../operator/kube/objects.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import { asError } from '../../operator/runtime/errors.ts';
import { withKind } from '../../operator/runtime/eventRecorder.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import { decide, type Decided } from './decide.ts';
import { createBackfillMeter, type BackfillMeter } from './metrics.ts';
import { readScope, type BackfillScope, type ScopeSources } from './scope.ts';
import { backfillStatus } from './status.ts';
import { carryOut, type CarryOutDeps, type Outcome } from './steps/carryOut.ts';
import type { StartRunDeps } from './steps/startRun.ts';

export interface BackfillDeps extends Omit<ScopeSources, 'schedules'> {
  readonly runWriter: StartRunDeps['runWriter'];
  readonly backfillWriter: {
    patchStatus(
      key: ObjectKey,
      body: { readonly status: object; readonly metadata?: object },
      options?: { readonly signal?: AbortSignal },
    ): Promise<unknown>;
  };
  readonly events: { event(regarding: KubeObject, type: 'Normal' | 'Warning', reason: string, note: string, action?: string): void };
  readonly budget: CarryOutDeps['budget'];
  readonly metrics: Metrics;
}

/** A timer counts elapsed time, a slot the wall clock: whoever sets the clock delays a slot by this at most. */
const longestWaitMs = 600_000;
/** After this long a slot that was refused is tried again: what is in its way need not tell us that it has gone. */
const refusedRetryMs = 60_000;

export class BackfillReconciler implements Reconciler {
  readonly #deps: BackfillDeps;
  readonly #meter: BackfillMeter;
  readonly #schedules = new ScheduleCache();

  constructor(deps: BackfillDeps) {
    this.#deps = deps;
    this.#meter = createBackfillMeter(deps.metrics);
  }

  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    const scope = await readScope({ ...this.#deps, schedules: this.#schedules }, key, ctx.clock.now(), ctx.signal);
    if (scope === undefined) return {};
    const decided = decide(scope);
    const outcome = await carryOut(this.#deps, scope, decided.decisions, ctx.signal);
    this.#meter.started(outcome);
    for (const { run, created, slotMs } of outcome.started) {
      if (created) ctx.logger.info('Run created', { ...key, run: run.metadata.name, cause: 'backfill', slot: stamp(slotMs) });
    }
    await this.#writeStatus(scope, decided, outcome, ctx);
    if (outcome.error !== undefined) throw asError(outcome.error);
    return requeue(decided, outcome, ctx.clock.now());
  }

  /** The only write to the PeriodicBackfill. Refused when somebody has changed it since we read it: then the pass is repeated. */
  async #writeStatus(scope: BackfillScope, decided: Decided, outcome: Outcome, ctx: ReconcileContext): Promise<void> {
    const { backfill } = scope;
    const status = backfillStatus(scope, decided, outcome);
    const changed = changedFields(backfill.status, status);
    if (changed === undefined) return;
    const { resourceVersion } = backfill.metadata;
    const metadata = resourceVersion === undefined ? {} : { metadata: { resourceVersion } };
    try {
      await this.#deps.backfillWriter.patchStatus(keyOf(backfill), { ...metadata, status: changed }, { signal: ctx.signal });
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    this.#meter.settled(outcome, [...scope.ended, ...outcome.ended]);
    this.#tell(scope, status);
  }

  /** Conditions that a person should see in kubectl describe, once each. */
  #tell({ backfill }: BackfillScope, { conditions }: PeriodicBackfillStatus): void {
    const regarding = withKind(periodicBackfills, backfill);
    for (const [condition, type] of [
      ['Stalled', 'Warning'],
      ['Complete', 'Normal'],
    ] as const) {
      const now = findCondition(conditions, condition);
      const before = findCondition(backfill.status?.conditions, condition);
      if (now === undefined || (now.reason === before?.reason && now.message === before.message)) continue;
      this.#deps.events.event(regarding, type, condition === 'Complete' ? 'Complete' : now.reason, now.message, 'Backfill');
    }
  }
}

function requeue({ wakeAtMs }: Decided, { ended, refusal, turnInMs }: Outcome, nowMs: number): Result {
  // A run that had ended before we found it keeps no place, and no event of it will come.
  if (ended.length > 0) return { requeueAfterMs: 0 };
  if (refusal !== undefined) return { requeueAfterMs: refusedRetryMs };
  if (turnInMs !== undefined) return { requeueAfterMs: turnInMs };
  return wakeAtMs === undefined ? {} : { requeueAfterMs: Math.min(longestWaitMs, Math.max(0, Math.ceil(wakeAtMs - nowMs))) };
}
