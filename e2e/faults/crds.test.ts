/**
 * The definition of a kind is removed while the operator works, with all its objects, and put back: the operator says so and stays, all
 * other kinds go on, and when the kind is there again its objects are looked after as before.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiVersion } from '../../crds/v1/common.ts';
import { buildClusters, periodicBackfills, periodics, periodicSets, pluginConfigs, prowJobs } from '../../crds/resources.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { forever, periodic, prowJob, rarely, shellPod } from '../scenarios/manifests.ts';
import { Arena, definitionOf, definitions, namespace, until, type Running } from './arena.ts';

let arena: Arena;
let running: Running;
beforeAll(async () => {
  arena = await Arena.open();
  running = await arena.start('operator', { settings: { cleanup: { orphanAge: '1s' } } });
});
afterAll(() => arena.close());

interface Row {
  readonly type: ResourceType<KubeObject & { readonly status?: unknown }>;
  readonly object: (name: string) => KubeObject;
}

const pod_spec = shellPod('true');
const rows = [
  { type: prowJobs, object: (name: string) => prowJob(name, forever) },
  { type: periodics, object: (name: string) => periodic(name, 'true', { cron: rarely }) },
  {
    type: periodicSets,
    object: (name: string) => ({
      apiVersion,
      kind: 'PeriodicSet',
      metadata: { name },
      spec: {
        matrix: { a: ['x'] },
        template: { metadata: { name: `${name}-\${a}` }, spec: { cron: rarely, jobTemplate: { spec: { pod_spec } } } },
      },
    }),
  },
  {
    type: periodicBackfills,
    object: (name: string) => ({
      apiVersion,
      kind: 'PeriodicBackfill',
      metadata: { name },
      spec: { periodic: 'nobody', from: '2025-01-01T00:00:00Z', to: '2025-01-02T00:00:00Z' },
    }),
  },
  {
    type: pluginConfigs,
    object: (name: string) => ({ apiVersion, kind: 'PluginConfig', metadata: { name }, spec: { repos: ['org'], plugins: ['lgtm'] } }),
  },
  {
    type: buildClusters,
    object: (name: string) => ({
      apiVersion,
      kind: 'BuildCluster',
      metadata: { name },
      spec: { alias: name, kubeconfigSecretRef: { name: 'none', key: 'kubeconfig' } },
    }),
  },
] as unknown as readonly Row[];

const isServed = (type: ResourceType): Promise<boolean> =>
  arena.client.list(type, { limit: 1 }).then(
    () => true,
    (error: unknown) => {
      if (isNotFound(error)) return false;
      throw error;
    },
  );

/** The operator has written something about it. */
async function lookedAfter({ type, object }: Row, name: string): Promise<void> {
  await arena.apply(type, object(name));
  await until(`${type.plural}/${name} to be looked after`, async () => {
    const { status } = await arena.client.get(type, { namespace, name });
    return status !== undefined && status !== null && Object.keys(status).length > 0 && !JSON.stringify(status).includes('Unknown');
  });
}

let controls = 0;
async function expectOthersGoOn(): Promise<void> {
  const name = `control-${(controls += 1)}`;
  await arena.apply(prowJobs, prowJob(name, 'true'));
  expect(await arena.endOf(name)).toBe('success Succeeded');
}

describe('a kind that is removed and put back', () => {
  it.each(rows)('$type.kind', { timeout: 60_000 }, async (row) => {
    const { type } = row;
    await lookedAfter(row, 'before');
    const said = running.logger.lines.length;
    const definition = definitionOf(type);
    await arena.client.delete(definitions, { namespace: '', name: definition.metadata.name });
    await until(`${type.plural} to be gone`, async () => !(await isServed(type)));
    await until('the operator to say so', () =>
      running.logger.lines
        .slice(said)
        .some(({ level, fields }) => level === 'warn' && fields.resource === type.plural && fields.cause === 'missing'),
    );
    if (type.kind === 'ProwJob')
      await until('the pods of runs to go', async () => (await arena.client.list(pods, { namespace })).items.length === 0);
    else await expectOthersGoOn();
    await arena.client.create(definitions, definition);
    await until(`${type.plural} to be served`, () => isServed(type));
    await lookedAfter(row, 'after');
    await expectOthersGoOn();
    expect(running.operator.kit.manager.phase).toBe('leading');
    expect(running.logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
