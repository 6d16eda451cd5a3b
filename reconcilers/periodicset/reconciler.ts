/**
 * Keeps the Periodics of a PeriodicSet as its matrix and template say: makes what is missing, changes back what somebody changed, deletes
 * what the matrix no longer has. One write of status at the end of a pass; a settled set is not written at all.
 */
import { periodicSets } from '../../crds/resources.ts';
import type { PeriodicSet, PeriodicSetStatus } from '../../crds/v1/periodicSet.ts';
import { changedFields } from '../../operator/jobs/statusPatch.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../operator/kube/errors.ts';
import { keyOf, type KubeObject, type ObjectKey } from '../../operator/kube/objects.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import { asError } from '../../operator/runtime/errors.ts';
import { withKind } from '../../operator/runtime/eventRecorder.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import { decide } from './decide.ts';
import { createPeriodicSetMeter, type PeriodicSetMeter } from './metrics.ts';
import { readScope, type ExpansionCache, type PeriodicSetScope, type ScopeSources } from './scope.ts';
import { periodicSetStatus } from './status.ts';
import { carryOut, type Outcome, type PeriodicWriter } from './steps/carryOut.ts';

export interface PeriodicSetDeps extends ScopeSources {
  readonly periodicWriter: PeriodicWriter;
  readonly setWriter: {
    patchStatus(
      key: ObjectKey,
      body: { readonly status: object; readonly metadata?: object },
      options?: { readonly signal?: AbortSignal },
    ): Promise<unknown>;
  };
  readonly events: { event(regarding: KubeObject, type: 'Normal' | 'Warning', reason: string, note: string, action?: string): void };
  readonly metrics: Metrics;
}

/** What an API server refused may be allowed later, by a policy or a quota that nobody tells us about. */
const refusedRetryMs = 300_000;

export class PeriodicSetReconciler implements Reconciler {
  readonly #deps: PeriodicSetDeps;
  readonly #meter: PeriodicSetMeter;
  readonly #expansions: ExpansionCache = new WeakMap();

  constructor(deps: PeriodicSetDeps) {
    this.#deps = deps;
    this.#meter = createPeriodicSetMeter(deps.metrics);
  }

  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    const scope = readScope(this.#deps, key, this.#expansions);
    if (scope === undefined) return {};
    const outcome = await carryOut(this.#deps.periodicWriter, decide(scope), ctx.signal);
    this.#meter.wrote(outcome);
    this.#tellChanges(scope.set, outcome);
    // The cache was behind: what it says would only be written to be corrected a moment later.
    if (isConflict(outcome.error) || isAlreadyExists(outcome.error)) throw asError(outcome.error);
    await this.#writeStatus(key, outcome, ctx);
    if (outcome.error !== undefined) throw asError(outcome.error);
    return outcome.refusals.length > 0 ? { requeueAfterMs: refusedRetryMs } : {};
  }

  /** What was written is in the stores by now, so status comes from a second look at them. */
  async #writeStatus(key: ObjectKey, outcome: Outcome, ctx: ReconcileContext): Promise<void> {
    const scope = readScope(this.#deps, key, this.#expansions);
    if (scope === undefined) return;
    const { set } = scope;
    const status = periodicSetStatus(scope, decide(scope), outcome, ctx.clock.now());
    const changed = changedFields(set.status, status);
    if (changed === undefined) return;
    const { resourceVersion } = set.metadata;
    const metadata = resourceVersion === undefined ? {} : { metadata: { resourceVersion } };
    try {
      await this.#deps.setWriter.patchStatus(keyOf(set), { ...metadata, status: changed }, { signal: ctx.signal });
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    this.#tellProblems(scope, status);
  }

  #tellChanges(set: PeriodicSet, { created, updated, deleted }: Outcome): void {
    if (created + updated + deleted === 0) return;
    const counts = [`${created} created`, `${updated} changed`, `${deleted} deleted`].filter((text) => !text.startsWith('0 '));
    this.#deps.events.event(withKind(periodicSets, set), 'Normal', 'PeriodicsChanged', `Periodics: ${counts.join(', ')}`, 'Apply');
  }

  #tellProblems({ set, expansion }: PeriodicSetScope, status: PeriodicSetStatus): void {
    const { events } = this.#deps;
    const object = withKind(periodicSets, set);
    const stalled = findCondition(status.conditions, 'Stalled');
    const known = findCondition(set.status?.conditions, 'Stalled');
    if (stalled !== undefined && stalled.message !== known?.message)
      events.event(object, 'Warning', stalled.reason, stalled.message, 'Apply');
    if (set.status?.observedGeneration === set.metadata.generation) return;
    for (const { path, message } of expansion.warnings) events.event(object, 'Warning', 'TemplateWarning', `${path}: ${message}`, 'Expand');
  }
}
