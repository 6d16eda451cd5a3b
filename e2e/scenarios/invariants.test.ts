/** Each invariant lets a good history pass, and names what broke it in a bad one. */
import { describe, expect, it } from 'vitest';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { Change, History } from './history.ts';
import { askedAtTheEnd, brokenInvariants, invariants } from './invariants.ts';
import { noLimits, type Limits } from './limitLedger.ts';

const created = '2026-01-01T10:00:00Z';
const ended = { state: 'success', completionTime: '2026-01-01T10:01:00Z' } as const;
const pending = { state: 'pending' } as const;
const waiting = { state: 'triggered', waiting: { reason: 'MaxConcurrency', message: '' } } as const;

type Happening<T> = readonly [version: number, object: T, type?: 'MODIFIED' | 'DELETED'];

/** What the first change of an object is called follows from its place. */
function changes<T extends ProwJob | Pod | Periodic>(happenings: readonly Happening<T>[]): readonly Change<T>[] {
  const seen = new Set<string>();
  return happenings.map(([version, object, type]) => {
    const uid = object.metadata.uid ?? '';
    const first = !seen.has(uid);
    seen.add(uid);
    return { type: type ?? (first ? 'ADDED' : 'MODIFIED'), version: BigInt(version), object };
  });
}

function run(
  name: string,
  status: Partial<NonNullable<ProwJob['status']>>,
  more: Partial<ProwJob['spec']> & { slot?: string; token?: string; in?: string } = {},
): ProwJob {
  const { slot, token, in: namespace = 'n', ...spec } = more;
  const annotations = {
    ...(slot === undefined ? {} : { 'prow.k8s.io/scheduled-time': slot }),
    ...(token === undefined ? {} : { 'prow.k8s.io/run-now-token': token }),
  };
  const owned = slot !== undefined || token !== undefined;
  const owner = { apiVersion: 'prow.k8s.io/v1', kind: 'Periodic', name: 'hourly', uid: 'u-hourly', controller: true };
  return {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'ProwJob',
    metadata: {
      name,
      namespace,
      uid: `u-${name}`,
      creationTimestamp: created,
      annotations,
      ...(owned ? { ownerReferences: [owner] } : {}),
    },
    spec: { type: 'periodic', job: 'turns', ...spec },
    status: { state: 'triggered', ...status },
  };
}

function pod(
  name: string,
  of: string,
  phase: 'Running' | 'Succeeded' = 'Running',
  more: { readonly attempt?: number; readonly deleting?: boolean; readonly uid?: string; readonly buildId?: string } = {},
): Pod {
  const { attempt = 1, deleting = false, uid = `p-${name}`, buildId = `b-${name}` } = more;
  const labels = {
    'created-by-prow': 'true',
    'prow.k8s.io/run-uid': `u-${of}`,
    'prow.k8s.io/attempt': String(attempt),
    'prow.k8s.io/build-id': buildId,
  };
  return {
    metadata: { name, namespace: 'n', uid, labels, ...(deleting ? { deletionTimestamp: created } : {}) },
    spec: { containers: [] },
    status: { phase },
  };
}

/** A pod that began to run when it was created, and was deleted then. */
const stopped = (name: string, deletionTimestamp: string): Pod => {
  const running = pod(name, name);
  return { ...running, metadata: { ...running.metadata, deletionTimestamp }, status: { phase: 'Running', startTime: created } };
};

const schedule = (lastScheduleTime: string, status: Periodic['status'] = {}): Periodic => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'Periodic',
  metadata: { name: 'hourly', namespace: 'n', uid: 'u-hourly', creationTimestamp: created },
  spec: { cron: '@every 60s', jobTemplate: { spec: {} } },
  status: { ...status, lastScheduleTime },
});

interface Row {
  readonly invariant: string;
  readonly why: string;
  readonly runs?: readonly Happening<ProwJob>[];
  readonly pods?: readonly Happening<Pod>[];
  readonly periodics?: readonly Happening<Periodic>[];
  /** Instead of none. */
  readonly limits?: Partial<Limits>;
  /** A word of what is said. Absent: nothing is wrong. */
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
  const invariant = 'unfinished pods never exceed a limit';
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
      { invariant, why: `of ${of}: the second pod comes before the first has ended`, limits, runs, pods: [begins, other, ends], says },
      { invariant, why: `of ${of}: one after the other`, limits, runs, pods: [begins, ends, other] },
    ];
  });
}
const rows: readonly Row[] = [
  {
    invariant: 'a complete run never changes state or completionTime',
    why: 'a success that becomes a failure',
    runs: [
      [1, run('a', ended)],
      [2, run('a', { ...ended, state: 'failure' })],
    ],
    says: 'n/a was success',
  },
  {
    invariant: 'a complete run never changes state or completionTime',
    why: 'an annotation may change',
    runs: [
      [1, run('a', pending)],
      [2, run('a', ended)],
      [3, { ...run('a', ended), metadata: { ...run('a', ended).metadata, labels: { x: 'y' } } }],
    ],
  },
  ...limitRows(),
  {
    invariant: 'waiting runs start by priority, then age, then uid',
    why: 'the lesser one takes the slot that both waited for',
    runs: [
      [1, run('holder', pending, one)],
      [2, run('lesser', waiting, one)],
      [3, run('better', waiting, { ...one, priority: 1 })],
      [4, run('holder', ended, one)],
      [5, run('lesser', pending, one)],
      [6, run('lesser', ended, one)],
      [7, run('better', pending, { ...one, priority: 1 })],
      [8, run('better', ended, { ...one, priority: 1 })],
    ],
    says: 'n/lesser started before n/better',
  },
  {
    invariant: 'waiting runs start by priority, then age, then uid',
    why: 'the better one came when the slot had been given away',
    runs: [
      [1, run('holder', pending, one)],
      [2, run('lesser', waiting, one)],
      [3, run('holder', ended, one)],
      [4, run('better', waiting, { ...one, priority: 1 })],
      [5, run('lesser', pending, one)],
      [6, run('lesser', ended, one)],
      [7, run('better', pending, { ...one, priority: 1 })],
      [8, run('better', ended, { ...one, priority: 1 })],
    ],
  },
  { invariant: 'every run comes to an end', why: 'one goes on for ever', runs: [[1, run('a', pending)]], says: 'n/a is still pending' },
  {
    invariant: 'every run comes to an end',
    why: 'it was deleted under way',
    runs: [
      [1, run('a', pending)],
      [2, run('a', pending), 'DELETED'],
    ],
  },
  {
    invariant: 'no deadline is overrun by more than a crash takes',
    why: 'a minute in the queue instead of five seconds',
    runs: [[1, run('a', { ...ended, state: 'error' }, { timeouts: { queue: '5s' } })]],
    says: 'n/a waited longer than its queue deadline',
  },
  {
    invariant: 'no deadline is overrun by more than a crash takes',
    why: 'a pod that nobody stopped in time',
    runs: [[1, run('a', ended, { timeouts: { running: '5s' } })]],
    pods: [[2, stopped('a', '2026-01-01T10:01:00Z')]],
    says: 'pod n/a was running longer than its deadline',
  },
  {
    invariant: 'no deadline is overrun by more than a crash takes',
    why: 'a pod that was stopped in time',
    runs: [[1, run('a', ended, { timeouts: { running: '5s' } })]],
    pods: [[2, stopped('a', '2026-01-01T10:00:06Z')]],
  },
  {
    invariant: 'every pod belongs to a run, and each attempt has at most one',
    why: 'a pod of nobody',
    pods: [[1, pod('a', 'a')]],
    says: 'pod n/a belongs to no run',
  },
  {
    invariant: 'every pod belongs to a run, and each attempt has at most one',
    why: 'two pods of one attempt, also one after the other',
    runs: [[1, run('a', ended)]],
    pods: [
      [2, pod('a', 'a')],
      [3, pod('a', 'a'), 'DELETED'],
      [4, pod('a', 'a', 'Succeeded', { uid: 'another' })],
    ],
    says: 'one attempt has the pods n/a (p-a) and n/a (another)',
  },
  {
    invariant: 'nobody but the user deletes the pod of a run that goes on',
    why: 'a running pod is taken away',
    runs: [
      [1, run('a', pending)],
      [9, run('a', ended)],
    ],
    pods: [
      [2, pod('a', 'a')],
      [3, pod('a', 'a', 'Running', { deleting: true })],
    ],
    says: 'pod n/a was deleted while its run went on',
  },
  {
    invariant: 'nobody but the user deletes the pod of a run that goes on',
    why: 'the run was asked to end',
    runs: [
      [1, run('a', pending, { abort: { by: 'x', reason: 'y' } })],
      [9, run('a', ended)],
    ],
    pods: [
      [2, pod('a', 'a')],
      [3, pod('a', 'a', 'Running', { deleting: true })],
    ],
  },
  {
    invariant: 'at most one run for each slot and each start by hand',
    why: 'two runs for one slot',
    runs: [
      [1, run('a', ended, { slot: created })],
      [2, run('b', ended, { slot: created })],
    ],
    says: 'n/a was started twice for',
  },
  {
    invariant: 'at most one run for each slot and each start by hand',
    why: 'two runs for one token',
    runs: [
      [1, run('a', ended, { token: 'now' })],
      [2, run('b', ended, { token: 'now' })],
    ],
    says: 'n/a was started twice for now',
  },
  {
    invariant: 'every slot ends started, skipped or missed',
    why: 'a hole between two slots',
    runs: [
      [1, run('a', ended, { slot: '2026-01-01T10:00:00Z' })],
      [2, run('b', ended, { slot: '2026-01-01T10:10:00Z' })],
    ],
    periodics: [[3, schedule('2026-01-01T10:10:00Z')]],
    says: 'hourly has neither a run nor a reason for 2026-01-01T10:02:00.000Z',
  },
  {
    invariant: 'every slot ends started, skipped or missed',
    why: 'the slots that follow were skipped, one was missed, and one waits',
    runs: [[1, run('a', ended, { slot: created })]],
    periodics: [
      [3, schedule('2026-01-01T10:01:00Z', { skipped: { count: 1, last: [{ slot: '2026-01-01T10:01:00Z', reason: 'ActiveRun' }] } })],
      [
        4,
        schedule('2026-01-01T10:03:00Z', {
          skipped: { count: 1, last: [{ slot: '2026-01-01T10:01:00Z', reason: 'ActiveRun' }] },
          missed: { count: 1, last: [{ slot: '2026-01-01T10:02:00Z', reason: 'QueueFull' }] },
          waiting: [{ slot: '2026-01-01T10:03:00Z', reason: 'Queued' }],
        }),
      ],
    ],
  },
  {
    invariant: 'every slot ends started, skipped or missed',
    why: 'a slot that was said to be missed and started all the same',
    runs: [[1, run('a', ended, { slot: created })]],
    periodics: [[3, schedule(created, { missed: { count: 1, last: [{ slot: created, reason: 'Superseded' }] } })]],
    says: 'hourly has two answers for 2026-01-01T10:00:00.000Z',
  },
  {
    invariant: 'no pod starts for a run that is over',
    why: 'a pod after the end',
    runs: [
      [1, run('a', pending)],
      [2, run('a', ended)],
    ],
    pods: [[3, pod('a', 'a', 'Succeeded')]],
    says: 'pod n/a was created when its run had ended',
  },
  {
    invariant: 'unfinished pods never exceed a limit',
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
    invariant: 'unfinished pods never exceed a limit',
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
    invariant: 'unfinished pods never exceed a limit',
    why: 'nothing may start in a queue that nobody set up',
    runs: [[1, run('a', ended, { job_queue_name: 'unheard-of' })]],
    pods: [[2, pod('a', 'a')]],
    says: 'queue unheard-of had 1 unfinished pods; its limit is 0',
  },
  {
    invariant: 'unfinished pods never exceed a limit',
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
  {
    invariant: 'no pod starts for a run that is over',
    why: 'a pod after a newer run has taken the place',
    runs: [
      [1, run('a', pending)],
      [2, run('a', { state: 'aborted', superseded_by: 'b' })],
    ],
    pods: [[3, pod('a', 'a')]],
    says: 'pod n/a was created when its run had ended',
  },
  {
    invariant: 'what cannot be done says why',
    why: 'a run that ended as an error without a word',
    runs: [[1, run('a', { ...ended, state: 'error' })]],
    says: 'n/a ended as error with reason ""',
  },
  {
    invariant: 'what cannot be done says why',
    why: 'a condition that is False without a message',
    periodics: [
      [
        1,
        schedule(created, {
          conditions: [{ type: 'Ready', status: 'False', reason: 'Invalid', message: '', lastTransitionTime: created }],
        }),
      ],
    ],
    says: 'condition Ready of n/hourly is False',
  },
  {
    invariant: 'what cannot be done says why',
    why: 'a reason and a sentence',
    runs: [[1, run('a', { ...ended, state: 'error', reason: 'InvalidSpec', description: 'The run cannot be started.' })]],
  },
  {
    invariant: 'nothing is written again and again',
    why: 'a run that has ended is written on and on',
    runs: Array.from({ length: 20 }, (_, at) => [at + 1, run('a', { ...ended, description: `look ${at}` })] as const),
    says: 'ProwJob n/a was written 19 times after its end',
  },
  {
    invariant: 'nothing is written again and again',
    why: 'two hands that take back what the other wrote',
    periodics: Array.from({ length: 12 }, (_, at) => [at + 1, schedule(created, { consecutiveFailures: at % 2 })] as const),
    says: 'Periodic n/hourly got the same status 6 times',
  },
  {
    invariant: 'nothing is written again and again',
    why: 'a run that waits is told its place, and others touch it',
    runs: [3, 3, 3, 2, 2, 1].map(
      (position, at) => [at + 1, run('a', { state: 'triggered', waiting: { reason: 'QueueFull', position } })] as const,
    ),
  },
  {
    invariant: 'a build id is unique for each attempt',
    why: 'two runs with one id',
    runs: [
      [1, run('a', ended)],
      [2, run('b', ended)],
    ],
    pods: [
      [3, pod('a', 'a', 'Succeeded', { buildId: '7' })],
      [4, pod('b', 'b', 'Succeeded', { buildId: '7' })],
    ],
    says: 'build id 7 belongs to',
  },
];

describe('the invariants', () => {
  it.each(rows)('$invariant: $why', ({ invariant, says, limits, ...happened }) => {
    const history: History = {
      runs: changes(happened.runs ?? []),
      pods: changes(happened.pods ?? []),
      periodics: changes(happened.periodics ?? []),
    };
    const broken = invariants.get(invariant)?.(history, { deletedPods: new Set(), limits: { ...noLimits, ...limits } });
    if (says === undefined) expect(broken).toEqual([]);
    else expect(broken?.join('\n')).toContain(says);
  });

  it('are each seen broken by a row', () => {
    const shown = new Set(rows.filter(({ says }) => says !== undefined).map(({ invariant }) => invariant));
    expect([...invariants.keys()].filter((invariant) => !shown.has(invariant))).toEqual([]);
  });

  it('that are only asked at the end are some of them', () => {
    expect([...askedAtTheEnd].filter((each) => !invariants.has(each))).toEqual([]);
  });

  it('say nothing of what is not over while things go on', () => {
    const history: History = { runs: changes([[1, run('a', pending)]]), pods: [], periodics: [] };
    expect(brokenInvariants(history, { deletedPods: new Set() }, 'throughout')).toEqual([]);
  });

  it('say which of them was broken', () => {
    const broken = brokenInvariants({ runs: changes([[1, run('a', pending)]]), pods: [], periodics: [] }, { deletedPods: new Set() });
    expect(broken).toEqual(['every run comes to an end: n/a is still pending']);
  });
});
