import { describe, expect, test } from 'vitest';
import type { StoredObject } from '../storage/storage.ts';
import { humanDuration } from './humanDuration.ts';
import { compileJsonPath, JsonPathError } from './jsonPath.ts';
import type { PrinterColumn, ResourceInfo } from './resourceInfo.ts';
import { toTable } from './table.ts';

const nowMs = Date.UTC(2026, 0, 2);
const ago = (ms: number): string => new Date(nowMs - ms).toISOString();
const builtin = (plural: string, group = ''): Pick<ResourceInfo, 'group' | 'plural' | 'columns'> => ({ group, plural, columns: [] });

/** Cells by column name. */
function print(info: Parameters<typeof toTable>[0], object: Record<string, unknown>): Record<string, unknown> {
  const metadata = { name: 'x', creationTimestamp: ago(90_000), ...(object.metadata as object | undefined) };
  const table = toTable(info, [{ ...object, metadata }], { nowMs });
  const names = (table.columnDefinitions as { name: string }[]).map((column) => column.name);
  return Object.fromEntries(names.map((name, index) => [name, table.rows[0]!.cells[index]]));
}

describe('ages', () => {
  const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000];
  test.each([
    [-2 * second, '<invalid>'],
    [-1 * second, '0s'],
    [119 * second, '119s'],
    [2 * minute, '2m'],
    [2 * minute + 5 * second, '2m5s'],
    [179 * minute, '179m'],
    [3 * hour + 12 * minute, '3h12m'],
    [47 * hour, '47h'],
    [2 * day, '2d'],
    [2 * day + 3 * hour, '2d3h'],
    [729 * day, '729d'],
    [3 * 365 * day + 4 * day, '3y4d'],
    [9 * 365 * day, '9y'],
  ])('%d ms is %s', (ms, text) => expect(humanDuration(ms)).toBe(text));
});

describe('JSONPath', () => {
  const root = {
    metadata: { labels: { 'a.b/c': 'label' } },
    list: [
      { type: 'Ready', status: 'True', n: 1 },
      { type: 'Other', status: 'False', n: 2 },
    ],
  };
  test.each([
    ['.metadata.labels.a\\.b/c', ['label']],
    [".metadata.labels['a\\.b/c']", ['label']],
    ['{.metadata.labels["a.b/c"]}', ['label']],
    ['.list[0].type', ['Ready']],
    ['.list[-1].type', ['Other']],
    ['.list[*].n', [1, 2]],
    ['.list[?(@.type=="Ready")].status', ['True']],
    ['.list[?(@.n != 1)].type', ['Other']],
    ['.list[?(@.missing!="x")].type', []],
    ['.missing.deep', []],
    ['.metadata.constructor', []],
  ])('%s finds %j', (path, found) => expect(compileJsonPath(path)(root)).toEqual(found));

  test.each(['.a[', '.a[?(@.b)]', '.a b', '[x]'])('%s is refused', (path) => expect(() => compileJsonPath(path)).toThrow(JsonPathError));
});

describe('pods', () => {
  const running = { running: { startedAt: ago(1000) } };
  const done = (exitCode: number, reason?: string): object => ({ terminated: { exitCode, ...(reason === undefined ? {} : { reason }) } });
  const spec = { containers: [{ name: 'a' }, { name: 'b' }], initContainers: [{ name: 'i' }, { name: 'j' }] };
  const init = [
    { name: 'i', state: done(0, 'Completed') },
    { name: 'j', state: done(0, 'Completed') },
  ];

  test.each<{ name: string; status: Record<string, unknown>; metadata?: object; expected: Record<string, unknown> }>([
    { name: 'no status yet', status: {}, expected: { Ready: '0/2', Status: 'Unknown', Restarts: '0' } },
    { name: 'pending', status: { phase: 'Pending' }, expected: { Status: 'Pending' } },
    {
      name: 'a running init container',
      status: { phase: 'Pending', initContainerStatuses: [init[0], { name: 'j', state: running }] },
      expected: { Ready: '0/2', Status: 'Init:1/2' },
    },
    {
      name: 'a failed init container',
      status: { phase: 'Failed', initContainerStatuses: [{ name: 'i', state: done(2, 'Error') }] },
      expected: { Status: 'Init:Error' },
    },
    {
      name: 'an init container killed without a reason',
      status: { phase: 'Failed', initContainerStatuses: [{ name: 'i', state: { terminated: { exitCode: 137, signal: 9 } } }] },
      expected: { Status: 'Init:Signal:9' },
    },
    {
      name: 'one of two ready',
      status: {
        phase: 'Running',
        initContainerStatuses: init,
        containerStatuses: [
          { name: 'a', ready: true, state: running },
          {
            name: 'b',
            ready: false,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            restartCount: 3,
            lastState: { terminated: { exitCode: 1, finishedAt: ago(5000) } },
          },
        ],
      },
      expected: { Ready: '1/2', Status: 'CrashLoopBackOff', Restarts: '3 (5s ago)' },
    },
    {
      name: 'one done, one running, not ready',
      status: {
        phase: 'Running',
        initContainerStatuses: init,
        containerStatuses: [
          { name: 'a', state: done(0, 'Completed') },
          { name: 'b', ready: true, state: running },
        ],
      },
      expected: { Ready: '1/2', Status: 'NotReady' },
    },
    {
      name: 'done',
      status: { phase: 'Succeeded', containerStatuses: [{ name: 'a', state: done(0, 'Completed') }] },
      expected: { Status: 'Completed' },
    },
    { name: 'evicted', status: { phase: 'Failed', reason: 'Evicted' }, expected: { Status: 'Evicted' } },
    {
      name: 'deleted while running',
      status: { phase: 'Running' },
      metadata: { deletionTimestamp: ago(0) },
      expected: { Status: 'Terminating' },
    },
    { name: 'deleted when failed', status: { phase: 'Failed' }, metadata: { deletionTimestamp: ago(0) }, expected: { Status: 'Failed' } },
  ])('$name', ({ status, metadata, expected }) => {
    expect(print(builtin('pods'), { spec, status, metadata })).toMatchObject({ ...expected, Age: '90s', Node: '<none>' });
  });

  test('a finished pod says so in its row', () => {
    const pod = { metadata: { name: 'x' }, spec, status: { phase: 'Failed' } } as unknown as StoredObject;
    expect(toTable(builtin('pods'), [pod], { nowMs }).rows[0]!.conditions).toMatchObject([{ type: 'Completed', reason: 'Failed' }]);
  });
});

describe('other built-in kinds', () => {
  test.each<{ plural: string; group?: string; object: Record<string, unknown>; expected: Record<string, unknown> }>([
    {
      plural: 'nodes',
      object: {
        metadata: { labels: { 'node-role.kubernetes.io/worker': '' } },
        spec: { unschedulable: true },
        status: {
          conditions: [{ type: 'Ready', status: 'True' }],
          addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
          nodeInfo: { kubeletVersion: 'v1' },
        },
      },
      expected: { Status: 'Ready,SchedulingDisabled', Roles: 'worker', Version: 'v1', 'Internal-IP': '127.0.0.1', 'External-IP': '<none>' },
    },
    { plural: 'namespaces', object: { status: { phase: 'Active' } }, expected: { Status: 'Active', Age: '90s' } },
    { plural: 'secrets', object: { type: 'Opaque', data: { a: '', b: '' } }, expected: { Type: 'Opaque', Data: 2 } },
    { plural: 'configmaps', object: { data: { a: '' }, binaryData: { b: '' } }, expected: { Data: 2 } },
    { plural: 'leases', group: 'coordination.k8s.io', object: { spec: { holderIdentity: 'me' } }, expected: { Holder: 'me' } },
    { plural: 'roles', group: 'rbac.authorization.k8s.io', object: {}, expected: { Name: 'x', 'Created At': ago(90_000) } },
    {
      plural: 'rolebindings',
      group: 'rbac.authorization.k8s.io',
      object: {
        roleRef: { kind: 'Role', name: 'r' },
        subjects: [
          { kind: 'User', name: 'u' },
          { kind: 'ServiceAccount', namespace: 'n', name: 's' },
        ],
      },
      expected: { Role: 'Role/r', Users: 'u', Groups: '', ServiceAccounts: 'n/s' },
    },
    {
      plural: 'events',
      object: {
        type: 'Normal',
        reason: 'Started',
        message: 'm\n',
        involvedObject: { kind: 'Pod', name: 'p' },
        lastTimestamp: ago(3000),
        firstTimestamp: ago(9000),
        count: 4,
        source: { component: 'kubelet', host: 'sandbox' },
      },
      expected: { 'Last Seen': '3s', Object: 'pod/p', Message: 'm', 'First Seen': '9s', Count: 4, Source: 'kubelet, sandbox' },
    },
    {
      plural: 'events',
      group: 'events.k8s.io',
      object: {
        type: 'Warning',
        reason: 'R',
        note: 'n',
        regarding: { kind: 'Pod', name: 'p' },
        eventTime: ago(7000),
        reportingController: 'c',
        reportingInstance: 'i',
      },
      expected: { 'Last Seen': '7s', Object: 'pod/p', Message: 'n', Count: 1, Source: 'c, i' },
    },
  ])('$plural $group', ({ plural, group, object, expected }) => {
    expect(print(builtin(plural, group), object)).toMatchObject(expected);
  });
});

describe('custom kinds', () => {
  const column = (name: string, type: string, jsonPath: string): PrinterColumn => ({ name, type, jsonPath, priority: 0 });
  const crd = { metadata: { name: 'crd' } };
  const custom = (...columns: PrinterColumn[]): Parameters<typeof toTable>[0] => ({ group: 'g', plural: 'things', columns, crd });

  test('print as their CRD says; what is missing or of another type is empty', () => {
    const info = custom(
      column('Text', 'string', '.spec.text'),
      column('List', 'string', '.spec.list'),
      column('Number', 'integer', '.spec.number'),
      column('Wrong', 'integer', '.spec.text'),
      column('Flag', 'boolean', '.spec.flag'),
      column('When', 'date', '.spec.when'),
      column('Ready', 'string', '.status.conditions[?(@.type=="Ready")].status'),
    );
    const object = {
      spec: { text: 't', list: [1, 'a'], number: 3.7, flag: false, when: ago(300_000) },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    };
    expect(print(info, object)).toEqual({
      Name: 'x',
      Text: 't',
      List: '[1,"a"]',
      Number: 3,
      Wrong: null,
      Flag: false,
      When: '5m',
      Ready: 'True',
    });
    expect(print(info, {})).toMatchObject({ Text: null, When: null, Ready: null });
  });

  test('without columns they print name and age', () => {
    expect(print(custom(), {})).toEqual({ Name: 'x', Age: '90s' });
  });
});

test('rows carry what includeObject asks for, and a watch sends the definitions once', () => {
  const object = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', uid: 'u' }, data: {} } as unknown as StoredObject;
  const row = (includeObject?: 'None' | 'Metadata' | 'Object'): unknown =>
    toTable(builtin('secrets'), [object], { nowMs, ...(includeObject === undefined ? {} : { includeObject }) }).rows[0]!.object;
  expect(row()).toEqual({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata });
  expect(row('Object')).toBe(object);
  expect(row('None')).toBeUndefined();
  const later = toTable(builtin('secrets'), [object], { nowMs, metadata: { resourceVersion: '7' }, withDefinitions: false });
  expect(later).toMatchObject({ kind: 'Table', metadata: { resourceVersion: '7' }, columnDefinitions: [] });
});
