/** How full the limits are, with a number of series that users cannot raise. */
import { beforeEach, expect, it } from 'vitest';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { Admission } from './admission.ts';
import type { ClusterRoom, LimitSettings } from './admissionLimits.ts';
import { namedLimits, showLimitGauges } from './limitGauges.ts';
import { aRun, pendingRun } from './testing/builders.ts';
import { limitsOf, openCluster } from './testing/limits.ts';

let metrics: Metrics;
let admission: Admission;
let settings: Partial<LimitSettings>;
let clusters: Map<string, ClusterRoom>;
let isLeading: boolean;

beforeEach(() => {
  metrics = new Metrics();
  settings = {};
  clusters = new Map();
  isLeading = true;
  const limits = limitsOf(
    () => settings,
    (alias, namespace) => clusters.get(`${namespace}/${alias}`) ?? openCluster,
  );
  admission = new Admission({ limits, wake: () => undefined });
  showLimitGauges({ metrics, admission, settings: limits.settings, isLeading: () => isLeading });
  admission.open();
});

/** [used, waiting, capacity] */
const limit = (kind: string, name = '', job_namespace = ''): Promise<readonly unknown[]> =>
  Promise.all(['used', 'waiting', 'capacity'].map((each) => metrics.value(`prowjob_limit_${each}`, { limit: kind, job_namespace, name })));
const seriesOf = async (name: string): Promise<number> => {
  const { body } = await metrics.render();
  return body.split('\n').filter((line) => line.startsWith(`${name}{`)).length;
};
const add = (...runs: readonly ReturnType<typeof aRun>[]): void => {
  for (const object of runs) {
    admission.onJob({ type: 'added', object });
    if (object.status?.state === 'triggered') admission.request(object);
  }
};

it('each limit says what holds, what waits and how much there is', async () => {
  settings = { maxConcurrency: 10, maxConcurrencyPerNamespace: 5, queueCapacities: new Map([['boskos', 1]]) };
  const queued = { job_queue_name: 'boskos', cluster: 'gpu' };
  clusters.set('ci/gpu', { isOpen: true, limit: 7 });
  add(pendingRun({ name: 'a', spec: queued }), aRun({ name: 'b', spec: queued }), aRun({ name: 'c', spec: queued }));
  expect(await limit('queue', 'boskos')).toEqual([1, 2, 1]);
  expect(await limit('cluster', 'gpu', 'ci')).toEqual([1, 2, 7]);
  expect(await limit('namespace', '', 'ci')).toEqual([1, 2, 5]);
  expect(await limit('all')).toEqual([1, 2, 10]);
  expect([await metrics.value('prowjob_running'), await metrics.value('prowjob_waiting')]).toEqual([1, 2]);
});

it('what has no limit shows no capacity, and a cluster where nothing starts shows 0', async () => {
  clusters.set('ci/gpu', { isOpen: false, limit: 7 });
  add(pendingRun({ name: 'a' }), aRun({ name: 'b', spec: { cluster: 'gpu' } }));
  expect(await limit('all')).toEqual([1, 1, undefined]);
  expect(await limit('cluster', 'default')).toEqual([1, 0, undefined]);
  expect(await limit('cluster', 'gpu', 'ci')).toEqual([0, 1, 0]);
});

it('a queue of the settings is there while nobody uses it', async () => {
  settings = {
    queueCapacities: new Map([
      ['idle', 3],
      ['endless', -1],
      ['closed', 0],
    ]),
  };
  expect([await limit('queue', 'idle'), await limit('queue', 'endless'), await limit('queue', 'closed')]).toEqual([
    [0, 0, 3],
    [0, 0, undefined],
    [0, 0, 0],
  ]);
});

it('queues that only runs know share one name', async () => {
  add(...Array.from({ length: 5 }, (_, index) => aRun({ name: `r${index}`, spec: { job_queue_name: `made-up-${index}` } })));
  expect(await limit('queue', '(unknown)')).toEqual([0, 5, undefined]);
});

it('beyond a number the rest share one name, and the busiest keep theirs', async () => {
  const names = Array.from({ length: namedLimits + 5 }, (_, index) => `ns-${String(index).padStart(2, '0')}`);
  add(...names.map((namespace) => pendingRun({ name: `run-${namespace}`, uid: namespace, namespace })));
  add(pendingRun({ name: 'more', namespace: names.at(-1)! }));
  expect(await limit('namespace', '', names.at(-1))).toEqual([2, 0, undefined]);
  expect(await limit('namespace', '(others)', '(others)')).toEqual([5, 0, undefined]);
  expect(await seriesOf('prowjob_limit_used')).toBe(namedLimits + 1 + 2);
});

it('what is over goes away, and followers show nothing', async () => {
  const run = pendingRun({ name: 'a' });
  add(run);
  expect(await limit('namespace', '', 'ci')).toEqual([1, 0, undefined]);
  isLeading = false;
  expect([await limit('namespace', '', 'ci'), await metrics.value('prowjob_running')]).toEqual([[undefined, undefined, undefined], 0]);
  isLeading = true;
  admission.onJob({ type: 'deleted', object: run });
  expect(await limit('namespace', '', 'ci')).toEqual([undefined, undefined, undefined]);
});
