/**
 * The addresses of the kinds, each tied to its type. They satisfy ResourceType of operator/kube without importing it.
 */
import type { BuildCluster } from './v1/buildCluster.ts';
import type { Periodic } from './v1/periodic.ts';
import type { PeriodicBackfill } from './v1/periodicBackfill.ts';
import type { PeriodicSet } from './v1/periodicSet.ts';
import type { PluginConfig } from './v1/pluginConfig.ts';
import type { ProwJob } from './v1/prowJob.ts';

/** Where a kind lives in the API. */
export interface CustomResource<T> {
  readonly group: 'prow.k8s.io';
  readonly version: 'v1';
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: true;
  /** Never set: carries T for inference. */
  readonly object?: T;
}

const resource = <T>(kind: string, plural: string): CustomResource<T> => ({
  group: 'prow.k8s.io',
  version: 'v1',
  plural,
  kind,
  namespaced: true,
});

export const prowJobs = resource<ProwJob>('ProwJob', 'prowjobs');
export const periodics = resource<Periodic>('Periodic', 'periodics');
export const periodicSets = resource<PeriodicSet>('PeriodicSet', 'periodicsets');
export const periodicBackfills = resource<PeriodicBackfill>('PeriodicBackfill', 'periodicbackfills');
export const pluginConfigs = resource<PluginConfig>('PluginConfig', 'pluginconfigs');
export const buildClusters = resource<BuildCluster>('BuildCluster', 'buildclusters');
