/**
 * The built-in resources as a table: a kind that is only stored is one line. Rules of pods and namespaces are in their strategies.
 */
import { coreEventStrategy, eventToCore, eventToEventsV1, newEventStrategy } from './eventForms.ts';
import { crdStrategy } from '../controllers/customResources.ts';
import { podStrategy } from './podStrategy.ts';
import type { FieldError, ResourceInfo, Strategy, SubresourceInfo, Verb } from './resourceInfo.ts';
import { asObject, equalJson, field, isObject } from './json.ts';
import { badRequest, forbiddenField, invalidValue, required } from './failure.ts';
import type { StoredObject } from '../storage/storage.ts';

const allVerbs: readonly Verb[] = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const statusVerbs: readonly Verb[] = ['get', 'patch', 'update'];

type Extra = Partial<
  Pick<
    ResourceInfo,
    | 'shortNames'
    | 'categories'
    | 'verbs'
    | 'subresources'
    | 'bucket'
    | 'hasGeneration'
    | 'requiresResourceVersion'
    | 'selectableFields'
    | 'strategy'
    | 'toServed'
    | 'toStored'
  >
>;

/** @param address "group/version" or "version" of the core group */
function builtin(address: string, kind: string, plural: string, namespaced: boolean, extra: Extra = {}): ResourceInfo {
  const slash = address.indexOf('/');
  const group = slash < 0 ? '' : address.slice(0, slash);
  return {
    group,
    version: address.slice(slash + 1),
    kind,
    plural,
    namespaced,
    singular: kind.toLowerCase(),
    listKind: `${kind}List`,
    shortNames: [],
    categories: [],
    verbs: allVerbs,
    columns: [],
    subresources: [],
    bucket: plural,
    hasGeneration: false,
    requiresResourceVersion: false,
    selectableFields: [],
    ...extra,
  };
}

const status = (kind: string): SubresourceInfo => ({ name: 'status', kind, verbs: statusVerbs });

const namespaceStrategy: Strategy = {
  prepare(object, old, subresource) {
    const meta = object.metadata as Record<string, unknown>;
    meta.labels = { ...asObject(meta.labels), 'kubernetes.io/metadata.name': meta.name };
    if (old === undefined) {
      object.spec = { finalizers: ['kubernetes'] };
      object.status = { phase: 'Active' };
    } else if (subresource !== 'finalize') object.spec = old.spec;
  },
};

/** ConfigMaps and Secrets: `immutable` cannot be taken back, and then nothing else may change. */
function immutableErrors(object: StoredObject, old: StoredObject | undefined): readonly FieldError[] {
  if (old?.immutable !== true) return [];
  const text = 'field is immutable when `immutable` is set';
  const changed = ['data', 'binaryData'].filter((name) => !equalJson(object[name], old[name]));
  return [...(object.immutable === true ? [] : ['immutable']), ...changed].map((name) => forbiddenField(name, text));
}

const keyText =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

function keyErrors(path: string, data: unknown): readonly FieldError[] {
  return Object.keys(asObject(data)).flatMap((key) => {
    const at = `${path}[${key}]`;
    if (key.length > 253) return [invalidValue(at, key, 'must be no more than 253 characters')];
    if (!/^[-._a-zA-Z0-9]+$/.test(key)) return [invalidValue(at, key, keyText)];
    if (key === '.') return [invalidValue(at, key, "must not be '.'")];
    return key.startsWith('..') ? [invalidValue(at, key, key === '..' ? "must not be '..'" : "must not start with '..'")] : [];
  });
}

const maxDataBytes = 1024 * 1024;

/** The bytes of the values; those of `encoded` maps are base64. */
function sizeErrors(path: string, plain: unknown, encoded: unknown): readonly FieldError[] {
  const sum = (data: unknown, encoding: BufferEncoding): number =>
    Object.values(asObject(data)).reduce<number>((size, value) => size + Buffer.byteLength(String(value), encoding), 0);
  if (sum(plain, 'utf8') + sum(encoded, 'base64') <= maxDataBytes) return [];
  return [{ path, type: 'FieldValueTooLong', message: `Too long: may not be more than ${maxDataBytes} bytes` }];
}

const configMapStrategy: Strategy = {
  validate(object, old) {
    const binary = asObject(object.binaryData);
    const both = Object.keys(asObject(object.data)).filter((key) => Object.hasOwn(binary, key));
    return [
      ...keyErrors('data', object.data),
      ...both.map((key) => invalidValue(`data[${key}]`, key, 'duplicate of key present in binaryData')),
      ...keyErrors('binaryData', binary),
      ...sizeErrors('[]', object.data, binary),
      ...immutableErrors(object, old),
    ];
  },
};

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const secretStrategy: Strategy = {
  prepare(object) {
    object.type ??= 'Opaque';
    for (const value of Object.values(asObject(object.data))) {
      if (typeof value === 'string' && base64.test(value.replace(/[\r\n]/g, ''))) continue;
      throw badRequest('Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0');
    }
    if (!isObject(object.stringData)) return;
    const encoded = Object.entries(object.stringData).map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')] as const);
    object.data = { ...asObject(object.data), ...Object.fromEntries(encoded) };
    delete object.stringData;
  },
  validate(object, old) {
    const errors = [...keyErrors('data', object.data), ...sizeErrors('data', {}, object.data), ...immutableErrors(object, old)];
    const changed = old !== undefined && old.type !== object.type;
    return changed ? [...errors, invalidValue('type', object.type, 'field is immutable')] : errors;
  },
};

/** metav1.MicroTime is read in one form only. */
function checkMicroTime(value: unknown): void {
  if (
    value === undefined ||
    value === null ||
    (typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$/.test(value))
  )
    return;
  const form = '2006-01-02T15:04:05.000000Z07:00';
  throw badRequest(`Lease in version "v1" cannot be handled as a Lease: parsing time ${JSON.stringify(value)} as "${form}"`);
}

const leaseStrategy: Strategy = {
  prepare(object) {
    for (const name of ['acquireTime', 'renewTime']) checkMicroTime(field(object.spec, name));
  },
  validate(object) {
    const seconds = field(object.spec, 'leaseDurationSeconds');
    if (typeof seconds !== 'number' || seconds > 0) return [];
    return [invalidValue('spec.leaseDurationSeconds', seconds, 'must be greater than 0')];
  },
};

const bindingStrategy: Strategy = {
  prepare(object) {
    const ref = asObject(object.roleRef);
    if (isObject(object.roleRef)) object.roleRef = { apiGroup: 'rbac.authorization.k8s.io', ...ref };
  },
  validate(object, old) {
    if (!isObject(object.roleRef)) return [required('roleRef')];
    const same = old === undefined || JSON.stringify(old.roleRef) === JSON.stringify(object.roleRef);
    return same ? [] : [invalidValue('roleRef', object.roleRef, 'cannot change roleRef')];
  },
};

const rbac = 'rbac.authorization.k8s.io/v1';
const eventFields = ['reason', 'type', 'reportingController'];

export const builtins: readonly ResourceInfo[] = [
  builtin('v1', 'Namespace', 'namespaces', false, {
    shortNames: ['ns'],
    subresources: [status('Namespace'), { name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
    selectableFields: ['status.phase'],
    strategy: namespaceStrategy,
  }),
  builtin('v1', 'Pod', 'pods', true, {
    shortNames: ['po'],
    categories: ['all'],
    subresources: [
      status('Pod'),
      { name: 'log', kind: 'Pod', verbs: ['get'] },
      { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
    ],
    hasGeneration: true,
    selectableFields: ['status.phase', 'spec.nodeName', 'spec.restartPolicy', 'spec.serviceAccountName', 'status.podIP'],
    strategy: podStrategy,
  }),
  builtin('v1', 'Node', 'nodes', false, { shortNames: ['no'], subresources: [status('Node')], selectableFields: ['spec.unschedulable'] }),
  builtin('v1', 'Secret', 'secrets', true, { selectableFields: ['type'], strategy: secretStrategy }),
  builtin('v1', 'ConfigMap', 'configmaps', true, { shortNames: ['cm'], strategy: configMapStrategy }),
  builtin('v1', 'ServiceAccount', 'serviceaccounts', true, { shortNames: ['sa'] }),
  builtin('v1', 'Service', 'services', true, {
    shortNames: ['svc'],
    categories: ['all'],
    subresources: [status('Service')],
    selectableFields: ['spec.clusterIP', 'spec.type'],
  }),
  builtin('v1', 'Endpoints', 'endpoints', true, { shortNames: ['ep'] }),
  builtin('v1', 'Event', 'events', true, {
    shortNames: ['ev'],
    selectableFields: [
      ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((name) => `involvedObject.${name}`),
      ...['reason', 'type', 'source', 'reportingComponent'],
    ],
    strategy: coreEventStrategy,
  }),
  builtin('events.k8s.io/v1', 'Event', 'events', true, {
    shortNames: ['ev'],
    selectableFields: [
      ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((name) => `regarding.${name}`),
      ...eventFields,
    ],
    toServed: eventToEventsV1,
    toStored: eventToCore,
    strategy: newEventStrategy,
  }),
  builtin('coordination.k8s.io/v1', 'Lease', 'leases', true, { requiresResourceVersion: true, strategy: leaseStrategy }),
  builtin(rbac, 'Role', 'roles', true),
  builtin(rbac, 'RoleBinding', 'rolebindings', true, { strategy: bindingStrategy }),
  builtin(rbac, 'ClusterRole', 'clusterroles', false),
  builtin(rbac, 'ClusterRoleBinding', 'clusterrolebindings', false, { strategy: bindingStrategy }),
  builtin('scheduling.k8s.io/v1', 'PriorityClass', 'priorityclasses', false, { shortNames: ['pc'] }),
  builtin('authorization.k8s.io/v1', 'SelfSubjectAccessReview', 'selfsubjectaccessreviews', false, { verbs: ['create'] }),
  builtin('authorization.k8s.io/v1', 'SelfSubjectRulesReview', 'selfsubjectrulesreviews', false, { verbs: ['create'] }),
  builtin('authorization.k8s.io/v1', 'SubjectAccessReview', 'subjectaccessreviews', false, { verbs: ['create'] }),
  builtin('authorization.k8s.io/v1', 'LocalSubjectAccessReview', 'localsubjectaccessreviews', true, { verbs: ['create'] }),
  builtin('authentication.k8s.io/v1', 'SelfSubjectReview', 'selfsubjectreviews', false, { verbs: ['create'] }),
  builtin('authentication.k8s.io/v1', 'TokenReview', 'tokenreviews', false, { verbs: ['create'] }),
  builtin('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', false, {
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    subresources: [status('CustomResourceDefinition')],
    hasGeneration: true,
    requiresResourceVersion: true,
    strategy: crdStrategy,
  }),
];
