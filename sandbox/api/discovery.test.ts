import { describe, expect, test } from 'vitest';
import { compareVersions, discovery } from './discovery.ts';
import { openapi } from './openapi.ts';
import type { ResourceInfo } from './resourceInfo.ts';

const resource = (fields: Partial<ResourceInfo> & Pick<ResourceInfo, 'group' | 'version' | 'plural' | 'kind'>): ResourceInfo => ({
  namespaced: true,
  singular: fields.kind.toLowerCase(),
  listKind: `${fields.kind}List`,
  shortNames: [],
  categories: [],
  verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
  columns: [],
  subresources: [],
  bucket: fields.plural,
  hasGeneration: false,
  requiresResourceVersion: false,
  selectableFields: [],
  ...fields,
});

const status = { name: 'status', kind: 'Pod', verbs: ['get', 'patch', 'update'] } as const;
const eviction = { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] } as const;
const pods = resource({
  group: '',
  version: 'v1',
  plural: 'pods',
  kind: 'Pod',
  shortNames: ['po'],
  categories: ['all'],
  subresources: [status, eviction],
});
const openAPIV3Schema = {
  type: 'object',
  description: 'A thing.',
  properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } },
};
const thing = (version: string): ResourceInfo =>
  resource({ group: 'example.com', version, plural: 'things', kind: 'Thing', openAPIV3Schema });
const served = [pods, thing('v1beta1'), thing('v1')];
const kubectlAccept =
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json';

describe('legacy discovery', () => {
  test.each([
    ['/api', { kind: 'APIVersions', versions: ['v1'] }],
    [
      '/apis',
      { kind: 'APIGroupList', groups: [{ name: 'example.com', preferredVersion: { groupVersion: 'example.com/v1', version: 'v1' } }] },
    ],
    ['/apis/example.com', { kind: 'APIGroup', name: 'example.com', versions: [{ version: 'v1' }, { version: 'v1beta1' }] }],
    [
      '/apis/example.com/v1',
      { kind: 'APIResourceList', groupVersion: 'example.com/v1', resources: [{ name: 'things', singularName: 'thing', namespaced: true }] },
    ],
    [
      '/api/v1',
      {
        kind: 'APIResourceList',
        groupVersion: 'v1',
        resources: [
          { name: 'pods', shortNames: ['po'], categories: ['all'] },
          { name: 'pods/status' },
          { name: 'pods/eviction', group: 'policy', version: 'v1', kind: 'Eviction' },
        ],
      },
    ],
  ])('%s', (path, expected) => {
    const answer = discovery(path, 'application/json', served);
    expect(answer?.contentType).toBe('application/json');
    expect(answer?.body).toMatchObject(expected);
    expect(discovery(`${path}/`, undefined, served)).toEqual(answer);
  });

  test.each(['/apis/nothing', '/apis/example.com/v9', '/api/v2', '/apis/example.com/v1/things', '/other'])(
    '%s is not a document',
    (path) => {
      expect(discovery(path, undefined, served)).toBeUndefined();
    },
  );
});

describe('aggregated discovery', () => {
  test('answers the Accept header of kubectl, preferred version first', () => {
    const answer = discovery('/apis', kubectlAccept, served);
    expect(answer?.contentType).toBe('application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList');
    expect(answer?.body).toMatchObject({
      kind: 'APIGroupDiscoveryList',
      apiVersion: 'apidiscovery.k8s.io/v2',
      items: [
        {
          metadata: { name: 'example.com' },
          versions: [{ version: 'v1', resources: [{ resource: 'things', scope: 'Namespaced' }] }, { version: 'v1beta1' }],
        },
      ],
    });
  });

  test('lists subresources with the kind they answer', () => {
    expect(discovery('/api', kubectlAccept, served)?.body).toMatchObject({
      items: [
        {
          versions: [
            { resources: [{ subresources: [{ subresource: 'status' }, { subresource: 'eviction', responseKind: { group: 'policy' } }] }] },
          ],
        },
      ],
    });
  });

  test('an older form is answered with the legacy document', () => {
    const old = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json';
    expect(discovery('/apis', old, served)?.body).toMatchObject({ kind: 'APIGroupList' });
  });
});

test('versions sort as Kubernetes sorts them', () => {
  expect(['v1alpha1', 'foo', 'v1', 'v10', 'v2beta1', 'v2', 'v1beta10', 'v1beta2'].sort(compareVersions)).toEqual([
    'v10',
    'v2',
    'v1',
    'v2beta1',
    'v1beta10',
    'v1beta2',
    'v1alpha1',
    'foo',
  ]);
});

describe('OpenAPI v3', () => {
  const address = (resources: readonly ResourceInfo[]): string =>
    (openapi('/openapi/v3', resources) as { paths: Record<string, { serverRelativeURL: string }> }).paths['apis/example.com/v1']!
      .serverRelativeURL;

  test('the index names one document a group version, under a hash that changes with the schema', () => {
    expect(openapi('/openapi/v3', served)).toMatchObject({ paths: { 'api/v1': {}, 'apis/example.com/v1beta1': {} } });
    expect(address(served)).toMatch(/^\/openapi\/v3\/apis\/example\.com\/v1\?hash=[0-9A-F]{32}$/);
    expect(address([{ ...thing('v1'), openAPIV3Schema: { type: 'object' } }])).not.toBe(address(served));
  });

  test('a custom kind carries its schema, and its paths the parameters kubectl looks for', () => {
    const document = openapi('/openapi/v3/apis/example.com/v1', served) as {
      components: { schemas: Record<string, unknown> };
      paths: Record<string, { patch: { parameters: { name: string }[]; requestBody: { content: object } } }>;
    };
    expect(document.components.schemas['com.example.v1.Thing']).toMatchObject({
      description: 'A thing.',
      properties: { spec: { properties: { size: { type: 'integer' } } } },
      'x-kubernetes-group-version-kind': [{ group: 'example.com', version: 'v1', kind: 'Thing' }],
    });
    const { patch } = document.paths['/apis/example.com/v1/namespaces/{namespace}/things/{name}']!;
    expect(patch.parameters.map((parameter) => parameter.name)).toEqual(expect.arrayContaining(['dryRun', 'fieldValidation']));
    expect(Object.keys(patch.requestBody.content)).not.toContain('application/strategic-merge-patch+json');
  });

  test.each(['/openapi/v3/apis/nothing/v1', '/openapi/v2'])('%s is not served', (path) => expect(openapi(path, served)).toBeUndefined());
});
