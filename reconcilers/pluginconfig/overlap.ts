/** Finds the PluginConfigs that may share a repository with one of them, without a walk over the namespace where an index will do. */
import type { PluginConfig } from '../../crds/v1/pluginConfig.ts';
import { orgsOf } from '../../operator/jobs/pluginResolution.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';

const byOrg = 'namespace-org';

const valueOf = (config: PluginConfig, org: string): string => `${config.metadata.namespace ?? ''}/${org}`;

/** For the informer of PluginConfigs. */
export const pluginConfigIndexers: Record<string, (config: PluginConfig) => readonly string[]> = {
  [byOrg]: (config) => orgsOf(config).map((org) => valueOf(config, org)),
};

/** Every other object of the namespace that names an organisation of this one, or everything. */
export function overlappingConfigs(
  store: Pick<StoreReader<PluginConfig>, 'list' | 'byIndex'>,
  config: PluginConfig,
): readonly PluginConfig[] {
  const orgs = orgsOf(config);
  const found = orgs.includes('*')
    ? store.list(config.metadata.namespace ?? '')
    : [...orgs, '*'].flatMap((org) => store.byIndex(byOrg, valueOf(config, org)));
  return [...new Set(found)].filter((other) => other.metadata.name !== config.metadata.name);
}
