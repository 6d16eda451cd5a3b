/**
 * CustomResourceDefinitions at run time: checks them, serves what they define as soon as they are stored, sets the conditions that
 * clients wait for, and removes the instances when a definition is deleted.
 */
import { SchemaError, StructuralSchema } from '../../crds/structural.ts';
import type { ObjectService } from '../api/objectService.ts';
import { invalidValue, required, unsupported } from '../api/failure.ts';
import { asArray, asObject, asString, field, isObject } from '../api/json.ts';
import type { Registry } from '../api/registry.ts';
import type { FieldError, PrinterColumn, ResourceInfo, Strategy, SubresourceInfo } from '../api/resourceInfo.ts';
import type { Storage, StoredObject } from '../storage/storage.ts';
import type { Later } from './later.ts';

const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';
const statusVerbs = ['get', 'patch', 'update'] as const;

const strings = (value: unknown): readonly string[] => asArray(value).filter((item) => typeof item === 'string');

export const crdStrategy: Strategy = {
  prepare(object, old) {
    if (!isObject(object.spec)) object.spec = {};
    const spec = object.spec as Record<string, unknown>;
    if (isObject(spec.names)) {
      const kind = asString(spec.names.kind) ?? '';
      spec.names.singular ??= kind.toLowerCase();
      spec.names.listKind ??= `${kind}List`;
    }
    spec.conversion ??= { strategy: 'None' };
    if (old !== undefined) return;
    const meta = object.metadata as Record<string, unknown>;
    meta.finalizers = [...new Set([...asArray(meta.finalizers), cleanupFinalizer])];
    delete object.status;
  },

  validate(object, old, subresource) {
    if (subresource === 'status') return [];
    const spec = asObject(object.spec);
    const names = asObject(spec.names);
    const errors: FieldError[] = [];
    const expected = `${asString(names.plural) ?? ''}.${asString(spec.group) ?? ''}`;
    if (object.metadata.name !== expected)
      errors.push(invalidValue('metadata.name', object.metadata.name, 'must be spec.names.plural+"."+spec.group'));
    for (const name of ['plural', 'kind']) if (asString(names[name]) === undefined) errors.push(required(`spec.names.${name}`));
    if (spec.scope !== 'Namespaced' && spec.scope !== 'Cluster')
      errors.push(unsupported('spec.scope', spec.scope ?? '', ['Cluster', 'Namespaced']));
    errors.push(...approvalErrors(object, asString(spec.group) ?? ''));
    const versions = asArray(spec.versions);
    if (versions.filter((version) => field(version, 'storage') === true).length !== 1) {
      errors.push(
        invalidValue(
          'spec.versions',
          versions.map((version) => field(version, 'name')),
          'must have exactly one version marked as storage version',
        ),
      );
    }
    versions.forEach((version, i) => errors.push(...schemaErrors(version, `spec.versions[${i}].schema.openAPIV3Schema`)));
    if (old !== undefined && field(old.spec, 'scope') !== spec.scope)
      errors.push(invalidValue('spec.scope', spec.scope, 'field is immutable'));
    return errors;
  },
};

const approval = 'api-approved.kubernetes.io';

/** Groups of the Kubernetes community ask for a link to the review of the API, or a word that there was none. */
function approvalErrors(crd: StoredObject, group: string): readonly FieldError[] {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(group)) return [];
  const value = crd.metadata.annotations?.[approval];
  const path = `metadata.annotations[${approval}]`;
  if (value === undefined || value === '')
    return [
      required(
        path,
        `protected groups must have approval annotation "${approval}", see https://github.com/kubernetes/enhancements/pull/1111`,
      ),
    ];
  const good = value.startsWith('unapproved') || URL.canParse(value);
  return good
    ? []
    : [
        invalidValue(
          path,
          value,
          `protected groups must have approval annotation "${approval}" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111`,
        ),
      ];
}

function schemaErrors(version: unknown, path: string): readonly FieldError[] {
  const openAPIV3Schema = field(field(version, 'schema'), 'openAPIV3Schema');
  if (openAPIV3Schema === undefined) return [required(path, 'schemas are required')];
  try {
    new StructuralSchema(openAPIV3Schema);
    return [];
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    return error.problems.map((problem) => ({ ...problem, path: problem.path === '<nil>' ? path : `${path}.${problem.path}` }));
  }
}

const defaultColumn: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', priority: 0 };

function columnsOf(version: unknown): readonly PrinterColumn[] {
  const columns = asArray(field(version, 'additionalPrinterColumns')).map((column) => {
    const value = asObject(column);
    return {
      name: asString(value.name) ?? '',
      type: asString(value.type) ?? 'string',
      jsonPath: asString(value.jsonPath) ?? '',
      priority: typeof value.priority === 'number' ? value.priority : 0,
      ...(typeof value.format === 'string' ? { format: value.format } : {}),
      ...(typeof value.description === 'string' ? { description: value.description } : {}),
    };
  });
  return columns.length === 0 ? [defaultColumn] : columns;
}

/** What a definition serves, one entry a version. */
function infosOf(crd: StoredObject): readonly ResourceInfo[] {
  const spec = asObject(crd.spec);
  const names = asObject(spec.names);
  const kind = asString(names.kind) ?? '';
  const group = asString(spec.group) ?? '';
  const plural = asString(names.plural) ?? '';
  return asArray(spec.versions)
    .filter((version) => field(version, 'served') === true)
    .map((version) => {
      const openAPIV3Schema = asObject(field(field(version, 'schema'), 'openAPIV3Schema'));
      const status: readonly SubresourceInfo[] = isObject(field(field(version, 'subresources'), 'status'))
        ? [{ name: 'status', kind, verbs: statusVerbs }]
        : [];
      return {
        group,
        version: asString(field(version, 'name')) ?? '',
        plural,
        kind,
        namespaced: spec.scope === 'Namespaced',
        singular: asString(names.singular) ?? kind.toLowerCase(),
        listKind: asString(names.listKind) ?? `${kind}List`,
        shortNames: strings(names.shortNames),
        categories: strings(names.categories),
        verbs: ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'],
        columns: columnsOf(version),
        subresources: status,
        crd,
        openAPIV3Schema,
        schema: new StructuralSchema(openAPIV3Schema),
        bucket: `${group}/${plural}`,
        hasGeneration: true,
        requiresResourceVersion: true,
        selectableFields: asArray(field(version, 'selectableFields')).map((item) =>
          (asString(field(item, 'jsonPath')) ?? '').replace(/^\./, ''),
        ),
      };
    });
}

const bucketOf = ({ spec }: StoredObject): string => `${String(field(spec, 'group'))}/${String(field(field(spec, 'names'), 'plural'))}`;

export class CustomResourceController {
  readonly #storage: Storage;
  readonly #service: ObjectService;
  readonly #registry: Registry;
  readonly #now: () => number;
  readonly #later: Later;
  readonly #ended: (bucket: string) => void;
  readonly #crds: ResourceInfo;
  #stops: (() => void)[] = [];

  constructor(parts: {
    storage: Storage;
    service: ObjectService;
    registry: Registry;
    now: () => number;
    later: Later;
    /** A kind is served no more. */
    ended?: (bucket: string) => void;
  }) {
    this.#ended = parts.ended ?? (() => undefined);
    this.#storage = parts.storage;
    this.#service = parts.service;
    this.#registry = parts.registry;
    this.#now = parts.now;
    this.#later = parts.later;
    this.#crds = parts.registry.of({
      group: 'apiextensions.k8s.io',
      version: 'v1',
      plural: 'customresourcedefinitions',
      kind: 'CustomResourceDefinition',
      namespaced: false,
    });
  }

  start(): void {
    for (const crd of this.#storage.list(this.#crds.bucket)) this.#sync(crd);
    this.#stops.push(
      this.#storage.subscribe(this.#crds.bucket, (event) => {
        if (event.type === 'DELETED') this.#forget(event.object);
        else
          this.#later(`definition ${event.object.metadata.name}`, () =>
            this.#sync(this.#storage.get(this.#crds.bucket, { namespace: '', name: event.object.metadata.name })),
          );
      }),
      // An instance that ends may be the last one a deleted definition waits for.
      this.#storage.subscribe(undefined, (event) => {
        if (event.type !== 'DELETED' || !event.bucket.includes('/')) return;
        const [group, plural] = event.bucket.split('/');
        const definition = { namespace: '', name: `${plural ?? ''}.${group ?? ''}` };
        const find = (): StoredObject | undefined => this.#storage.get(this.#crds.bucket, definition);
        if (find()?.metadata.deletionTimestamp !== undefined) this.#later(`definition ${definition.name}`, () => this.#sync(find()));
      }),
    );
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  /** Its instances are gone, and so is the address where they were watched. */
  #forget(crd: StoredObject): void {
    this.#registry.setCustom(crd.metadata.name, []);
    this.#ended(bucketOf(crd));
  }

  #sync(crd: StoredObject | undefined): void {
    if (crd === undefined) return;
    const { name, generation, deletionTimestamp } = crd.metadata;
    const [known] = this.#registry.customOf(name);
    if (known === undefined || (deletionTimestamp === undefined && known.crd?.metadata.generation !== generation))
      this.#registry.setCustom(name, infosOf(crd));
    if (deletionTimestamp !== undefined) {
      this.#finalize(crd);
      return;
    }
    const spec = asObject(crd.spec);
    const stored = asArray(spec.versions).find((version) => field(version, 'storage') === true);
    this.#service.modify(
      this.#crds,
      { namespace: '', name },
      (object) => ({
        ...object,
        status: {
          conditions: this.#conditions(object),
          acceptedNames: spec.names,
          storedVersions: [...new Set([...strings(field(object.status, 'storedVersions')), asString(field(stored, 'name')) ?? ''])],
        },
      }),
      { subresource: 'status' },
    );
  }

  #conditions(crd: StoredObject): readonly unknown[] {
    const old = asArray(field(crd.status, 'conditions'));
    if (old.length > 0) return old;
    const lastTransitionTime = `${new Date(this.#now()).toISOString().slice(0, 19)}Z`;
    return [
      { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found', lastTransitionTime },
      {
        type: 'Established',
        status: 'True',
        reason: 'InitialNamesAccepted',
        message: 'the initial names have been accepted',
        lastTransitionTime,
      },
    ];
  }

  #finalize(crd: StoredObject): void {
    const key = { namespace: '', name: crd.metadata.name };
    const infos = this.#registry.customOf(crd.metadata.name);
    const bucket = bucketOf(crd);
    const [info] = infos;
    if (info !== undefined) {
      for (const item of this.#storage.list(bucket)) {
        if (item.metadata.deletionTimestamp === undefined)
          this.#service.delete(info, { namespace: item.metadata.namespace ?? '', name: item.metadata.name });
      }
    }
    if (this.#storage.list(bucket).length > 0) return;
    const current = this.#service.find(this.#crds, key);
    if (current?.metadata.finalizers?.includes(cleanupFinalizer) !== true) return;
    this.#service.modify(this.#crds, key, (object) => ({
      ...object,
      metadata: { ...object.metadata, finalizers: object.metadata.finalizers?.filter((finalizer) => finalizer !== cleanupFinalizer) },
    }));
  }
}
