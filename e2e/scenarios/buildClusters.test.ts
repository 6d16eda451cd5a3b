/**
 * One operator and three clusters: its own, a build cluster that is well, and one behind a proxy that misbehaves. Whatever the last one
 * does, the runs of the others all end, the operator never holds more calls to it than its share, and it comes back by itself. The test
 * plays the kubelets.
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { buildClusters, prowJobs } from '../../crds/resources.ts';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { setUpControllers } from '../../operator/commands/controllers.ts';
import { loadSettings } from '../../operator/config/loadSettings.ts';
import { podSelector } from '../../operator/jobs/labels.ts';
import { pods, secrets, type Pod } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import { keyOf, type KubeObject } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { realClock } from '../../operator/runtime/clock.ts';
import { ProwOperator } from '../../operator/runtime/host.ts';
import { Informer } from '../../operator/runtime/informer.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { FaultProxy, type Rule } from '../faults/faultProxy.ts';
import { clientOf } from './installation.ts';

const namespace = 'default';
const definitions: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

/** As a kubelet says it. */
function succeeded(): object {
  const finishedAt = new Date().toISOString();
  const test = { name: 'test', state: { terminated: { exitCode: 0, finishedAt } } };
  return { phase: 'Succeeded', startTime: finishedAt, containerStatuses: [test] };
}

/** A cluster whose pods succeed as soon as they are seen. */
class PlayedCluster {
  readonly sandbox: Sandbox;
  readonly client: KubeClient;
  /** While set, pods are left as they are. */
  isFrozen = false;
  readonly #stop = new AbortController();
  readonly #pods: Informer<Pod>;
  readonly #ended: Promise<void>;

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox;
    this.client = clientOf(sandbox.kubeconfigPath);
    this.#pods = new Informer<Pod>({ client: this.client, type: pods, labelSelector: podSelector, clock: realClock, logger: silentLogger });
    this.#pods.store.subscribe(({ type, object }) => {
      if (type !== 'deleted') void this.#end(object);
    });
    this.#ended = this.#pods.run(this.#stop.signal);
  }

  static async open(): Promise<PlayedCluster> {
    return new PlayedCluster(await startSandbox({ kubelet: false }));
  }

  get pods(): readonly Pod[] {
    return this.#pods.store.list();
  }

  /** Lets the pods that were left as they are succeed. */
  thaw(): void {
    this.isFrozen = false;
    for (const pod of this.pods) void this.#end(pod);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.client.close();
    await this.sandbox.close();
  }

  async #end(pod: Pod): Promise<void> {
    if (this.isFrozen || pod.status?.phase === 'Succeeded' || pod.metadata.deletionTimestamp !== undefined) return;
    await this.client.patch(pods, keyOf(pod), mergePatch({ status: succeeded() }), { subresource: 'status' }).catch(() => undefined);
  }
}

let home: PlayedCluster;
let east: PlayedCluster;
let west: PlayedCluster;
let proxy: FaultProxy;
let operator: ProwOperator;
let serial = 0;

async function eventually<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  const endMs = performance.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > endMs) throw new Error(`waited in vain for ${what}: ${JSON.stringify(await statusOf('west'), undefined, 1)}`);
    await pause(20);
  }
}

const encoded = (text: string): string => Buffer.from(text).toString('base64');

async function declare(alias: string, kubeconfig: string, spec: Partial<BuildCluster['spec']> = {}, name = alias): Promise<void> {
  await home.client.create(secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name },
    data: { kubeconfig: encoded(kubeconfig) },
  });
  await home.client.create(buildClusters, {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'BuildCluster',
    metadata: { namespace, name },
    spec: { alias, kubeconfigSecretRef: { name, key: 'kubeconfig' }, ...spec },
  });
}

const rotate = (name: string, kubeconfig: string): Promise<unknown> =>
  home.client.patch(secrets, { namespace, name }, mergePatch({ data: { kubeconfig: encoded(kubeconfig) } }));

/** New credentials are tried at once. A cluster that went down many times within a minute is otherwise asked ever more seldom. */
const hurry = (name: string): Promise<unknown> => rotate(name, proxy.kubeconfig(`another-${serial++}`));

const statusOf = async (name: string): Promise<BuildCluster['status']> =>
  (await home.client.get(buildClusters, { namespace, name })).status;
const conditionOf = async (name: string, type: string): Promise<string | undefined> => {
  const found = (await statusOf(name))?.conditions?.find((condition) => condition.type === type);
  return found === undefined ? undefined : `${found.status} ${found.reason}`;
};
const untilReady = (name: string, want: string): Promise<unknown> =>
  eventually(`${name} Ready=${want}`, async () => (await conditionOf(name, 'Ready')) === want);

async function startRuns(cluster: string, count: number): Promise<readonly string[]> {
  const names = Array.from({ length: count }, () => `${cluster}-${serial++}`);
  for (const name of names) {
    await home.client.create(prowJobs, {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'ProwJob',
      metadata: { namespace, name },
      spec: { type: 'periodic', job: name, agent: 'kubernetes', cluster, pod_spec: { containers: [{ name: 'test', image: 'busybox' }] } },
    });
  }
  return names;
}

const runsOf = async (names: readonly string[]): Promise<readonly ProwJob[]> => {
  const wanted = new Set(names);
  return (await home.client.list(prowJobs, { namespace })).items.filter(({ metadata }) => wanted.has(metadata.name));
};
const untilAll = (names: readonly string[], what: string, holds: (run: ProwJob) => boolean): Promise<unknown> =>
  eventually(`${what}: ${names[0] ?? ''} and so on`, async () => (await runsOf(names)).every(holds));
const untilSucceeded = (names: readonly string[]): Promise<unknown> =>
  untilAll(names, 'success', (run) => {
    if (run.status?.completionTime !== undefined && run.status.state !== 'success') throw new Error(JSON.stringify(run.status));
    return run.status?.state === 'success';
  });
const untilWaiting = (names: readonly string[], reason: string): Promise<unknown> =>
  untilAll(names, reason, ({ status }) => status?.waiting?.reason === reason);

beforeAll(async () => {
  [home, east, west] = await Promise.all([PlayedCluster.open(), PlayedCluster.open(), PlayedCluster.open()]);
  proxy = await FaultProxy.open({ backend: west.sandbox, seed: 7 });
  const generated = path.join(import.meta.dirname, '../../crds/generated');
  for (const file of readdirSync(generated))
    await home.client.create(definitions, parse(readFileSync(path.join(generated, file), 'utf8')) as KubeObject);
  await eventually('the CRDs', () =>
    Promise.all([home.client.list(prowJobs), home.client.list(buildClusters)]).then(
      () => true,
      () => false,
    ),
  );
  const settings = loadSettings(stringify({}), 'settings');
  operator = new ProwOperator({
    name: 'prow-operator',
    config: PooledKubeConfig.load({ path: home.sandbox.kubeconfigPath }),
    logger: silentLogger,
    health: { host: '127.0.0.1', port: 0 },
    lease: { namespace, name: 'prow-operator' },
    setup: (kit) => void setUpControllers(kit, { settings: () => settings }),
  });
  await declare('east', east.sandbox.kubeconfig);
  await declare('west', proxy.kubeconfig('first'));
  await operator.start();
  await untilReady('east', 'True Connected');
  await untilReady('west', 'True Connected');
}, 60_000);

afterEach(async () => {
  await proxy.listen();
  proxy.inject();
  home.thaw();
  east.thaw();
  west.thaw();
});

afterAll(async () => {
  operator.stop();
  await operator.exited;
  await proxy.close();
  await Promise.all([home, east, west].map((cluster) => cluster.close()));
});

it('runs go where they say, and each cluster tells what it is', async () => {
  const names = [...(await startRuns('default', 3)), ...(await startRuns('east', 3)), ...(await startRuns('west', 3))];
  await untilSucceeded(names);
  expect(west.pods.map(({ metadata }) => metadata.name).sort()).toEqual(names.filter((name) => name.startsWith('west')).sort());
  expect(await statusOf('west')).toMatchObject({
    version: expect.stringMatching(/^v1\./) as string,
    server: expect.stringContaining('https://127.0.0.1:') as string,
  });
  const uids = await Promise.all(['east', 'west'].map(async (name) => (await statusOf(name))?.clusterUID));
  expect(new Set(uids).size).toBe(2);
});

interface Sickness {
  readonly name: string;
  readonly rules: readonly Rule[];
  /** What Ready says. Absent: it is slow, and no more than that. */
  readonly reason?: string;
  /** Runs that go on elsewhere meanwhile, half of them on each other cluster. */
  readonly others: number;
}

const sicknesses: readonly Sickness[] = [
  { name: 'resets every connection', rules: [{ fault: { kind: 'reset' } }], reason: 'Unreachable', others: 100 },
  { name: 'forbids everything', rules: [{ fault: { kind: 'status', code: 403 } }], reason: 'Forbidden', others: 40 },
  { name: 'refuses its credentials', rules: [{ fault: { kind: 'status', code: 401 } }], reason: 'Unauthorized', others: 40 },
  { name: 'answers 503', rules: [{ fault: { kind: 'status', code: 503 } }], reason: 'ServerError', others: 40 },
  { name: 'answers nonsense', rules: [{ fault: { kind: 'garble' } }], reason: 'Malformed', others: 40 },
  {
    name: 'answers reads and resets writes',
    rules: [{ fault: { kind: 'reset' }, matches: ({ method, url }) => method === 'POST' && url.includes('/pods') }],
    others: 40,
  },
  { name: 'takes five seconds for each answer', rules: [{ fault: { kind: 'delay', delayMs: 5_000 } }], others: 100 },
];

it('a cluster that resets every connection comes back by itself', async () => {
  proxy.inject({ fault: { kind: 'reset' } });
  proxy.cut();
  await untilReady('west', 'False Unreachable');
  const held = await startRuns('west', 2);
  await untilWaiting(held, 'ClusterUnavailable');
  proxy.inject();
  await untilSucceeded(held);
});

describe('a cluster that', () => {
  it.each(sicknesses)(
    '$name holds its own runs and nobody else’s',
    async ({ rules, reason, others }) => {
      await untilReady('west', 'True Connected');
      proxy.takeMostUnderWay();
      proxy.inject(...rules);
      // A slow cluster still has its watch; the others have lost it.
      if (reason !== undefined) proxy.cut();
      const sick = await startRuns('west', 30);
      await untilSucceeded([...(await startRuns('default', others / 2)), ...(await startRuns('east', others / 2))]);
      // Half of the workers at most, and the cluster's own loop with its questions.
      expect(proxy.takeMostUnderWay()).toBeLessThanOrEqual(24 + 12);
      if (reason !== undefined) {
        await untilReady('west', `False ${reason}`);
        await untilWaiting(sick, 'ClusterUnavailable');
        const asked = proxy.seen.length;
        for (let turn = 0; turn < 5; turn++) await startRuns('west', 1).then((more) => untilWaiting(more, 'ClusterUnavailable'));
        // Runs that come meanwhile cause no calls; the loop's own are few.
        expect(proxy.seen.length - asked).toBeLessThan(40);
      }
      proxy.inject();
      await hurry('west');
      await untilReady('west', 'True Connected');
      await untilSucceeded(sick);
      expect(west.pods.filter(({ metadata }) => sick.includes(metadata.name))).toHaveLength(sick.length);
    },
    90_000,
  );
});

it('a run whose cluster goes away keeps its state, and ends when the cluster is back', async () => {
  west.isFrozen = true;
  const names = await startRuns('west', 5);
  await untilAll(names, 'pending', ({ status }) => status?.state === 'pending');
  await eventually('the pods', () => Promise.resolve(names.every((name) => west.pods.some(({ metadata }) => metadata.name === name))));
  await proxy.refuse();
  await untilReady('west', 'False Unreachable');
  expect(await conditionOf('west', 'Reachable')).toBe('False Unreachable');
  // Meanwhile one pod ends and one is deleted: nobody can know.
  const [ended = '', deleted = ''] = names;
  west.isFrozen = false;
  await west.client.patch(pods, { namespace, name: ended }, mergePatch({ status: succeeded() }), { subresource: 'status' });
  await west.client.delete(pods, { namespace, name: deleted }, { gracePeriodSeconds: 0 });
  await untilSucceeded(await startRuns('default', 20));
  expect((await runsOf(names)).map(({ status }) => status?.state)).toEqual(names.map(() => 'pending'));
  await proxy.listen();
  await hurry('west');
  await untilReady('west', 'True Connected');
  west.thaw();
  await untilAll(names, 'an end, or another attempt', ({ status }) => status?.state === 'success' || (status?.attempts?.length ?? 0) > 1);
  const [first, second] = [(await runsOf([ended]))[0], (await runsOf([deleted]))[0]];
  expect(first?.status).toMatchObject({ state: 'success', attempts: [{ number: 1 }] });
  expect(second?.status?.attempts?.[0]).toMatchObject({ cause: expect.stringMatching(/^Pod(Deleted|Vanished)$/) as string });
}, 90_000);

it('a secret that is rotated reconnects without a restart, and loses no run', async () => {
  west.isFrozen = true;
  const names = await startRuns('west', 3);
  await eventually('the pods', () => Promise.resolve(names.every((name) => west.pods.some(({ metadata }) => metadata.name === name))));
  proxy.revokeAll();
  const later = await startRuns('west', 2);
  await untilReady('west', 'False Unauthorized');
  expect(await conditionOf('west', 'Stalled')).toBe('True Unauthorized');
  await rotate('west', proxy.kubeconfig('rotated'));
  await untilReady('west', 'True Connected');
  west.thaw();
  await untilSucceeded([...names, ...later]);
  for (const run of await runsOf(names)) expect(run.status?.attempts).toHaveLength(1);
}, 60_000);

it('a kubeconfig that would run programs, and one without a secret, are refused in words', async () => {
  const exec = 'users:\n- name: u\n  user: {exec: {command: sh}}\n';
  await declare(
    'plugin',
    `${exec}contexts:\n- name: c\n  context: {cluster: c, user: u}\nclusters:\n- name: c\n  cluster: {server: "https://127.0.0.1:1"}\ncurrent-context: c\n`,
  );
  await untilReady('plugin', 'False KubeconfigInvalid');
  expect((await statusOf('plugin'))?.conditions?.find(({ type }) => type === 'Ready')?.message).toContain(
    'users[0].user.exec is not allowed here',
  );
  await rotate('plugin', east.sandbox.kubeconfig);
  await untilReady('plugin', 'True Connected');
  await home.client.delete(secrets, { namespace, name: 'plugin' });
  await untilReady('plugin', 'False SecretMissing');
  await home.client.delete(buildClusters, { namespace, name: 'plugin' });
});

it('a cluster that is paused starts nothing, and lets go on what runs', async () => {
  east.isFrozen = true;
  const running = await startRuns('east', 2);
  await eventually('the pods', () => Promise.resolve(running.every((name) => east.pods.some(({ metadata }) => metadata.name === name))));
  await home.client.patch(buildClusters, { namespace, name: 'east' }, mergePatch({ spec: { paused: true } }));
  await eventually('the pause', async () => (await statusOf('east'))?.observedGeneration === 2);
  const held = await startRuns('east', 2);
  await untilWaiting(held, 'ClusterPaused');
  east.thaw();
  await untilSucceeded(running);
  await home.client.patch(buildClusters, { namespace, name: 'east' }, mergePatch({ spec: { paused: null } }));
  await untilSucceeded(held);
});

it('the limit of a BuildCluster holds back its own runs only, and a change of it holds at once', async () => {
  const limit = (maxConcurrency: number | null): Promise<unknown> =>
    home.client.patch(buildClusters, { namespace, name: 'east' }, mergePatch({ spec: { maxConcurrency } }));
  const podsOf = (names: readonly string[]): number => east.pods.filter(({ metadata }) => names.includes(metadata.name)).length;
  east.isFrozen = true;
  const { metadata } = await home.client.get(buildClusters, { namespace, name: 'east' });
  await limit(1);
  await eventually('the limit', async () => (await statusOf('east'))?.observedGeneration === (metadata.generation ?? 0) + 1);
  const names = await startRuns('east', 3);
  const waiting = async (): Promise<number> =>
    (await runsOf(names)).filter(({ status }) => status?.waiting?.reason === 'ClusterLimit').length;
  await eventually('two to wait', async () => (await waiting()) === 2 && podsOf(names) === 1);
  await untilSucceeded(await startRuns('west', 2));
  await limit(2);
  await eventually('one more to start', async () => (await waiting()) === 1 && podsOf(names) === 2);
  east.thaw();
  await untilSucceeded(names);
  await limit(null);
});

it('two aliases of one cluster are told so, both, and pods are deleted once', async () => {
  await declare('east-too', east.sandbox.kubeconfig);
  await untilReady('east-too', 'True Connected');
  await eventually(
    'the warning on both',
    async () => (await conditionOf('east', 'Duplicate')) !== undefined && (await conditionOf('east-too', 'Duplicate')) !== undefined,
  );
  expect((await statusOf('east'))?.conditions?.find(({ type }) => type === 'Duplicate')?.message).toContain('"east-too"');
  await untilSucceeded(await startRuns('east-too', 2));
  await home.client.delete(buildClusters, { namespace, name: 'east-too' });
  await eventually('the warning to go', async () => (await conditionOf('east', 'Duplicate')) === undefined);
});

it('runs of a BuildCluster that is removed wait for it to come back', async () => {
  west.isFrozen = true;
  const running = await startRuns('west', 2);
  await eventually('the pods', () => Promise.resolve(running.every((name) => west.pods.some(({ metadata }) => metadata.name === name))));
  await home.client.delete(buildClusters, { namespace, name: 'west' });
  const waiting = await startRuns('west', 2);
  await untilWaiting([...running, ...waiting], 'ClusterUnavailable');
  await home.client.delete(secrets, { namespace, name: 'west' });
  await declare('west', proxy.kubeconfig('back'));
  west.thaw();
  await untilSucceeded([...running, ...waiting]);
  for (const run of await runsOf(running)) expect(run.status?.attempts).toHaveLength(1);
}, 60_000);
