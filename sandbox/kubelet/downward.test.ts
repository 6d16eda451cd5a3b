import { expect, test } from 'vitest';
import type { Pod } from '../../operator/kube/builtin.ts';
import { fieldValue, quantity, resourceValue } from './downward.ts';
import { expand } from './environment.ts';
import { NotReadyError } from './podApi.ts';
import { unschedulableReason } from './scheduler.ts';

test.each<[string | number, number]>([
  ['500m', 0.5],
  ['2', 2],
  [2, 2],
  ['1Ki', 1024],
  ['1.5Gi', 1.5 * 1024 ** 3],
  ['3k', 3000],
  ['1e3', 1000],
  ['100u', 1e-4],
])('the quantity %s is %d', (text, value) => expect(quantity(text)).toBeCloseTo(value, 9));

test.each(['', 'x', '1Q', '1 Ki'])('%j is no quantity', (text) => expect(() => quantity(text)).toThrow(NotReadyError));

const pod = {
  metadata: { name: 'p', labels: { b: '2', 'a.b/c': 'x"y' } },
  spec: { containers: [{ name: 'c', resources: { limits: { cpu: '1500m', memory: '100Mi' }, requests: { cpu: '250m' } } }] },
} as unknown as Pod;

test.each([
  ['limits.cpu', '1', '2'],
  ['limits.cpu', '1m', '1500'],
  ['requests.cpu', '1m', '250'],
  ['requests.memory', '1', '0'],
  ['limits.memory', '1Mi', '100'],
])('%s by %s is %s', (resource, divisor, value) => expect(resourceValue(pod, 'c', { resource, divisor })).toBe(value));

test.each([
  ["metadata.labels['a.b/c']", 'x"y'],
  ["metadata.labels['none']", ''],
  ['metadata.labels', 'a.b/c="x\\"y"\nb="2"'],
  ['status.podIP', '127.0.0.1'],
  ['spec.serviceAccountName', 'default'],
])('%s', (field, value) => expect(fieldValue(pod, field, '127.0.0.1')).toBe(value));

test('a field nobody serves is refused by name', () => {
  expect(() => fieldValue(pod, 'spec.containers', '')).toThrow('unsupported fieldPath: spec.containers');
});

test.each([
  ['$(A)-$(B)', '1-2'],
  ['$$(A)', '$(A)'],
  ['$$$(A)', '$1'],
  ['echo $$ $A ${A} $(', 'echo $ $A ${A} $('],
  ['$(NONE) $(toString)', '$(NONE) $(toString)'],
])('%s expands to %s', (text, expanded) => {
  const env = new Map([
    ['A', '1'],
    ['B', '2'],
  ]);
  expect(expand(text, env)).toBe(expanded);
});

test.each<{ operator: string; key: string; values?: string[]; fits: boolean }>([
  { operator: 'In', key: 'zone', values: ['a', 'b'], fits: true },
  { operator: 'In', key: 'none', values: ['a'], fits: false },
  { operator: 'NotIn', key: 'zone', values: ['a'], fits: false },
  { operator: 'NotIn', key: 'none', values: ['a'], fits: true },
  { operator: 'Exists', key: 'zone', fits: true },
  { operator: 'DoesNotExist', key: 'zone', fits: false },
  { operator: 'Gt', key: 'size', values: ['3'], fits: true },
  { operator: 'Lt', key: 'size', values: ['3'], fits: false },
])('affinity $operator $key', ({ fits, ...expression }) => {
  const required = { nodeSelectorTerms: [{ matchExpressions: [expression] }] };
  const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } };
  const choosy = { ...pod, spec: { ...pod.spec, affinity } };
  const node = { metadata: { name: 'n', labels: { zone: 'a', size: '4' } } };
  expect(unschedulableReason(choosy, node) === undefined).toBe(fits);
});

test('a cordoned node takes nothing', () => {
  expect(unschedulableReason(pod, { metadata: { name: 'n' }, spec: { unschedulable: true } })).toContain('node(s) were unschedulable');
});
