/**
 * The examples for Argo CD and Flux: accepted by an API server that knows their kinds, pointing at things that exist, with values that the chart takes
 * and jobs that the operator can carry out.
 */
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { validateManifests } from '../../crds/validate.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { UndiciTransport } from '../../operator/kube/transport.ts';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { renderChart } from '../../tools/helm.ts';
import { collectionOf, gitToolCrds } from './gitToolCrds.ts';

const repository = path.join(import.meta.dirname, '../..');
const root = path.join(repository, 'examples/gitops');

type Fields = Readonly<Record<string, unknown>>;
interface Example extends KubeObject {
  readonly spec?: Fields;
}

const filesIn = (pattern: string): readonly string[] => globSync(pattern, { cwd: root }).sort();
const load = (file: string): readonly Example[] =>
  parseAllDocuments(readFileSync(path.join(root, file), 'utf8')).map((document) => document.toJS() as Example);

const examples = filesIn('{argocd,flux}/**/*.yaml').flatMap(load);
const ofTools = examples.filter((object) => collectionOf(object, 'x') !== undefined);
const titled = ofTools.map((object) => ({ title: `${object.kind ?? ''} ${object.metadata.name}`, object }));

/** Every value under a key, at any depth. */
function* valuesOf(key: string, node: unknown): Generator {
  if (typeof node !== 'object' || node === null) return;
  for (const [name, value] of Object.entries(node)) {
    if (name === key) yield value;
    yield* valuesOf(key, value);
  }
}

describe('on an API server', () => {
  let sandbox: Sandbox;
  let client: KubeClient;
  const send = (object: KubeObject, collection: string): Promise<unknown> =>
    client.raw({ method: 'POST', path: `${collection}?fieldValidation=Strict`, body: object });

  beforeAll(async () => {
    sandbox = await startSandbox({ kubelet: false });
    client = new KubeClient({ transport: new UndiciTransport(PooledKubeConfig.load({ path: sandbox.kubeconfigPath })) });
    for (const namespace of ['argocd', 'flux-system', 'prow']) {
      await client.raw({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: namespace } } });
    }
    for (const crd of gitToolCrds()) await send(crd, '/apis/apiextensions.k8s.io/v1/customresourcedefinitions');
  });

  afterAll(async () => {
    await client.close();
    await sandbox.close();
  });

  const collection = (object: KubeObject): string => collectionOf(object, object.metadata.namespace ?? '') ?? '';

  it.each(titled)('$title is accepted', async ({ object }) => {
    await expect.poll(() => client.raw({ method: 'GET', path: collection(object) }).then(Boolean, () => false)).toBe(true);
    expect(await send(object, collection(object))).toMatchObject({ metadata: { name: object.metadata.name } });
  });

  it.each(titled)('$title with a field that does not exist is not', async ({ object }) => {
    const wrong = { ...object, metadata: { ...object.metadata, name: 'wrong' }, spec: { ...object.spec, intervall: '1m' } };
    await expect(send(wrong, collection(object))).rejects.toThrow(/unknown field "spec.intervall"/);
  });
});

describe('what they point at', () => {
  it('is in this repository', () => {
    const paths = [...valuesOf('path', ofTools), ...valuesOf('chart', ofTools)].filter(
      (value) => typeof value === 'string' && !value.includes('{{'),
    );
    expect(paths).toHaveLength(7);
    for (const each of paths as string[]) expect(globSync(each, { cwd: repository }), each).not.toEqual([]);
  });

  it('is another of the examples', () => {
    const names = (kind: string): readonly string[] =>
      examples.filter((object) => object.kind === kind).map(({ metadata }) => metadata.name);
    for (const { kind, name } of [...valuesOf('sourceRef', ofTools)] as { kind: string; name: string }[])
      expect(names(kind)).toContain(name);
    for (const { name } of [...valuesOf('dependsOn', ofTools)].flat() as { name: string }[]) expect(names('Kustomization')).toContain(name);
    for (const account of valuesOf('serviceAccountName', ofTools)) expect(names('ServiceAccount')).toContain(account);
    for (const project of valuesOf('project', ofTools)) expect(['default', ...names('AppProject')]).toContain(project);
    for (const namespace of valuesOf('targetNamespace', ofTools)) expect(names('Namespace')).toContain(namespace);
  });

  it('every team has a folder, and Flux looks after each', () => {
    const teams = [...new Set(filesIn('teams/*/*.yaml').map((file) => path.dirname(file)))];
    const looked = [...valuesOf('path', ofTools)].filter((value) => String(value).startsWith('./examples/gitops/teams/'));
    expect(looked.sort()).toEqual(teams.map((team) => `./examples/gitops/${team}`));
  });
});

describe('the values for the chart', () => {
  const sets = [
    ...valuesOf('valuesObject', ofTools),
    ...ofTools.filter(({ kind }) => kind === 'HelmRelease').map(({ spec }) => spec?.values),
  ];

  it.each(sets.map((values) => ({ values })))('$values render', ({ values }) => {
    const dir = mkdtempSync(path.join(tmpdir(), 'gitops-values-'));
    try {
      const file = path.join(dir, 'values.yaml');
      writeFileSync(file, stringify(values));
      const text = renderChart({ chart: path.join(repository, 'charts/prow-operator'), namespace: 'prow', valuesFiles: [file] });
      expect(text).toContain('kind: Deployment');
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('are given by both', () => {
    expect(sets).toHaveLength(2);
  });
});

describe('the jobs of the teams', () => {
  const files = filesIn('teams/*/*.yaml');

  it.each(files)('%s is valid', (file) => {
    const { problems, checked } = validateManifests([{ file, text: readFileSync(path.join(root, file), 'utf8') }]);
    expect(problems).toEqual([]);
    expect(checked).toBeGreaterThan(0);
  });

  it('are of kinds that the project and the rights for Flux let them declare, and name no namespace', () => {
    const declared = files.flatMap(load);
    const project = examples.find(({ kind }) => kind === 'AppProject');
    const allowed = project?.spec?.namespaceResourceWhitelist as readonly { readonly kind: string }[];
    const rules = examples.find(({ kind }) => kind === 'ClusterRole') as unknown as {
      readonly rules: readonly { readonly resources: readonly string[] }[];
    };
    const rights = rules.rules.flatMap(({ resources }) => resources);
    for (const { kind = '', metadata } of declared) {
      expect(allowed.map((each) => each.kind)).toContain(kind);
      expect(rights).toContain(`${kind.toLowerCase()}s`);
      expect(metadata.namespace).toBeUndefined();
    }
    expect(rights).not.toContain('prowjobs');
  });

  it('the guide shows what is there', () => {
    const guide = readFileSync(path.join(repository, 'docs/guide/gitops.md'), 'utf8');
    const linked = [...guide.matchAll(/\]\((?!http)([^)#]+)/g)].map(([, target = '']) => target);
    expect(linked.length).toBeGreaterThan(3);
    for (const target of linked) expect(existsSync(path.join(repository, 'docs/guide', target)), target).toBe(true);
  });
});
