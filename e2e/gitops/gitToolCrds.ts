/**
 * Small stand-ins for the CRDs of Argo CD and Flux: only the fields that the examples use, under their names and with their types, so that a
 * misspelt or misplaced field is refused. The real ones say more; the examples were checked against those of Argo CD 3 and Flux 2.7 by type.
 */
import type { KubeObject } from '../../operator/kube/objects.ts';

interface Schema {
  readonly type: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
}

const text: Schema = { type: 'string' };
const flag: Schema = { type: 'boolean' };
const count: Schema = { type: 'integer' };
const anything: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const list = (items: Schema): Schema => ({ type: 'array', items });
const oneOf = (...values: readonly string[]): Schema => ({ type: 'string', enum: values });
const object = (properties: Readonly<Record<string, Schema>>, ...required: readonly string[]): Schema => ({
  type: 'object',
  properties,
  required,
});
/** As Flux writes durations. */
const duration: Schema = { type: 'string', pattern: '^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$' };

const syncPolicy = object({
  automated: object({ prune: flag, selfHeal: flag }),
  syncOptions: list(text),
  retry: object({ limit: count, backoff: object({ duration: text, factor: count, maxDuration: text }) }),
});
const helm = object({ releaseName: text, valuesObject: anything });
const source = object({ repoURL: text, targetRevision: text, path: text, helm }, 'repoURL');
const destination = object({ server: text, namespace: text, name: text });
const applicationSpec = object({ project: text, source, destination, syncPolicy }, 'project', 'destination');
const kinds = list(object({ group: text, kind: text }, 'group', 'kind'));
const remediation = object({ retries: count, remediateLastFailure: flag });
const sourceRef = object(
  { kind: oneOf('GitRepository', 'OCIRepository', 'HelmRepository', 'Bucket'), name: text, namespace: text },
  'kind',
  'name',
);
const chart = object({ chart: text, reconcileStrategy: oneOf('ChartVersion', 'Revision'), sourceRef }, 'chart', 'sourceRef');

interface ToolKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly spec: Schema;
}

const kindsOfTools: readonly ToolKind[] = [
  { group: 'argoproj.io', version: 'v1alpha1', kind: 'Application', plural: 'applications', spec: applicationSpec },
  {
    group: 'argoproj.io',
    version: 'v1alpha1',
    kind: 'ApplicationSet',
    plural: 'applicationsets',
    spec: object(
      {
        goTemplate: flag,
        goTemplateOptions: list(text),
        generators: list(
          object({
            git: object({ repoURL: text, revision: text, directories: list(object({ path: text }, 'path')) }, 'repoURL', 'revision'),
          }),
        ),
        syncPolicy: object({ preserveResourcesOnDeletion: flag }),
        template: object({ metadata: object({ name: text }), spec: applicationSpec }, 'metadata', 'spec'),
      },
      'generators',
      'template',
    ),
  },
  {
    group: 'argoproj.io',
    version: 'v1alpha1',
    kind: 'AppProject',
    plural: 'appprojects',
    spec: object({
      description: text,
      sourceRepos: list(text),
      destinations: list(destination),
      clusterResourceWhitelist: kinds,
      namespaceResourceWhitelist: kinds,
    }),
  },
  {
    group: 'source.toolkit.fluxcd.io',
    version: 'v1',
    kind: 'GitRepository',
    plural: 'gitrepositories',
    spec: object(
      { interval: duration, url: { type: 'string', pattern: '^(http|https|ssh)://.*$' }, ref: object({ branch: text }) },
      'interval',
      'url',
    ),
  },
  {
    group: 'kustomize.toolkit.fluxcd.io',
    version: 'v1',
    kind: 'Kustomization',
    plural: 'kustomizations',
    spec: object(
      {
        dependsOn: list(object({ name: text, namespace: text }, 'name')),
        interval: duration,
        timeout: duration,
        path: text,
        targetNamespace: text,
        serviceAccountName: text,
        prune: flag,
        wait: flag,
        sourceRef,
      },
      'interval',
      'prune',
      'sourceRef',
    ),
  },
  {
    group: 'helm.toolkit.fluxcd.io',
    version: 'v2',
    kind: 'HelmRelease',
    plural: 'helmreleases',
    spec: object(
      {
        interval: duration,
        timeout: duration,
        releaseName: text,
        chart: object({ spec: chart }, 'spec'),
        install: object({ remediation }),
        upgrade: object({ remediation }),
        driftDetection: object({ mode: oneOf('enabled', 'warn', 'disabled') }),
        values: anything,
      },
      'interval',
    ),
  },
];

export const gitToolCrds = (): readonly KubeObject[] =>
  kindsOfTools.map(({ group, version, kind, plural, spec }) => {
    const openAPIV3Schema = object({ apiVersion: text, kind: text, metadata: { type: 'object' }, spec, status: anything }, 'spec');
    const names = { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() };
    const crd: KubeObject & { readonly spec: object } = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.${group}` },
      spec: { group, names, scope: 'Namespaced', versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema } }] },
    };
    return crd;
  });

/** The path of the collection of such an object; undefined for kinds of others. */
export function collectionOf({ apiVersion, kind }: KubeObject, namespace: string): string | undefined {
  const found = kindsOfTools.find((each) => each.kind === kind && `${each.group}/${each.version}` === apiVersion);
  return found === undefined ? undefined : `/apis/${found.group}/${found.version}/namespaces/${namespace}/${found.plural}`;
}
