/** The stock JavaScript client, unchanged and with nothing of ours in between: typed calls, logs, custom objects, watches, informers. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import {
  ApiException,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  Log,
  Watch,
  makeInformer,
  V1ConfigMap,
  V1Pod,
  V1Secret,
} from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startSandbox, type Sandbox } from './sandbox.ts';

const namespace = 'default';
interface Crd {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const prow = { group: 'prow.k8s.io', version: 'v1', namespace, plural: 'prowjobs' } as const;
let sandbox: Sandbox;
let config: KubeConfig;
let core: CoreV1Api;

beforeAll(async () => {
  sandbox = await startSandbox();
  config = new KubeConfig();
  config.loadFromString(sandbox.kubeconfig);
  core = config.makeApiClient(CoreV1Api);
});
afterAll(() => sandbox.close());

const podNamed = (name: string, script: string) =>
  Object.assign(new V1Pod(), {
    metadata: { name, labels: { kind: 'test' } },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image: 'none', command: ['sh', '-c', script] }],
    },
  });

const phaseOf = async (name: string): Promise<string | undefined> => (await core.readNamespacedPod({ namespace, name })).status?.phase;

/** The code of the failure, as the client reports it. */
const codeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'no failure',
    (error: unknown) => (error instanceof ApiException ? error.code : error),
  );

describe('typed calls', () => {
  it('create, read, list, patch and delete', async () => {
    const made = await core.createNamespacedConfigMap({
      namespace,
      body: Object.assign(new V1ConfigMap(), { metadata: { name: 'one', labels: { a: 'b' } }, data: { k: 'v' } }),
    });
    expect(made.metadata?.creationTimestamp).toBeInstanceOf(Date);
    expect(made.metadata?.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect((await core.readNamespacedConfigMap({ namespace, name: 'one' })).data).toEqual({ k: 'v' });
    const patched = await core.patchNamespacedConfigMap({ namespace, name: 'one', body: [{ op: 'replace', path: '/data/k', value: 'w' }] });
    expect(patched.data).toEqual({ k: 'w' });
    const listed = await core.listNamespacedConfigMap({ namespace, labelSelector: 'a=b' });
    expect(listed.items.map(({ metadata }) => metadata?.name)).toEqual(['one']);
    expect(
      await codeOf(core.createNamespacedConfigMap({ namespace, body: Object.assign(new V1ConfigMap(), { metadata: { name: 'one' } }) })),
    ).toBe(409);
    await core.deleteNamespacedConfigMap({ namespace, name: 'one' });
    expect(await codeOf(core.readNamespacedConfigMap({ namespace, name: 'one' }))).toBe(404);
  });

  it('run a pod, read and follow its log', async () => {
    await core.createNamespacedPod({ namespace, body: podNamed('talker', 'echo one; echo two') });
    await expect.poll(() => phaseOf('talker'), { timeout: 10_000 }).toBe('Succeeded');
    expect(await core.readNamespacedPodLog({ namespace, name: 'talker', container: 'main' })).toBe('one\ntwo\n');
    expect(await core.readNamespacedPodLog({ namespace, name: 'talker', tailLines: 1 })).toBe('two\n');
    const sink = new PassThrough();
    let text = '';
    sink.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await new Log(config).log(namespace, 'talker', 'main', sink, { follow: true });
    await once(sink, 'end');
    expect(text).toBe('one\ntwo\n');
    await core.deleteNamespacedPod({ namespace, name: 'talker' });
    await expect.poll(() => codeOf(core.readNamespacedPod({ namespace, name: 'talker' })), { timeout: 10_000 }).toBe(404);
  });
});

describe('custom objects', () => {
  it('are created, listed, patched in their status and deleted', async () => {
    const file = path.join(import.meta.dirname, '../crds/generated/prow.k8s.io_prowjobs.yaml');
    const api = config.makeApiClient(CustomObjectsApi);
    const crds = { group: 'apiextensions.k8s.io', version: 'v1', plural: 'customresourcedefinitions' } as const;
    // Not through the typed API of CRDs: it drops every field of a schema that begins with x-.
    await api.createClusterCustomObject({ ...crds, body: parse(readFileSync(file, 'utf8')) as object });
    const isEstablished = async (): Promise<boolean | undefined> => {
      const crd = (await api.getClusterCustomObject({ ...crds, name: 'prowjobs.prow.k8s.io' })) as object as Crd;
      return crd.status?.conditions?.some(({ type, status }) => type === 'Established' && status === 'True');
    };
    await expect.poll(isEstablished, { timeout: 10_000 }).toBe(true);

    const body = { apiVersion: 'prow.k8s.io/v1', kind: 'ProwJob', metadata: { name: 'j' }, spec: { type: 'periodic', job: 'j' } };
    expect(await api.createNamespacedCustomObject({ ...prow, body })).toMatchObject({ kind: 'ProwJob', status: { state: 'triggered' } });
    expect(await codeOf(api.createNamespacedCustomObject({ ...prow, body: { ...body, metadata: { name: 'k' }, spec: {} } }))).toBe(422);
    const listed = (await api.listNamespacedCustomObject(prow)) as { readonly kind: string; readonly items: readonly unknown[] };
    expect([listed.kind, listed.items.length]).toEqual(['ProwJobList', 1]);
    const status = [{ op: 'replace', path: '/status/state', value: 'pending' }];
    expect(await api.patchNamespacedCustomObjectStatus({ ...prow, name: 'j', body: status })).toMatchObject({
      status: { state: 'pending' },
    });
    await api.deleteNamespacedCustomObject({ ...prow, name: 'j' });
    expect(await codeOf(api.getNamespacedCustomObject({ ...prow, name: 'j' }))).toBe(404);
  });
});

describe('following changes', () => {
  const wanted = ['added first', 'modified first', 'deleted first'];
  const disturb = async (): Promise<void> => {
    const label = [{ op: 'add', path: '/metadata/labels', value: { seen: 'yes' } }];
    await core.createNamespacedSecret({ namespace, body: Object.assign(new V1Secret(), { metadata: { name: 'first' } }) });
    await core.patchNamespacedSecret({ namespace, name: 'first', body: label });
    await core.deleteNamespacedSecret({ namespace, name: 'first' });
  };

  it('a watch gets every event in order', async () => {
    const seen: string[] = [];
    const { metadata } = await core.listNamespacedSecret({ namespace });
    const onEvent = (phase: string, object: { readonly metadata: { readonly name: string } }): void => {
      seen.push(`${phase.toLowerCase()} ${object.metadata.name}`);
    };
    const query = { resourceVersion: metadata?.resourceVersion, allowWatchBookmarks: true };
    const request = await new Watch(config).watch(`/api/v1/namespaces/${namespace}/secrets`, query, onEvent, () => undefined);
    await disturb();
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(wanted);
    request.abort();
  });

  it('an informer lists, then follows, and its cache is right', async () => {
    const seen: string[] = [];
    await core.createNamespacedSecret({ namespace, body: Object.assign(new V1Secret(), { metadata: { name: 'before' } }) });
    const informer = makeInformer(config, `/api/v1/namespaces/${namespace}/secrets`, () => core.listNamespacedSecret({ namespace }));
    for (const [event, word] of [
      ['add', 'added'],
      ['update', 'modified'],
      ['delete', 'deleted'],
    ] as const) {
      informer.on(event, (object) => void seen.push(`${word} ${object.metadata?.name}`));
    }
    const errors: unknown[] = [];
    informer.on('error', (error: unknown) => void errors.push(error));
    await informer.start();
    await disturb();
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['added before', ...wanted]);
    expect(informer.get('before', namespace)?.metadata?.name).toBe('before');
    expect(informer.get('first', namespace)).toBeUndefined();
    await informer.stop();
    expect(errors).toEqual([]);
  });
});
