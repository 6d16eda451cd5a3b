/**
 * Everything the API server knows of one served resource: its address, its names, what can be done with it, and how it is printed.
 * Built-in resources come from a table, custom ones from their CustomResourceDefinition; all handlers work from this alone.
 */
import type { StructuralSchema } from '../../crds/structural.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import type { Storage, StoredObject } from '../storage/storage.ts';

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/** As in a CRD's additionalPrinterColumns. */
export interface PrinterColumn {
  readonly name: string;
  /** integer, number, string, boolean or date. */
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly jsonPath: string;
  /** 0 is always shown, greater only with `-o wide`. */
  readonly priority: number;
}

export interface SubresourceInfo {
  /** "status", "log", "eviction" … */
  readonly name: string;
  readonly kind: string;
  /** Group and version of `kind` when they differ from the parent's. */
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly Verb[];
}

/** A broken rule, worded as kube-apiserver does; `path` is the field, `message` what follows it. */
export interface FieldError {
  readonly path: string;
  readonly type: string;
  readonly message: string;
}

/** Rules of a built-in kind. Objects passed in are private copies and may be changed in place. */
export interface Strategy {
  /** Defaults and server-set fields, before validation. */
  prepare?(object: Record<string, unknown>, old: StoredObject | undefined, subresource: string | undefined): void;
  /** What admission does to a new object that depends on others. */
  admit?(info: ResourceInfo, object: Record<string, unknown>, storage: Storage): void;
  validate?(object: StoredObject, old: StoredObject | undefined, subresource: string | undefined): readonly FieldError[];
  /** Seconds to wait before a deleted object may go; zero means at once. */
  gracePeriodSeconds?(object: StoredObject, asked: number | undefined): number;
}

export interface ResourceInfo extends ResourceType {
  readonly singular: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly Verb[];
  readonly columns: readonly PrinterColumn[];
  readonly subresources: readonly SubresourceInfo[];
  /** The CustomResourceDefinition this resource comes from; absent for built-in ones. */
  readonly crd?: StoredObject;
  /** The version's openAPIV3Schema as written in the CRD. */
  readonly openAPIV3Schema?: Readonly<Record<string, unknown>>;
  readonly schema?: StructuralSchema;
  /** Where the objects lie; two addresses of one kind (events) share one bucket. */
  readonly bucket: string;
  /** Objects of this kind carry metadata.generation. */
  readonly hasGeneration: boolean;
  /** PUT needs metadata.resourceVersion. */
  readonly requiresResourceVersion: boolean;
  /** Field selectors besides metadata.name and metadata.namespace, as paths of the served object. */
  readonly selectableFields: readonly string[];
  readonly strategy?: Strategy;
  /** Between the served and the stored form, where they differ. */
  readonly toServed?: (object: StoredObject) => StoredObject;
  readonly toStored?: (object: Record<string, unknown>) => Record<string, unknown>;
}

export const hasStatusSubresource = (info: ResourceInfo): boolean => info.subresources.some((sub) => sub.name === 'status');

/** "pods", "prowjobs.prow.k8s.io": the group resource as Kubernetes' messages name it. */
export const resourceName = (info: Pick<ResourceInfo, 'group' | 'plural'>): string =>
  info.group === '' ? info.plural : `${info.plural}.${info.group}`;

/** "Pod", "ProwJob.prow.k8s.io". */
export const kindName = (info: Pick<ResourceInfo, 'group' | 'kind'>): string =>
  info.group === '' ? info.kind : `${info.kind}.${info.group}`;
