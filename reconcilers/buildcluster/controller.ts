/** Wires the reconciler of BuildClusters to its cache and to the connections. */
import { buildClusters } from '../../crds/resources.ts';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Clusters } from '../../operator/clusters/clusters.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import { ObjectWriter } from '../../operator/runtime/objectWriter.ts';
import type { Store, StoreReader } from '../../operator/runtime/store.ts';
import { BuildClusterReconciler, type BuildClusterDeps } from './reconciler.ts';

export interface BuildClusterControllerOptions {
  readonly client: KubeClient;
  readonly buildClusters: { readonly store: Store<BuildCluster> };
  readonly clusters: BuildClusterDeps['clusters'] & Pick<Clusters, 'subscribe'>;
  readonly jobs: Pick<StoreReader<ProwJob>, 'list'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** One worker: a tenant has a few of these. */
export function createBuildClusterController(options: BuildClusterControllerOptions): Controller {
  const { client, clusters, jobs, clock, logger, metrics } = options;
  const { store } = options.buildClusters;
  const writer = new ObjectWriter(client, buildClusters, store);
  const reconciler = new BuildClusterReconciler({ buildClusters: store, clusters, jobs, writer });
  const controller = new Controller({ name: 'buildcluster', reconciler, workers: 1, clock, logger, metrics });
  controller.watch(options.buildClusters, ({ object }) => [keyOf(object)]);
  // Any of them may have become, or ceased to be, the same cluster as another: all are looked at.
  clusters.subscribe((change) => {
    if (change.type === 'changed') for (const cluster of store.list()) controller.enqueue(keyOf(cluster));
  });
  return controller;
}
