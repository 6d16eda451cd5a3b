/** What is shown of build clusters, and that the rest beyond a hundred hides no fault. */
import { beforeEach, expect, it } from 'vitest';
import { Metrics } from '../runtime/metrics.ts';
import { clusterMetrics, type ClusterFigures } from './clusterMetrics.ts';

let metrics: Metrics;
let all: readonly ClusterFigures[];

beforeEach(() => {
  metrics = new Metrics();
  all = [];
  clusterMetrics(metrics, () => all);
});

const cluster = (alias: string, parts: Partial<ClusterFigures> = {}): ClusterFigures => ({
  namespace: 'ci',
  alias,
  isUp: true,
  isOpen: false,
  isPaused: false,
  callsUnderWay: 1,
  podsSeen: 10,
  ...parts,
});
const names = ['up', 'breaker_open', 'paused', 'calls_in_flight', 'pods'] as const;
const shown = (alias: string, namespace = 'ci'): Promise<readonly unknown[]> =>
  Promise.all(names.map((name) => metrics.value(`prow_build_cluster_${name}`, { job_namespace: namespace, cluster: alias })));

it('each cluster has figures of its own, for as long as it is there', async () => {
  all = [cluster('gpu'), cluster('arm', { isUp: false, isOpen: true, isPaused: true, callsUnderWay: 0, podsSeen: 0 })];
  expect([await shown('gpu'), await shown('arm')]).toEqual([
    [1, 0, 0, 1, 10],
    [0, 1, 1, 0, 0],
  ]);
  all = [cluster('gpu')];
  expect(await shown('arm')).toEqual([undefined, undefined, undefined, undefined, undefined]);
});

it.each([
  { name: 'one is down', rest: [cluster('x', { isUp: false }), cluster('y')], expected: [0, 0, 0, 2, 20] },
  {
    name: 'one is paused and another is down',
    rest: [cluster('x', { isUp: false }), cluster('y', { isPaused: true })],
    expected: [0, 0, 0, 2, 20],
  },
  { name: 'one is not called', rest: [cluster('x', { isOpen: true }), cluster('y')], expected: [1, 1, 0, 2, 20] },
  { name: 'all are paused', rest: [cluster('x', { isPaused: true }), cluster('y', { isPaused: true })], expected: [1, 0, 1, 2, 20] },
])('those beyond a hundred share one name: $name', async ({ rest, expected }) => {
  all = [...Array.from({ length: 100 }, (_, index) => cluster(`c${index}`)), ...rest];
  expect(await shown('(others)', '(others)')).toEqual(expected);
  expect(await shown('x')).toEqual([undefined, undefined, undefined, undefined, undefined]);
});
