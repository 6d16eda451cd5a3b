/** What a PluginConfig says of itself beside others. */
import { expect } from 'vitest';
import { pluginConfigs } from '../../crds/resources.ts';
import type { PluginConfig } from '../../crds/v1/pluginConfig.ts';
import { ignoreNotFound, type Scene } from './scene.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import { pluginConfig } from './manifests.ts';
import { stories, uniqueName } from './story.ts';

/** The object when its status speaks about its spec and fits. */
const until = (
  scene: Scene,
  name: string,
  what: string,
  fits: (config: PluginConfig) => boolean,
  namespace = scene.namespace,
): Promise<PluginConfig> =>
  scene.eventually(`PluginConfig ${name} ${what}`, async () => {
    const config = await scene.client.get<PluginConfig>(pluginConfigs, { namespace, name }).catch(ignoreNotFound);
    return config !== undefined && config.status?.observedGeneration === config.metadata.generation && fits(config) && config;
  });

const readiness = (config: PluginConfig): string | undefined => findCondition(config.status?.conditions, 'Ready')?.reason;

stories('a PluginConfig', {}, (story) => {
  story('adds its plugins to those of others for the same repository', async (scene) => {
    await scene.apply(pluginConfig('org', { repos: ['acme'], plugins: ['approve', 'lgtm'] }));
    await scene.apply(pluginConfig('repo', { repos: ['acme/widget'], plugins: ['trigger'] }));
    const config = await until(scene, 'repo', 'to know of both', ({ status }) => status?.resolved?.[0]?.plugins?.length === 3);
    expect(config.status?.resolved).toEqual([{ repo: 'acme/widget', plugins: ['approve', 'lgtm', 'trigger'] }]);
    expect(readiness(config)).toBe('Resolved');
  });

  story('that contradicts another is in conflict, and both name each other until one gives way', async (scene) => {
    const spec = (store: boolean): PluginConfig['spec'] => ({
      repos: ['acme/widget'],
      plugins: ['lgtm'],
      config: { lgtm: { store_tree_hash: store } },
    });
    await scene.apply(pluginConfig('ours', spec(true)));
    await scene.apply(pluginConfig('theirs', spec(false)));
    for (const [name, other] of [
      ['ours', 'theirs'],
      ['theirs', 'ours'],
    ] as const) {
      const config = await until(scene, name, 'to be in conflict', (object) => readiness(object) === 'Conflict');
      expect(config.status?.problems).toMatchObject([{ path: 'spec.config.lgtm', reason: 'Conflict' }]);
      expect(config.status?.problems?.[0]?.message).toContain(`PluginConfig ${other}`);
    }
    await scene.apply(pluginConfig('theirs', spec(true)));
    for (const name of ['ours', 'theirs']) await until(scene, name, 'to be well', (object) => readiness(object) === 'Resolved');
  });

  story('is in no conflict with one of another tenant', async (scene) => {
    const other = await scene.addNamespace(uniqueName('story'));
    const spec = (store: boolean): PluginConfig['spec'] => ({
      repos: ['acme/widget'],
      plugins: ['lgtm'],
      config: { lgtm: { store_tree_hash: store } },
    });
    await scene.apply(pluginConfig('same', spec(true)));
    await scene.apply(pluginConfig('same', spec(false)), other);
    for (const namespace of [scene.namespace, other])
      await until(scene, 'same', 'to be well', (object) => readiness(object) === 'Resolved', namespace);
  });

  story('with a slip in a name says which was meant', async (scene) => {
    await scene.apply(pluginConfig('slip', { repos: ['acme'], plugins: ['aprove'] }));
    const config = await until(scene, 'slip', 'to be refused', (object) => readiness(object) === 'InvalidSpec');
    expect(config.status?.problems).toMatchObject([{ path: 'spec.plugins[0]', reason: 'UnknownPlugin' }]);
    expect(config.status?.problems?.[0]?.message).toContain('did you mean "approve"?');
    expect(findCondition(config.status?.conditions, 'Stalled')?.status).toBe('True');
  });
});
