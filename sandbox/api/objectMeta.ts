/** The rules for metadata that hold for every kind: names, labels, annotations, owners, finalizers. Messages are Kubernetes' own. */
import { invalidValue, required } from './failure.ts';
import type { FieldError, ResourceInfo } from './resourceInfo.ts';
import { asArray, asObject, field } from './json.ts';
import type { StoredObject } from '../storage/storage.ts';

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const qualifiedName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const maxAnnotationBytes = 256 * 1024;

const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const labelText =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const qualifiedText =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const labelValueText =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

export function subdomainErrors(path: string, name: string): readonly FieldError[] {
  if (name.length > 253) return [invalidValue(path, name, 'must be no more than 253 characters')];
  return subdomain.test(name) ? [] : [invalidValue(path, name, subdomainText)];
}

export function dnsLabelErrors(path: string, name: string): readonly FieldError[] {
  if (name.length > 63) return [invalidValue(path, name, 'must be no more than 63 characters')];
  return dnsLabel.test(name) ? [] : [invalidValue(path, name, labelText)];
}

function nameErrors(info: ResourceInfo, name: string): readonly FieldError[] {
  if (name === '') return [required('metadata.name', 'name or generateName is required')];
  if (info.group === 'rbac.authorization.k8s.io') {
    return /[/%]/.test(name) || name === '.' || name === '..' ? [invalidValue('metadata.name', name, "may not contain '/'")] : [];
  }
  return info.group === '' && info.plural === 'namespaces' ? dnsLabelErrors('metadata.name', name) : subdomainErrors('metadata.name', name);
}

/** What is wrong with the key of a label or annotation; undefined when nothing is. */
export function labelKeyFault(key: string): string | undefined {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix === '') return 'prefix part must be non-empty';
  if (prefix !== undefined && !subdomain.test(prefix)) return `prefix part ${subdomainText}`;
  if (name === '') return 'name part must be non-empty';
  if (name.length > 63) return 'name part must be no more than 63 bytes';
  return qualifiedName.test(name) ? undefined : qualifiedText;
}

export function labelValueFault(value: string): string | undefined {
  if (value.length > 63) return 'must be no more than 63 bytes';
  return labelValue.test(value) ? undefined : labelValueText;
}

export function qualifiedNameErrors(path: string, key: string): readonly FieldError[] {
  const fault = labelKeyFault(key);
  return fault === undefined ? [] : [invalidValue(path, key, fault)];
}

const standardFinalizers = new Set(['foregroundDeletion', 'orphan', 'kubernetes']);

/** Definitions and custom objects may have unqualified finalizers; other built-in kinds only the standard ones. */
function finalizerErrors(info: ResourceInfo, index: number, name: string): readonly FieldError[] {
  const errors = qualifiedNameErrors('metadata.finalizers', name);
  const isFree = info.crd !== undefined || info.group === 'apiextensions.k8s.io' || name.includes('/') || standardFinalizers.has(name);
  const text = 'name is neither a standard finalizer name nor is it fully qualified';
  return isFree ? errors : [...errors, invalidValue(`metadata.finalizers[${index}]`, name, text)];
}

/** A prefix may end with what a name may not, because more follows. */
function generateNameErrors(info: ResourceInfo, prefix: unknown): readonly FieldError[] {
  if (typeof prefix !== 'string' || prefix === '') return [];
  const errors = nameErrors(info, prefix.replace(/[-.]$/, 'a'));
  return errors.map(({ message }) => ({
    path: 'metadata.generateName',
    type: 'FieldValueInvalid',
    message: message.replace(/^Invalid value: "(?:[^"\\]|\\.)*"/, `Invalid value: ${JSON.stringify(prefix)}`),
  }));
}

function stringMapErrors(path: string, map: unknown, valueErrors: (value: string) => readonly FieldError[]): readonly FieldError[] {
  return Object.entries(asObject(map)).flatMap(([key, value]) => [...qualifiedNameErrors(path, key), ...valueErrors(String(value))]);
}

const labelErrors = (value: string): readonly FieldError[] => {
  const fault = labelValueFault(value);
  return fault === undefined ? [] : [invalidValue('metadata.labels', value, fault)];
};

function annotationErrors(annotations: unknown): readonly FieldError[] {
  // Annotation keys are compared in lower case, so `Example.com/x` is fine here.
  const lowered = Object.fromEntries(Object.entries(asObject(annotations)).map(([key, value]) => [key.toLowerCase(), value]));
  const size = Object.entries(asObject(annotations)).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(String(value)),
    0,
  );
  const tooLong = {
    path: 'metadata.annotations',
    type: 'FieldValueTooLong',
    message: `Too long: may not be more than ${maxAnnotationBytes} bytes`,
  };
  return [...stringMapErrors('metadata.annotations', lowered, () => []), ...(size > maxAnnotationBytes ? [tooLong] : [])];
}

function ownerErrors(owners: readonly unknown[]): readonly FieldError[] {
  const path = 'metadata.ownerReferences';
  const errors = owners.flatMap((owner) => [
    ...['apiVersion', 'kind', 'name', 'uid']
      .filter((name) => typeof field(owner, name) !== 'string' || field(owner, name) === '')
      .map((name) => invalidValue(`${path}.${name}`, '', `${name === 'apiVersion' ? 'version ' : ''}must not be empty`)),
    ...(field(owner, 'apiVersion') === 'v1' && field(owner, 'kind') === 'Event'
      ? [invalidValue(path, owner, '/v1, Kind=Event is disallowed from being an owner')]
      : []),
  ]);
  const controllers = owners.filter((owner) => field(owner, 'controller') === true);
  if (controllers.length < 2) return errors;
  const names = controllers.map((owner) => `${String(field(owner, 'kind'))}/${String(field(owner, 'name'))}`);
  return [
    ...errors,
    invalidValue(
      'metadata.ownerReferences',
      owners,
      `Only one reference can have Controller set to true. Found "true" in references for ${names.join(' and ')}`,
    ),
  ];
}

/** All broken rules of an object's metadata. */
export function metadataErrors(info: ResourceInfo, object: StoredObject): readonly FieldError[] {
  const meta = object.metadata;
  return [
    ...generateNameErrors(info, field(meta, 'generateName')),
    ...nameErrors(info, meta.name),
    ...stringMapErrors('metadata.labels', meta.labels, labelErrors),
    ...annotationErrors(meta.annotations),
    ...ownerErrors(asArray(meta.ownerReferences)),
    ...asArray(meta.finalizers).flatMap((finalizer, i) => finalizerErrors(info, i, String(finalizer))),
  ];
}
