/**
 * Every row of the scenario tables of upstream's run control: what is given, and what becomes of it here. Each row says whether that is
 * what upstream does, or how and why it differs; each difference stands in docs/differences-from-prow.md under the number of its row.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Refs } from '../../crds/v1/refs.ts';
import { identityOf } from '../../operator/jobs/identity.ts';
import { buildPod, planAttempt } from '../../operator/jobs/podBuilder.ts';
import { label, podSelector } from '../../operator/jobs/labels.ts';
import { buildIdOfPod, ownerOf, runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import { defaultPolicy } from '../../operator/jobs/policy.ts';
import { TransportError } from '../../operator/kube/errors.ts';
import { refusalOf } from './steps/podRefusal.ts';
import {
  aRun,
  ago,
  ended,
  goesOn,
  hourMs,
  minuteMs,
  pendingRun,
  podOf,
  presubmit,
  refs,
  type PodParts,
  type RunParts,
} from './testing/builders.ts';
import {
  decided,
  evicted,
  finish,
  lose,
  nothing,
  pending,
  retry,
  running,
  succeeded,
  unscheduled,
  written,
  type Given,
} from './testing/decided.ts';
import { admits, answers, busy, decides, differs, job, limit, same, type SpecRow } from './testing/specRow.ts';

const finalizers = ['prow.x-k8s.io/gcsk8sreporter'];
const lastAttempt = (status: PodParts['status']): PodParts => ({ attempt: 4, ...(status === undefined ? {} : { status }) });
const plankPod = (labels: Record<string, string>, env: readonly { name: string; value: string }[] = []) => ({
  metadata: { name: 'run', namespace: 'ci', labels: { [label.createdByProw]: 'true', [label.id]: 'run', ...labels } },
  spec: { containers: [{ name: 'test', env }] },
});
const fromPlank = aRun({ status: { state: 'pending', pod_name: 'run', build_id: '1' } });

const triggered: readonly SpecRow[] = [
  same('P1', 'triggered, nothing stands in its way', decides({ run: aRun() }, { do: 'start', plan: { number: 1, podName: 'run' } })),
  differs(
    'P2',
    'limit 1, another run of the job is pending',
    'it is woken by the free slot, not after 10 s',
    admits([job('new')], ['MaxConcurrency'], busy(1)),
  ),
  differs(
    'P3',
    'the same on the cluster alias trusted',
    'woken by the free slot',
    admits([job('new', { spec: { cluster: 'trusted' } })], ['MaxConcurrency'], busy(1, { spec: { cluster: 'trusted' } })),
  ),
  same(
    'P4',
    'limit 1, an unrelated job runs elsewhere',
    admits([job('new', { spec: { cluster: 'trusted' } })], [true], busy(1, { spec: { job: 'unrelated' } })),
  ),
  differs(
    'P5',
    'the global limit is reached',
    'woken by the free slot; exact, which upstream is not',
    admits([job('new')], ['GlobalLimit'], busy(20, { spec: { job: 'unrelated', max_concurrency: 0 } }), { maxConcurrency: 20 }),
  ),
  same(
    'P6',
    'one below the global limit',
    admits([job('new')], [true], busy(20, { spec: { job: 'unrelated', max_concurrency: 0 } }), { maxConcurrency: 21 }),
  ),
  same('P7', 'the pod is answered 422', answers(422, 'Invalid', 'spec: invalid', { kind: 'permanent', message: 'spec: invalid' })),
  differs('P8', 'the pod is answered 403', 'a policy ends the run, a quota and missing rights hold it', () => {
    answers(403, 'Forbidden', 'violates PodSecurity', { kind: 'permanent' })();
    answers(403, 'Forbidden', 'exceeded quota: tiny', { kind: 'passing', reason: 'QuotaExceeded' })();
    answers(403, 'Forbidden', 'User "u" cannot create resource "pods"', { kind: 'passing', reason: 'PodRefused' })();
  }),
  differs('P9', 'the pod is answered 409', 'it passes', answers(409, 'Conflict', 'try again', { kind: 'passing' })),
  differs('P10', 'no API answer to the creation', 'tried again, and the run says why it waits', () => {
    expect(refusalOf(new TransportError('reset', 'broke'))).toMatchObject({ kind: 'passing', reason: 'ClusterUnavailable' });
  }),
  same('P11', 'a pod of the run exists', decides({ run: aRun(), pods: [running()] }, { do: 'adopt', pod: { metadata: { name: 'run' } } })),
  same('P12', 'its build id is in the environment only', () => {
    expect(buildIdOfPod(plankPod({}, [{ name: 'BUILD_ID', value: '7' }]))).toBe('7');
    expect(buildIdOfPod(plankPod({ [label.buildId]: '8' }, [{ name: 'BUILD_ID', value: '7' }]))).toBe('8');
  }),
  same(
    'P13',
    'two triggered, limit 1: the older starts',
    admits([job('younger'), job('older', { createdAgoMs: minuteMs })], ['MaxConcurrency', true]),
  ),
  same('P14', 'two triggered, limit 2', admits([job('a', limit(2)), job('b', limit(2))], [true, true])),
  same(
    'P15',
    'limit 5, five pending',
    admits([job('a', limit(5)), job('b', limit(5))], ['MaxConcurrency', 'MaxConcurrency'], busy(5, limit(5))),
  ),
  same(
    'P16',
    'an alias nobody knows',
    decides(
      { run: aRun({ createdAgoMs: 10_000, spec: { cluster: 'x' } }), cluster: { state: 'unknown', message: 'x?' } },
      finish('error', 'UnknownCluster'),
    ),
  ),
  differs(
    'P17',
    'a decorated periodic on another cluster',
    'it runs without helper containers, and the condition Unsupported names what is left out',
    () => {
      const given: Given = { run: aRun({ spec: { cluster: 'trusted', decoration_config: { utility_images: { sidecar: 'i' } } } }) };
      const decision = decided(given);
      expect(decision).toMatchObject({ do: 'start' });
      if (decision.do !== 'start') return;
      const run = written(given, { kind: 'started', plan: decision.plan });
      expect(run.status?.conditions).toContainEqual(
        expect.objectContaining({ type: 'Unsupported', status: 'True', reason: 'FieldsIgnored' }),
      );
      decides({ run, pods: [succeeded] }, finish('success', 'Succeeded'))();
    },
  ),
  differs(
    'P18',
    'the pod cannot be built',
    'the run ends with the field at fault; upstream tries for ever',
    decides({ run: aRun({ spec: { pod_spec: undefined as never } }) }, finish('error', 'InvalidSpec')),
  ),
  differs(
    'P19',
    'two of one job, limit 1, at once',
    'one ledger grants slots; no lock and no wait',
    admits([job('a'), job('b')], [true, 'MaxConcurrency']),
  ),
  differs(
    'P20',
    'two of one queue of capacity 1, at once',
    'the same',
    admits(
      [
        job('a', { spec: { job: 'a', max_concurrency: 0, job_queue_name: 'q' } }),
        job('b', { spec: { job: 'b', max_concurrency: 0, job_queue_name: 'q' } }),
      ],
      [true, 'QueueFull'],
      [],
      { queueCapacities: new Map([['q', 1]]) },
    ),
  ),
];

const queued = (name: string, parts: RunParts = {}): ProwJob =>
  job(name, { ...parts, spec: { job: name, max_concurrency: 0, job_queue_name: 'q', ...parts.spec } });
const capacity = (count: number) => ({ queueCapacities: new Map([['q', count]]) });
const concurrency: readonly SpecRow[] = [
  same('C1', 'no limit, ten pending', admits([job('a', limit(0))], [true], busy(10, limit(0)))),
  same('C2', 'limit 10, ten pending', admits([job('a', limit(10))], ['MaxConcurrency'], busy(10, limit(10)))),
  same('C3', 'limit 10, nine pending', admits([job('a', limit(10))], [true], busy(9, limit(10)))),
  same(
    'C4',
    'limit 10, ten pending and an older triggered',
    admits([job('a', limit(10))], ['MaxConcurrency'], [...busy(10, limit(10)), job('older', { ...limit(10), createdAgoMs: minuteMs })]),
  ),
  same('C5', 'limit 1, a newer one triggered', admits([job('a', { createdAgoMs: minuteMs })], [true], [job('newer')])),
  same(
    'C6',
    'limit 2, an older one complete, one pending',
    admits(
      [job('a', limit(2))],
      [true],
      [...busy(1, limit(2)), job('old', { ...limit(2), status: { state: 'success', completionTime: ago(0) } })],
    ),
  ),
  same('C7', 'a queue of capacity 0', admits([queued('a')], ['QueueFull'], [], capacity(0))),
  same('C8', 'a queue of capacity -1', admits([queued('a')], [true], busy(9, { spec: { job_queue_name: 'q' } }), capacity(-1))),
  same(
    'C9',
    'the queue is full with another job',
    admits([queued('a')], ['QueueFull'], busy(2, { spec: { job: 'other', max_concurrency: 0, job_queue_name: 'q' } }), capacity(2)),
  ),
  differs(
    'C10',
    'an older run of the queue waits for its own limit',
    'it holds nobody behind it up',
    admits(
      [queued('a')],
      [true],
      [...busy(1, { spec: { job_queue_name: 'q' } }), job('head', { createdAgoMs: minuteMs, spec: { job_queue_name: 'q' } })],
      capacity(2),
    ),
  ),
  same('C11', 'two of the same second, limit 1', admits([job('a'), job('b')], [true, 'MaxConcurrency'])),
];

const pendingRows: readonly SpecRow[] = [
  differs(
    'Q1',
    'pending, without a pod',
    'the next attempt, counted and limited; of our own attempts one that was never created is created',
    () => {
      decides({ run: fromPlank }, retry('PodVanished'))();
      decides({ run: pendingRun() }, { do: 'createPod', plan: { number: 1 } })();
    },
  ),
  differs(
    'Q2',
    'phase Unknown',
    'the lost attempt is recorded, then the pod deleted',
    decides({ run: pendingRun(), pods: [{ status: { phase: 'Unknown' } }] }, lose('NodeLost')),
  ),
  differs('Q3', 'the same with the finalizer of the reporter', 'recorded first; then the finalizer goes and the pod', () => {
    const given: Given = { run: pendingRun(), pods: [{ status: { phase: 'Unknown' }, finalizers }] };
    const decision = decided(given);
    expect(decision).toMatchObject(lose('NodeLost'));
    if (decision.do !== 'lose') return;
    decides({ ...given, run: written(given, { kind: 'lost', ...decision }) }, { do: 'deletePods', release: true })();
  }),
  same('Q4', 'Succeeded', decides({ run: pendingRun(), pods: [succeeded] }, finish('success', 'Succeeded'))),
  same(
    'Q5',
    'Succeeded with a container that goes on',
    decides(
      { run: pendingRun(), pods: [{ status: { phase: 'Succeeded', containerStatuses: [ended(0), goesOn] } }] },
      { do: 'finish', state: 'error' },
    ),
  ),
  same(
    'Q6',
    'Succeeded with an init container that goes on',
    decides(
      { run: pendingRun(), pods: [{ status: { phase: 'Succeeded', initContainerStatuses: [goesOn], containerStatuses: [ended(0)] } }] },
      { do: 'finish', state: 'error' },
    ),
  ),
  same(
    'Q7',
    'Failed',
    decides({ run: pendingRun(), pods: [{ status: { phase: 'Failed', containerStatuses: [ended(1)] } }] }, finish('failure', 'TestFailed')),
  ),
  differs(
    'Q8',
    'Evicted',
    'the next attempt has a pod of its own name; the evicted one stays until cleanup',
    decides({ run: pendingRun(), pods: [evicted] }, retry('Evicted')),
  ),
  differs(
    'Q9',
    'the same with the finalizer',
    'the pod stays, and its finalizer with it',
    decides({ run: pendingRun(), pods: [{ ...evicted, finalizers }] }, retry('Evicted')),
  ),
  same(
    'Q10',
    'Evicted with error_on_eviction',
    decides({ run: pendingRun({ spec: { error_on_eviction: true } }), pods: [evicted] }, finish('error', 'Evicted')),
  ),
  same(
    'Q11',
    'Evicted, every revival used',
    decides({ run: pendingRun({}, 4), pods: [{ ...evicted, attempt: 4 }] }, finish('error', 'RetriesExhausted')),
  ),
  differs(
    'Q12',
    'Failed, reason Terminated: the node shuts down',
    'the test did not say no: the next attempt',
    decides({ run: pendingRun(), pods: [{ status: { phase: 'Failed', reason: 'Terminated' } }] }, retry('NodeLost')),
  ),
  differs(
    'Q13',
    'Running',
    'there is a timer for the running deadline',
    decides({ run: pendingRun(), pods: [running(hourMs)] }, { do: 'wait', afterMs: 47 * hourMs }),
  ),
  same('Q14', 'Succeeded, with an old link', () => {
    const run = pendingRun({ spec: { job: 'unit' } });
    const before: ProwJob = { ...run, status: { ...run.status!, url: 'https://old' } };
    const given: Given = { run: before, policy: { jobUrlTemplate: 'https://new/{{job}}' } };
    expect(written(given, { kind: 'finished', state: 'success', reason: 'Succeeded', description: '' }).status?.url).toBe(
      'https://new/unit',
    );
  }),
  differs(
    'Q15',
    'without a pod, and its creation is answered 4xx',
    'as P7 to P9: what passes holds the run',
    answers(404, 'NotFound', 'no namespace', { kind: 'passing', reason: 'PodRefused' }),
  ),
  same(
    'Q16',
    'Pending for longer than the pending deadline',
    decides({ run: pendingRun(), pods: [pending(10 * minuteMs)] }, finish('error', 'PendingTimeout')),
  ),
  same(
    'Q17',
    'for longer than pod_pending_timeout of the job',
    decides(
      { run: pendingRun({ spec: { decoration_config: { pod_pending_timeout: '2h' } } }), pods: [pending(2 * hourMs)] },
      finish('error', 'PendingTimeout'),
    ),
  ),
  same('Q18', 'Running for too long', decides({ run: pendingRun(), pods: [running(48 * hourMs)] }, finish('aborted', 'RunningTimeout'))),
  same(
    'Q19',
    'for longer than pod_running_timeout of the job',
    decides(
      { run: pendingRun({ spec: { decoration_config: { pod_running_timeout: '1h' } } }), pods: [running(hourMs)] },
      finish('aborted', 'RunningTimeout'),
    ),
  ),
  same('Q20', 'no node took it', decides({ run: pendingRun(), pods: [unscheduled(5 * minuteMs)] }, finish('error', 'UnscheduledTimeout'))),
  same(
    'Q21',
    'within pod_unscheduled_timeout of the job',
    decides(
      { run: pendingRun({ spec: { decoration_config: { pod_unscheduled_timeout: '2m' } } }), pods: [unscheduled(2 * minuteMs)] },
      finish('error', 'UnscheduledTimeout'),
    ),
  ),
  same('Q22', 'Pending, ten minutes are left', decides({ run: pendingRun(), pods: [pending(0)] }, { do: 'wait', afterMs: 10 * minuteMs })),
  same('Q23', 'no node yet, just created', decides({ run: pendingRun(), pods: [unscheduled(0)] }, { do: 'wait', afterMs: 5 * minuteMs })),
  differs('Q24', 'Pending and being deleted', 'it may still end by itself; then the next attempt', () => {
    decides({ run: pendingRun(), pods: [{ status: { phase: 'Pending' }, deletedAgoMs: 0 }] }, { do: 'wait', afterMs: minuteMs })();
    decides({ run: pendingRun(), pods: [{ status: { phase: 'Pending' }, deletedAgoMs: minuteMs }] }, lose('PodDeleted'))();
  }),
  differs(
    'Q25',
    'no phase and being deleted',
    'the same',
    decides({ run: pendingRun(), pods: [{ status: {}, deletedAgoMs: minuteMs }] }, lose('PodDeleted')),
  ),
  differs(
    'Q26',
    'Running and being deleted',
    'the same',
    decides({ run: pendingRun(), pods: [{ ...running(), deletedAgoMs: minuteMs }] }, lose('PodDeleted')),
  ),
  same(
    'Q27',
    'NodeLost, being deleted, with the finalizer',
    decides(
      { run: pendingRun(), pods: [{ status: { phase: 'Running', reason: 'NodeLost' }, deletedAgoMs: 0, finalizers }] },
      { do: 'deletePods', release: true },
    ),
  ),
  same(
    'Q28',
    'Running with a container out of memory',
    decides(
      { run: pendingRun(), pods: [{ status: { phase: 'Running', containerStatuses: [ended(137, 0, 'OOMKilled'), goesOn] } }] },
      finish('error', 'OOMKilled'),
    ),
  ),
  differs(
    'Q29',
    'Failed with a container out of memory',
    'error, as while it runs',
    decides(
      { run: pendingRun(), pods: [{ status: { phase: 'Failed', containerStatuses: [ended(137, 0, 'OOMKilled')] } }] },
      finish('error', 'OOMKilled'),
    ),
  ),
  same(
    'Q30',
    'Running with an init container out of memory',
    decides(
      {
        run: pendingRun(),
        pods: [{ status: { phase: 'Running', initContainerStatuses: [ended(137, 0, 'OOMKilled')], containerStatuses: [goesOn] } }],
      },
      finish('error', 'OOMKilled'),
    ),
  ),
  same(
    'Q31',
    'phase Unknown, every revival used',
    decides({ run: pendingRun({}, 4), pods: [lastAttempt({ phase: 'Unknown' })] }, finish('error', 'RetriesExhausted')),
  ),
  same(
    'Q32',
    'Succeeded and being deleted',
    decides({ run: pendingRun(), pods: [{ ...succeeded, deletedAgoMs: 0 }] }, finish('success', 'Succeeded')),
  ),
];

const pod = podOf(aRun());
const abortedAndFiltered: readonly SpecRow[] = [
  same('A1', 'aborted, its pod runs', () => {
    const given: Given = { run: pendingRun({ status: { state: 'aborted' } }), pods: [running()] };
    decides(given, { do: 'abort' })();
    expect(written(given, { kind: 'finished', state: 'aborted', reason: 'Aborted', description: '' }).status).toMatchObject({
      state: 'aborted',
      completionTime: ago(0),
    });
  }),
  same('A2', 'aborted without a pod', decides({ run: aRun({ status: { state: 'aborted' } }) }, { do: 'abort' })),
  same(
    'A3',
    'aborted, its pod is gone when it is deleted',
    decides({ run: pendingRun({ status: { state: 'aborted' } }), lastPod: running() }, { do: 'abort' }),
  ),
  differs(
    'A4',
    'complete and aborted, and its pod changes',
    'nothing: completionTime is when it ended',
    decides(
      { run: pendingRun({ status: { state: 'aborted', completionTime: ago(0) } }), pods: [{ ...running(), deletedAgoMs: 0 }] },
      nothing,
    ),
  ),
  differs(
    'A5',
    'aborted, on an alias nobody knows',
    'aborted, not error',
    decides({ run: aRun({ status: { state: 'aborted' } }), cluster: { state: 'unknown', message: '' } }, { do: 'abort' }),
  ),
  same('F1', 'agent kubernetes', decides({ run: aRun() }, { do: 'start' })),
  same('F2', 'another agent, or complete', () => {
    decides({ run: aRun({ spec: { agent: 'jenkins' } }) }, nothing)();
    decides({ run: aRun({ status: { state: 'success', completionTime: ago(0) } }) }, nothing)();
  }),
  same('F3', 'state scheduling', decides({ run: aRun({ status: { state: 'scheduling' } }) }, nothing)),
  differs('F4', 'a pod with created-by-prow', 'it wakes the run that it names, not the one of its own name', () => {
    expect(runKeyOfPod(pod)).toBe('ci/run');
    const second = buildPod(aRun(), planAttempt(aRun(), 2, defaultPolicy));
    expect([second.metadata.name, runKeyOfPod(second)]).toEqual(['run-2', 'ci/run']);
    expect(runKeyOfPod(plankPod({}))).toBe('ci/run');
  }),
  same('F5', 'a pod without it', () => {
    expect(podSelector).toBe('created-by-prow=true');
    expect(ownerOf({ ...pod, metadata: { ...pod.metadata, labels: {} } }, aRun())).toBe('stranger');
  }),
  differs(
    'F6',
    'an alias whose cluster is away',
    'its runs wait; there is no status file, BuildClusters have conditions',
    decides({ run: aRun(), cluster: { state: 'unavailable', message: 'away' } }, { do: 'wait', waiting: { reason: 'ClusterUnavailable' } }),
  ),
  differs(
    'F7',
    'a run in another namespace',
    'every namespace is a tenant, and limits are its own',
    admits([job('a', { namespace: 'other' })], [true], busy(1)),
  ),
];

/** A run of now, and what becomes of one of an hour ago. */
const beside = (older: RunParts, newer: RunParts, want: object): (() => void) =>
  decides(
    {
      run: presubmit({ name: 'older', createdAgoMs: hourMs, ...older }),
      others: [presubmit({ name: 'newer', ...newer })],
    },
    want,
  );
const replaced = { do: 'supersede', by: 'newer' };
const tests = (change: Partial<Refs>, rest: RunParts['spec'] = {}): RunParts => ({ spec: { refs: { ...refs, ...change }, ...rest } });
const pulls = [...refs.pulls, { number: 3, author: 'bob', sha: 'p2' }];
const [api, web] = ['api', 'web'].map((repo) => ({ org: 'acme', repo, base_ref: 'main' })) as [Refs, Refs];

const superseded: readonly SpecRow[] = [
  same('D1', 'two presubmits of one job on one pull request', beside({}, {}, replaced)),
  same('D2', 'the same with type batch', beside({ spec: { type: 'batch' } }, { spec: { type: 'batch' } }, { do: 'start' })),
  same('D3', 'pull requests in a different order', beside(tests({ pulls }), tests({ pulls: pulls.toReversed() }), replaced)),
  same(
    'D4',
    'extra_refs in a different order',
    beside({ spec: { extra_refs: [api, web] } }, { spec: { extra_refs: [web, api] } }, replaced),
  ),
  differs('D5', 'no main refs, equal extra_refs', 'they are one identity, but a presubmit without refs is refused: both end', () => {
    const bare = (name: string): ProwJob => {
      const { refs: _none, ...spec } = presubmit().spec;
      return { ...aRun({ name }), spec: { ...spec, extra_refs: [api] } };
    };
    expect(identityOf(bare('older'))).toBe(identityOf(bare('newer')));
    decides({ run: bare('older'), others: [bare('newer')] }, finish('error', 'InvalidSpec'))();
  }),
  same('D6', 'another base SHA', beside({}, tests({ base_sha: 'b2' }), replaced)),
  same('D7', 'another SHA of the pull request', beside({}, tests({ pulls: [{ ...refs.pulls[0]!, sha: 'p2' }] }), replaced)),
  same('D8', 'another base ref', beside({}, tests({ base_ref: 'stable' }), { do: 'start' })),
  same('D9', 'how it is written first, while its pod runs', () => {
    const given: Given = { run: pendingRun({ spec: presubmit().spec, status: { state: 'pending', description: 'as before' } }) };
    const { status } = written(given, { kind: 'superseded', by: 'newer' });
    expect(status).toMatchObject({ state: 'aborted', description: 'as before', prev_report_states: { 'github-reporter': 'aborted' } });
    expect(status?.completionTime).toBeUndefined();
  }),
];

const rows = [...triggered, ...concurrency, ...pendingRows, ...abortedAndFiltered, ...superseded];
const different = rows.filter(({ outcome }) => outcome !== 'upstream');

describe(`run control: ${rows.length} rows, ${rows.length - different.length} as upstream, ${different.length} differ on purpose`, () => {
  it.each(rows)('$id $given: $outcome', ({ check }) => {
    check();
  });

  it('has each row once, and every difference is in the documentation', () => {
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
    const page = readFileSync(path.join(import.meta.dirname, '../../docs/differences-from-prow.md'), 'utf8');
    const named = new Set(page.match(/\b[PCQAFD]\d{1,2}\b/g));
    expect(different.map(({ id }) => id).filter((id) => !named.has(id))).toEqual([]);
    expect(rows.filter(({ id, outcome }) => outcome === 'upstream' && named.has(id)).map(({ id }) => id)).toEqual([]);
  });
});
