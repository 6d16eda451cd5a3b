/**
 * Deletes the pods of finished runs after their own time, and pods whose run does not exist; takes the finalizer of upstream's reporter off
 * when nobody will; removes by force what a node does not let go. The pod of an unfinished run is never touched here, however old it is;
 * that a run does not exist is believed only after a live read, and only for a pod of some age. Deletion is asked for once.
 */
import { prowJobs } from '../../crds/resources.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { heldUntilMs, isLostFromArchive } from '../../operator/jobs/archiveHold.ts';
import { annotation, label, reporterFinalizer } from '../../operator/jobs/labels.ts';
import { ownerOf, runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { podExpiryMs, runExpiryMs } from '../../operator/jobs/retention.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { CallOptions } from '../../operator/kube/client.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { keyOf, parseKey, type KubeObject, type ObjectKey } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import { deleteOnce, isThere, uidOf } from './deleteOnce.ts';
import type { CleanupMetrics, PodReason } from './metrics.ts';
import type { RunOwners } from './owners.ts';
import type { Place } from './place.ts';
import { tellPodLost, type EventSink } from './tell.ts';
import { timeMs } from '../../operator/jobs/times.ts';

export interface PodCleanupDeps {
  readonly jobs: Pick<StoreReader<ProwJob>, 'get' | 'list'>;
  /** Reads runs live, from the cluster where they are kept. */
  readonly client: { get<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, options?: CallOptions): Promise<T> };
  readonly owners: RunOwners;
  /** The cluster whose pods this is about. */
  readonly place: Place;
  /** One that this operator did not make may have its run where this process does not see it: it is never an orphan. */
  readonly isShared: boolean;
  readonly isExcluded: () => boolean;
  readonly policy: () => JobPolicy;
  readonly events: EventSink;
  readonly metrics: CleanupMetrics;
}

/** A pod whose grace is over for so long is on a node that does not answer. */
const lostPodMs = 10 * 60_000;
/** What upstream's reporter of pods is called among those that have reported a run. */
const reporterName = 'gcsk8sreporter';

export class PodCleanup implements Reconciler {
  readonly #deps: PodCleanupDeps;

  constructor(deps: PodCleanupDeps) {
    this.#deps = deps;
  }

  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    const pod = this.#deps.place.access.pods.get(key);
    if (pod === undefined || !isOurs(pod) || this.#deps.isExcluded()) return {};
    const run = this.#runOf(pod);
    if (run === undefined) return this.#orphan(pod, ctx);
    return isComplete(run) ? this.#ofFinished(pod, run, ctx) : {};
  }

  async #ofFinished(pod: Pod, run: ProwJob, ctx: ReconcileContext): Promise<Result> {
    const rules = this.#deps.policy();
    const owner = this.#deps.owners.of(run);
    const nowMs = ctx.clock.now();
    const heldMs = heldUntilMs(run, rules) ?? -Infinity;
    const agedMs = runExpiryMs(run, rules.cleanup, owner) ?? Infinity;
    const runDueMs = Math.max(agedMs, heldMs);
    // Nobody will report a run that is as good as gone.
    if (isReported(run) || nowMs >= runDueMs) await this.#release(pod, ctx);
    if (pod.metadata.deletionTimestamp !== undefined) return this.#terminating(pod, runDueMs, ctx);
    const expiryMs = podExpiryMs(run, rules.cleanup, owner) ?? Infinity;
    // A pod whose time is that of its run goes with the run, in one write; here only when it was overlooked there.
    const dueMs = Math.max(expiryMs, heldMs) + (expiryMs === agedMs ? rules.cleanup.orphanAgeMs : 0);
    if (nowMs < dueMs) return later(dueMs - nowMs);
    const deleted = await this.#delete(pod, 'ttled', ctx);
    if (deleted && isLostFromArchive(run, rules)) tellPodLost(this.#deps.events, run, pod.metadata.name);
    return {};
  }

  async #orphan(pod: Pod, ctx: ReconcileContext): Promise<Result> {
    if (this.#deps.isShared && pod.metadata.labels?.[label.runUid] === undefined) return {};
    const { orphanAgeMs } = this.#deps.policy().cleanup;
    const nowMs = ctx.clock.now();
    const leftMs = (timeMs(pod.metadata.creationTimestamp) ?? 0) + orphanAgeMs - nowMs;
    if (leftMs > 0) return later(leftMs);
    const isTerminating = pod.metadata.deletionTimestamp !== undefined;
    if (isTerminating && !hasFinalizer(pod) && lostLeftMs(pod, nowMs) > 0) return later(lostLeftMs(pod, nowMs));
    // It is there, so the cache is behind: look again, and never count on the cache alone.
    if (await this.#runExists(pod, ctx.signal)) return later(orphanAgeMs);
    await this.#release(pod, ctx);
    if (isTerminating) return this.#terminating(pod, Infinity, ctx);
    await this.#delete(pod, 'orphaned', ctx);
    return {};
  }

  /** Its deletion was asked for. Others' finalizers are waited for, and so is the kubelet, but not for ever. */
  async #terminating(pod: Pod, runDueMs: number, ctx: ReconcileContext): Promise<Result> {
    const nowMs = ctx.clock.now();
    const leftMs = lostLeftMs(pod, nowMs);
    if (leftMs <= 0) await this.#delete(pod, 'lost', ctx);
    const releaseLeftMs = hasFinalizer(pod) && nowMs < runDueMs ? runDueMs - nowMs : Infinity;
    return later(Math.min(leftMs > 0 ? leftMs : Infinity, releaseLeftMs));
  }

  /** The run of this pod in the cache; not one that only has its name. */
  #runOf(pod: Pod): ProwJob | undefined {
    const run = this.#deps.jobs.get(parseKey(runKeyOfPod(pod)));
    if (run !== undefined && ownerOf(pod, run) === 'own') return run;
    if (pod.metadata.annotations?.[annotation.run] !== undefined) return undefined;
    // Upstream's plank does not say in which namespace the run is. Rare, and only until its pods are gone: a walk is fine.
    return this.#deps.jobs.list().find((candidate) => ownerOf(pod, candidate) === 'own');
  }

  async #runExists(pod: Pod, signal: AbortSignal): Promise<boolean> {
    try {
      return ownerOf(pod, await this.#deps.client.get(prowJobs, parseKey(runKeyOfPod(pod)), { signal })) === 'own';
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  /** Takes the finalizer of upstream's reporter off. Others' stay. */
  async #release(pod: Pod, { signal, logger }: ReconcileContext): Promise<void> {
    if (!hasFinalizer(pod)) return;
    const { uid, resourceVersion, finalizers = [] } = pod.metadata;
    const left = finalizers.filter((finalizer) => finalizer !== reporterFinalizer);
    // A list is replaced as a whole: only in the version that was read. A conflict leads to another pass.
    const patch = mergePatch({ metadata: { uid, resourceVersion, finalizers: left } });
    try {
      await this.#deps.place.access.writer.patch(keyOf(pod), patch, { signal });
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    logger.info("The finalizer of Prow's reporter was taken off a pod", { pod: pod.metadata.name, run: runKeyOfPod(pod) });
  }

  async #delete(pod: Pod, reason: Exclude<PodReason, 'run-deleted'>, { signal, logger }: ReconcileContext): Promise<boolean> {
    const { access, rate } = this.#deps.place;
    await rate.take(signal);
    if (reason !== 'lost' && !isThere(pod, access)) {
      rate.giveBack();
      return false;
    }
    const options = { signal, ...uidOf(pod), ...(reason === 'lost' ? { gracePeriodSeconds: 0 } : {}) };
    const deleted = await deleteOnce(() => access.writer.delete(keyOf(pod), options));
    if (!deleted) return false;
    this.#deps.metrics.podDeleted(reason);
    logger.info('Pod deleted', { reason, run: runKeyOfPod(pod) });
    return true;
  }
}

/** Infinity when force would change nothing: the kubelet has let go, or never had it, and a finalizer holds the pod. */
function lostLeftMs({ metadata }: Pod, nowMs: number): number {
  const graceEndMs = timeMs(metadata.deletionTimestamp);
  return graceEndMs === undefined || metadata.deletionGracePeriodSeconds === 0 ? Infinity : Math.max(0, graceEndMs + lostPodMs - nowMs);
}

/** As upstream: the reporter has told the state in which the run is now. */
const isReported = ({ status }: ProwJob): boolean => status?.prev_report_states?.[reporterName] === status?.state;

const hasFinalizer = ({ metadata }: Pod): boolean => metadata.finalizers?.includes(reporterFinalizer) === true;

const isOurs = (pod: Pod): boolean => pod.metadata.labels?.[label.createdByProw] === 'true';

const later = (ms: number): Result => (ms === Infinity ? {} : { requeueAfterMs: ms });
