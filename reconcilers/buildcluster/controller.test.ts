/** The controller of BuildClusters over a real socket: one write says that nothing runs there, and a settled object causes none. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildClusters } from '../../crds/resources.ts';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { SandboxCluster, type Running } from '../../operator/runtime/testing/sandboxCluster.ts';
import { createBuildClusterController } from './controller.ts';

const key = { namespace: 'default', name: 'gpu' };
let cluster: SandboxCluster;
let process: Running;

const start = (): Promise<Running> =>
  cluster.run((client, informer) =>
    createBuildClusterController({
      client,
      buildClusters: informer({ type: buildClusters }),
      clock: cluster.clock,
      logger: silentLogger,
      metrics: new Metrics(),
    }),
  );

beforeAll(async () => {
  cluster = await SandboxCluster.open([buildClusters], Date.parse('2026-01-01T00:00:00Z'));
  process = await start();
});

afterAll(async () => {
  await process.stop();
  await cluster.close();
});

const read = (): Promise<BuildCluster> => cluster.client.get(buildClusters, key);

it('says once per generation that it does not connect, and nothing when that is said', async () => {
  await cluster.client.create(buildClusters, {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'BuildCluster',
    metadata: key,
    spec: { alias: 'gpu', kubeconfigSecretRef: { name: 'gpu', key: 'kubeconfig' } },
  });
  expect((await read()).metadata.generation).toBe(1);
  await cluster.until(async () => (await read()).status?.observedGeneration === 1);
  const condition = { reason: 'NotConnected', observedGeneration: 1, lastTransitionTime: '2026-01-01T00:00:00Z' };
  expect((await read()).status?.conditions).toMatchObject([
    { type: 'Ready', status: 'False', ...condition },
    { type: 'Stalled', status: 'True', ...condition },
  ]);
  await cluster.clock.advance(60_000);
  await cluster.client.patch(buildClusters, key, mergePatch({ spec: { paused: true } }));
  await cluster.until(async () => (await read()).status?.observedGeneration === 2);
  expect((await read()).status?.conditions).toMatchObject([{ lastTransitionTime: condition.lastTransitionTime }, { status: 'True' }]);
  await process.controller.idle();
  expect(process.writes).toEqual(['PATCH buildclusters/gpu/status', 'PATCH buildclusters/gpu/status']);
  const again = await start();
  await again.controller.idle();
  expect(again.writes).toEqual([]);
  await again.stop();
});
