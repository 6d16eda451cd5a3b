/** Wires the reconciler of PluginConfigs to its cache: a change of one wakes it and those that may share a repository with it. */
import { pluginConfigs } from '../../crds/resources.ts';
import type { PluginConfig } from '../../crds/v1/pluginConfig.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { keyOf, type ObjectKey } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import type { Logger } from '../../operator/runtime/logger.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import { ObjectWriter } from '../../operator/runtime/objectWriter.ts';
import type { Change, Store } from '../../operator/runtime/store.ts';
import { overlappingConfigs } from './overlap.ts';
import { PluginConfigReconciler, type PluginConfigDeps } from './reconciler.ts';

export interface PluginConfigControllerOptions {
  readonly client: KubeClient;
  /** Its informer must have pluginConfigIndexers among its indexers. */
  readonly pluginConfigs: { readonly store: Store<PluginConfig> };
  readonly events: PluginConfigDeps['events'];
  readonly workers: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export function createPluginConfigController(options: PluginConfigControllerOptions): Controller {
  const { client, events, workers, clock, logger, metrics } = options;
  const { store } = options.pluginConfigs;
  const writer = new ObjectWriter(client, pluginConfigs, store);
  const reconciler = new PluginConfigReconciler({ configs: store, writer, events, metrics });
  const controller = new Controller({ name: 'pluginconfig', reconciler, workers, clock, logger, metrics });
  controller.watch(options.pluginConfigs, (change) => affectedConfigs(store, change));
  return controller;
}

/** Those that overlap with the object as it is and as it was: a conflict must go away on both sides. Status changes concern nobody. */
export function affectedConfigs(store: Pick<Store<PluginConfig>, 'list' | 'byIndex'>, change: Change<PluginConfig>): readonly ObjectKey[] {
  const { object, previous } = change;
  if (change.initial === true) return [keyOf(object)];
  const sameSpec = previous !== undefined && previous.metadata.generation === object.metadata.generation;
  if (sameSpec && previous.metadata.deletionTimestamp === object.metadata.deletionTimestamp) return [];
  const others = [object, ...(previous === undefined ? [] : [previous])].flatMap((config) => overlappingConfigs(store, config));
  return [object, ...new Set(others)].map(keyOf);
}
