/**
 * OpenAPI v3 as kubectl needs it: an index, and one document for each group version. Custom kinds carry their CRD's schema, so that
 * `kubectl explain` works; built-in kinds accept anything here (the server validates what it must). The paths say which query
 * parameters and patch types exist: that is how kubectl learns of server-side dry run and field validation. Strategic merge
 * patch is served for built-in kinds but not listed: kubectl would then compute patches from these bare schemas, not its own.
 */
import { createHash } from 'node:crypto';
import { apiVersionOf } from '../../operator/kube/resource.ts';
import type { ResourceInfo } from './resourceInfo.ts';

/** The document at a path (without query), or undefined where none is. OpenAPI v2 is not served: clients fall back. */
export function openapi(path: string, resources: readonly ResourceInfo[]): unknown {
  const byPath = Map.groupBy(resources, groupVersionPath);
  if (path === '/openapi/v3' || path === '/openapi/v3/') return index(byPath);
  const prefix = '/openapi/v3/';
  if (!path.startsWith(prefix)) return undefined;
  const key = path.slice(prefix.length).replace(/\/$/, '');
  const served = byPath.get(key);
  return served === undefined ? undefined : document(key, served);
}

const groupVersionPath = (info: ResourceInfo): string => (info.group === '' ? `api/${info.version}` : `apis/${info.group}/${info.version}`);

function index(byPath: ReadonlyMap<string, readonly ResourceInfo[]>): unknown {
  const paths = [...byPath].map(([key, served]) => [key, { serverRelativeURL: `/openapi/v3/${key}?hash=${hashOf(served)}` }]);
  return { paths: Object.fromEntries(paths) as unknown };
}

/** Changes when the schemas do; clients cache a document under its hash. */
function hashOf(resources: readonly ResourceInfo[]): string {
  const facts = resources.map((info) => [info.plural, info.kind, info.verbs, info.openAPIV3Schema ?? null]);
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 32).toUpperCase();
}

function document(key: string, resources: readonly ResourceInfo[]): unknown {
  const schemas: [string, unknown][] = [
    ['io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta', objectMeta],
    ['io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta', { type: 'object', properties: stringFields('resourceVersion', 'continue') }],
  ];
  const paths: (readonly [string, unknown])[] = [];
  for (const info of resources) {
    schemas.push([schemaName(info), kindSchema(info)], [`${schemaName(info)}List`, listSchema(info)]);
    paths.push(...pathsOf(key, info));
  }
  return {
    openapi: '3.0.0',
    info: { title: 'prow-operator sandbox', version: 'v1' },
    paths: Object.fromEntries(paths) as unknown,
    components: { schemas: Object.fromEntries(schemas) as unknown },
  };
}

const schemaName = (info: ResourceInfo): string =>
  `${info.group === '' ? 'io.k8s.api.core' : info.group.split('.').reverse().join('.')}.${info.version}.${info.kind}`;

const reference = (name: string): unknown => ({ $ref: `#/components/schemas/${name}` });

const stringFields = (...names: readonly string[]): unknown => Object.fromEntries(names.map((name) => [name, { type: 'string' }]));

const stringMap = { type: 'object', additionalProperties: { type: 'string', default: '' } };

const objectMeta = {
  type: 'object',
  description: "Standard object's metadata.",
  properties: {
    name: { type: 'string', description: 'Unique within the namespace.' },
    generateName: { type: 'string', description: 'Prefix of a name that the server makes unique.' },
    namespace: { type: 'string' },
    uid: { type: 'string' },
    resourceVersion: { type: 'string' },
    generation: { type: 'integer', format: 'int64' },
    creationTimestamp: { type: 'string', format: 'date-time' },
    deletionTimestamp: { type: 'string', format: 'date-time' },
    deletionGracePeriodSeconds: { type: 'integer', format: 'int64' },
    labels: stringMap,
    annotations: stringMap,
    finalizers: { type: 'array', items: { type: 'string' } },
    ownerReferences: { type: 'array', items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    managedFields: { type: 'array', items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
  },
};

const identity = (info: ResourceInfo, kind: string): unknown => [{ group: info.group, version: info.version, kind }];

const anything = { type: 'object', description: 'As in the Kubernetes API reference.', 'x-kubernetes-preserve-unknown-fields': true };
const builtinSchema: Readonly<Record<string, unknown>> = { ...anything, properties: { spec: anything, status: anything } };

function kindSchema(info: ResourceInfo): unknown {
  const schema = info.openAPIV3Schema ?? builtinSchema;
  const properties = (schema.properties ?? {}) as Readonly<Record<string, unknown>>;
  return {
    ...schema,
    properties: {
      ...properties,
      apiVersion: { type: 'string', description: 'Group and version of this representation of the object.' },
      kind: { type: 'string', description: 'The kind of object this is.' },
      metadata: { allOf: [reference('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta')], default: {} },
    },
    'x-kubernetes-group-version-kind': identity(info, info.kind),
  };
}

const listSchema = (info: ResourceInfo): unknown => ({
  type: 'object',
  required: ['items'],
  properties: {
    ...(stringFields('apiVersion', 'kind') as object),
    metadata: { allOf: [reference('io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta')], default: {} },
    items: { type: 'array', items: { allOf: [reference(schemaName(info))], default: {} } },
  },
  'x-kubernetes-group-version-kind': identity(info, info.listKind),
});

const query = (name: string, type = 'string'): unknown => ({ name, in: 'query', schema: { type, uniqueItems: true } });
const inPath = (name: string): unknown => ({ name, in: 'path', required: true, schema: { type: 'string', uniqueItems: true } });
const writeParameters = ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => query(name));
const listParameters = [
  ...['labelSelector', 'fieldSelector', 'continue', 'resourceVersion', 'resourceVersionMatch'].map((name) => query(name)),
  ...['limit', 'timeoutSeconds'].map((name) => query(name, 'integer')),
  ...['watch', 'allowWatchBookmarks', 'sendInitialEvents'].map((name) => query(name, 'boolean')),
];
const patchTypes = ['application/apply-patch+yaml', 'application/json-patch+json', 'application/merge-patch+json'];

function pathsOf(key: string, info: ResourceInfo): readonly (readonly [string, unknown])[] {
  const base = `/${key}${info.namespaced ? '/namespaces/{namespace}' : ''}/${info.plural}`;
  const scope = info.namespaced ? [inPath('namespace')] : [];
  const operation = operationsOf(info);
  const collection = {
    ...operation('list', 'get', 'list', listParameters),
    ...operation('create', 'post', 'post', writeParameters),
    ...operation('deletecollection', 'delete', 'deletecollection', listParameters),
    parameters: scope,
  };
  const single = {
    ...operation('get', 'get', 'get', []),
    ...operation('update', 'put', 'put', writeParameters),
    ...operation('patch', 'patch', 'patch', [...writeParameters, query('force', 'boolean')]),
    ...operation('delete', 'delete', 'delete', [query('dryRun'), query('gracePeriodSeconds', 'integer'), query('propagationPolicy')]),
    parameters: [...scope, inPath('name')],
  };
  return [
    [base, collection],
    [`${base}/{name}`, single],
  ];
}

/** Makes `{ [method]: operation }` when the resource has the verb, else `{}`. */
const operationsOf =
  (info: ResourceInfo) =>
  (
    verb: ResourceInfo['verbs'][number],
    method: string,
    action: string,
    parameters: readonly unknown[],
  ): Readonly<Record<string, unknown>> => {
    if (!info.verbs.includes(verb)) return {};
    const name = verb === 'list' ? `${schemaName(info)}List` : schemaName(info);
    const bodyTypes = verb === 'patch' ? patchTypes : ['application/json', 'application/yaml'];
    const hasBody = verb === 'create' || verb === 'update' || verb === 'patch';
    const body = { required: true, content: contents(bodyTypes, verb === 'patch' ? { type: 'object' } : reference(schemaName(info))) };
    return {
      [method]: {
        operationId: `${verb}${apiVersionOf(info)}${info.kind}`.replaceAll(/[^A-Za-z0-9]/g, ''),
        parameters,
        ...(hasBody ? { requestBody: body } : {}),
        responses: { '200': { description: 'OK', content: contents(['application/json'], reference(name)) } },
        'x-kubernetes-action': action,
        'x-kubernetes-group-version-kind': { group: info.group, version: info.version, kind: info.kind },
      },
    };
  };

const contents = (types: readonly string[], schema: unknown): unknown => Object.fromEntries(types.map((type) => [type, { schema }]));
