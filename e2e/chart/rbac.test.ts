/** The chart gives the operator exactly the rights that it uses: it is watched while it does everything it can do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildClusters, periodicBackfills, periodics, periodicSets, pluginConfigs, prowJobs } from '../../crds/resources.ts';
import { apiVersion } from '../../crds/v1/common.ts';
import { label, annotation } from '../../operator/jobs/labels.ts';
import { runNowAnnotation } from '../../operator/jobs/periodicRun.ts';
import { pods, type Pod } from '../../operator/kube/builtin.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { one, render, type Manifest } from './chart.ts';
import { eventually, permissionOf, startOperatorOnSandbox, type OperatorOnSandbox } from './operatorOnSandbox.ts';

/** Rights that no request of the scene below shows, and why the chart gives them. */
const unseen = new Map([
  ['patch prow.k8s.io/prowjobs', 'a schedule with concurrencyPolicy Replace asks its earlier run to end; none of this scene does'],
  [
    'update prow.k8s.io/periodics/finalizers',
    'the admission plugin OwnerReferencesPermissionEnforcement asks for it: runs block the deletion of their Periodic',
  ],
  ['update prow.k8s.io/periodicbackfills/finalizers', 'the same plugin asks for it: the runs of a backfill block its deletion'],
  ['update prow.k8s.io/periodicsets/finalizers', 'the same plugin asks for it: the Periodics of a set block its deletion'],
  ['patch /pods', "the finalizer of Prow's reporter is taken off pods that are lost; nothing sets it in this scene"],
  ['patch events.k8s.io/events', 'an Event that happens again is counted on the first, minutes later'],
]);

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const rightsOf = (manifest: Manifest): readonly string[] =>
  (manifest.rules as readonly Rule[]).flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`))),
  );

const sorted = (rights: Iterable<string>): readonly string[] => [...new Set(rights)].sort();

const job = (name: string): KubeObject =>
  ({
    apiVersion,
    kind: 'ProwJob',
    metadata: { namespace: 'default', name },
    spec: { type: 'periodic', agent: 'kubernetes', cluster: 'default', job: name, pod_spec: shell },
  }) as KubeObject;
const shell = { containers: [{ name: 'test', image: 'busybox', command: ['/bin/true'] }] };

const pod = (name: string, metadata: Partial<KubeObject['metadata']>): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...metadata, namespace: 'default', name },
  spec: { containers: [{ name: 'test', image: 'busybox', command: ['/bin/sleep', '300'] }], terminationGracePeriodSeconds: 0 },
});

describe('the rights of the operator', () => {
  let world: OperatorOnSandbox;

  beforeAll(async () => {
    world = await startOperatorOnSandbox({ cleanup: { prowJobTTL: '1s', podTTL: '1ms', orphanAge: '1ms' } });
  }, 60_000);
  afterAll(() => world.close());

  const gone = (type: ResourceType, name: string) => async (): Promise<boolean> => {
    try {
      await world.client.get(type, { namespace: 'default', name });
      return false;
    } catch (error) {
      return isNotFound(error);
    }
  };

  it('are those that the roles of a cluster-wide release give', async () => {
    const { client, used } = world;
    await client.create(pods, pod('taken', {}));
    await client.create<KubeObject>(prowJobs, job('taken'));
    await client.create<KubeObject>(prowJobs, job('plain'));
    await client.create<KubeObject>(periodics, {
      apiVersion,
      kind: 'Periodic',
      metadata: { namespace: 'default', name: 'nightly', annotations: { [runNowAnnotation]: 'now' } },
      spec: { cron: '@every 8760h', jobTemplate: { spec: { pod_spec: shell } } },
    } as KubeObject);
    const set = (cron: string, regions: readonly string[]): KubeObject =>
      ({
        apiVersion,
        kind: 'PeriodicSet',
        metadata: { namespace: 'default', name: 'e2e' },
        spec: {
          matrix: { region: regions },
          template: { metadata: { name: 'e2e-${region}' }, spec: { cron, jobTemplate: { spec: { pod_spec: shell } } } },
        },
      }) as KubeObject;
    await client.create<KubeObject>(periodicSets, set('@every 8760h', ['eu', 'us']));
    await eventually('the Periodics of the set', async () => !(await gone(periodics, 'e2e-us')()));
    await client.patch<KubeObject>(periodicSets, { namespace: 'default', name: 'e2e' }, mergePatch(set('@every 8759h', ['eu'])));
    await eventually('the Periodic that left the set to be deleted', gone(periodics, 'e2e-us'));
    await client.create<KubeObject>(periodicBackfills, {
      apiVersion,
      kind: 'PeriodicBackfill',
      metadata: { namespace: 'default', name: 'again' },
      spec: { periodic: 'nightly', from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' },
    } as KubeObject);
    await client.create<KubeObject>(pluginConfigs, {
      apiVersion,
      kind: 'PluginConfig',
      metadata: { namespace: 'default', name: 'org' },
      spec: { repos: ['example/app'], plugins: ['trigger'] },
    } as KubeObject);
    await client.create<KubeObject>(buildClusters, {
      apiVersion,
      kind: 'BuildCluster',
      metadata: { namespace: 'default', name: 'other' },
      spec: { alias: 'other', kubeconfigSecretRef: { name: 'other', key: 'kubeconfig' } },
    } as KubeObject);
    const orphan = { labels: { [label.createdByProw]: 'true' }, annotations: { [annotation.run]: 'default/unknown' } };
    await client.create(pods, pod('orphan', orphan));
    await eventually('the orphan to be deleted', gone(pods, 'orphan'));
    await eventually('the runs to be deleted', gone(prowJobs, 'plain'));
    for (const seen of [
      'patch prow.k8s.io/periodics',
      'patch prow.k8s.io/periodicsets/status',
      'patch prow.k8s.io/periodicbackfills/status',
      'patch prow.k8s.io/pluginconfigs/status',
      'patch prow.k8s.io/buildclusters/status',
      'watch /secrets',
      'update coordination.k8s.io/leases',
    ]) {
      await eventually(seen, () => Promise.resolve(used.has(seen)));
    }
    await eventually('the end of the run whose pod had its name taken', gone(prowJobs, 'taken'));

    const manifests = render({ set: ['crds.install=false', 'buildClusters.enabled=true'] });
    const granted = [one(manifests, 'ClusterRole', 'prow-operator.ci'), one(manifests, 'Role', 'prow-operator-leader')].flatMap(rightsOf);
    expect(sorted(used).filter((right) => !granted.includes(right))).toEqual([]);
    expect(sorted(granted).filter((right) => !used.has(right))).toEqual(sorted(unseen.keys()));
  }, 60_000);

  it('are the same in one namespace, by Roles alone', () => {
    const wide = rightsOf(one(render(), 'ClusterRole', 'prow-operator.ci'));
    const manifests = render({ set: ['watchNamespace=team', 'crds.install=false'] });
    const role = one(manifests, 'Role', 'prow-operator');
    expect(rightsOf(role)).toEqual(wide);
    expect(role.metadata.namespace).toBe('team');
    expect(manifests.filter(({ kind }) => kind.startsWith('Cluster'))).toEqual([]);
  });

  it('to read secrets are given only for build clusters, by name where names are given', () => {
    const secretRules = (set: readonly string[]): readonly unknown[] =>
      (one(render({ set: [...set, 'crds.install=false'] }), 'ClusterRole', 'prow-operator.ci').rules as readonly Rule[]).filter(
        ({ resources }) => resources.includes('secrets'),
      );
    expect(secretRules([])).toEqual([]);
    const rule = { apiGroups: [''], resources: ['secrets'], verbs: ['list', 'watch'] };
    expect(secretRules(['buildClusters.enabled=true'])).toEqual([rule]);
    const names = ['buildClusters.enabled=true', 'buildClusters.secretNames={gpu-kubeconfig,arm-kubeconfig}'];
    expect(secretRules(names)).toEqual([{ ...rule, resourceNames: ['gpu-kubeconfig', 'arm-kubeconfig'] }]);
  });

  it('of the lease are for that one lease', () => {
    const { rules } = one(render({ set: ['settings.leaderElection.name=mine'] }), 'Role', 'prow-operator-leader');
    expect(rules).toContainEqual({
      apiGroups: ['coordination.k8s.io'],
      resources: ['leases'],
      resourceNames: ['mine'],
      verbs: ['get', 'update'],
    });
  });

  it('of the leases of shards are for each of them, and for that of all', () => {
    const { rules } = one(render({ set: ['settings.leaderElection.shards=3'] }), 'Role', 'prow-operator-leader');
    expect(rules).toContainEqual({
      apiGroups: ['coordination.k8s.io'],
      resources: ['leases'],
      resourceNames: ['prow-operator', 'prow-operator-shard-0', 'prow-operator-shard-1', 'prow-operator-shard-2'],
      verbs: ['get', 'update'],
    });
  });

  it('never hold a wildcard', () => {
    for (const manifest of render().filter(({ kind }) => kind.endsWith('Role'))) expect(rightsOf(manifest).join()).not.toContain('*');
  });
});

describe('permissionOf', () => {
  it.each([
    ['GET', '/api/v1/pods?watch=true&labelSelector=a', 'watch /pods'],
    ['GET', '/apis/prow.k8s.io/v1/prowjobs?limit=500', 'list prow.k8s.io/prowjobs'],
    ['GET', '/api/v1/namespaces/a/pods/b', 'get /pods'],
    ['PATCH', '/apis/prow.k8s.io/v1/namespaces/a/prowjobs/b/status', 'patch prow.k8s.io/prowjobs/status'],
    ['PUT', '/apis/coordination.k8s.io/v1/namespaces/a/leases/b', 'update coordination.k8s.io/leases'],
    ['DELETE', '/api/v1/namespaces/a/pods', 'deletecollection /pods'],
    ['DELETE', '/api/v1/namespaces/a', 'delete /namespaces'],
  ])('%s %s needs %s', (method, url, right) => {
    expect(permissionOf({ method, url })).toBe(right);
  });
});
