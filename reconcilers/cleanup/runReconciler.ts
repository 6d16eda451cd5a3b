/**
 * Deletes finished runs when their time has come, each by a timer of its own; there is no pass over all of them. The newest finished
 * run of a Periodic that still exists is kept, unless it or the Periodic says otherwise. The pods of a run go before it, and those of a
 * kept run at the time it would have gone. Pods on a cluster that is away hold nothing up: they go as orphans when it is back.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { isLostFromArchive } from '../../operator/jobs/archiveHold.ts';
import { runKeyOf, ownerOf } from '../../operator/jobs/podOwner.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { judgeRun, type RunVerdict } from '../../operator/jobs/retention.ts';
import type { DeleteOptions } from '../../operator/kube/client.ts';
import { keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import { deleteOnce, isThere, uidOf } from './deleteOnce.ts';
import type { CleanupMetrics } from './metrics.ts';
import type { RunOwners } from './owners.ts';
import type { Places } from './place.ts';
import { tellPodLost, tellRunLost, type EventSink } from './tell.ts';

export interface RunWriter {
  delete(key: ObjectKey, options?: DeleteOptions): Promise<unknown>;
}

export interface RunCleanupDeps {
  readonly jobs: Pick<StoreReader<ProwJob>, 'get'>;
  readonly writer: RunWriter;
  readonly owners: RunOwners;
  readonly places: Places;
  readonly policy: () => JobPolicy;
  readonly events: EventSink;
  readonly metrics: CleanupMetrics;
}

/** Who is waited for wakes us; this is for the case that the wake-up was lost. */
const safetyNetMs = 60_000;

export class RunCleanup implements Reconciler {
  readonly #deps: RunCleanupDeps;
  /** Passes run on the leader only, and schedules are looked at by the same process. */
  #workingSinceMs: number | undefined;

  constructor(deps: RunCleanupDeps) {
    this.#deps = deps;
  }

  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    const { clock, signal } = ctx;
    const run = this.#present(key);
    if (run === undefined) return {};
    this.#workingSinceMs ??= clock.now();
    const verdict = this.judge(run, clock.now());
    if (verdict.kind === 'unfinished') return {};
    if (verdict.kind === 'wait') return wait(verdict, clock.now());
    await this.#deletePods(run, verdict.kind === 'keep' ? 'ttled' : 'run-deleted', signal);
    // A newer run that finishes wakes this one.
    return verdict.kind === 'keep' ? {} : this.#delete(key, ctx);
  }

  /** What is to become of this run at that time. Changes nothing. */
  judge(run: ProwJob, nowMs: number): RunVerdict {
    const { owners, policy } = this.#deps;
    return judgeRun({ run, owner: owners.of(run), policy: policy(), nowMs, workingSinceMs: this.#workingSinceMs ?? nowMs });
  }

  async #delete(key: ObjectKey, { clock, signal }: ReconcileContext): Promise<Result> {
    const { places, writer, metrics, events } = this.#deps;
    await places.ownRate.take(signal);
    // It may have become the newest one while it waited for its turn.
    const run = this.#present(key);
    const verdict = run === undefined ? undefined : this.judge(run, clock.now());
    if (run === undefined || verdict?.kind !== 'delete') {
      places.ownRate.giveBack();
      return { requeueAfterMs: 0 };
    }
    const deleted = await deleteOnce(() => writer.delete(key, { signal, ...uidOf(run) }));
    if (!deleted) return {};
    metrics.runDeleted(verdict.reason);
    if (isLostFromArchive(run, this.#deps.policy())) tellRunLost(events, run);
    return {};
  }

  async #deletePods(run: ProwJob, reason: 'ttled' | 'run-deleted', signal: AbortSignal): Promise<void> {
    const seen = new Set<string | undefined>();
    for (const { access, rate } of this.#deps.places.usable()) {
      for (const pod of access.pods.byIndex('run', runKeyOf(run))) {
        const { uid, deletionTimestamp } = pod.metadata;
        // Two aliases of one cluster show the same pod.
        if (seen.has(uid) || ownerOf(pod, run) !== 'own' || deletionTimestamp !== undefined) continue;
        seen.add(uid);
        await rate.take(signal);
        if (!isThere(pod, access)) {
          rate.giveBack();
          continue;
        }
        const deleted = await deleteOnce(() => access.writer.delete(keyOf(pod), { signal, ...uidOf(pod) }));
        if (!deleted) continue;
        this.#deps.metrics.podDeleted(reason);
        // Of a run that goes itself, its own Event tells.
        if (reason === 'ttled' && isLostFromArchive(run, this.#deps.policy())) tellPodLost(this.#deps.events, run, pod.metadata.name);
      }
    }
  }

  #present(key: ObjectKey): ProwJob | undefined {
    const run = this.#deps.jobs.get(key);
    return run?.metadata.deletionTimestamp === undefined ? run : undefined;
  }
}

function wait({ untilMs, because }: Extract<RunVerdict, { kind: 'wait' }>, nowMs: number): Result {
  const leftMs = because === 'status' ? Math.min(untilMs - nowMs, safetyNetMs) : untilMs - nowMs;
  return leftMs === Infinity ? {} : { requeueAfterMs: leftMs };
}
