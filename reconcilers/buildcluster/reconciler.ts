/**
 * Says on each BuildCluster whether runs can go there, and what is wrong when they cannot. Writes status and nothing else; a cluster
 * that stays as it is costs one write in five minutes, for the time of the last contact.
 */
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { MemberReport } from '../../operator/clusters/clusterMember.ts';
import { clusterOf, isComplete, isOurs, statusOf } from '../../operator/jobs/runState.ts';
import { changedFields } from '../../operator/jobs/statusPatch.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import { buildClusterStatus, nextLookMs, type Counts } from './status.ts';

export interface BuildClusterDeps {
  readonly buildClusters: Pick<StoreReader<BuildCluster>, 'get'>;
  readonly clusters: { report(key: ObjectKey): MemberReport | undefined };
  readonly jobs: Pick<StoreReader<ProwJob>, 'list'>;
  readonly writer: {
    patchStatus(
      key: ObjectKey,
      body: { readonly status: object; readonly metadata?: object },
      options?: { readonly signal?: AbortSignal },
    ): Promise<unknown>;
  };
}

export class BuildClusterReconciler implements Reconciler {
  readonly #deps: BuildClusterDeps;

  constructor(deps: BuildClusterDeps) {
    this.#deps = deps;
  }

  async reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result> {
    const { buildClusters, clusters, jobs, writer } = this.#deps;
    const cluster = buildClusters.get(key);
    const report = clusters.report(key);
    // A connection that is not known yet tells when it is.
    if (cluster === undefined || cluster.metadata.deletionTimestamp !== undefined || report === undefined) return {};
    const counts = countRuns(jobs.list(key.namespace), cluster.spec.alias);
    const status = changedFields(cluster.status, buildClusterStatus(cluster, report, counts, ctx.clock.now()));
    const lookAgainMs = nextLookMs(report);
    const result: Result = lookAgainMs === undefined ? {} : { requeueAfterMs: lookAgainMs };
    if (status === undefined) return result;
    const { resourceVersion } = cluster.metadata;
    const metadata = resourceVersion === undefined ? {} : { metadata: { resourceVersion } };
    try {
      await writer.patchStatus(keyOf(cluster), { ...metadata, status }, { signal: ctx.signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return result;
  }
}

/** Reasons of a run that waits for the cluster itself. */
const clusterReasons: ReadonlySet<string> = new Set(['ClusterUnavailable', 'ClusterPaused', 'ClusterLimit']);

function countRuns(runs: readonly ProwJob[], alias: string): Counts {
  let running = 0;
  let waiting = 0;
  for (const run of runs) {
    if (clusterOf(run) !== alias || isComplete(run) || !isOurs(run)) continue;
    const { state, waiting: held } = statusOf(run);
    if (state === 'pending') running += 1;
    else if (clusterReasons.has(held?.reason ?? '')) waiting += 1;
  }
  return { running, waiting };
}
