/** Says on each BuildCluster whether runs can go there. Writes status, once for each change of spec, and nothing else. */
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import { changedFields } from '../../operator/jobs/statusPatch.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import { buildClusterStatus } from './status.ts';

export interface BuildClusterDeps {
  readonly clusters: Pick<StoreReader<BuildCluster>, 'get'>;
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
    const cluster = this.#deps.clusters.get(key);
    if (cluster === undefined || cluster.metadata.deletionTimestamp !== undefined) return {};
    const changed = changedFields(cluster.status, buildClusterStatus(cluster, ctx.clock.now()));
    if (changed === undefined) return {};
    const { resourceVersion } = cluster.metadata;
    const metadata = resourceVersion === undefined ? {} : { metadata: { resourceVersion } };
    try {
      await this.#deps.writer.patchStatus(keyOf(cluster), { ...metadata, status: changed }, { signal: ctx.signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    return {};
  }
}
