/**
 * Server-side printing: objects as a meta.k8s.io/v1 Table, which is what `kubectl get` shows. Built-in kinds have kube-apiserver's
 * columns, custom ones those of their CRD. Dates in a CRD's columns become ages here, because the server prints and kubectl only aligns.
 */
import type { KubeList } from '../../operator/kube/objects.ts';
import type { StoredObject } from '../storage/storage.ts';
import { age } from './humanDuration.ts';
import { compileJsonPath } from './jsonPath.ts';
import type { PrinterColumn, ResourceInfo } from './resourceInfo.ts';
import { resourceName } from './resourceInfo.ts';
import { ageColumn, builtinColumns, defaultColumns, nameColumn } from './tableColumns.ts';
import type { Cell, Column } from './tableColumns.ts';

export interface TableRow {
  readonly cells: readonly Cell[];
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string; readonly message: string }[];
  readonly object?: unknown;
}

export interface Table {
  readonly kind: 'Table';
  readonly apiVersion: 'meta.k8s.io/v1';
  readonly metadata: KubeList<StoredObject>['metadata'];
  readonly columnDefinitions: readonly unknown[];
  readonly rows: readonly TableRow[];
}

export interface TableOptions {
  readonly nowMs: number;
  /** What each row carries besides its cells; from the includeObject query parameter. Default Metadata. */
  readonly includeObject?: 'None' | 'Metadata' | 'Object';
  /** The list's metadata, or for a single object its resourceVersion. */
  readonly metadata?: KubeList<StoredObject>['metadata'];
  /** False in every event of a watch but the first: clients keep the definitions. */
  readonly withDefinitions?: boolean;
}

type TableType = Pick<ResourceInfo, 'group' | 'plural' | 'columns' | 'crd'>;

/** Prints objects (given in served form) as rows. Never fails on an object: what is missing or of a wrong type is an empty cell. */
export function toTable(info: TableType, objects: readonly StoredObject[], options: TableOptions): Table {
  const columns = columnsOf(info);
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: options.metadata ?? {},
    columnDefinitions: options.withDefinitions === false ? [] : columns.map(definition),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, options.nowMs)),
      ...completion(info, object),
      ...rowObject(object, options.includeObject ?? 'Metadata'),
    })),
  };
}

/** Compiled once for each CRD state: an update of the CRD makes a new columns array. */
const compiled = new WeakMap<readonly PrinterColumn[], readonly Column[]>();

function columnsOf(info: TableType): readonly Column[] {
  if (info.crd === undefined) return builtinColumns.get(resourceName(info)) ?? defaultColumns;
  const known = compiled.get(info.columns);
  if (known !== undefined) return known;
  const columns =
    info.columns.length === 0 ? [nameColumn, { ...ageColumn, type: 'date' }] : [nameColumn, ...info.columns.map(customColumn)];
  compiled.set(info.columns, columns);
  return columns;
}

function customColumn(column: PrinterColumn): Column {
  const find = compileJsonPath(column.jsonPath);
  return {
    ...column,
    description: column.description ?? `Custom resource definition column (in JSONPath format): ${column.jsonPath}`,
    cell: (object, nowMs) => customCell(column.type, find(object)[0], nowMs),
  };
}

function customCell(type: string, value: unknown, nowMs: number): Cell {
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      return typeof value === 'string' ? age(value, nowMs) : null;
    default:
      return typeof value === 'string' ? value : JSON.stringify(value);
  }
}

const definition = (column: Column): unknown => ({
  name: column.name,
  type: column.type,
  format: column.format ?? '',
  description: column.description ?? '',
  priority: column.priority ?? 0,
});

/** `kubectl get pods` knows finished pods by this row condition. */
function completion(info: TableType, object: StoredObject): Pick<TableRow, 'conditions'> {
  if (resourceName(info) !== 'pods') return {};
  const { phase } = (object.status ?? {}) as { readonly phase?: string };
  if (phase === 'Succeeded') {
    return { conditions: [{ type: 'Completed', status: 'True', reason: 'Succeeded', message: 'The pod has completed successfully.' }] };
  }
  if (phase === 'Failed') return { conditions: [{ type: 'Completed', status: 'True', reason: 'Failed', message: 'The pod failed.' }] };
  return {};
}

function rowObject(object: StoredObject, include: NonNullable<TableOptions['includeObject']>): Pick<TableRow, 'object'> {
  if (include === 'None') return {};
  if (include === 'Object') return { object };
  return { object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata } };
}
