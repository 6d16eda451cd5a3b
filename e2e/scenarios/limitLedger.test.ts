/** Every limit lets runs go one after the other, and is seen when two go beside each other. */
import { describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { noLimits, overTheLimits, type Limits } from './limitLedger.ts';
import { changes, ended, pod, run, type Happening } from './testing/happenings.ts';

interface Row {
  readonly why: string;
  readonly runs: readonly Happening<ProwJob>[];
  readonly pods: readonly Happening<Pod>[];
  /** Instead of none. */
  readonly limits?: Partial<Limits>;
  /** What is said. Absent: nothing is wrong. */
  readonly says?: string;
}

const one = { max_concurrency: 1 };

type RunSpec = NonNullable<Parameters<typeof run>[2]>;

/** Two runs whose pods overlap, and the same two one after the other. */
function limitRows(): readonly Row[] {
  const crowds: readonly { of: string; limits?: Partial<Limits>; first?: RunSpec; second?: RunSpec; says: string }[] = [
    { of: 'a job', first: one, second: one, says: 'job n/turns had 2 unfinished pods; its limit is 1' },
    {
      of: 'a queue over two jobs',
      limits: { queueCapacities: new Map([['gpu', 1]]) },
      first: { job_queue_name: 'gpu' },
      second: { job_queue_name: 'gpu', job: 'other' },
      says: 'queue gpu had 2 unfinished pods; its limit is 1',
    },
    {
      of: 'the own cluster over two namespaces',
      limits: { defaultClusterMaxConcurrency: 1 },
      first: { cluster: 'default' },
      second: { in: 'm' },
      says: 'cluster default had 2 unfinished pods; its limit is 1',
    },
    {
      of: 'a build cluster over two jobs',
      limits: { clusters: new Map([['n/eks', 1]]) },
      first: { cluster: 'eks' },
      second: { cluster: 'eks', job: 'other' },
      says: 'cluster n/eks had 2 unfinished pods; its limit is 1',
    },
    {
      of: 'any namespace',
      limits: { maxConcurrencyPerNamespace: 1 },
      second: { job: 'other' },
      says: 'namespace n had 2 unfinished pods; its limit is 1',
    },
    {
      of: 'one namespace',
      limits: { maxConcurrencyPerNamespace: 9, namespaceLimits: new Map([['n', 1]]) },
      second: { job: 'other' },
      says: 'namespace n had 2 unfinished pods; its limit is 1',
    },
    {
      of: 'everything',
      limits: { maxConcurrency: 1 },
      second: { in: 'm', job: 'other' },
      says: 'the installation had 2 unfinished pods; its limit is 1',
    },
  ];
  return crowds.flatMap(({ of, limits = {}, first = {}, second = {}, says }): readonly Row[] => {
    const runs: readonly Happening<ProwJob>[] = [
      [1, run('a', ended, first)],
      [2, run('b', ended, second)],
    ];
    const [begins, ends, other]: readonly Happening<Pod>[] = [
      [3, pod('a', 'a')],
      [4, pod('a', 'a', 'Succeeded')],
      [5, pod('b', 'b')],
    ];
    if (begins === undefined || ends === undefined || other === undefined) throw new Error('three happenings');
    return [
      { why: `of ${of}: the second pod comes before the first has ended`, limits, runs, pods: [begins, other, ends], says },
      { why: `of ${of}: one after the other`, limits, runs, pods: [begins, ends, other] },
    ];
  });
}

const rows: readonly Row[] = [
  ...limitRows(),
  {
    why: 'of two runs of one job each keeps to its own',
    runs: [
      [1, run('a', ended, one)],
      [2, run('b', ended, { max_concurrency: 2 })],
    ],
    pods: [
      [3, pod('a', 'a')],
      [4, pod('b', 'b')],
      [5, pod('a', 'a', 'Running', { deleting: true })],
    ],
  },
  {
    why: 'a run without a limit counts for one that has one',
    runs: [
      [1, run('a', ended)],
      [2, run('b', ended, one)],
    ],
    pods: [
      [3, pod('a', 'a')],
      [4, pod('b', 'b')],
    ],
    says: 'job n/turns had 2 unfinished pods; its limit is 1',
  },
  {
    why: 'nothing may start in a queue that nobody set up',
    runs: [[1, run('a', ended, { job_queue_name: 'unheard-of' })]],
    pods: [[2, pod('a', 'a')]],
    says: 'queue unheard-of had 1 unfinished pods; its limit is 0',
  },
  {
    why: 'a queue below zero has no limit, and a pod that is gone does not count',
    limits: { queueCapacities: new Map([['wide', -1]]), maxConcurrency: 2 },
    runs: ['a', 'b', 'c'].map((name, at) => [at + 1, run(name, ended, { job_queue_name: 'wide' })] as const),
    pods: [
      [4, pod('a', 'a')],
      [5, pod('b', 'b')],
      [6, pod('a', 'a'), 'DELETED'],
      [7, pod('c', 'c')],
    ],
  },
];

describe('the limit', () => {
  it.each(rows)('$why', ({ runs, pods, limits, says }) => {
    const broken = overTheLimits({ runs: changes(runs), pods: changes(pods), periodics: [] }, { ...noLimits, ...limits });
    expect(broken).toEqual(says === undefined ? [] : [says]);
  });
});
