/**
 * Follows the schedule of one Periodic. Guarantees at most one run per slot, and that every slot ends started, skipped or missed,
 * whenever the process dies.
 *
 * The order of writes does it. First the run of a slot is created, under a name that only the slot decides; then status moves the
 * cursor (lastScheduleTime) past the slot. Dying in between leaves the slot due: the next pass finds the run by its name and only
 * moves the cursor. After that the slot is never looked at again, so a run that was cleaned up does not come back. The opposite order
 * would lose the slot. A start by hand works the same way, with its token in place of the slot.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { planPeriodic, planWithoutSchedule, type PeriodicPlan } from '../../operator/jobs/periodicPlan.ts';
import { ScheduleCache } from '../../operator/jobs/schedule.ts';
import { changedFields } from '../../operator/jobs/statusPatch.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { formatKey, keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import { asError } from '../../operator/runtime/errors.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import { logReplaced, logSettled, logStarted } from './log.ts';
import { createPeriodicMeter, type PeriodicMeter } from './metrics.ts';
import { readScope, type PeriodicScope, type ScopeSources } from './scope.ts';
import { periodicStatus } from './status.ts';
import { carryOut, type CarryOutDeps, type Outcome } from './steps/carryOut.ts';
import { replaceRuns, type ReplaceRunsDeps } from './steps/replaceRuns.ts';
import type { StartRunDeps } from './steps/startRun.ts';
import { mayHaveHappened, UnsureRuns } from './steps/unsureRuns.ts';
import { tell, tellReplaced, type EventSink } from './tell.ts';

export interface PeriodicDeps extends Omit<ScopeSources, 'schedules' | 'runs'> {
  readonly runs: ScopeSources['runs'] & StartRunDeps['runs'];
  readonly runWriter: StartRunDeps['runWriter'] & ReplaceRunsDeps['runWriter'];
  readonly api: StartRunDeps['api'];
  readonly periodicWriter: {
    patchStatus(
      key: ObjectKey,
      body: { readonly status: object; readonly metadata?: object },
      options?: { readonly signal?: AbortSignal },
    ): Promise<unknown>;
  };
  /** Brings the cache up to what the API server has now. Rejects with its 404 where the object is gone. */
  readonly reread: (key: ObjectKey, signal: AbortSignal) => Promise<void>;
  readonly events: EventSink;
  readonly budget: CarryOutDeps['budget'];
  readonly metrics: Metrics;
}

export class PeriodicReconciler implements Reconciler {
  readonly #deps: PeriodicDeps;
  readonly #meter: PeriodicMeter;
  readonly #schedules = new ScheduleCache();
  /** The slot each Periodic sleeps for. It makes a difference only to how patient we are with our own backlog, never to what is right. */
  readonly #expected = new Map<string, number>();
  readonly #unsure = new UnsureRuns();
  /** Periodics whose last status write got no answer. It may have settled slots, which must not be decided a second time. */
  readonly #unsureStatus = new Set<string>();
  /** Periodics whose run of a herd was created, and when their status may follow. Monotonic milliseconds. */
  readonly #bookkeepingMs = new Map<string, number>();
  /** Under way now. */
  #passes = 0;

  constructor(deps: PeriodicDeps) {
    this.#deps = deps;
    this.#meter = createPeriodicMeter(deps.metrics);
  }

  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    this.#passes += 1;
    try {
      return await this.#pass(key, ctx);
    } finally {
      this.#passes -= 1;
    }
  }

  async #pass(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    const restMs = this.#restOf(key, ctx.clock.monotonic());
    if (restMs > 0) return { requeueAfterMs: restMs };
    await this.#unsure.clear(key, this.#deps, ctx.signal);
    // Gone, although the cache does not show it yet: what it shows is older than that write.
    if (this.#unsureStatus.has(formatKey(key)) && !(await this.#reread(key, ctx.signal))) return {};
    const scope = readScope({ ...this.#deps, schedules: this.#schedules }, key, ctx.clock.now());
    if (scope === undefined) {
      this.#expected.delete(formatKey(key));
      this.#unsureStatus.delete(formatKey(key));
      this.#unsure.forget(key);
      return {};
    }
    const plan: Partial<PeriodicPlan> & ReturnType<typeof planWithoutSchedule> = scope.parsed.ok
      ? planPeriodic({ ...scope, schedule: scope.parsed.schedule, expectedMs: this.#expected.get(formatKey(key)) })
      : planWithoutSchedule(scope.periodic);
    const outcome = await carryOut({ ...this.#deps, unsure: this.#unsure }, scope.periodic, plan, ctx.signal);
    this.#meter.started(outcome, ctx.clock.now());
    logStarted(scope.periodic, outcome.started, ctx.logger);
    // In a herd the runs of all come first, and their pods. This Periodic looks again behind the others, as after a crash, and finds its run by name.
    if (this.#passes >= herd && isPlainStart(plan, outcome)) {
      this.#bookkeepingMs.set(formatKey(key), ctx.clock.monotonic() + herdRestMs);
      return { requeueAfterMs: herdRestMs };
    }
    await this.#writeStatus(scope, plan, outcome, ctx);
    this.#expect(key, plan, outcome);
    if (outcome.error !== undefined) throw asError(outcome.error);
    await this.#replace(scope.periodic, plan.replaced, ctx);
    return requeue(plan.wakeAtMs, outcome.waitMs, ctx.clock.now());
  }

  /** The watch shows the new run at once, and that wakes this Periodic: not a reason to hurry. */
  #restOf(key: ObjectKey, nowMs: number): number {
    const untilMs = this.#bookkeepingMs.get(formatKey(key)) ?? 0;
    if (untilMs > nowMs) return Math.ceil(untilMs - nowMs);
    this.#bookkeepingMs.delete(formatKey(key));
    return 0;
  }

  /** Whether it is still there, and then in the cache as it is. */
  async #reread(key: ObjectKey, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#deps.reread(key, signal);
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
    this.#unsureStatus.delete(formatKey(key));
    return true;
  }

  #expect(key: ObjectKey, plan: Partial<PeriodicPlan>, outcome: Outcome): void {
    const nextMs = outcome.left.find(({ from }) => from === 'schedule')?.slotMs ?? plan.nextSlots?.[0];
    if (nextMs === undefined) this.#expected.delete(formatKey(key));
    else this.#expected.set(formatKey(key), nextMs);
  }

  /** Only after status says which slot waits for their end: a crash in between leaves the slot waiting, and the next pass asks again. */
  async #replace(periodic: Periodic, runs: readonly ProwJob[], ctx: ReconcileContext): Promise<void> {
    const asked = await replaceRuns(this.#deps, periodic, runs, ctx.signal);
    logReplaced(periodic, asked, ctx.logger);
    tellReplaced(this.#deps.events, periodic, asked);
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
      if (mayHaveHappened(error)) this.#unsureStatus.add(formatKey(keyOf(periodic)));
      throw error;
    }
    this.#meter.settled(outcome.settled);
    logSettled(periodic, outcome.settled, ctx.logger);
    tell(this.#deps.events, periodic, status.conditions, outcome);
  }
}

/** So many passes at once mean that many schedules are due: starts go before bookkeeping. */
const herd = 8;
/** So long the status of a Periodic waits after its start in a herd, while others start and the API server has enough to do. */
const herdRestMs = 1000;

/** Nothing but runs of slots that were created just now, so nothing is lost when the pass ends here. */
const isPlainStart = (plan: Pick<PeriodicPlan, 'manual' | 'replaced'>, { settled, left, started, refusals, error }: Outcome): boolean =>
  plan.manual === undefined &&
  plan.replaced.length === 0 &&
  refusals.length === 0 &&
  left.length === 0 &&
  error === undefined &&
  started.some(({ created }) => created) &&
  settled.every(({ outcome, from }) => outcome === 'start' && from === 'schedule');

/** A timer counts elapsed time, a slot the wall clock. Whoever sets the clock, or suspends the machine, delays a slot by this at most. */
const longestWaitMs = 600_000;

/** Never before the slot: a timer that fires a moment early only means another short wait. */
function requeue(wakeAtMs: number | undefined, waitMs: number | undefined, nowMs: number): Result {
  const delays = [wakeAtMs === undefined ? undefined : wakeAtMs - nowMs, waitMs].filter((delay) => delay !== undefined);
  return delays.length === 0 ? {} : { requeueAfterMs: Math.min(longestWaitMs, Math.max(0, Math.ceil(Math.min(...delays)))) };
}
