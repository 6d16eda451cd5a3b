/**
 * Deletes finished runs when their time has come, each by a timer of its own; there is no pass over all of them. The newest finished
 * run of a Periodic that still exists is kept, unless the run itself says how long it wants to live. The pods of a run go before it, and
 * those of a kept run at the time it would have gone.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { PodAccess } from '../../operator/clusters/clusters.ts';
import { heldUntilMs } from '../../operator/jobs/archiveHold.ts';
import { periodicUidOf } from '../../operator/jobs/periodicRun.ts';
import { runKeyOf, ownerOf } from '../../operator/jobs/podOwner.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { runExpiryMs } from '../../operator/jobs/retention.ts';
import { runsByPeriodic } from '../../operator/jobs/runIndex.ts';
import { createdMsOf, isComplete } from '../../operator/jobs/runState.ts';
import type { DeleteOptions } from '../../operator/kube/client.ts';
import { keyOf, type ObjectKey, type OwnerReference } from '../../operator/kube/objects.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import { deleteOnce } from './deleteOnce.ts';
import type { CleanupMetrics } from './metrics.ts';
import { timeMs } from '../../operator/jobs/times.ts';

export interface RunWriter {
  delete(key: ObjectKey, options?: DeleteOptions): Promise<unknown>;
}

export interface RunCleanupDeps {
  /** Needs runIndexers. */
  readonly jobs: Pick<StoreReader<ProwJob>, 'get' | 'byIndex'>;
  readonly writer: RunWriter;
  readonly periodics: Pick<StoreReader<Periodic>, 'get'>;
  /** All that can be seen now. */
  readonly clusters: () => readonly PodAccess[];
  readonly policy: () => JobPolicy;
  readonly metrics: CleanupMetrics;
}

export class RunCleanup implements Reconciler {
  readonly #deps: RunCleanupDeps;

  constructor(deps: RunCleanupDeps) {
    this.#deps = deps;
  }

  async reconcile(key: ObjectKey, { clock, signal }: ReconcileContext): Promise<Result> {
    const run = this.#deps.jobs.get(key);
    if (run === undefined || run.metadata.deletionTimestamp !== undefined) return {};
    const policy = this.#deps.policy();
    const dueMs = runExpiryMs(run, policy.cleanup);
    if (dueMs === undefined) return {};
    // Its results first: the change that says they are safe wakes this run.
    const leftMs = Math.max(dueMs, heldUntilMs(run, policy) ?? dueMs) - clock.now();
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    const kept = isKept(run, this.#deps);
    await this.#deletePods(run, kept ? 'ttled' : 'run-deleted', signal);
    // A newer run that finishes wakes this one.
    if (kept) return {};
    const deleted = await deleteOnce(() => this.#deps.writer.delete(key, { signal, ...uidOf(run) }));
    if (deleted) this.#deps.metrics.runDeleted(run.spec.type === 'periodic' ? 'aged-periodic' : 'aged');
    return {};
  }

  async #deletePods(run: ProwJob, reason: 'ttled' | 'run-deleted', signal: AbortSignal): Promise<void> {
    for (const { pods, writer } of this.#deps.clusters()) {
      for (const pod of pods.byIndex('run', runKeyOf(run))) {
        if (ownerOf(pod, run) !== 'own' || pod.metadata.deletionTimestamp !== undefined) continue;
        const deleted = await deleteOnce(() => writer.delete(keyOf(pod), { signal, ...uidOf(pod) }));
        if (deleted) this.#deps.metrics.podDeleted(reason);
      }
    }
  }
}

/** Whether this finished run stays although its time has come: it is the newest one of its Periodic. */
export function isKept(
  run: ProwJob,
  { jobs, periodics }: Pick<RunCleanupDeps, 'periodics'> & { readonly jobs: Pick<StoreReader<ProwJob>, 'byIndex'> },
): boolean {
  const owner = periodicOf(run);
  if (owner === undefined || run.spec.ttl_seconds_after_finished !== undefined) return false;
  const periodic = periodics.get({ namespace: run.metadata.namespace ?? '', name: owner.name });
  if (periodic?.metadata.uid !== owner.uid) return false;
  return !jobs.byIndex(runsByPeriodic, owner.uid).some((other) => isComplete(other) && isNewer(other, run));
}

/** The Periodic that started this run. */
export function periodicOf(run: ProwJob): OwnerReference | undefined {
  const uid = periodicUidOf(run);
  return uid === undefined ? undefined : run.metadata.ownerReferences?.find((owner) => owner.uid === uid);
}

/** Later start first; the name decides between equals, so that exactly one is the newest. */
export function isNewer(a: ProwJob, b: ProwJob): boolean {
  const [aMs, bMs] = [startedMs(a), startedMs(b)];
  return aMs === bMs ? a.metadata.name > b.metadata.name : aMs > bMs;
}

const startedMs = (run: ProwJob): number => timeMs(run.status?.startTime) ?? createdMsOf(run);

const uidOf = ({ metadata }: { readonly metadata: { readonly uid?: string } }): { readonly uid?: string } =>
  metadata.uid === undefined ? {} : { uid: metadata.uid };
