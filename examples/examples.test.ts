/**
 * The small examples as a user meets them: valid, applied to an embedded cluster, and carried out by an operator in a process of its own.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { customResourceDefinitions } from '../crds/definitions.ts';
import { periodics, pluginConfigs, prowJobs } from '../crds/resources.ts';
import type { PluginConfig } from '../crds/v1/pluginConfig.ts';
import type { Periodic } from '../crds/v1/periodic.ts';
import type { ProwJob } from '../crds/v1/prowJob.ts';
import { validateManifests } from '../crds/validate.ts';
import { KubeClient } from '../operator/kube/client.ts';
import { PooledKubeConfig } from '../operator/kube/kubeConfig.ts';
import type { KubeObject } from '../operator/kube/objects.ts';
import type { ResourceType } from '../operator/kube/resource.ts';
import { UndiciTransport } from '../operator/kube/transport.ts';
import { startSandbox, type Sandbox } from '../sandbox/sandbox.ts';

const here = import.meta.dirname;
const files = ['first-periodic/periodic.yaml', 'prowjob/prowjob.yaml', 'pluginconfig/pluginconfig.yaml'];
const read = (file: string): string => readFileSync(path.join(here, file), 'utf8');

it.each(files)('%s is valid', (file) => {
  const { problems, checked } = validateManifests([{ file, text: read(file) }]);
  expect(problems).toEqual([]);
  expect(checked).toBeGreaterThan(0);
});

const crds: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};
const namespace = 'default';

/** Asks again until the answer fits; the test's own time limit ends it. */
async function until<T>(look: () => Promise<T>, fits: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await look();
    if (fits(value)) return value;
    await wait(50);
  }
}

describe('on an embedded cluster', () => {
  let sandbox: Sandbox;
  let operator: ChildProcess;
  let transport: UndiciTransport;
  let client: KubeClient;

  const apply = async <T extends KubeObject>(type: ResourceType<T>, file: string): Promise<T[]> => {
    const objects = parseAllDocuments(read(file)).map((document) => document.toJS() as T);
    return Promise.all(objects.map((object) => client.create(type, { ...object, metadata: { ...object.metadata, namespace } })));
  };

  beforeAll(async () => {
    sandbox = await startSandbox({});
    transport = new UndiciTransport(PooledKubeConfig.load({ path: sandbox.kubeconfigPath }));
    client = new KubeClient({ transport });
    await Promise.all(customResourceDefinitions().map((crd) => client.create(crds, crd as unknown as KubeObject)));
    await until(
      () => client.list(prowJobs).catch(() => undefined),
      (list) => list !== undefined,
    );
    const entry = path.join(here, '..', 'bin', 'prow-operator.mjs');
    const settings = path.join(here, 'testing', 'settings.yaml');
    operator = spawn(process.execPath, [entry, 'run', '--kubeconfig', sandbox.kubeconfigPath, '--settings', settings], { stdio: 'ignore' });
  });

  afterAll(async () => {
    const exited = once(operator, 'exit');
    operator.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    await transport.close();
    await sandbox.close();
  });

  const logOf = (run: ProwJob): Promise<string> => client.text(`/api/v1/namespaces/${namespace}/pods/${run.status?.pod_name ?? ''}/log`);

  it('prowjob/ runs once and prints what it was told', async () => {
    const [made] = await apply<ProwJob>(prowJobs, 'prowjob/prowjob.yaml');
    const key = { namespace, name: made!.metadata.name };
    const run = await until(
      () => client.get<ProwJob>(prowJobs, key),
      ({ status }) => status?.completionTime !== undefined,
    );
    expect(run.status).toMatchObject({ state: 'success', reason: 'Succeeded' });
    expect(await logOf(run)).toBe(`run ${key.name} of hello, build ${run.status?.build_id ?? ''}\n`);
  });

  it('first-periodic/ runs at once, prints the date and knows when it runs next', async () => {
    await apply<Periodic>(periodics, 'first-periodic/periodic.yaml');
    const runs = await until(
      () => client.list<ProwJob>(prowJobs, { namespace, labelSelector: 'prow.k8s.io/job=echo-test' }),
      ({ items }) => items[0]?.status?.completionTime !== undefined,
    );
    expect(runs.items).toMatchObject([{ status: { state: 'success' } }]);
    expect(await logOf(runs.items[0]!)).toMatch(/\d\d:\d\d:\d\d/);
    const { status } = await client.get<Periodic>(periodics, { namespace, name: 'echo-test' });
    const [next, later] = (status?.nextScheduleTimes ?? []).map((time) => Date.parse(time));
    expect(later! - next!).toBe(10 * 60_000);
  });

  it('pluginconfig/ adds up for the repository that both name', async () => {
    await apply<PluginConfig>(pluginConfigs, 'pluginconfig/pluginconfig.yaml');
    const widget = await until(
      () => client.get<PluginConfig>(pluginConfigs, { namespace, name: 'acme-widget' }),
      ({ status }) => (status?.resolved?.[0]?.plugins?.length ?? 0) > 1,
    );
    expect(widget.status?.problems ?? []).toEqual([]);
    expect(widget.status?.resolved).toEqual([
      { repo: 'acme/widget', plugins: expect.arrayContaining(['approve', 'lgtm', 'release-note', 'trigger']) },
    ]);
  });
});
