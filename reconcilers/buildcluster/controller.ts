/** Wires the reconciler of BuildClusters to its cache. */
import { buildClusters } from '../../crds/resources.ts';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import { ObjectWriter } from '../../operator/runtime/objectWriter.ts';
import type { Store } from '../../operator/runtime/store.ts';
import { BuildClusterReconciler } from './reconciler.ts';

export interface BuildClusterControllerOptions {
  readonly client: KubeClient;
  readonly buildClusters: { readonly store: Store<BuildCluster> };
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** One worker: a tenant has a few of these. */
export function createBuildClusterController(options: BuildClusterControllerOptions): Controller {
  const { client, clock, logger, metrics } = options;
  const { store } = options.buildClusters;
  const reconciler = new BuildClusterReconciler({ clusters: store, writer: new ObjectWriter(client, buildClusters, store) });
  const controller = new Controller({ name: 'buildcluster', reconciler, workers: 1, clock, logger, metrics });
  controller.watch(options.buildClusters, ({ object }) => [keyOf(object)]);
  return controller;
}
