/** The kinds that scenarios are about. */
import { buildClusters, periodicBackfills, periodics, periodicSets, pluginConfigs, prowJobs } from '../../../crds/resources.ts';
import { events, leases, pods, secrets } from '../../../operator/kube/builtin.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';

/** Ours, owners first. */
export const ownTypes: readonly ResourceType[] = [periodicSets, periodicBackfills, periodics, prowJobs, pluginConfigs, buildClusters];

/** What operators watch. */
export const watchedTypes: readonly ResourceType[] = [...ownTypes, pods, secrets];

/** What a pass leaves behind. */
export const keptTypes: readonly ResourceType[] = [...watchedTypes, events, leases];
