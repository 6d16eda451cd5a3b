/** Figures about what exists now, wired to the caches. Only the leader shows them, so a sum over replicas counts everything once. */
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { PeriodicSet } from '../../crds/v1/periodicSet.ts';
import type { PluginConfig } from '../../crds/v1/pluginConfig.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { showPeriodicGauges } from '../../reconcilers/periodic/gauges.ts';
import { showBackfillGauges } from '../../reconcilers/periodicbackfill/gauges.ts';
import { showRunGauges } from '../../reconcilers/prowjob/gauges.ts';
import { showLimitGauges, type LimitGaugesOptions } from '../../reconcilers/prowjob/limitGauges.ts';
import type { Clusters } from '../clusters/clusters.ts';
import type { Settings } from '../config/settings.ts';
import type { Pod } from '../kube/builtin.ts';
import type { OperatorKit } from '../runtime/operatorKit.ts';
import { showStalledObjects } from '../runtime/stalledObjects.ts';
import type { StoreReader } from '../runtime/store.ts';

export interface Sources {
  readonly jobs: StoreReader<ProwJob>;
  readonly periodics: StoreReader<Periodic>;
  readonly periodicSets: StoreReader<PeriodicSet>;
  readonly periodicBackfills: StoreReader<PeriodicBackfill>;
  readonly pluginConfigs: StoreReader<PluginConfig>;
  readonly buildClusters: StoreReader<BuildCluster>;
  readonly clusters: Clusters;
  /** The ledger of slots. */
  readonly admission: LimitGaugesOptions['admission'];
}

export function showGauges({ metrics, clock, manager }: OperatorKit, sources: Sources, policy: () => Settings): void {
  const { jobs, periodics, periodicSets, periodicBackfills, pluginConfigs, buildClusters, clusters, admission } = sources;
  const isLeading = (): boolean => manager.phase === 'leading';
  const pods = (): readonly StoreReader<Pod>[] => clusters.caches().map(({ store }) => store);
  showRunGauges({ metrics, clock, policy, isLeading, jobs, pods, clusters });
  showLimitGauges({ metrics, admission, settings: () => policy().prowJobs, isLeading });
  showPeriodicGauges({ metrics, clock, isLeading, periodics });
  showStalledObjects(metrics, 'Periodic', () => (isLeading() ? periodics.list() : []));
  showBackfillGauges(metrics, () => (isLeading() ? periodicBackfills.list() : undefined));
  showStalledObjects(metrics, 'PeriodicSet', () => (isLeading() ? periodicSets.list() : []));
  showStalledObjects(metrics, 'PeriodicBackfill', () => (isLeading() ? periodicBackfills.list() : []));
  showStalledObjects(metrics, 'PluginConfig', () => (isLeading() ? pluginConfigs.list() : []));
  showStalledObjects(metrics, 'BuildCluster', () => (isLeading() ? buildClusters.list() : []));
}
