/** Pods: the defaults that show, the rules that users break, what may change later, and how long a deletion waits. */
import { ScenarioError, scenarioAnnotation, scenarioOf } from '../kubelet/scenario.ts';
import type { StoredObject } from '../storage/storage.ts';
import { badRequest, forbiddenField, invalidValue, required, unsupported } from './failure.ts';
import { asArray, asObject, equalJson, field, isObject } from './json.ts';
import type { JsonObject } from './json.ts';
import { dnsLabelErrors } from './objectMeta.ts';
import { admitPod } from './podAdmission.ts';
import type { FieldError, Strategy } from './resourceInfo.ts';

const defaultGraceSeconds = 30;

/** Always for the tag `latest`, given or meant; a digest or another tag does not change. */
function pullPolicy(image: string): string {
  const tag = /:([^:/@]+)$/.exec(image)?.[1] ?? 'latest';
  return tag === 'latest' && !image.includes('@') ? 'Always' : 'IfNotPresent';
}

function defaultContainer(container: unknown): void {
  if (!isObject(container)) return;
  container.imagePullPolicy ??= pullPolicy(typeof container.image === 'string' ? container.image : '');
  container.terminationMessagePath ??= '/dev/termination-log';
  container.terminationMessagePolicy ??= 'File';
  container.resources ??= {};
  defaultResources(container.resources);
  for (const port of asArray(container.ports)) if (isObject(port)) port.protocol ??= 'TCP';
  for (const env of asArray(container.env)) {
    const ref = field(field(env, 'valueFrom'), 'fieldRef');
    if (isObject(ref)) ref.apiVersion ??= 'v1';
  }
}

const quantity = /^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$/;
const quantityText = `quantities must match the regular expression '${quantity.source}'`;

/** Amounts are text, and a limit without a request is also the request. */
function defaultResources(resources: unknown): void {
  if (!isObject(resources)) return;
  for (const list of [resources.limits, resources.requests].filter(isObject)) {
    for (const [name, amount] of Object.entries(list)) {
      const text = typeof amount === 'number' ? String(amount) : amount;
      if (typeof text !== 'string' || !quantity.test(text))
        throw badRequest(`Pod in version "v1" cannot be handled as a Pod: ${quantityText}`);
      list[name] = text;
    }
  }
  if (isObject(resources.limits)) resources.requests = { ...resources.limits, ...asObject(resources.requests) };
}

const volumeSourceDefaults = new Map([
  ['secret', 420],
  ['configMap', 420],
  ['projected', 420],
  ['downwardAPI', 420],
]);

function defaultVolume(volume: unknown): void {
  if (!isObject(volume)) return;
  for (const [source, mode] of volumeSourceDefaults) {
    const value = volume[source];
    if (isObject(value)) value.defaultMode ??= mode;
  }
  if (Object.keys(volume).length === 1) volume.emptyDir = {};
}

function defaultSpec(spec: JsonObject): void {
  spec.restartPolicy ??= 'Always';
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.schedulerName ??= 'default-scheduler';
  spec.terminationGracePeriodSeconds ??= defaultGraceSeconds;
  spec.securityContext ??= {};
  spec.enableServiceLinks ??= true;
  if (spec.serviceAccountName === undefined)
    spec.serviceAccountName = typeof spec.serviceAccount === 'string' ? spec.serviceAccount : 'default';
  spec.serviceAccount = spec.serviceAccountName;
  for (const container of [...asArray(spec.initContainers), ...asArray(spec.containers)]) defaultContainer(container);
  for (const volume of asArray(spec.volumes)) defaultVolume(volume);
}

/** Guaranteed, Burstable or BestEffort, from requests and limits of all containers. */
function qosClass(spec: Readonly<JsonObject>): string {
  const all = [...asArray(spec.initContainers), ...asArray(spec.containers)].map((container) => asObject(field(container, 'resources')));
  const named = (resources: Readonly<JsonObject>, list: string): Readonly<JsonObject> => asObject(resources[list]);
  if (all.every((r) => Object.keys(named(r, 'requests')).length === 0 && Object.keys(named(r, 'limits')).length === 0)) return 'BestEffort';
  const guaranteed = all.every((resources) =>
    ['cpu', 'memory'].every((name) => {
      const limit = named(resources, 'limits')[name];
      const request = named(resources, 'requests')[name];
      return limit !== undefined && (request === undefined || request === limit);
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

const envNameText = "a valid environment variable name must consist only of printable ASCII characters other than '='";

function portErrors(path: string, ports: readonly unknown[]): readonly FieldError[] {
  return ports.flatMap((port, i) => {
    const at = `${path}[${i}].containerPort`;
    const number = field(port, 'containerPort') ?? 0;
    if (number === 0) return [required(at)];
    const good = typeof number === 'number' && number >= 1 && number <= 65_535;
    return good ? [] : [invalidValue(at, number, 'must be between 1 and 65535, inclusive')];
  });
}

function containerErrors(path: string, container: unknown, volumes: ReadonlySet<unknown>): readonly FieldError[] {
  const errors: FieldError[] = [];
  const name = field(container, 'name');
  if (typeof name !== 'string' || name === '') errors.push(required(`${path}.name`));
  else errors.push(...dnsLabelErrors(`${path}.name`, name));
  const image = field(container, 'image');
  if (typeof image !== 'string' || image === '') errors.push(required(`${path}.image`));
  const messages = field(container, 'terminationMessagePolicy');
  const messagePolicies = ['File', 'FallbackToLogsOnError'];
  if (!messagePolicies.includes(String(messages))) errors.push(unsupported(`${path}.terminationMessagePolicy`, messages, messagePolicies));
  errors.push(...portErrors(`${path}.ports`, asArray(field(container, 'ports'))));
  const pullPolicy = field(container, 'imagePullPolicy');
  const pullPolicies = ['Always', 'IfNotPresent', 'Never'];
  if (!pullPolicies.includes(String(pullPolicy))) errors.push(unsupported(`${path}.imagePullPolicy`, pullPolicy, pullPolicies));
  asArray(field(container, 'env')).forEach((env, i) => {
    const envName = field(env, 'name');
    if (typeof envName !== 'string' || envName === '') errors.push(required(`${path}.env[${i}].name`));
    else if (!/^[ -<>-~]+$/.test(envName)) errors.push(invalidValue(`${path}.env[${i}].name`, envName, envNameText));
    const value = field(env, 'value');
    if (value !== undefined && value !== '' && field(env, 'valueFrom') !== undefined) {
      errors.push(invalidValue(`${path}.env[${i}].valueFrom`, '', 'may not be specified when `value` is not empty'));
    }
  });
  asArray(field(container, 'volumeMounts')).forEach((mount, i) => {
    const mountName = field(mount, 'name');
    if (!volumes.has(mountName))
      errors.push({
        path: `${path}.volumeMounts[${i}].name`,
        type: 'FieldValueNotFound',
        message: `Not found: ${JSON.stringify(mountName)}`,
      });
    if (typeof field(mount, 'mountPath') !== 'string' || field(mount, 'mountPath') === '')
      errors.push(required(`${path}.volumeMounts[${i}].mountPath`));
  });
  return errors;
}

function duplicateErrors(path: string, items: readonly unknown[], others: readonly unknown[] = []): readonly FieldError[] {
  const seen = new Set<unknown>(others.map((other) => field(other, 'name')));
  return items.flatMap((item, i) => {
    const name = field(item, 'name');
    if (name !== undefined && seen.has(name))
      return [{ path: `${path}[${i}].name`, type: 'FieldValueDuplicate', message: `Duplicate value: ${JSON.stringify(name)}` }];
    seen.add(name);
    return [];
  });
}

/** @param spec a defaulted pod spec */
function specErrors(spec: Readonly<JsonObject>): readonly FieldError[] {
  const containers = asArray(spec.containers);
  const initContainers = asArray(spec.initContainers);
  const volumes = new Set(asArray(spec.volumes).map((volume) => field(volume, 'name')));
  const errors: FieldError[] = [];
  if (containers.length === 0) errors.push(required('spec.containers'));
  asArray(spec.volumes).forEach((volume, i) => {
    const name = field(volume, 'name');
    errors.push(
      ...(typeof name !== 'string' || name === ''
        ? [required(`spec.volumes[${i}].name`)]
        : dnsLabelErrors(`spec.volumes[${i}].name`, name)),
    );
  });
  asArray(spec.volumes).forEach((volume, i) => {
    const [, second] = Object.keys(asObject(volume)).filter((key) => key !== 'name');
    if (second !== undefined) errors.push(forbiddenField(`spec.volumes[${i}].${second}`, 'may not specify more than 1 volume type'));
  });
  errors.push(...duplicateErrors('spec.volumes', asArray(spec.volumes)));
  containers.forEach((container, i) => errors.push(...containerErrors(`spec.containers[${i}]`, container, volumes)));
  initContainers.forEach((container, i) => errors.push(...containerErrors(`spec.initContainers[${i}]`, container, volumes)));
  errors.push(...duplicateErrors('spec.containers', containers), ...duplicateErrors('spec.initContainers', initContainers, containers));
  const policies = ['Always', 'OnFailure', 'Never'];
  if (!policies.includes(String(spec.restartPolicy))) errors.push(unsupported('spec.restartPolicy', spec.restartPolicy, policies));
  const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
  if (!dnsPolicies.includes(String(spec.dnsPolicy))) errors.push(unsupported('spec.dnsPolicy', spec.dnsPolicy, dnsPolicies));
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (typeof deadline !== 'number' || deadline < 1)) {
    errors.push(invalidValue('spec.activeDeadlineSeconds', deadline, 'must be between 1 and 2147483647, inclusive'));
  }
  return errors;
}

function scenarioErrors(pod: StoredObject): readonly FieldError[] {
  try {
    scenarioOf(pod);
    return [];
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    const path = `metadata.annotations[${scenarioAnnotation}]`;
    return [invalidValue(path, pod.metadata.annotations?.[scenarioAnnotation], error.message)];
  }
}

const immutableText =
  'Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** The spec without what may change. The kubelet's scheduler sets nodeName once. */
function frozenPart(spec: Readonly<JsonObject>, unscheduled: boolean): JsonObject {
  const withoutImages = (list: unknown): unknown[] => asArray(list).map((container) => ({ ...asObject(container), image: '' }));
  return {
    ...spec,
    containers: withoutImages(spec.containers),
    initContainers: withoutImages(spec.initContainers),
    activeDeadlineSeconds: undefined,
    tolerations: undefined,
    ...(unscheduled ? { nodeName: undefined } : {}),
  };
}

export const podStrategy: Strategy = {
  admit: admitPod,

  prepare(object, old, subresource) {
    if (!isObject(object.spec)) object.spec = {};
    const spec = object.spec as JsonObject;
    if (subresource !== 'status') defaultSpec(spec);
    if (old === undefined) object.status = { phase: 'Pending', qosClass: qosClass(spec) };
  },

  validate(object, old, subresource) {
    if (subresource === 'status') return [];
    const spec = asObject(object.spec);
    const errors = [...scenarioErrors(object), ...specErrors(spec)];
    if (old === undefined || errors.length > 0) return errors;
    const before = asObject(old.spec);
    const deadline = Number(spec.activeDeadlineSeconds ?? Infinity);
    if (deadline > Number(before.activeDeadlineSeconds ?? Infinity))
      return [invalidValue('spec.activeDeadlineSeconds', spec.activeDeadlineSeconds, 'must be less than or equal to previous value')];
    const unscheduled = before.nodeName === undefined || before.nodeName === '';
    return equalJson(frozenPart(before, unscheduled), frozenPart(spec, unscheduled))
      ? []
      : [{ path: 'spec', type: 'FieldValueForbidden', message: immutableText }];
  },

  gracePeriodSeconds(object: StoredObject, asked) {
    const spec = asObject(object.spec);
    const phase = field(object.status, 'phase');
    const neverStarted = spec.nodeName === undefined || spec.nodeName === '';
    if (asked === 0 || neverStarted || phase === 'Succeeded' || phase === 'Failed') return 0;
    const wanted =
      asked ?? (typeof spec.terminationGracePeriodSeconds === 'number' ? spec.terminationGracePeriodSeconds : defaultGraceSeconds);
    return wanted < 0 ? 1 : wanted;
  },
};
