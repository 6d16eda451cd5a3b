/** Every value set of the chart before a real API server (E2E_KUBECONFIG): a dry run with unknown fields refused. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubernetesTool } from '../../tools/helm.ts';
import { ciValues, jobPodOf, podSpecsOf, render, valueSets, type Manifest } from './chart.ts';

const kubeconfig = process.env.E2E_KUBECONFIG ?? '';
const home = 'chart-dry-run';
const prefix = 'chart-dry-run-';

const kubectl = (args: readonly string[], input: unknown): string =>
  execFileSync(kubernetesTool('kubectl'), ['--kubeconfig', kubeconfig, ...args], {
    encoding: 'utf8',
    input: JSON.stringify(input ?? null),
  });

/** The namespaces of the value sets may be somebody's: ours stand in for them. Names of monitoring kinds are unknown to a bare cluster. */
const asApplied = (manifests: readonly Manifest[]): readonly Manifest[] =>
  manifests
    .filter(({ apiVersion }) => !apiVersion.startsWith('monitoring.coreos.com/'))
    .map((manifest) => {
      const { namespace, ...metadata } = manifest.metadata;
      if (namespace === undefined && !/-more$|-text$/.test(metadata.name)) return manifest;
      const moved = { ...manifest, metadata: { ...metadata, namespace: namespaceFor(namespace ?? home) } };
      return manifest.kind === 'Pod' ? asTemplate(moved) : moved;
    });
/** A dry run makes no service account, and no pod is taken without one. */
const asTemplate = ({ spec, metadata }: Manifest): Manifest => ({
  apiVersion: 'v1',
  kind: 'PodTemplate',
  metadata,
  template: { metadata: {}, spec },
});

const namespaceFor = (namespace: string): string => (namespace === home ? home : `${prefix}${namespace}`);

describe.skipIf(kubeconfig === '')('a real API server', () => {
  const manifestsOf = (set: string): readonly Manifest[] =>
    asApplied(render({ namespace: home, ...(set === 'default' ? {} : { valuesFiles: [ciValues(set)] }) }));
  const sets = ['default', ...valueSets];
  const namespaces = (): readonly string[] => [
    ...new Set([home, ...sets.flatMap(manifestsOf).flatMap(({ metadata }) => metadata.namespace ?? [])]),
  ];
  const list = (items: readonly unknown[]): unknown => ({ apiVersion: 'v1', kind: 'List', items });
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  const namespaceList = (): unknown =>
    list(namespaces().map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })));

  beforeAll(() => void kubectl(['apply', '-f', '-'], namespaceList()), 60_000);
  afterAll(() => void kubectl(['delete', '--ignore-not-found', '--wait=false', '-f', '-'], namespaceList()), 60_000);

  it.each(sets)(
    'takes the chart with the values %s',
    (set) => {
      const manifests = manifestsOf(set);
      const args = ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--validate=strict', '-f', '-', '-o', 'name'];
      expect(kubectl(args, list(manifests)).trim().split('\n')).toHaveLength(manifests.length);
    },
    60_000,
  );

  it('takes the pods of the chart, and those of its test, where only the level restricted may run', () => {
    kubectl(['wait', '--for=create', '-n', home, 'serviceaccount/default', '--timeout=30s'], undefined);
    const pods = render({ namespace: home }).flatMap(podSpecsOf);
    expect(pods.map(({ where }) => where)).toEqual(['Deployment prow-operator', 'Pod prow-operator-test']);
    for (const { spec } of [...pods, ...pods.flatMap(jobPodOf)]) {
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'try', namespace: home },
        spec: { ...spec, serviceAccountName: 'default' },
      };
      expect(kubectl(['create', '--dry-run=server', '-f', '-', '-o', 'name'], pod)).toBe('pod/try\n');
    }
  });

  it('refuses what is not in the API, or this test would prove nothing', () => {
    const [deployment] = manifestsOf('default').filter(({ kind }) => kind === 'Deployment');
    const wrong = { ...deployment, spec: { ...(deployment?.spec as object), replica: 2 } };
    expect(() => kubectl(['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'], wrong)).toThrow('spec.replica');
  });
});
