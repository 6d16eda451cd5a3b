/** The controller of PluginConfigs over a real socket: a conflict appears on both objects, and goes away on both. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pluginConfigs } from '../../crds/resources.ts';
import type { PluginConfig } from '../../crds/v1/pluginConfig.ts';
import { SandboxCluster, type Running } from '../../operator/runtime/testing/sandboxCluster.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { createPluginConfigController } from './controller.ts';
import { pluginConfigIndexers } from './overlap.ts';

const namespace = 'default';
let cluster: SandboxCluster;
let process: Running;
const events: string[] = [];

const start = (): Promise<Running> =>
  cluster.run((client, informer) =>
    createPluginConfigController({
      client,
      pluginConfigs: informer({ type: pluginConfigs, indexers: pluginConfigIndexers }),
      events: { event: (object, type, reason) => void events.push(`${object.metadata.name} ${type} ${reason}`) },
      workers: 2,
      clock: cluster.clock,
      logger: silentLogger,
      metrics: new Metrics(),
    }),
  );

beforeAll(async () => {
  cluster = await SandboxCluster.open([pluginConfigs], Date.parse('2026-01-01T00:00:00Z'));
  process = await start();
});

afterAll(async () => {
  await process.stop();
  await cluster.close();
});

const create = (name: string, spec: PluginConfig['spec']): Promise<PluginConfig> =>
  cluster.client.create(pluginConfigs, { apiVersion: 'prow.k8s.io/v1', kind: 'PluginConfig', metadata: { name, namespace }, spec });
const read = (name: string): Promise<PluginConfig> => cluster.client.get(pluginConfigs, { namespace, name });
const ready = async (name: string): Promise<string | undefined> =>
  (await read(name)).status?.conditions?.find((condition) => condition.type === 'Ready')?.reason;

describe('the controller', () => {
  it('resolves, reports a conflict on both, and settles', async () => {
    await create('one', { repos: ['acme'], plugins: ['lgtm'], config: { lgtm: { review_acts_as_lgtm: true } } });
    await cluster.until(async () => (await ready('one')) === 'Resolved');
    await create('two', { repos: ['acme/widget'], plugins: ['approve'], config: { lgtm: { review_acts_as_lgtm: false } } });
    await cluster.until(async () => (await ready('one')) === 'Conflict' && (await ready('two')) === 'Conflict');
    expect((await read('two')).status).toMatchObject({
      resolved: [{ repo: 'acme/widget', plugins: ['approve', 'lgtm'] }],
      problems: [
        {
          path: 'spec.config.lgtm',
          reason: 'Conflict',
          message: expect.stringContaining('PluginConfig one sets up the plugin "lgtm" for acme/widget'),
        },
      ],
    });
    expect((await read('one')).status?.problems?.[0]?.message).toContain('PluginConfig two');
    await cluster.client.patch(
      pluginConfigs,
      { namespace, name: 'two' },
      mergePatch({ spec: { config: { lgtm: { review_acts_as_lgtm: true } } } }),
    );
    await cluster.until(async () => (await ready('one')) === 'Resolved' && (await ready('two')) === 'Resolved');
    await process.controller.idle();
    const writes = process.writes.length;
    const again = await start();
    await again.controller.idle();
    expect([again.writes, process.writes.length]).toEqual([[], writes]);
    await again.stop();
    expect([...events].sort()).toEqual(['one Warning Conflict', 'two Warning Conflict']);
  });

  it('drops a conflict when the other object goes', async () => {
    await create('left', { repos: ['*'], config: { size: { s: 1 } } });
    await create('right', { repos: ['other/repo'], config: { size: { s: 2 } } });
    await cluster.until(async () => (await ready('left')) === 'Conflict');
    await cluster.client.delete(pluginConfigs, { namespace, name: 'right' });
    await cluster.until(async () => (await ready('left')) === 'Resolved');
  });
});
