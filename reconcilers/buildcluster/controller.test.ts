/** The controller of BuildClusters over a real socket: what it says of a cluster, how often it writes, and that a settled one costs nothing. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildClusters } from '../../crds/resources.ts';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { MemberReport } from '../../operator/clusters/clusterMember.ts';
import type { ClusterChange } from '../../operator/clusters/clusters.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { SandboxCluster, type Running } from '../../operator/runtime/testing/sandboxCluster.ts';
import { createBuildClusterController } from './controller.ts';

const key = { namespace: 'default', name: 'gpu' };
const startMs = Date.parse('2026-01-01T00:00:00Z');
const server = 'https://gpu.example.com:6443';
let cluster: SandboxCluster;
let process: Running;

/** The connections, as the test wants them to be. */
class Connections {
  current: MemberReport = ready();
  readonly #subscribers = new Set<(change: ClusterChange) => void>();

  report(): MemberReport {
    return this.current;
  }

  subscribe(fn: (change: ClusterChange) => void): () => void {
    this.#subscribers.add(fn);
    return () => this.#subscribers.delete(fn);
  }

  become(report: MemberReport): void {
    this.current = report;
    for (const fn of this.#subscribers) fn({ type: 'changed', alias: 'gpu', namespace: 'default' });
  }
}

function ready(lastContactMs = startMs): MemberReport {
  const said = { state: 'ready', reason: 'Connected', message: `Runs can go to ${server}.` } as const;
  const health = {
    ...said,
    server,
    breaker: 'closed',
    failures: 0,
    callsUnderWay: 0,
    limited: [],
    version: 'v1.36.3',
    clusterUID: 'u',
    lastContactMs,
  };
  return { ...said, health: health as NonNullable<MemberReport['health']> };
}

const down: MemberReport = {
  state: 'unavailable',
  reason: 'Unreachable',
  message: 'down',
  health: { ...ready().health!, state: 'unavailable', reason: 'Unreachable', message: 'down', breaker: 'open', failures: 3 },
};
const run = (name: string, state: 'triggered' | 'pending', cluster: string, reason?: 'ClusterUnavailable'): ProwJob => ({
  metadata: { namespace: 'default', name },
  spec: { type: 'periodic', job: name, agent: 'kubernetes', cluster },
  status: { state, ...(reason === undefined ? {} : { waiting: { reason } }) },
});

const connections = new Connections();
let jobs: readonly ProwJob[] = [];
const start = (): Promise<Running> =>
  cluster.run((client, informer) =>
    createBuildClusterController({
      client,
      buildClusters: informer({ type: buildClusters }),
      clusters: connections,
      jobs: { list: () => jobs },
      clock: cluster.clock,
      logger: silentLogger,
      metrics: new Metrics(),
    }),
  );

beforeAll(async () => {
  cluster = await SandboxCluster.open([buildClusters], startMs);
  process = await start();
});

afterAll(async () => {
  await process.stop();
  await cluster.close();
});

const read = (): Promise<BuildCluster> => cluster.client.get(buildClusters, key);
const until = (holds: (status: NonNullable<BuildCluster['status']>) => boolean): Promise<void> =>
  cluster.until(async () => holds((await read()).status ?? { observedGeneration: -1 }));
const conditionsOf = async (): Promise<Record<string, string>> =>
  Object.fromEntries(((await read()).status?.conditions ?? []).map(({ type, status, reason }) => [type, `${status} ${reason}`]));

it('says what was found out, in one write', async () => {
  await cluster.client.create(buildClusters, {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'BuildCluster',
    metadata: key,
    spec: { alias: 'gpu', kubeconfigSecretRef: { name: 'gpu', key: 'kubeconfig' } },
  });
  await until(({ observedGeneration }) => observedGeneration === 1);
  expect((await read()).status).toMatchObject({
    server,
    version: 'v1.36.3',
    clusterUID: 'u',
    running: 0,
    waiting: 0,
    failures: 0,
    lastContact: '2026-01-01T00:00:00Z',
  });
  expect(await conditionsOf()).toEqual({ Reachable: 'True Answers', Ready: 'True Connected' });
  await process.controller.idle();
  expect(process.writes).toHaveLength(1);
});

it('writes nothing for a minute because runs come and go, and one line of counts after it', async () => {
  const before = process.writes.length;
  jobs = [
    run('a', 'pending', 'gpu'),
    run('b', 'triggered', 'gpu', 'ClusterUnavailable'),
    run('c', 'pending', 'default'),
    run('d', 'triggered', 'gpu'),
  ];
  connections.become(ready(startMs + 30_000));
  await process.controller.idle();
  expect(process.writes).toHaveLength(before);
  connections.current = ready(startMs + 60_000);
  await cluster.clock.advance(60_000);
  await until(({ running }) => running === 1);
  expect((await read()).status).toMatchObject({ running: 1, waiting: 1, lastContact: '2026-01-01T00:01:00Z' });
});

it('renews the time of the last contact every five minutes', async () => {
  await process.controller.idle();
  const before = process.writes.length;
  for (let minute = 2; minute <= 6; minute++) {
    connections.current = ready(startMs + minute * 60_000);
    await cluster.clock.advance(60_000);
    if (minute < 6) expect(process.writes).toHaveLength(before);
  }
  await until(({ lastContact }) => lastContact === '2026-01-01T00:06:00Z');
  await process.controller.idle();
  expect(process.writes).toHaveLength(before + 1);
});

it('says at once that a cluster went, and that it came back', async () => {
  connections.become(down);
  await until(({ failures }) => failures === 3);
  expect(await conditionsOf()).toEqual({ Reachable: 'False Unreachable', Ready: 'False Unreachable' });
  connections.become({ state: 'unavailable', reason: 'SecretMissing', message: 'none' });
  await cluster.until(async () => (await conditionsOf()).Stalled === 'True SecretMissing');
  expect((await read()).status?.server).toBeUndefined();
  connections.become(ready());
  await cluster.until(async () => (await conditionsOf()).Ready === 'True Connected');
  expect((await conditionsOf()).Stalled).toBeUndefined();
});

it('names rights that are missing but not needed, other aliases, and who has the alias already', async () => {
  connections.become({ ...ready(), health: { ...ready().health!, limited: ['patch pods'] }, twins: ['also-gpu'] });
  await cluster.until(async () => (await conditionsOf()).Duplicate === 'True SameCluster');
  expect(await conditionsOf()).toMatchObject({ Ready: 'True Limited' });
  const messages = ((await read()).status?.conditions ?? []).map(({ message }) => message).join('\n');
  expect(messages).toContain('may not: patch pods.');
  expect(messages).toContain('the same cluster as "also-gpu"');
  connections.become({ ...ready(), aliasOf: 'older' });
  await cluster.until(async () => (await conditionsOf()).Ready === 'False AliasTaken');
  expect(await conditionsOf()).toMatchObject({ Stalled: 'True AliasTaken' });
  connections.become(ready());
  await cluster.until(async () => (await conditionsOf()).Ready === 'True Connected');
});

it('observes a new generation, and a second process writes nothing', async () => {
  await cluster.client.patch(buildClusters, key, mergePatch({ spec: { paused: true } }));
  await until(({ observedGeneration }) => observedGeneration === 2);
  await process.controller.idle();
  const again = await start();
  await again.controller.idle();
  expect(again.writes).toEqual([]);
  await again.stop();
});
