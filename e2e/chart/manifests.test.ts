/** What the chart renders, for each of the value sets in ci/: valid for Kubernetes, consistent in itself, and careful about security. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from 'kubernetes-models/admissionregistration.k8s.io/v1';
import { CustomResourceDefinition } from 'kubernetes-models/apiextensions.k8s.io/v1';
import { Deployment } from 'kubernetes-models/apps/v1';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import { ConfigMap, Pod, Service, ServiceAccount } from 'kubernetes-models/v1';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { loadSettings } from '../../operator/config/loadSettings.ts';
import { staleChartFiles } from '../../tools/chart.ts';
import { kubernetesTool } from '../../tools/helm.ts';
import { chartDir, ciValues, crdChartDir, jobPodOf, one, podSpecsOf, render, renderText, valueSets } from './chart.ts';
import type { Manifest, PodSpecOf, RenderChoice } from './chart.ts';

type Model = new (data: never) => { validate(): void };
const models = new Map<string, Model>(
  Object.entries({
    'apps/v1/Deployment': Deployment,
    'v1/ConfigMap': ConfigMap,
    'v1/Pod': Pod,
    'v1/Service': Service,
    'v1/ServiceAccount': ServiceAccount,
    'policy/v1/PodDisruptionBudget': PodDisruptionBudget,
    'networking.k8s.io/v1/NetworkPolicy': NetworkPolicy,
    'apiextensions.k8s.io/v1/CustomResourceDefinition': CustomResourceDefinition,
    'rbac.authorization.k8s.io/v1/Role': Role,
    'rbac.authorization.k8s.io/v1/RoleBinding': RoleBinding,
    'rbac.authorization.k8s.io/v1/ClusterRole': ClusterRole,
    'rbac.authorization.k8s.io/v1/ClusterRoleBinding': ClusterRoleBinding,
    'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy': ValidatingAdmissionPolicy,
    'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicyBinding': ValidatingAdmissionPolicyBinding,
  }),
);

const idOf = ({ apiVersion, kind, metadata }: Manifest): string => `${apiVersion}/${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
const chartYaml = readFileSync(path.join(chartDir, 'Chart.yaml'), 'utf8');

describe.each(['default', ...valueSets])('the chart with the values %s', (set) => {
  const manifests = (): readonly Manifest[] => render(set === 'default' ? {} : { valuesFiles: [ciValues(set)] });
  const pods = (): readonly PodSpecOf[] => manifests().flatMap(podSpecsOf);

  it('passes helm lint --strict', () => {
    const values = set === 'default' ? [] : ['--values', ciValues(set)];
    expect(execFileSync(kubernetesTool('helm'), ['lint', '--strict', chartDir, ...values], { encoding: 'utf8' })).toContain(
      '0 chart(s) failed',
    );
  });

  it("is valid by Kubernetes' own schemas", () => {
    for (const manifest of manifests()) {
      const model = models.get(`${manifest.apiVersion}/${manifest.kind}`);
      if (manifest.apiVersion.startsWith('monitoring.coreos.com/')) continue;
      if (model === undefined) throw new Error(`no schema for ${idOf(manifest)}`);
      expect(() => new model(manifest as never).validate(), idOf(manifest)).not.toThrow();
    }
  });

  it('has no two objects of one name', () => {
    const ids = manifests().map(idOf);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  it('is rendered the same twice', () => {
    const choice = set === 'default' ? {} : { valuesFiles: [ciValues(set)] };
    expect(renderText(choice)).toBe(renderText(choice));
  });

  it('pins every image', () => {
    const jobs = pods().flatMap(jobPodOf);
    for (const { where, spec } of [...pods(), ...jobs]) {
      for (const { image } of [...spec.containers, ...(spec.initContainers ?? [])]) {
        expect(image, where).toMatch(/(:[A-Za-z0-9_][-.A-Za-z0-9_]*|@sha256:[0-9a-f]{64})$/);
        expect(image, where).not.toMatch(/:latest$/);
      }
    }
  });

  it('runs its own containers at the Pod Security level restricted', () => {
    for (const { where, spec } of pods()) {
      expect(spec, where).not.toHaveProperty('hostNetwork');
      expect(spec.securityContext, where).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(spec.containers[0]?.securityContext, where).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(spec.containers[0]?.securityContext, where).not.toHaveProperty('runAsUser');
    }
    for (const { spec } of pods().flatMap(jobPodOf)) {
      expect(spec.containers[0]?.securityContext).toMatchObject({ allowPrivilegeEscalation: false, runAsNonRoot: true });
    }
  });

  it('gives every container requests and a limit of memory', () => {
    for (const { where, spec } of [...pods(), ...pods().flatMap(jobPodOf)]) {
      for (const { resources } of spec.containers) {
        expect(resources?.requests, where).toMatchObject({ cpu: expect.anything(), memory: expect.anything() });
        expect(resources?.limits, where).toMatchObject({ memory: expect.anything() });
      }
    }
  });

  it('selects with every selector the pods that it means', () => {
    const template = one(manifests(), 'Deployment').spec.template.metadata.labels as Readonly<Record<string, string>>;
    const test = manifests().find(({ kind }) => kind === 'Pod')?.metadata.labels ?? {};
    const selectors = manifests().flatMap(podSelectorsOf);
    expect(selectors.length).toBeGreaterThan(0);
    for (const { where, selector } of selectors) {
      expect(template, where).toMatchObject(selector);
      expect(test, `${where} and the test's pod`).not.toMatchObject(selector);
    }
  });

  it('gives the operator settings that it takes', () => {
    const text = one(manifests(), 'ConfigMap', one(manifests(), 'Deployment').metadata.name).data['settings.yaml'] as string;
    const settings = loadSettings(text, 'settings.yaml');
    const port = one(manifests(), 'Deployment').spec.template.spec.containers[0].ports[0].containerPort as number;
    expect(settings.server.port).toBe(port);
    expect(settings.leaderElection.name).toBe(one(manifests(), 'Deployment').metadata.name);
  });

  it('labels everything as Helm and Kubernetes advise', () => {
    const own = manifests().filter(({ metadata }) => !/-(more|text)$/.test(metadata.name));
    for (const { kind, metadata } of own) {
      expect(metadata.labels, `${kind} ${metadata.name}`).toMatchObject({
        'app.kubernetes.io/instance': 'prow-operator',
        'app.kubernetes.io/managed-by': 'Helm',
        'app.kubernetes.io/part-of': 'prow-operator',
      });
    }
  });
});

function podSelectorsOf(manifest: Manifest): readonly { readonly where: string; readonly selector: Readonly<Record<string, string>> }[] {
  const selector = new Map<string, unknown>([
    ['Deployment', manifest.spec?.selector?.matchLabels],
    ['PodDisruptionBudget', manifest.spec?.selector?.matchLabels],
    ['NetworkPolicy', manifest.spec?.podSelector?.matchLabels],
    ['PodMonitor', manifest.spec?.selector?.matchLabels],
    ['Service', manifest.spec?.selector],
  ]).get(manifest.kind);
  return selector === undefined ? [] : [{ where: manifest.kind, selector: selector as Readonly<Record<string, string>> }];
}

describe('the chart', () => {
  it('renders by default what was reviewed', async () => {
    const manifests = render().filter(({ kind }) => kind !== 'CustomResourceDefinition');
    const text = manifests.map((manifest) => stringify(manifest, { lineWidth: 0, sortMapEntries: true })).join('---\n');
    await expect(text).toMatchFileSnapshot('snapshots/default.yaml.snap');
  });

  it('holds nothing twice that could differ', () => {
    expect(staleChartFiles()).toEqual([]);
  });

  it('uses no function whose answer changes from one rendering to the next', () => {
    const templates = path.join(chartDir, 'templates');
    const files = readdirSync(templates, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(yaml|tpl|txt)$/.test(file));
    expect(files.length).toBeGreaterThan(10);
    for (const file of files) {
      const text = readFileSync(path.join(templates, file), 'utf8');
      expect(text, file).not.toMatch(
        /\b(lookup|now|date|uuidv4|randAlpha\w*|randNumeric|randBytes|gen(CA|SignedCert|SelfSignedCert|PrivateKey)|derivePassword)\b(?=[ )|])/,
      );
    }
  });

  it('is of the version of the program', () => {
    expect(chartYaml).toContain(`appVersion: ${packageJson.version}\n`);
    expect(readFileSync(path.join(crdChartDir, 'Chart.yaml'), 'utf8')).toContain(`appVersion: ${packageJson.version}\n`);
  });

  it.each([
    [
      'two releases in one namespace',
      { chart: chartDir, set: ['fullnameOverride=one'] },
      { chart: chartDir, set: ['fullnameOverride=two'] },
    ],
    ['one release in each of two namespaces', { namespace: 'one' }, { namespace: 'two' }],
    ['two teams', { namespace: 'one', set: ['watchNamespace=one'] }, { namespace: 'two', set: ['watchNamespace=two'] }],
  ] satisfies [string, RenderChoice, RenderChoice][])(
    'has other names for %s',
    (_what: string, first: RenderChoice, second: RenderChoice) => {
      const everything = [
        'admissionPolicy.enabled=true',
        'networkPolicy.enabled=true',
        'metrics.dashboards.enabled=true',
        'crds.install=false',
      ];
      const [left, right] = [first, second].map((choice) => render({ ...choice, set: [...(choice.set ?? []), ...everything] }).map(idOf));
      expect(left?.filter((id) => right?.includes(id))).toEqual([]);
    },
  );

  it('keeps the leases of two releases apart', () => {
    const nameOf = (name: string): unknown => {
      const manifests = render({ set: [`fullnameOverride=${name}`] });
      return loadSettings(one(manifests, 'ConfigMap').data['settings.yaml'] as string, '').leaderElection.name;
    };
    expect([nameOf('one'), nameOf('two')]).toEqual(['one', 'two']);
  });

  it('puts no more than Roles, and nothing without a namespace, into a release for one namespace', () => {
    const manifests = render({ valuesFiles: [ciValues('namespaced')] });
    expect(manifests.filter(({ metadata }) => metadata.namespace === undefined).map(idOf)).toEqual([]);
    expect(one(manifests, 'Deployment').spec.template.spec.containers[0].args).toContain('--namespace=team');
  });

  it('takes images from the registry of the parent chart, by digest', () => {
    const [{ spec }] = render({ valuesFiles: [ciValues('airgapped')] }).flatMap(podSpecsOf) as [PodSpecOf];
    expect(spec.containers[0]?.image).toMatch(/^registry\.internal:5000\/mirror\/ci\/prow-operator@sha256:/);
    expect(spec.imagePullSecrets).toEqual([{ name: 'mirror' }]);
  });

  it.each([
    ['512Mi', 75, '--max-old-space-size=384'],
    ['1Gi', 75, '--max-old-space-size=768'],
    ['1G', 50, '--max-old-space-size=476'],
    ['2Ti', 75, '--max-old-space-size=1572864'],
    ['268435456', 75, '--max-old-space-size=192'],
    ['512Mi', 0, undefined],
  ])('gives the heap its share of %s: %i %%', (memory, heapPercent, expected) => {
    const set = [`resources.limits.memory=${memory}`, `heapPercent=${heapPercent}`];
    const [{ spec }] = render({ set: [...set, 'crds.install=false', 'test.enabled=false'] }).flatMap(podSpecsOf) as [PodSpecOf];
    expect(spec.containers[0]?.env?.find(({ name }) => name === 'NODE_OPTIONS')?.value).toBe(expected);
  });

  it('has no disruption budget for one replica, since it would block every drain', () => {
    const kinds = render({ set: ['replicaCount=1'] }).map(({ kind }) => kind);
    expect(kinds).not.toContain('PodDisruptionBudget');
    expect(render().map(({ kind }) => kind)).toContain('PodDisruptionBudget');
  });

  it('gives view, edit and admin their share of the kinds', () => {
    const rights = new Map<string, string[]>();
    for (const { kind, metadata, rules } of render()) {
      for (const [name, value] of Object.entries(metadata.labels ?? {})) {
        const to = /aggregate-to-(\w+)$/.exec(name)?.[1];
        if (kind !== 'ClusterRole' || to === undefined || value !== 'true') continue;
        for (const { resources, verbs } of rules as { resources: string[]; verbs: string[] }[]) {
          rights.set(to, [...(rights.get(to) ?? []), ...resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`))]);
        }
      }
    }
    expect(rights.get('view')?.filter((right) => !/^(get|list|watch) /.test(right))).toEqual([]);
    expect(rights.get('edit')).toEqual(expect.arrayContaining(['create periodics', 'delete prowjobs', 'list buildclusters']));
    expect(rights.get('edit')).not.toContain('create buildclusters');
    expect(rights.get('admin')).toContain('create buildclusters');
  });

  it('lets in whom the network policy names, and the pod of helm test beside them', () => {
    const from = 'networkPolicy.ingressFrom[0].namespaceSelector.matchLabels.name=monitoring';
    const { spec } = one(render({ set: ['networkPolicy.enabled=true', from, 'crds.install=false'] }), 'NetworkPolicy');
    const [{ from: peers, ports }] = spec.ingress as [{ from: readonly unknown[]; ports: readonly unknown[] }];
    const test = { podSelector: { matchLabels: expect.objectContaining({ 'app.kubernetes.io/component': 'test' }) } };
    expect(peers).toEqual([{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }, test]);
    expect(ports).toEqual([{ port: 'metrics', protocol: 'TCP' }]);
  });

  it('lets the operator out to the API server and to name resolution alone', () => {
    const { spec } = one(render({ valuesFiles: [ciValues('airgapped')] }), 'NetworkPolicy');
    expect(spec.policyTypes).toEqual(['Ingress', 'Egress']);
    const toServer = { to: [{ ipBlock: { cidr: '10.96.0.1/32' } }, { ipBlock: { cidr: '10.0.0.0/24' } }], ports: [443, 6443].map(tcp) };
    expect(spec.egress).toEqual([toServer]);
    const byDefault = one(render({ set: ['networkPolicy.enabled=true', 'crds.install=false'] }), 'NetworkPolicy');
    expect(byDefault.spec.egress).toEqual([{ ports: [443, 6443].map(tcp) }, { ports: [{ port: 53, protocol: 'UDP' }, tcp(53)] }]);
  });
});

const tcp = (port: number): unknown => ({ port, protocol: 'TCP' });
