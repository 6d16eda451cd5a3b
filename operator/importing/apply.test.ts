/** Imported manifests on an API server: it takes every one of them, and keeps every field. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { customResourceDefinitions } from '../../crds/definitions.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { KubeClient } from '../kube/client.ts';
import { PooledKubeConfig } from '../kube/kubeConfig.ts';
import { UndiciTransport } from '../kube/transport.ts';
import { importPeriodics } from './importPeriodics.ts';

const dir = path.join(import.meta.dirname, 'testdata');
const collection = '/apis/prow.k8s.io/v1/namespaces/ci/periodics?fieldValidation=Strict';
let sandbox: Sandbox;
let client: KubeClient;

beforeAll(async () => {
  sandbox = await startSandbox({ kubelet: false });
  client = new KubeClient({ transport: new UndiciTransport(PooledKubeConfig.load({ path: sandbox.kubeconfigPath })) });
  await client.raw({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'ci' } } });
  const crd = customResourceDefinitions().find(({ spec }) => spec.names.kind === 'Periodic');
  await client.raw({ method: 'POST', path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', body: crd });
  await vi.waitFor(() => client.raw({ method: 'GET', path: collection }), { timeout: 10_000 });
});
afterAll(async () => {
  await client.close();
  await sandbox.close();
});

it('takes what was imported as it is', async () => {
  const read = async (file: string): Promise<{ file: string; text: string }> => ({
    file,
    text: await readFile(path.join(dir, file), 'utf8'),
  });
  const files = await Promise.all((await readdir(path.join(dir, 'jobs'))).sort().map((name) => read(`jobs/${name}`)));
  const result = importPeriodics({ files, main: await read('config.yaml') }, { namespace: 'ci', namePrefix: '' });
  expect(result.periodics.length).toBeGreaterThan(5);
  for (const { name, manifest } of result.periodics) {
    const object = parse(manifest) as Periodic;
    const created = (await client.raw({ method: 'POST', path: collection, body: object })) as Periodic;
    expect(created.metadata.name).toBe(name);
    expect(created.spec).toEqual(object.spec);
  }
});

it('refuses one with a field that does not exist, so that the above could fail', async () => {
  const text = 'periodics: [{name: wrong, interval: 1h, spec: {containers: [{image: x}]}}]\n';
  const [imported] = importPeriodics({ files: [{ file: 'f', text }] }, { namespace: 'ci', namePrefix: '' }).periodics;
  const object = parse(imported?.manifest ?? '') as Periodic;
  const body = { ...object, spec: { ...object.spec, intervall: '1h' } };
  await expect(client.raw({ method: 'POST', path: collection, body })).rejects.toThrow(/unknown field "spec.intervall"/);
});
