/** What the chart adds where the settings name an archive: two rights, and a disk for logs on their way. And nothing where they do not. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { prowJobs } from '../../crds/resources.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { one, render, type Manifest } from './chart.ts';
import { eventually, startOperatorOnSandbox } from './operatorOnSandbox.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const rightsOf = (manifest: Manifest): readonly string[] =>
  (manifest.rules as readonly Rule[]).flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`))),
  );

const on = { set: ['settings.archive.location=s3://results', 'crds.install=false'] };
const roleOf = (manifests: readonly Manifest[]): readonly string[] => rightsOf(one(manifests, 'ClusterRole', 'prow-operator.ci'));

it('gives the rights that keeping results uses, and no more than those', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'prow-chart-archive-'));
  const world = await startOperatorOnSandbox({ archive: { location: `file://${dir}/results`, spoolDir: dir } });
  try {
    const pod_spec = { containers: [{ name: 'test', image: 'busybox', command: ['/bin/echo', 'hello'] }] };
    const run: ProwJob = { metadata: { namespace: 'default', name: 'kept' }, spec: { type: 'periodic', job: 'kept', pod_spec } };
    await world.client.create(prowJobs, { apiVersion: 'prow.k8s.io/v1', kind: 'ProwJob', ...run });
    await eventually('the results to be kept', async () => {
      const { status } = await world.client.get(prowJobs, { namespace: 'default', name: 'kept' });
      return status?.conditions?.some(({ type, status: holds }) => type === 'Archived' && holds === 'True') ?? false;
    });
    const added = roleOf(render(on)).filter((right) => !roleOf(render()).includes(right));
    expect(added).toEqual(['get /pods/log', 'list /events']);
    expect(added.filter((right) => !world.used.has(right))).toEqual([]);
    expect([...world.used].filter((right) => right.endsWith('/pods/log') || right === 'list /events').sort()).toEqual(added);
  } finally {
    await world.close();
    await rm(dir, { recursive: true });
  }
}, 60_000);

it('gives the spool a disk of its own with a limit', () => {
  interface PodTemplate {
    readonly template: {
      readonly spec: {
        readonly volumes: readonly { readonly name: string; readonly emptyDir?: { readonly sizeLimit?: string } }[];
        readonly containers: readonly [{ readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[] }];
      };
    };
  }
  const podOf = (manifests: readonly Manifest[]): PodTemplate['template']['spec'] =>
    (one(manifests, 'Deployment', 'prow-operator') as unknown as { readonly spec: PodTemplate }).spec.template.spec;
  const manifests = render(on);
  expect(podOf(manifests).volumes.find(({ name }) => name === 'spool')).toEqual({ name: 'spool', emptyDir: { sizeLimit: '10Gi' } });
  expect(podOf(manifests).containers[0].volumeMounts).toContainEqual({ name: 'spool', mountPath: '/spool' });
  const settings = one(manifests, 'ConfigMap', 'prow-operator').data as Readonly<Record<string, string>>;
  expect(settings['settings.yaml']).toContain('spoolDir: /spool');
  expect(podOf(render()).volumes.map(({ name }) => name)).not.toContain('spool');
});
