import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { configMaps, events } from '../../operator/kube/builtin.ts';
import type { ConfigMap, Event } from '../../operator/kube/builtin.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { UndiciTransport } from '../../operator/kube/transport.ts';
import { ProwOperator, silentLogger } from '../../operator/runtime/index.ts';
import { startSandbox } from '../../sandbox/sandbox.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { greetings, setup } from './operator.ts';
import type { Greeting } from './operator.ts';

const file = (name: string): KubeObject => parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as KubeObject;
const crds = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};
const key = { namespace: 'default', name: 'hello' };

describe('hello-operator', () => {
  let sandbox: Sandbox;
  let client: KubeClient;
  let operator: ProwOperator;

  beforeAll(async () => {
    sandbox = await startSandbox({ kubelet: false });
    const config = PooledKubeConfig.load({ path: sandbox.kubeconfigPath });
    client = new KubeClient({ transport: new UndiciTransport(config) });
    await client.create(crds, file('crd.yaml'));
    await until(() =>
      client.list(greetings).then(
        () => true,
        (error: unknown) => (isNotFound(error) ? false : Promise.reject(error as Error)),
      ),
    );
    operator = new ProwOperator({
      name: 'example.io/hello',
      config: PooledKubeConfig.load({ path: sandbox.kubeconfigPath }),
      logger: silentLogger,
      setup,
    });
    await operator.start();
    await operator.kit.manager.leading();
  });

  afterAll(async () => {
    operator.stop();
    expect((await operator.exited).exitCode).toBe(0);
    await client.close();
    await sandbox.close();
  });

  /** Asks again until it is so; the test's own time limit ends what never is. */
  async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  const said = (): string | undefined => (sandbox.api.get(configMaps, key) as ConfigMap | undefined)?.data?.text;
  const ready = () => (sandbox.api.get(greetings, key) as Greeting | undefined)?.status?.conditions?.[0];
  const writes = async (): Promise<number> => {
    const sums = await Promise.all(
      ['POST', 'PATCH', 'PUT', 'DELETE'].map((method) =>
        operator.kit.metrics.value('rest_client_request_duration_seconds_count', { method }),
      ),
    );
    return sums.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  };

  it('says hello, with one create, one status write and one Event', async () => {
    await client.create(greetings, file('greeting.yaml') as Greeting);
    await until(() => ready()?.status === 'True');
    expect(said()).toBe('Hello, world!');
    expect(ready()).toMatchObject({ type: 'Ready', reason: 'Said', message: 'Hello, world!', observedGeneration: 1 });
    await operator.kit.events.flush();
    const told = sandbox.api.list(events, 'default') as unknown as readonly Event[];
    expect(told).toMatchObject([{ reason: 'Said', regarding: { kind: 'Greeting', name: 'hello' }, note: 'Hello, world!' }]);
    // The server shows a write before its answer has reached the operator.
    await until(async () => (await writes()) >= 3);
    expect(await writes()).toBe(3);
  });

  it('writes nothing when it looks again', async () => {
    const before = await writes();
    const passes = async () =>
      (await operator.kit.metrics.value('controller_runtime_reconcile_total', { controller: 'greeting', result: 'success' })) ?? 0;
    const seen = await passes();
    await client.patch(greetings, key, mergePatch({ metadata: { labels: { touched: 'yes' } } }));
    await until(async () => (await passes()) > seen);
    expect(await writes()).toBe(before);
  });

  it('follows a change, and undoes what others do to its ConfigMap', async () => {
    await client.patch(greetings, key, mergePatch({ spec: { whom: 'moon' } }));
    await until(() => said() === 'Hello, moon!' && ready()?.observedGeneration === 2);
    await client.patch(configMaps, key, mergePatch({ data: { text: 'Boo' } }));
    await until(() => said() === 'Hello, moon!');
    await client.delete(configMaps, key);
    await until(() => said() === 'Hello, moon!');
  });

  it('leaves a stranger’s ConfigMap alone and says so', async () => {
    const stranger = { namespace: 'default', name: 'taken' };
    await client.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: stranger, data: { text: 'mine' } });
    await client.create(greetings, { apiVersion: 'example.io/v1', kind: 'Greeting', metadata: stranger, spec: { whom: 'x' } });
    const condition = () => (sandbox.api.get(greetings, stranger) as Greeting | undefined)?.status?.conditions?.[0];
    await until(() => condition()?.reason === 'NameTaken');
    expect((sandbox.api.get(configMaps, stranger) as ConfigMap | undefined)?.data).toEqual({ text: 'mine' });
  });

  it('is cleaned up by the garbage collector', async () => {
    await client.delete(greetings, key);
    await until(() => said() === undefined);
  });
});
