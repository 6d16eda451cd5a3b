/**
 * Two real API servers: the operator works on one that has no node, and its build cluster is the one-node cluster of e2e/cluster, reached with a
 * service account that has the rights of docs/guide/build-clusters.md and no others. Its API server hangs, dies, forgets credentials, takes rights
 * away; its own runs wait, everybody else's go on, and no test runs twice.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { buildClusters } from '../../crds/resources.ts';
import { apiVersion } from '../../crds/v1/common.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { label } from '../../operator/jobs/labels.ts';
import { pods, secrets, type Pod } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { kubeconfigText, places } from '../cluster/configFiles.ts';
import { startSecondServer, type SecondServer } from '../cluster/secondServer.ts';
import { Recorder } from './history.ts';
import { clientOf, leaderOf, type Installation } from './installation.ts';
import { prowJob } from './manifests.ts';
import { realCluster } from './realCluster.ts';
import { installBeside } from './sandboxCluster.ts';
import { Scene } from './scene.ts';
import { storySettings } from './settings.ts';
import { uniqueName } from './story.ts';
import { kubectl } from './tools.ts';

const alias = 'metal';
const testTimeoutMs = 100_000;
const guide = path.join(import.meta.dirname, '..', '..', 'docs', 'guide', 'build-clusters.md');

/** The role as the guide has it, for another namespace. */
function documentedRole(namespace: string): { readonly metadata: { readonly name: string } } {
  const examples = readFileSync(guide, 'utf8').split('```yaml\n').slice(1);
  const role = examples.map((text) => text.split('```')[0] ?? '').find((text) => text.includes('kind: Role\n'));
  if (role === undefined) throw new Error(`${guide} shows no Role`);
  const parsed = parse(role) as { readonly metadata: { readonly name: string } };
  return { ...parsed, metadata: { ...parsed.metadata, namespace } as never };
}

/** The one-node cluster, as its administrator sees it. */
class BuildSide {
  readonly namespace = uniqueName('test-pods');
  readonly client: KubeClient;
  readonly #kubeconfig: string;

  constructor(kubeconfig: string) {
    this.#kubeconfig = kubeconfig;
    this.client = clientOf(kubeconfig);
  }

  async open(): Promise<void> {
    await this.kubectl('create', 'namespace', this.namespace);
    await this.grant();
  }

  /** A new service account with the role, and a kubeconfig for it. */
  async addAccount(account: string): Promise<string> {
    await this.kubectl('create', 'serviceaccount', account);
    const { name } = documentedRole(this.namespace).metadata;
    await this.kubectl('create', 'rolebinding', account, `--role=${name}`, `--serviceaccount=${this.namespace}:${account}`);
    return this.credentialsOf(account);
  }

  /** A kubeconfig with a token that nobody has had before. */
  async credentialsOf(account: string): Promise<string> {
    const token = (await this.kubectl('create', 'token', account)).trim();
    if (realCluster === undefined) throw new Error('there is no cluster');
    const { plan } = realCluster;
    return kubeconfigText(plan, readFileSync(places(plan).pki('ca.crt'), 'utf8'), { token });
  }

  async grant(): Promise<void> {
    await kubectl({ kubeconfig: this.#kubeconfig, args: ['apply', '-f', '-'], input: JSON.stringify(documentedRole(this.namespace)) });
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return kubectl({ kubeconfig: this.#kubeconfig, args: ['--namespace', this.namespace, ...args] });
  }

  async pods(): Promise<readonly Pod[]> {
    return (await this.client.list(pods, { namespace: this.namespace })).items;
  }

  async close(): Promise<void> {
    await this.kubectl('delete', 'namespace', this.namespace, '--wait=false');
    await this.client.close();
  }
}

const encoded = (text: string): string => Buffer.from(text).toString('base64');
const elsewhere = (name: string, script: string, spec: Partial<ProwJob['spec']> = {}): ProwJob =>
  prowJob(name, script, { cluster: alias, ...spec });

describe.skipIf(realCluster === undefined)('a build cluster that is another real API server', () => {
  if (realCluster === undefined) return;
  const cluster = realCluster;
  let home: SecondServer;
  let there: BuildSide;
  let installation: Installation;
  let scene: Scene;
  const undo: (() => Promise<unknown> | void)[] = [];

  const readiness = async (): Promise<{ readonly says: string; readonly message: string }> => {
    const { status } = await scene.client.get(buildClusters, { namespace: scene.namespace, name: alias });
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    return { says: `${ready?.status ?? ''} ${ready?.reason ?? ''}`, message: ready?.message ?? '' };
  };
  const untilReady = (says: string): Promise<string> =>
    scene.eventually(`Ready=${says}`, async () => readiness().then((now) => now.says === says && (now.message || ' ')), 60_000);
  const rotate = (kubeconfig: string): Promise<unknown> =>
    scene.client.patch(secrets, { namespace: scene.namespace, name: alias }, mergePatch({ data: { kubeconfig: encoded(kubeconfig) } }));

  /** A run of the operator's own cluster, played to its end: it has no node. */
  async function localRunEnds(name: string): Promise<void> {
    await scene.apply(prowJob(name, 'true'));
    await scene.untilPod(name, 'to be created', () => true);
    const finishedAt = new Date().toISOString();
    const terminated = { exitCode: 0, startedAt: finishedAt, finishedAt };
    const test = { name: 'test', image: '', imageID: '', ready: false, restartCount: 0, state: { terminated } };
    await scene.playNode(name, { phase: 'Succeeded', startTime: finishedAt, containerStatuses: [test] });
    expect((await scene.finished(name)).status?.state).toBe('success');
  }

  const start = (...names: readonly string[]): Promise<unknown> => Promise.all(names.map((name) => scene.apply(elsewhere(name, 'true'))));
  const untilWaiting = (...names: readonly string[]): Promise<unknown> =>
    Promise.all(
      names.map((name) =>
        scene.untilRun(name, 'to wait for its cluster', ({ status }) => status?.waiting?.reason === 'ClusterUnavailable'),
      ),
    );

  /** Each run succeeded with its first attempt, and has had one pod. */
  async function eachOnce(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      const { status, metadata } = await scene.finished(name);
      expect(status).toMatchObject({ state: 'success', attempts: [{ number: 1, cause: 'Succeeded', node: cluster.plan.nodeName }] });
      const own = (await there.pods()).filter((pod) => pod.metadata.labels?.[label.runUid] === metadata.uid);
      expect(own.map((pod) => pod.metadata.name)).toEqual([name]);
    }
  }

  beforeAll(async () => {
    home = await startSecondServer(cluster);
    undo.push(() => home.close());
    there = new BuildSide(process.env.E2E_KUBECONFIG ?? '');
    await there.open();
    undo.push(() => there.close());
    installation = await installBeside(home.kubeconfig, { settings: storySettings(), replicas: 1 });
    undo.push(() => installation.close());
    const recorder = new Recorder(installation.client);
    undo.push(() => recorder.close());
    await recorder.start();
    scene = new Scene(installation, recorder, uniqueName('ci'));
    await scene.addNamespace(scene.namespace);
    await scene.eventually('an operator to lead', async () => (await leaderOf(installation)) !== '');
    const metadata = { namespace: scene.namespace, name: alias };
    const kubeconfig = encoded(await there.addAccount('first'));
    await scene.client.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata, data: { kubeconfig } });
    const spec = { alias, kubeconfigSecretRef: { name: alias, key: 'kubeconfig' }, namespace: there.namespace };
    await scene.apply({ apiVersion, kind: 'BuildCluster', metadata, spec });
    await untilReady('True Connected');
  }, testTimeoutMs);

  afterAll(async () => {
    cluster.release('kube-apiserver');
    for (const step of undo.toReversed()) await step();
  }, testTimeoutMs);

  it(
    'runs tests on its node, tells how they ended, and its pods go when their runs go',
    async () => {
      await scene.apply(elsewhere('good', 'echo well done'));
      await scene.apply(elsewhere('bad', 'echo no; exit 4'));
      await scene.apply(elsewhere('brief', 'true', { ttl_seconds_after_finished: 0 }));
      await eachOnce('good');
      expect((await scene.finished('bad')).status).toMatchObject({ state: 'failure', attempts: [{ exit_code: 4 }] });
      expect(await there.kubectl('logs', 'good')).toBe('well done\n');
      await scene.eventually('the brief run to be gone', () => scene.recorder.run(scene.namespace, 'brief') === undefined);
      await scene.eventually('its pod to be gone', async () => (await there.pods()).every(({ metadata }) => metadata.name !== 'brief'));
      const { status } = await scene.client.get(buildClusters, { namespace: scene.namespace, name: alias });
      expect(status?.version).toMatch(/^v1\./);
    },
    testTimeoutMs,
  );

  it(
    'holds its own runs while its API server hangs, and starts each once when it goes on',
    async () => {
      cluster.hold('kube-apiserver');
      await start('hung-1', 'hung-2', 'hung-3');
      await localRunEnds('meanwhile');
      await untilReady('False TimedOut');
      await untilWaiting('hung-1', 'hung-2', 'hung-3');
      await localRunEnds('still');
      cluster.release('kube-apiserver');
      await untilReady('True Connected');
      await eachOnce('hung-1', 'hung-2', 'hung-3');
    },
    testTimeoutMs,
  );

  it(
    'keeps what runs while its API server is dead, and comes back by itself',
    async () => {
      await scene.apply(elsewhere('through', 'echo started; sleep 4'));
      await scene.eventually('the test to run', async () =>
        (await there.pods()).some(({ metadata, status }) => metadata.name === 'through' && status?.phase === 'Running'),
      );
      await cluster.kill('kube-apiserver');
      await start('later');
      await untilReady('False Unreachable');
      await untilWaiting('later');
      await localRunEnds('beside');
      expect(scene.recorder.run(scene.namespace, 'through')?.status).toMatchObject({ state: 'pending', attempts: [{ number: 1 }] });
      await cluster.start('kube-apiserver');
      await untilReady('True Connected');
      await eachOnce('through', 'later');
    },
    testTimeoutMs,
  );

  it(
    'that no longer accepts its credentials says so, and goes on with others without a restart',
    async () => {
      await there.kubectl('delete', 'serviceaccount', 'first');
      // A token that was good a moment ago is remembered by the API server for about ten seconds.
      for (let probe = 1; (await readiness()).says !== 'False Unauthorized'; probe += 1) {
        expect(probe).toBeLessThan(30);
        await start(`probe-${probe}`);
        await pause(1_000);
      }
      await start('locked-out');
      await untilWaiting('locked-out');
      await rotate(await there.addAccount('second'));
      await untilReady('True Connected');
      await eachOnce('locked-out');
    },
    testTimeoutMs,
  );

  it(
    'that takes rights away says which are missing, and is used again when they are back',
    async () => {
      await there.kubectl('delete', 'role', documentedRole(there.namespace).metadata.name);
      await start('forbidden');
      await untilReady('False Forbidden');
      await untilWaiting('forbidden');
      // Asks at once what a cluster that went down several times in a row is otherwise asked within half a minute.
      const askAgain = async (): Promise<unknown> => rotate(await there.credentialsOf('second'));
      await askAgain();
      const lacking = ['create', 'delete', 'get', 'list', 'watch'].map((verb) => `${verb} pods`).join(', ');
      await scene.eventually('all missing rights', async () => (await readiness()).message.includes(`${there.namespace}: ${lacking}`));
      await there.grant();
      await askAgain();
      await untilReady('True Connected');
      await eachOnce('forbidden');
    },
    testTimeoutMs,
  );
});
