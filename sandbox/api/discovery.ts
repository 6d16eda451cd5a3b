/**
 * What the server serves, said in both of Kubernetes' ways: the legacy documents (/api, /apis, one per group version) and the aggregated
 * APIGroupDiscoveryList v2 that kubectl asks for in its Accept header. A pure function of the resources served at this moment.
 */
import { apiVersionOf } from '../../operator/kube/resource.ts';
import type { ResourceInfo, SubresourceInfo } from './resourceInfo.ts';

export interface DiscoveryAnswer {
  readonly contentType: string;
  readonly body: unknown;
}

const json = 'application/json';
const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** The discovery document at a path (without query), or undefined where none is. Resources come in the order they are to be listed. */
export function discovery(path: string, accept: string | undefined, resources: readonly ResourceInfo[]): DiscoveryAnswer | undefined {
  const clean = path.replace(/\/$/, '');
  const groups = groupsOf(resources);
  if (clean === '/api' || clean === '/apis') {
    const core = clean === '/api';
    if (wantsAggregated(accept)) return { contentType: aggregatedType, body: aggregated(groups, core) };
    return { contentType: json, body: core ? coreVersions(groups) : groupList(groups) };
  }
  const match = /^\/(?:api\/(v\w+)|apis\/([^/]+)(?:\/([^/]+))?)$/.exec(clean);
  if (match === null) return undefined;
  const [, coreVersion, groupName, version] = match;
  const group = groups.find((candidate) => candidate.name === (groupName ?? ''));
  if (group === undefined) return undefined;
  if (coreVersion === undefined && version === undefined) {
    return { contentType: json, body: { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(group) } };
  }
  const served = group.versions.get(coreVersion ?? version ?? '');
  return served === undefined ? undefined : { contentType: json, body: resourceList(served) };
}

interface Group {
  readonly name: string;
  /** Preferred version first. */
  readonly versions: ReadonlyMap<string, readonly ResourceInfo[]>;
}

function groupsOf(resources: readonly ResourceInfo[]): readonly Group[] {
  const groups = new Map<string, Map<string, ResourceInfo[]>>();
  for (const info of resources) {
    const versions = groups.get(info.group) ?? new Map<string, ResourceInfo[]>();
    groups.set(info.group, versions);
    versions.set(info.version, [...(versions.get(info.version) ?? []), info]);
  }
  return [...groups].map(([name, versions]) => ({ name, versions: new Map([...versions].sort(([a], [b]) => compareVersions(a, b))) }));
}

/** Kubernetes' version order: v2 before v1 before v1beta2 before v1alpha1 before anything else. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [versionRank(a), versionRank(b)];
  for (let i = 0; i < left.length; i++) {
    const difference = (right[i] ?? 0) - (left[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function versionRank(version: string): readonly number[] {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (match === null) return [0, 0, 0];
  const stability = match[2] === undefined ? 3 : match[2] === 'beta' ? 2 : 1;
  return [stability, Number(match[1]), Number(match[3] ?? 0)];
}

const wantsAggregated = (accept: string | undefined): boolean =>
  (accept ?? '').split(',').some((part) => {
    const parameters = part.split(';').map((parameter) => parameter.trim());
    return parameters.includes('g=apidiscovery.k8s.io') && parameters.includes('v=v2') && parameters.includes('as=APIGroupDiscoveryList');
  });

const coreVersions = (groups: readonly Group[]): unknown => ({
  kind: 'APIVersions',
  versions: [...(groups.find((group) => group.name === '')?.versions.keys() ?? [])],
  serverAddressByClientCIDRs: [],
});

const groupList = (groups: readonly Group[]): unknown => ({
  kind: 'APIGroupList',
  apiVersion: 'v1',
  groups: groups.filter((group) => group.name !== '').map(apiGroup),
});

function apiGroup(group: Group): { readonly name: string; readonly versions: readonly unknown[]; readonly preferredVersion: unknown } {
  const versions = [...group.versions.keys()].map((version) => ({ groupVersion: `${group.name}/${version}`, version }));
  return { name: group.name, versions, preferredVersion: versions[0] };
}

function resourceList(resources: readonly ResourceInfo[]): unknown {
  const [firstInfo] = resources;
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: firstInfo === undefined ? '' : apiVersionOf(firstInfo),
    resources: resources.flatMap((info) => [
      ...(info.verbs.length === 0
        ? []
        : [
            {
              name: info.plural,
              singularName: info.singular,
              namespaced: info.namespaced,
              kind: info.kind,
              verbs: info.verbs,
              ...(info.shortNames.length === 0 ? {} : { shortNames: info.shortNames }),
              ...(info.categories.length === 0 ? {} : { categories: info.categories }),
            },
          ]),
      ...info.subresources.map((sub) => ({
        name: `${info.plural}/${sub.name}`,
        singularName: '',
        namespaced: info.namespaced,
        ...(sub.version === undefined ? {} : { group: sub.group ?? '', version: sub.version }),
        kind: sub.kind,
        verbs: sub.verbs,
      })),
    ]),
  };
}

const aggregated = (groups: readonly Group[], core: boolean): unknown => ({
  kind: 'APIGroupDiscoveryList',
  apiVersion: 'apidiscovery.k8s.io/v2',
  metadata: {},
  items: groups
    .filter((group) => (group.name === '') === core)
    .map((group) => ({
      metadata: { ...(group.name === '' ? {} : { name: group.name }), creationTimestamp: null },
      versions: [...group.versions].map(([version, resources]) => ({
        version,
        freshness: 'Current',
        resources: resources.map(aggregatedResource),
      })),
    })),
});

const aggregatedResource = (info: ResourceInfo): unknown => ({
  resource: info.plural,
  responseKind: { group: info.group, version: info.version, kind: info.kind },
  scope: info.namespaced ? 'Namespaced' : 'Cluster',
  singularResource: info.singular,
  verbs: info.verbs,
  ...(info.shortNames.length === 0 ? {} : { shortNames: info.shortNames }),
  ...(info.categories.length === 0 ? {} : { categories: info.categories }),
  ...(info.subresources.length === 0 ? {} : { subresources: info.subresources.map((sub) => aggregatedSubresource(info, sub)) }),
});

const aggregatedSubresource = (info: ResourceInfo, sub: SubresourceInfo): unknown => ({
  subresource: sub.name,
  responseKind: { group: sub.group ?? info.group, version: sub.version ?? info.version, kind: sub.kind },
  verbs: sub.verbs,
});
