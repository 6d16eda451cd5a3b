/**
 * Carries one run from triggered to its end. Every pass reads the caches into a scope, decides, and does the one thing decided.
 *
 * Order of writes: an attempt is in status before its pod exists; the end is in status before the pod is deleted, except after an
 * abort, where the request itself is what survives a crash. Every status write carries the resourceVersion it was computed from, so
 * a pass over a stale cache changes nothing. A run costs one pod create and two status patches.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Clusters, PodAccess } from '../../operator/clusters/clusters.ts';
import type { AttemptPlan } from '../../operator/jobs/podBuilder.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { resolveRun } from '../../operator/jobs/resolveRun.ts';
import { isAbortRequested, statusOf } from '../../operator/jobs/runState.ts';
import { changedFields } from '../../operator/jobs/statusPatch.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { CallOptions } from '../../operator/kube/client.ts';
import { keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import { ReconcileError } from '../../operator/runtime/errors.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import type { Admission, Refused } from './admission.ts';
import { decide, queueLeftMs, supersededBy, type Case, type Decision, type Finish, type Waiting } from './decide.ts';
import type { ProwJobMetrics } from './metrics.ts';
import { readScope, type Scope } from './scope.ts';
import { statusAfter, type News } from './status.ts';
import { newerThan, supersederOf } from './superseding.ts';
import { createPod } from './steps/createPod.ts';
import { deletePods } from './steps/deletePods.ts';
import { tell, type EventSink } from './tell.ts';

export interface StatusWriter {
  /** The response is in the cache when the promise resolves. */
  patchStatus(key: ObjectKey, body: { readonly status: object; readonly metadata?: object }, options?: CallOptions): Promise<ProwJob>;
}

export interface ProwJobDeps {
  /** Needs the index runsByIdentity (runIndexers of operator/jobs). */
  readonly jobs: Pick<StoreReader<ProwJob>, 'get' | 'byIndex'>;
  readonly writer: StatusWriter;
  readonly clusters: Clusters;
  readonly admission: Admission;
  /** Read at the start of each pass. */
  readonly policy: () => JobPolicy;
  readonly events: EventSink;
  readonly metrics: ProwJobMetrics;
}

/** How often a pod that the cache does not show is asked for. */
const unseenPodMs = 30_000;

interface Pass extends Case {
  readonly ctx: ReconcileContext;
}

export class ProwJobReconciler implements Reconciler {
  readonly #deps: ProwJobDeps;

  constructor(deps: ProwJobDeps) {
    this.#deps = deps;
  }

  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    // Passes run on the leader only, and only after the caches have caught up.
    this.#deps.admission.open();
    const run = this.#deps.jobs.get(key);
    if (run === undefined || run.metadata.deletionTimestamp !== undefined) return {};
    const policy = this.#deps.policy();
    const scope = this.#withNewer(readScope(run, this.#deps.clusters, policy), policy);
    const pass: Pass = { scope, policy, nowMs: ctx.clock.now(), ctx };
    const decision = decide(pass);
    if (ctx.logger.debugEnabled)
      ctx.logger.debug('Decided', { do: decision.do, state: pass.scope.status.state, phase: pass.scope.pod?.status?.phase });
    return this.#carryOut(decision, pass);
  }

  async #carryOut(decision: Decision, pass: Pass): Promise<Result> {
    switch (decision.do) {
      case 'nothing':
        return {};
      case 'wait':
        return this.#wait(decision.waiting, decision.afterMs, pass);
      case 'start':
        return this.#start(decision, pass);
      case 'createPod':
        return this.#createPod(decision.plan, pass);
      case 'lose':
        await this.#write(pass, { kind: 'lost', end: decision.end, delayMs: decision.delayMs });
        return { requeueAfterMs: 0 };
      case 'adopt':
        await this.#write(pass, { kind: 'adopted', pod: decision.pod });
        return {};
      case 'observe':
        await this.#write(pass, { kind: 'observed' });
        return {};
      case 'deletePods': {
        const { do: _do, afterMs, ...what } = decision;
        await deletePods({ ...what, access: accessOf(pass.scope), signal: pass.ctx.signal });
        return afterMs === undefined ? {} : { requeueAfterMs: afterMs };
      }
      case 'finish':
        await this.#finish(decision, pass);
        return {};
      case 'abort':
        await this.#deleteLivePods(pass);
        await this.#write(pass, {
          kind: 'finished',
          state: 'aborted',
          reason: decision.reason ?? 'Aborted',
          description: decision.description,
        });
        return {};
      case 'supersede':
        return this.#supersede(decision.by, pass);
    }
  }

  async #wait(waiting: Waiting | undefined, afterMs: number, pass: Pass): Promise<Result> {
    const isHeldByCluster = waiting?.reason === 'ClusterUnavailable' || waiting?.reason === 'ClusterPaused';
    if (isHeldByCluster && pass.scope.status.state === 'triggered') {
      this.#deps.admission.giveBack(pass.scope.run.metadata.uid ?? '');
    }
    await this.#write(pass, { kind: 'waiting', ...(waiting === undefined ? {} : { waiting }) });
    return { requeueAfterMs: Math.max(1, afterMs) };
  }

  /** Waits for a slot. What changes only a little is told now and then. */
  async #queue({ reason, message, position }: Refused, pass: Pass): Promise<Result> {
    const { run, status } = pass.scope;
    const { isDue, againMs } = this.#deps.admission.tellPlace(run.metadata.uid ?? '', pass.ctx.clock.monotonic());
    const told = status.waiting;
    const isAlike = told?.reason === reason || (told?.position !== undefined && position !== undefined);
    const now: Waiting = { reason, message, ...(position === undefined ? {} : { position }) };
    const before: Waiting | undefined = isAlike ? { ...told, message: told.message ?? message } : undefined;
    return this.#wait(isDue ? now : (before ?? now), Math.min(againMs, queueLeftMs(pass)), pass);
  }

  /** The intent first, where a pod has to go: whatever becomes of the newer run or of this process, no other pod is started for this one. */
  async #supersede(by: string, pass: Pass): Promise<Result> {
    if (pass.scope.livePods.length > 0) {
      const marked = await this.#write(pass, { kind: 'superseded', by });
      return this.#carryOut(decide(marked), marked);
    }
    const description = supersededBy(by);
    await this.#write(pass, { kind: 'finished', state: 'aborted', reason: 'Superseded', description, supersededBy: by });
    return {};
  }

  #withNewer(scope: Scope, policy: JobPolicy): Scope {
    const newer = newerThan(scope.run, { ...this.#deps, policy });
    return newer === undefined ? scope : { ...scope, newer };
  }

  async #start(decision: Extract<Decision, { do: 'start' }>, pass: Pass): Promise<Result> {
    const { run, status } = pass.scope;
    if (status.state === 'triggered') {
      const verdict = this.#deps.admission.request(run);
      if (!verdict.admitted) return this.#queue(verdict, pass);
    }
    const { plan, end } = decision;
    const written = await this.#write(pass, { kind: 'started', plan, ...(end === undefined ? {} : { end }) });
    return this.#createPod(plan, written);
  }

  async #createPod(plan: AttemptPlan, pass: Pass): Promise<Result> {
    // The last look before the only step that cannot be taken back.
    const latest = this.#deps.jobs.get(keyOf(pass.scope.run));
    if (latest === undefined || isAbortRequested(latest)) return { requeueAfterMs: 0 };
    if (supersederOf(this.#withNewer(pass.scope, pass.policy), pass.policy) !== undefined) return { requeueAfterMs: 0 };
    const { run } = resolveRun(pass.scope.run, pass.policy);
    const outcome = await createPod({ run, plan, access: accessOf(pass.scope), signal: pass.ctx.signal });
    switch (outcome.kind) {
      case 'created':
        this.#deps.metrics.podCreated(run, plan.number, pass.ctx.clock.now());
        return {};
      case 'found':
        return this.#found(outcome.pod, pass);
      case 'rejected':
        this.#deps.metrics.podRefused(true);
        await this.#finish(rejected(outcome.message), pass);
        return {};
      case 'held':
        this.#deps.metrics.podRefused(false);
        await this.#write(pass, { kind: 'waiting', waiting: { reason: outcome.reason, message: outcome.message } });
        if (outcome.error === undefined) return { requeueAfterMs: 60_000 };
        throw retryLater(outcome.message, outcome.error);
    }
  }

  /** The pod is there and the cache does not show it: not yet, or never, when nobody watches that namespace any more. */
  async #found(pod: Pod, pass: Pass): Promise<Result> {
    const seen: Pass = { ...pass, scope: { ...pass.scope, pod } };
    const { requeueAfterMs } = await this.#carryOut(decide(seen), seen);
    return { requeueAfterMs: Math.min(unseenPodMs, requeueAfterMs ?? unseenPodMs) };
  }

  async #finish({ do: _do, ...news }: Finish, pass: Pass): Promise<void> {
    await this.#write(pass, { kind: 'finished', ...news });
    await this.#deleteLivePods(pass);
  }

  async #deleteLivePods({ scope, ctx }: Pass): Promise<void> {
    if (scope.livePods.length > 0) await deletePods({ pods: scope.livePods, access: accessOf(scope), signal: ctx.signal });
  }

  /** The one place that writes status. Returns the pass as it is after the write; nothing is sent when nothing changed. */
  async #write(pass: Pass, news: News): Promise<Pass> {
    const { scope, ctx } = pass;
    const before = statusOf(scope.run);
    const after = statusAfter(scope, news, pass);
    const status = changedFields(before, after);
    if (status === undefined) return pass;
    const { resourceVersion } = scope.run.metadata;
    const run = await this.#deps.writer.patchStatus(keyOf(scope.run), { metadata: { resourceVersion }, status }, { signal: ctx.signal });
    // What is counted is the end that follows.
    if (news.kind !== 'superseded') this.#deps.metrics.transition(scope.run, before, after, scope.pod ?? scope.lastPod);
    const isMove = news.kind === 'waiting' && before.waiting?.reason === news.waiting?.reason;
    if (!isMove) tell(run, news, { events: this.#deps.events, logger: ctx.logger });
    return { ...pass, scope: { ...scope, run, status: after, attempts: after.attempts ?? scope.attempts } };
  }
}

const rejected = (message: string): Finish => ({
  do: 'finish',
  state: 'error',
  reason: 'PodRejected',
  description: message,
  end: { kind: 'over', cause: 'PodRejected', state: 'error', message },
});

function retryLater(message: string, cause: unknown): ReconcileError {
  const retryAfterMs = (cause as { readonly retryAfterMs?: number }).retryAfterMs;
  if (retryAfterMs === undefined) return new ReconcileError(message, { code: 'PodCreateRefused', cause });
  return new ReconcileError(message, { code: 'PodCreateRefused', retry: 'after', retryAfterMs, cause });
}

function accessOf({ cluster, run }: Scope): PodAccess {
  if (cluster.state === 'ready') return cluster.access;
  throw new ReconcileError(`ProwJob ${run.metadata.name}: its build cluster is not there: ${cluster.message}`, {
    code: 'ClusterUnavailable',
  });
}
