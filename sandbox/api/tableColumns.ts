/**
 * The columns of the built-in kinds, as kube-apiserver prints them. A kind that is not listed prints NAME and CREATED AT, as there.
 * Objects come from storage and were validated when written; a field that is missing all the same prints `<none>` or `<unknown>`.
 */
import type { Pod } from '../../operator/kube/builtin.ts';
import type { StoredObject } from '../storage/storage.ts';
import { age, humanDuration } from './humanDuration.ts';
import { compileJsonPath } from './jsonPath.ts';
import { podSummary } from './podColumns.ts';

export type Cell = string | number | boolean | null;

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  /** 0 is always shown, 1 only with `-o wide`. */
  readonly priority?: number;
  readonly cell: (object: StoredObject, nowMs: number) => Cell;
}

type Fields = Readonly<Record<string, unknown>>;

export const nameColumn: Column = { name: 'Name', type: 'string', format: 'name', cell: (object) => object.metadata.name };

export const ageColumn: Column = { name: 'Age', type: 'string', cell: (object, nowMs) => age(object.metadata.creationTimestamp, nowMs) };

const createdAtColumn: Column = {
  name: 'Created At',
  type: 'date',
  cell: (object) => object.metadata.creationTimestamp ?? null,
};

/** A text column over the first value of a JSONPath. */
function text(name: string, path: string, options: { missing?: string; priority?: number } = {}): Column {
  const find = compileJsonPath(path);
  return {
    name,
    type: 'string',
    ...(options.priority === undefined ? {} : { priority: options.priority }),
    cell: (object) => {
      const [value] = find(object);
      const printed = typeof value === 'string' ? value : JSON.stringify(value);
      return value === undefined || value === null || printed === '' ? (options.missing ?? '') : printed;
    },
  };
}

const wide = (name: string, path: string): Column => text(name, path, { missing: '<none>', priority: 1 });

const count = (name: string, ...paths: readonly string[]): Column => {
  const finders = paths.map(compileJsonPath);
  return {
    name,
    type: 'string',
    cell: (object) => finders.reduce((sum, find) => sum + Object.keys(find(object)[0] ?? {}).length, 0),
  };
};

const podColumns: readonly Column[] = [
  nameColumn,
  { name: 'Ready', type: 'string', cell: (object, nowMs) => podSummary(object as unknown as Pod, nowMs).ready },
  { name: 'Status', type: 'string', cell: (object, nowMs) => podSummary(object as unknown as Pod, nowMs).status },
  { name: 'Restarts', type: 'string', cell: (object, nowMs) => String(podSummary(object as unknown as Pod, nowMs).restarts) },
  ageColumn,
  wide('IP', '.status.podIP'),
  wide('Node', '.spec.nodeName'),
  wide('Nominated Node', '.status.nominatedNodeName'),
  { name: 'Readiness Gates', type: 'string', priority: 1, cell: readinessGates },
];

function readinessGates(object: StoredObject): Cell {
  const pod = object as unknown as Pod;
  const gates = (pod.spec.readinessGates ?? []) as readonly { readonly conditionType: string }[];
  if (gates.length === 0) return '<none>';
  const open = gates.filter((gate) => pod.status?.conditions?.some((c) => c.type === gate.conditionType && c.status === 'True') === true);
  return `${open.length}/${gates.length}`;
}

const nodeRolePrefix = 'node-role.kubernetes.io/';

function nodeStatus(object: StoredObject): Cell {
  const node = object as { spec?: { unschedulable?: boolean }; status?: { conditions?: readonly { type: string; status: string }[] } };
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
  const parts = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady'];
  if (node.spec?.unschedulable === true) parts.push('SchedulingDisabled');
  return parts.join(',');
}

function nodeRoles(object: StoredObject): Cell {
  const labels = Object.keys(object.metadata.labels ?? {});
  const roles = labels.filter((label) => label.startsWith(nodeRolePrefix)).map((label) => label.slice(nodeRolePrefix.length));
  return roles.length === 0 ? '<none>' : roles.sort().join(',');
}

const nodeColumns: readonly Column[] = [
  nameColumn,
  { name: 'Status', type: 'string', cell: nodeStatus },
  { name: 'Roles', type: 'string', cell: nodeRoles },
  ageColumn,
  text('Version', '.status.nodeInfo.kubeletVersion'),
  wide('Internal-IP', '.status.addresses[?(@.type=="InternalIP")].address'),
  wide('External-IP', '.status.addresses[?(@.type=="ExternalIP")].address'),
  wide('OS-Image', '.status.nodeInfo.osImage'),
  wide('Kernel-Version', '.status.nodeInfo.kernelVersion'),
  wide('Container-Runtime', '.status.nodeInfo.containerRuntimeVersion'),
];

/** The first of these fields that says something. Events carry different names in core/v1 and events.k8s.io/v1. */
const first = (object: Fields, ...fields: readonly string[]): unknown =>
  fields.map((field) => object[field]).find((value) => value !== undefined && value !== null && value !== '' && value !== 0);

const since = (stamp: unknown, nowMs: number): string =>
  typeof stamp === 'string' ? humanDuration(nowMs - Date.parse(stamp)) : '<unknown>';

const firstSeen = (event: Fields): unknown => first(event, 'firstTimestamp', 'deprecatedFirstTimestamp', 'eventTime');

function lastSeen(event: Fields): unknown {
  const series = event.series as { readonly lastObservedTime?: string } | undefined;
  return series?.lastObservedTime ?? first(event, 'lastTimestamp', 'deprecatedLastTimestamp') ?? firstSeen(event);
}

function eventCount(event: Fields): number {
  const series = event.series as { readonly count?: number } | undefined;
  return series?.count ?? (first(event, 'count', 'deprecatedCount') as number | undefined) ?? 1;
}

function eventObject(event: Fields): Fields {
  return (first(event, 'involvedObject', 'regarding') ?? {}) as Fields;
}

function eventSource(event: Fields): string {
  const source = first(event, 'source', 'deprecatedSource') as { readonly component?: string; readonly host?: string } | undefined;
  const component = source?.component ?? first(event, 'reportingComponent', 'reportingController') ?? '';
  const host = source?.component === undefined ? first(event, 'reportingInstance') : source.host;
  return [component, host].filter((part) => typeof part === 'string' && part !== '').join(', ');
}

function eventMessage(event: Fields): string {
  const message = first(event, 'message', 'note');
  return typeof message === 'string' ? message.trim() : '';
}

const eventColumns: readonly Column[] = [
  { name: 'Last Seen', type: 'string', cell: (event, nowMs) => since(lastSeen(event), nowMs) },
  text('Type', '.type'),
  text('Reason', '.reason'),
  {
    name: 'Object',
    type: 'string',
    cell: (event) => {
      const { kind, name } = eventObject(event) as { readonly kind?: string; readonly name?: string };
      return [kind?.toLowerCase(), name].filter((part) => part !== undefined && part !== '').join('/');
    },
  },
  { name: 'Subobject', type: 'string', priority: 1, cell: (event) => (eventObject(event).fieldPath as string | undefined) ?? '' },
  { name: 'Source', type: 'string', priority: 1, cell: eventSource },
  { name: 'Message', type: 'string', cell: eventMessage },
  { name: 'First Seen', type: 'string', priority: 1, cell: (event, nowMs) => since(firstSeen(event), nowMs) },
  { name: 'Count', type: 'string', priority: 1, cell: eventCount },
  { ...nameColumn, priority: 1 },
];

const bindingColumns = (): readonly Column[] => [
  nameColumn,
  {
    name: 'Role',
    type: 'string',
    cell: (object) => {
      const { kind, name } = object.roleRef as { readonly kind: string; readonly name: string };
      return `${kind}/${name}`;
    },
  },
  ageColumn,
  subjects('Users', 'User'),
  subjects('Groups', 'Group'),
  subjects('ServiceAccounts', 'ServiceAccount'),
];

const subjects = (column: string, kind: string): Column => ({
  name: column,
  type: 'string',
  priority: 1,
  cell: (object) => {
    const all = (object.subjects ?? []) as readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
    const named = all.filter((subject) => subject.kind === kind);
    return named.map((subject) => (kind === 'ServiceAccount' ? `${subject.namespace ?? ''}/${subject.name}` : subject.name)).join(', ');
  },
});

export const defaultColumns: readonly Column[] = [nameColumn, createdAtColumn];

/** By group resource, as in kubectl's `resource.group`. */
export const builtinColumns: ReadonlyMap<string, readonly Column[]> = new Map([
  ['pods', podColumns],
  ['nodes', nodeColumns],
  ['namespaces', [nameColumn, text('Status', '.status.phase'), ageColumn]],
  ['secrets', [nameColumn, text('Type', '.type'), count('Data', '.data'), ageColumn]],
  ['configmaps', [nameColumn, count('Data', '.data', '.binaryData'), ageColumn]],
  ['serviceaccounts', [nameColumn, count('Secrets', '.secrets'), ageColumn]],
  ['events', eventColumns],
  ['events.events.k8s.io', eventColumns],
  ['leases.coordination.k8s.io', [nameColumn, text('Holder', '.spec.holderIdentity'), ageColumn]],
  ['rolebindings.rbac.authorization.k8s.io', bindingColumns()],
  ['clusterrolebindings.rbac.authorization.k8s.io', bindingColumns()],
  [
    'priorityclasses.scheduling.k8s.io',
    [
      nameColumn,
      text('Value', '.value', { missing: '0' }),
      text('Global-Default', '.globalDefault', { missing: 'false' }),
      ageColumn,
      text('PreemptionPolicy', '.preemptionPolicy'),
    ],
  ],
]);
