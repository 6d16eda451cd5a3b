/**
 * Follows the schedule of one Periodic. Guarantees at most one run per slot, and that every slot ends started, skipped or missed,
 * whenever the process dies.
 *
 * The order of writes does it. First the run of a slot is created, under a name that only the slot decides; then status moves the
 * cursor (lastScheduleTime) past the slot. Dying in between leaves the slot due: the next pass finds the run by its name and only
 * moves the cursor. After that the slot is never looked at again, so a run that was cleaned up does not come back. The opposite order
 * would lose the slot. A start by hand works the same way, with its token in place of the slot.
 */
import { periodics } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { planPeriodic, planWithoutSchedule, type PeriodicPlan } from '../../operator/jobs/periodicPlan.ts';
import { ScheduleCache } from '../../operator/jobs/schedule.ts';
import { changedFields } from '../../operator/jobs/statusPatch.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { keyOf, type KubeObject, type ObjectKey } from '../../operator/kube/objects.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import { asError } from '../../operator/runtime/errors.ts';
import { withKind } from '../../operator/runtime/eventRecorder.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import { logGivenUp, logStarted } from './log.ts';
import { createPeriodicMeter, type PeriodicMeter } from './metrics.ts';
import { readScope, type PeriodicScope, type ScopeSources } from './scope.ts';
import { periodicStatus } from './status.ts';
import { carryOut, type Outcome } from './steps/carryOut.ts';
import type { StartRunDeps } from './steps/startRun.ts';
import { timeMs } from '../../operator/jobs/times.ts';

export interface PeriodicDeps extends Omit<ScopeSources, 'schedules' | 'runs'> {
  readonly runs: ScopeSources['runs'] & StartRunDeps['runs'];
  readonly runWriter: StartRunDeps['runWriter'];
  readonly api: StartRunDeps['api'];
  readonly periodicWriter: {
    patchStatus(
      key: ObjectKey,
      body: { readonly status: object; readonly metadata?: object },
      options?: { readonly signal?: AbortSignal },
    ): Promise<unknown>;
  };
  readonly events: { event(regarding: KubeObject, type: 'Normal' | 'Warning', reason: string, note: string, action?: string): void };
  readonly metrics: Metrics;
}

export class PeriodicReconciler implements Reconciler {
  readonly #deps: PeriodicDeps;
  readonly #meter: PeriodicMeter;
  readonly #schedules = new ScheduleCache();

  constructor(deps: PeriodicDeps) {
    this.#deps = deps;
    this.#meter = createPeriodicMeter(deps.metrics);
  }

  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    const scope = readScope({ ...this.#deps, schedules: this.#schedules }, key, ctx.clock.now());
    if (scope === undefined) return {};
    const plan: Partial<PeriodicPlan> & Pick<PeriodicPlan, 'decisions'> = scope.parsed.ok
      ? planPeriodic({ ...scope, schedule: scope.parsed.schedule })
      : planWithoutSchedule(scope.periodic);
    const outcome = await carryOut(this.#deps, scope.periodic, plan, ctx.signal);
    this.#meter.started(outcome, ctx.clock.now());
    logStarted(scope.periodic, outcome.started, ctx.logger);
    await this.#writeStatus(scope, plan, outcome, ctx);
    if (outcome.error !== undefined) throw asError(outcome.error);
    return requeue(scope.periodic, plan.wakeAtMs, ctx.clock.now());
  }

  /** The only write to the Periodic. Refused when somebody has changed it since we read it: then the pass is repeated. */
  async #writeStatus(scope: PeriodicScope, plan: Partial<PeriodicPlan>, outcome: Outcome, ctx: ReconcileContext): Promise<void> {
    const { periodic } = scope;
    const status = periodicStatus(scope, plan, outcome);
    const changed = changedFields(periodic.status, status);
    if (changed === undefined) return;
    const { resourceVersion } = periodic.metadata;
    const metadata = resourceVersion === undefined ? {} : { metadata: { resourceVersion } };
    try {
      await this.#deps.periodicWriter.patchStatus(keyOf(periodic), { ...metadata, status: changed }, { signal: ctx.signal });
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    this.#meter.settled(outcome.settled);
    logGivenUp(periodic, outcome.settled, ctx.logger);
    this.#tell(scope, status.conditions, outcome);
  }

  /** What a person should see in kubectl describe. A run that started as planned is seen anyway. */
  #tell(scope: PeriodicScope, conditions: Parameters<typeof findCondition>[0], outcome: Outcome): void {
    const { events } = this.#deps;
    const periodic = withKind(periodics, scope.periodic);
    for (const { cause, run, created } of outcome.started) {
      if (created && cause.kind === 'manual')
        events.event(periodic, 'Normal', 'RunStarted', `Started ${run.metadata.name} by hand`, 'Start');
    }
    const skips = new Set(outcome.settled.filter((decision) => decision.outcome === 'skip').map((decision) => decision.reason));
    if (skips.has('ActiveRun'))
      events.event(periodic, 'Normal', 'SlotSkipped', 'A slot was skipped because an earlier run is active', 'Skip');
    if (skips.has('MaxConcurrency'))
      events.event(periodic, 'Normal', 'SlotSkipped', 'A slot was skipped because of spec.maxConcurrency', 'Skip');
    for (const { reason, message } of outcome.refusals) events.event(periodic, 'Warning', reason, message, 'Start');
    const refused = new Set<string>(outcome.refusals.map(({ reason }) => reason));
    const misses = outcome.settled.filter((decision) => decision.outcome === 'miss' && !refused.has(decision.reason)).length;
    if (misses > 0) events.event(periodic, 'Warning', 'SlotsMissed', `${misses} slots were missed; status.missed names the latest`, 'Miss');
    const stalled = findCondition(conditions, 'Stalled');
    const known = findCondition(periodic.status?.conditions, 'Stalled');
    if (stalled?.reason === 'InvalidSchedule' && stalled.message !== known?.message) {
      events.event(periodic, 'Warning', 'InvalidSchedule', stalled.message, 'Parse');
    }
  }
}

/** A timer counts elapsed time, a slot the wall clock. Whoever sets the clock, or suspends the machine, delays a slot by this at most. */
const longestWaitMs = 600_000;

/** Never before the slot: a timer that fires a moment early only means another short wait. */
function requeue(periodic: Periodic, wakeAtMs: number | undefined, nowMs: number): Result {
  const resumesMs = timeMs(periodic.spec.suspendUntil) ?? -Infinity;
  const atMs = resumesMs > nowMs ? Math.min(resumesMs, wakeAtMs ?? Infinity) : wakeAtMs;
  return atMs === undefined ? {} : { requeueAfterMs: Math.min(longestWaitMs, Math.max(0, Math.ceil(atMs - nowMs))) };
}
