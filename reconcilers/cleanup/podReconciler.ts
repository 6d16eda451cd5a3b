/**
 * Deletes the pods of finished runs after their own time, and pods whose run does not exist. The pod of an unfinished run is never
 * deleted here, however old it is; that a run does not exist is believed only after a live read, and only for a pod of some age.
 */
import { prowJobs } from '../../crds/resources.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { PodAccess } from '../../operator/clusters/clusters.ts';
import { heldUntilMs } from '../../operator/jobs/archiveHold.ts';
import { annotation, label } from '../../operator/jobs/labels.ts';
import { ownerOf, runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import type { CleanupPolicy, JobPolicy } from '../../operator/jobs/policy.ts';
import { podExpiryMs, runExpiryMs } from '../../operator/jobs/retention.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { CallOptions } from '../../operator/kube/client.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { keyOf, parseKey, type KubeObject, type ObjectKey } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import { deleteOnce } from './deleteOnce.ts';
import type { CleanupMetrics } from './metrics.ts';
import { timeMs } from '../../operator/jobs/times.ts';

export interface PodCleanupDeps {
  readonly jobs: Pick<StoreReader<ProwJob>, 'get' | 'list'>;
  /** Reads runs live, from the cluster where they are kept. */
  readonly client: { get<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, options?: CallOptions): Promise<T> };
  /** The cluster whose pods this is about. */
  readonly access: PodAccess;
  readonly policy: () => JobPolicy;
  readonly metrics: CleanupMetrics;
}

export class PodCleanup implements Reconciler {
  readonly #deps: PodCleanupDeps;

  constructor(deps: PodCleanupDeps) {
    this.#deps = deps;
  }

  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    const pod = this.#deps.access.pods.get(key);
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined || !isOurs(pod)) return {};
    const rules = this.#deps.policy();
    const policy = rules.cleanup;
    const run = this.#runOf(pod);
    if (run === undefined) return this.#orphan(pod, policy, ctx);
    const dueMs = podDueMs(run, policy);
    if (dueMs === undefined) return {};
    const leftMs = Math.max(dueMs, heldUntilMs(run, rules) ?? dueMs) - ctx.clock.now();
    return leftMs > 0 ? { requeueAfterMs: leftMs } : this.#delete(pod, 'ttled', ctx);
  }

  async #orphan(pod: Pod, policy: CleanupPolicy, ctx: ReconcileContext): Promise<Result> {
    const leftMs = (timeMs(pod.metadata.creationTimestamp) ?? 0) + policy.orphanAgeMs - ctx.clock.now();
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    const exists = await this.#runExists(pod, ctx.signal);
    // It is there, so the cache is behind: look again, and never count on the cache alone.
    return exists ? { requeueAfterMs: policy.orphanAgeMs } : this.#delete(pod, 'orphaned', ctx);
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

  async #delete(pod: Pod, reason: 'ttled' | 'orphaned', { signal, logger }: ReconcileContext): Promise<Result> {
    const { uid } = pod.metadata;
    const deleted = await deleteOnce(() => this.#deps.access.writer.delete(keyOf(pod), { signal, ...(uid === undefined ? {} : { uid }) }));
    if (!deleted) return {};
    this.#deps.metrics.podDeleted(reason);
    logger.info('Pod deleted', { reason, run: runKeyOfPod(pod) });
    return {};
  }
}

/** A pod whose time is that of its run goes with the run, in one write; here only when it was overlooked there. */
function podDueMs(run: ProwJob, policy: CleanupPolicy): number | undefined {
  const dueMs = podExpiryMs(run, policy);
  return dueMs !== undefined && dueMs === runExpiryMs(run, policy) ? dueMs + policy.orphanAgeMs : dueMs;
}

const isOurs = (pod: Pod): boolean => pod.metadata.labels?.[label.createdByProw] === 'true';
