/**
 * Decoding at the edge: whether an object that came from the API is what its type says, checked with ajv against the same schemas the
 * types come from. One object that is not is reported and left alone; it never hurts another. Fields the schema does not name pass.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import { kindDefinitions, plainSchema } from './definitions.ts';
import type { BuildCluster } from './v1/buildCluster.ts';
import type { Periodic } from './v1/periodic.ts';
import type { PeriodicBackfill } from './v1/periodicBackfill.ts';
import type { PeriodicSet } from './v1/periodicSet.ts';
import type { PluginConfig } from './v1/pluginConfig.ts';
import type { ProwJob } from './v1/prowJob.ts';

export interface KindTypes {
  readonly ProwJob: ProwJob;
  readonly Periodic: Periodic;
  readonly PeriodicSet: PeriodicSet;
  readonly PeriodicBackfill: PeriodicBackfill;
  readonly PluginConfig: PluginConfig;
  readonly BuildCluster: BuildCluster;
}
export type KindName = keyof KindTypes;

export interface DecodeProblem {
  /** spec.refs.pulls[0].sha; empty for the object itself. */
  readonly path: string;
  readonly message: string;
}

export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: readonly DecodeProblem[] };

/** Words of the schemas that say something to Kubernetes and nothing about values. */
const annotations = [
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-list-type',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-validations',
];

function createAjv(): Ajv {
  const ajv = new Ajv({ allErrors: true, strictTypes: false });
  // The import is a CommonJS module, whose default export Node wraps once more.
  addFormats.default(ajv, ['date-time', 'int32', 'int64']);
  ajv.addVocabulary(annotations);
  return ajv;
}

const sharedAjv = createAjv();
const compiled = new Map<KindName, ValidateFunction>();

function validatorOf(kind: KindName): ValidateFunction {
  const known = compiled.get(kind);
  if (known !== undefined) return known;
  const definition = kindDefinitions.find((candidate) => candidate.kind === kind);
  const validator = sharedAjv.compile(plainSchema(definition?.schema) as object);
  compiled.set(kind, validator);
  return validator;
}

function pathOf(error: ErrorObject): string {
  const parts = error.instancePath.split('/').slice(1);
  if (error.keyword === 'required') parts.push((error.params as { missingProperty: string }).missingProperty);
  return parts
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path === '' ? part : `${path}.${part}`), '');
}

function messageOf(error: ErrorObject): string {
  if (error.keyword === 'required') return 'is missing';
  if (error.keyword === 'enum') return `must be one of ${(error.params as { allowedValues: readonly unknown[] }).allowedValues.join(', ')}`;
  return error.message ?? `does not satisfy ${error.keyword}`;
}

/** The object with its type, or what keeps it from having it. */
export function decode<K extends KindName>(kind: K, object: unknown): Decoded<KindTypes[K]> {
  const validate = validatorOf(kind);
  if (validate(object)) return { ok: true, value: object as KindTypes[K] };
  const problems = (validate.errors ?? []).map((error) => ({ path: pathOf(error), message: messageOf(error) }));
  return { ok: false, problems };
}

export const isProwJob = (object: unknown): object is ProwJob => decode('ProwJob', object).ok;
export const isPeriodic = (object: unknown): object is Periodic => decode('Periodic', object).ok;
export const isPeriodicSet = (object: unknown): object is PeriodicSet => decode('PeriodicSet', object).ok;
export const isPeriodicBackfill = (object: unknown): object is PeriodicBackfill => decode('PeriodicBackfill', object).ok;
export const isPluginConfig = (object: unknown): object is PluginConfig => decode('PluginConfig', object).ok;
export const isBuildCluster = (object: unknown): object is BuildCluster => decode('BuildCluster', object).ok;
