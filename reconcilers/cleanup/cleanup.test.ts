/** Cleanup row by row: what goes, when, why, and what must never go. The ids are those of the scenario tables of upstream's sinker. */
import { LocalClusters } from '../../operator/clusters/clusters.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { annotation, label } from '../../operator/jobs/labels.ts';
import { podIndexers } from '../../operator/jobs/podOwner.ts';
import { defaultPolicy, type JobPolicy } from '../../operator/jobs/policy.ts';
import type { Pod, PodPhase } from '../../operator/kube/builtin.ts';
import { ApiError } from '../../operator/kube/errors.ts';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import type { Controller } from '../../operator/runtime/controller.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { Store } from '../../operator/runtime/store.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { cleanupControllers } from './controller.ts';
import { runIndexers } from '../../operator/jobs/runIndex.ts';
import { stamp } from '../../operator/jobs/times.ts';

const hourMs = 3_600_000;
const startMs = Date.UTC(2026, 5, 1);
/** Upstream's test constants. */
const policy = {
  ...defaultPolicy,
  cleanup: { ...defaultPolicy.cleanup, prowJobTTLMs: 48 * hourMs, podTTLMs: hourMs / 2, orphanAgeMs: 30_000 },
};

const notFound = (): ApiError => new ApiError('DELETE', { reason: 'NotFound', message: 'gone' }, 404);

/** A cluster in memory: caches that deletions act on at once, and runs that only a live read knows. */
class Cluster {
  readonly clock = new FakeClock(startMs);
  readonly metrics = new Metrics();
  readonly jobs = new Store<ProwJob>({ indexers: runIndexers });
  readonly pods = new Store<Pod>({ indexers: podIndexers });
  readonly periodics = new Store<Periodic>();
  readonly backfills = new Store<PeriodicBackfill>();
  /** Events, in their order. */
  readonly told: string[] = [];
  /** "pod x", "run x", in the order of the calls. */
  readonly deleted: string[] = [];
  readonly reads: string[] = [];
  /** Runs the API has and the cache has not. */
  readonly onlyLive = new Map<string, ProwJob>();
  failDelete: Error | undefined;
  readonly #stop = new AbortController();
  readonly #controllers: readonly Controller[];
  readonly settingsChanged: () => void;
  policy: JobPolicy = policy;
  #version = 1;

  constructor() {
    const refuse = () => Promise.reject(new Error('unused'));
    const access = {
      pods: this.pods,
      writer: { create: refuse, patch: refuse, delete: this.#remove('pod', this.pods) },
      client: { get: refuse },
    };
    const get = (_type: unknown, { namespace, name }: ObjectKey): Promise<never> => {
      this.reads.push(name);
      const run = this.onlyLive.get(`${namespace}/${name}`);
      return run === undefined ? Promise.reject(notFound()) : Promise.resolve(run as never);
    };
    const { controllers, settingsChanged } = cleanupControllers({
      jobs: this.jobs,
      writer: { delete: this.#remove('run', this.jobs) },
      client: { get },
      periodics: this.periodics,
      backfills: this.backfills,
      clusters: new LocalClusters(access),
      policy: () => this.policy,
      events: { event: (regarding, _type, reason, note) => this.told.push(`${reason} ${regarding.metadata.name}: ${note}`) },
      isLeading: () => true,
      metrics: this.metrics,
      clock: this.clock,
      logger: silentLogger,
    });
    this.#controllers = controllers;
    this.settingsChanged = settingsChanged;
    for (const controller of this.#controllers) void controller.run(this.#stop.signal);
  }

  #remove<T extends Pod | ProwJob>(kind: string, store: Store<T>) {
    return (key: ObjectKey, options: { readonly uid?: string } = {}): Promise<void> => {
      const object = store.get(key);
      expect(options.uid, 'deletes name the uid').toBe(object?.metadata.uid);
      if (this.failDelete !== undefined) {
        const error = this.failDelete;
        this.failDelete = undefined;
        return Promise.reject(error);
      }
      this.deleted.push(`${kind} ${key.name}`);
      if (object !== undefined) store.recordDeleted(object);
      return Promise.resolve();
    };
  }

  next = (): string => String(this.#version++);

  addRun(run: ProwJob): ProwJob {
    this.jobs.apply({ type: 'ADDED', object: { ...run, metadata: { ...run.metadata, resourceVersion: this.next() } } });
    return run;
  }

  addPod(pod: Pod): Pod {
    this.pods.apply({ type: 'ADDED', object: { ...pod, metadata: { ...pod.metadata, resourceVersion: this.next() } } });
    return pod;
  }

  async pass(ms = 0): Promise<readonly string[]> {
    await this.clock.advance(ms);
    for (const controller of this.#controllers) await controller.idle();
    return this.deleted;
  }

  stop = (): void => this.#stop.abort();
}

let cluster: Cluster;
beforeEach(() => {
  cluster = new Cluster();
});
afterEach(() => cluster.stop());

const before = (ms: number): string => stamp(startMs - ms);

interface RunParts {
  /** Completed that long ago; not complete without it. */
  readonly completedAgoMs?: number;
  readonly startedAgoMs?: number;
  readonly spec?: Partial<ProwJobSpec>;
  /** uid of the Periodic that owns it. */
  readonly periodic?: string;
}

const run = (name: string, { completedAgoMs, startedAgoMs = 100 * hourMs, spec, periodic }: RunParts = {}): ProwJob => ({
  metadata: {
    name,
    namespace: 'ci',
    uid: `uid-${name}`,
    creationTimestamp: before(startedAgoMs),
    ...(periodic === undefined
      ? {}
      : { ownerReferences: [{ apiVersion: 'prow.k8s.io/v1', kind: 'Periodic', name: 'nightly', uid: periodic, controller: true }] }),
  },
  spec: { type: periodic === undefined ? 'postsubmit' : 'periodic', job: 'unit', ...spec },
  status:
    completedAgoMs === undefined
      ? { state: 'pending', startTime: before(startedAgoMs) }
      : { state: 'failure', startTime: before(startedAgoMs), completionTime: before(completedAgoMs) },
});

interface PodParts {
  readonly phase?: PodPhase;
  readonly ageMs?: number;
  readonly ours?: boolean;
  /** The uid of the run that made it. */
  readonly uid?: string;
}

const pod = (runName: string, { phase = 'Succeeded', ageMs = 100 * hourMs, ours = true, uid = `uid-${runName}` }: PodParts = {}): Pod => ({
  metadata: {
    name: `${runName}-pod`,
    namespace: 'ci',
    uid: `pod-uid-${runName}`,
    creationTimestamp: before(ageMs),
    labels: { ...(ours ? { [label.createdByProw]: 'true' } : {}), [label.id]: runName, [label.runUid]: uid },
    annotations: { [annotation.run]: `ci/${runName}` },
  },
  spec: { containers: [{ name: 'test' }] },
  status: { phase, startTime: before(ageMs) },
});

const nightly: Periodic = {
  metadata: { name: 'nightly', namespace: 'ci', uid: 'p1' },
  spec: { interval: '1h', jobTemplate: { spec: {} } },
};

describe('pods', () => {
  it.each(['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'] as const)(
    'S2 an old pod of a complete run goes, phase %s',
    async (phase) => {
      cluster.addRun(run('done', { completedAgoMs: hourMs }));
      cluster.addPod(pod('done', { phase }));
      expect(await cluster.pass()).toEqual(['pod done-pod']);
      expect(await cluster.metrics.value('cleanup_pods_deleted_total', { reason: 'ttled' })).toBe(1);
    },
  );
  it.each(['Pending', 'Running', 'Failed'] as const)('S7 the pod of an unfinished run stays, however old, phase %s', async (phase) => {
    cluster.addRun(run('open'));
    cluster.addPod(pod('open', { phase }));
    expect(await cluster.pass(1000 * hourMs)).toEqual([]);
    expect(cluster.reads).toEqual([]);
  });
  it('S9 S25 a young pod goes when its run has been complete for long enough, the run stays', async () => {
    cluster.addRun(run('done', { completedAgoMs: hourMs / 2 - 1000 }));
    cluster.addPod(pod('done', { ageMs: hourMs }));
    expect(await cluster.pass()).toEqual([]);
    expect(await cluster.pass(999)).toEqual([]);
    expect(await cluster.pass(1)).toEqual(['pod done-pod']);
  });
  it('its time begins when the run completes', async () => {
    const open = run('late');
    cluster.addRun(open);
    cluster.addPod(pod('late'));
    await cluster.pass();
    cluster.jobs.apply({
      type: 'MODIFIED',
      object: {
        ...open,
        metadata: { ...open.metadata, resourceVersion: cluster.next() },
        status: { state: 'success', completionTime: before(0) },
      },
    });
    expect(await cluster.pass(hourMs / 2 - 1)).toEqual([]);
    expect(await cluster.pass(1)).toEqual(['pod late-pod']);
  });
  it('S3 S23 a pod without a run goes, after a live read', async () => {
    cluster.addPod(pod('unknown', { phase: 'Running' }));
    expect(await cluster.pass()).toEqual(['pod unknown-pod']);
    expect(cluster.reads).toEqual(['unknown']);
    expect(await cluster.metrics.value('cleanup_pods_deleted_total', { reason: 'orphaned' })).toBe(1);
  });
  it('S5 but not before it is 30 s old', async () => {
    cluster.addPod(pod('young', { ageMs: 0 }));
    expect(await cluster.pass(29_999)).toEqual([]);
    expect(cluster.reads).toEqual([]);
    expect(await cluster.pass(1)).toEqual(['pod young-pod']);
  });
  it('a run that only the live read knows keeps its pod', async () => {
    cluster.onlyLive.set('ci/hidden', run('hidden'));
    cluster.addPod(pod('hidden'));
    expect(await cluster.pass()).toEqual([]);
    expect(cluster.reads).toEqual(['hidden']);
  });
  it('the pod of an earlier run with the same name is an orphan', async () => {
    cluster.addRun(run('again'));
    cluster.onlyLive.set('ci/again', run('again'));
    cluster.addPod(pod('again', { uid: 'uid-of-the-first' }));
    expect(await cluster.pass()).toEqual(['pod again-pod']);
  });
  it('a run that is deleted takes its pod along', async () => {
    const done = cluster.addRun(run('done', { completedAgoMs: 0 }));
    cluster.addPod(pod('done'));
    expect(await cluster.pass()).toEqual([]);
    cluster.jobs.apply({ type: 'DELETED', object: { ...done, metadata: { ...done.metadata, resourceVersion: cluster.next() } } });
    expect(await cluster.pass()).toEqual(['pod done-pod']);
  });
  it('pods without our label are never looked at', async () => {
    cluster.addPod(pod('theirs', { ours: false }));
    expect(await cluster.pass(1000 * hourMs)).toEqual([]);
    expect(cluster.reads).toEqual([]);
  });
  it('S21 NotFound is fine, and the next one goes', async () => {
    cluster.failDelete = notFound();
    cluster.addPod(pod('a'));
    cluster.addPod(pod('b'));
    await cluster.pass();
    expect(cluster.deleted).toHaveLength(1);
    expect(await cluster.metrics.value('cleanup_pods_deleted_total', { reason: 'orphaned' })).toBe(1);
  });
  it('a failed delete is tried again', async () => {
    cluster.failDelete = new ApiError('DELETE', { reason: 'InternalError' }, 500);
    cluster.addPod(pod('a'));
    await cluster.pass();
    expect(await cluster.pass(1000)).toEqual(['pod a-pod']);
  });
});

describe('runs', () => {
  it('S14 a run goes when it has been complete for long enough, to the second', async () => {
    cluster.addRun(run('old', { completedAgoMs: 48 * hourMs - 1000 }));
    expect(await cluster.pass(999)).toEqual([]);
    expect(await cluster.pass(1)).toEqual(['run old']);
    expect(await cluster.metrics.value('cleanup_prowjobs_deleted_total', { reason: 'aged' })).toBe(1);
  });
  it('its age counts from the completion, not from the start', async () => {
    cluster.addRun(run('long', { startedAgoMs: 1000 * hourMs, completedAgoMs: hourMs }));
    expect(await cluster.pass()).toEqual([]);
  });
  it('an unfinished run stays', async () => {
    cluster.addRun(run('open', { startedAgoMs: 10_000 * hourMs }));
    expect(await cluster.pass(10_000 * hourMs)).toEqual([]);
  });
  it('ttl_seconds_after_finished comes first, and the pod goes before the run', async () => {
    cluster.addRun(run('short', { completedAgoMs: 0, spec: { ttl_seconds_after_finished: 5 } }));
    cluster.addPod(pod('short'));
    expect(await cluster.pass(4_999)).toEqual([]);
    expect((await cluster.pass(1)).toSorted()).toEqual(['pod short-pod', 'run short']);
  });
  it('S16 the newest complete run of a Periodic is kept', async () => {
    cluster.periodics.apply({ type: 'ADDED', object: nightly });
    for (const [name, age] of [
      ['older', 60],
      ['newer', 50],
      ['oldest', 70],
    ] as const) {
      cluster.addRun(run(name, { startedAgoMs: age * hourMs, completedAgoMs: 49 * hourMs, periodic: 'p1' }));
    }
    expect((await cluster.pass()).toSorted()).toEqual(['run older', 'run oldest']);
    expect(await cluster.metrics.value('cleanup_prowjobs_deleted_total', { reason: 'aged-periodic' })).toBe(2);
  });
  it('and goes when a newer one completes', async () => {
    cluster.periodics.apply({ type: 'ADDED', object: nightly });
    cluster.addRun(run('old', { completedAgoMs: 49 * hourMs, periodic: 'p1' }));
    expect(await cluster.pass()).toEqual([]);
    const open = run('new', { startedAgoMs: 0, periodic: 'p1' });
    cluster.addRun(open);
    expect(await cluster.pass()).toEqual([]);
    cluster.jobs.apply({
      type: 'MODIFIED',
      object: {
        ...open,
        metadata: { ...open.metadata, resourceVersion: cluster.next() },
        status: { state: 'success', startTime: before(0), completionTime: before(0) },
      },
    });
    expect(await cluster.pass()).toEqual(['run old']);
  });
  it('S17 the last run of a Periodic that is gone goes as well', async () => {
    cluster.periodics.apply({ type: 'ADDED', object: nightly });
    cluster.addRun(run('last', { completedAgoMs: 49 * hourMs, periodic: 'p1' }));
    expect(await cluster.pass()).toEqual([]);
    cluster.periodics.apply({ type: 'DELETED', object: nightly });
    expect(await cluster.pass()).toEqual(['run last']);
  });
  it('a Periodic of the same name but another uid keeps nothing', async () => {
    cluster.periodics.apply({ type: 'ADDED', object: { ...nightly, metadata: { ...nightly.metadata, uid: 'p2' } } });
    cluster.addRun(run('last', { completedAgoMs: 49 * hourMs, periodic: 'p1' }));
    expect(await cluster.pass()).toEqual(['run last']);
  });
});

describe('results that are not safe yet', () => {
  const archive = {
    location: { scheme: 'file', bucket: '/results', prefix: '' },
    allowedBuckets: [],
    pathStrategy: 'explicit',
    defaultOrg: '',
    defaultRepo: '',
    holdCleanupMs: 100 * hourMs,
  } as const;
  const withBuild = (done: ProwJob, condition?: { readonly status: 'True' | 'False'; readonly reason: string }): ProwJob => ({
    ...done,
    status: {
      ...done.status!,
      build_id: '1',
      ...(condition === undefined ? {} : { conditions: [{ type: 'Archived', message: '', lastTransitionTime: before(0), ...condition }] }),
    },
  });
  beforeEach(() => {
    cluster.policy = { ...policy, archive };
  });
  it.each([
    { what: 'nobody has tried', condition: undefined },
    { what: 'it failed', condition: { status: 'False', reason: 'Failed' } },
    { what: 'it is under way', condition: { status: 'False', reason: 'Uploading' } },
  ] as const)('hold run and pod while $what, until the time for it is over', async ({ condition }) => {
    cluster.addRun(withBuild(run('held', { completedAgoMs: 60 * hourMs }), condition));
    cluster.addPod(pod('held'));
    expect(await cluster.pass(40 * hourMs - 1000)).toEqual([]);
    expect((await cluster.pass(1000)).toSorted()).toEqual(['pod held-pod', 'run held']);
  });
  it.each([
    { what: 'are written', condition: { status: 'True', reason: 'Uploaded' } },
    { what: 'are given up', condition: { status: 'False', reason: 'GivenUp' } },
  ] as const)('hold nothing when they $what', async ({ condition }) => {
    cluster.addRun(withBuild(run('safe', { completedAgoMs: 60 * hourMs }), condition));
    cluster.addPod(pod('safe'));
    expect((await cluster.pass()).toSorted()).toEqual(['pod safe-pod', 'run safe']);
  });
  it('let go at once when they are safe', async () => {
    const done = withBuild(run('held', { completedAgoMs: 60 * hourMs }));
    cluster.addRun(done);
    expect(await cluster.pass()).toEqual([]);
    const safe = withBuild(done, { status: 'True', reason: 'Uploaded' });
    cluster.jobs.apply({ type: 'MODIFIED', object: { ...safe, metadata: { ...safe.metadata, resourceVersion: cluster.next() } } });
    expect(await cluster.pass()).toEqual(['run held']);
  });
  it('do not hold a run that never had a pod', async () => {
    cluster.addRun(run('podless', { completedAgoMs: 60 * hourMs }));
    expect(await cluster.pass()).toEqual(['run podless']);
  });
});

describe('changed settings', () => {
  const change = (next: Partial<JobPolicy['cleanup']>): void => {
    cluster.policy = { ...policy, cleanup: { ...policy.cleanup, ...next } };
    cluster.settingsChanged();
  };
  it('a shorter time holds at once', async () => {
    cluster.addRun(run('old', { completedAgoMs: hourMs }));
    cluster.addPod(pod('old'));
    cluster.policy = { ...policy, cleanup: { ...policy.cleanup, podTTLMs: 40 * hourMs } };
    expect(await cluster.pass()).toEqual([]);
    change({ podTTLMs: hourMs });
    expect(await cluster.pass()).toEqual(['pod old-pod']);
    change({ prowJobTTLMs: hourMs });
    expect(await cluster.pass()).toEqual(['pod old-pod', 'run old']);
  });
  it('a longer time holds for what waits already', async () => {
    cluster.addRun(run('old', { completedAgoMs: 47 * hourMs }));
    expect(await cluster.pass()).toEqual([]);
    change({ prowJobTTLMs: 50 * hourMs });
    expect(await cluster.pass(2 * hourMs)).toEqual([]);
    expect(await cluster.pass(hourMs)).toEqual(['run old']);
  });
  it('a shorter patience with orphans holds at once', async () => {
    cluster.policy = { ...policy, cleanup: { ...policy.cleanup, orphanAgeMs: hourMs } };
    cluster.addPod(pod('lost', { ageMs: hourMs / 2 }));
    expect(await cluster.pass()).toEqual([]);
    change({ orphanAgeMs: 1000 });
    expect(await cluster.pass()).toEqual(['pod lost-pod']);
  });
});
