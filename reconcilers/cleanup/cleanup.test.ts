/** Cleanup rule by rule: what goes, when, why, and what must never go. Upstream's own rows are in specRows.test.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { reporterFinalizer } from '../../operator/jobs/labels.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { ApiError } from '../../operator/kube/errors.ts';
import { before, nightly, pod, run } from './testing/objects.ts';
import { CleanupWorld, hourMs, notFound, worldPolicy as policy } from './testing/cleanupWorld.ts';

let cluster: CleanupWorld;
beforeEach(() => {
  cluster = new CleanupWorld();
});
afterEach(() => cluster.stop());

describe('pods', () => {
  it.each(['Pending', 'Running', 'Succeeded', 'Failed', 'Unknown'] as const)(
    'an old pod of a complete run goes, phase %s',
    async (phase) => {
      cluster.put(cluster.jobs, run('done', { completedAgoMs: hourMs }));
      cluster.own.put(pod('done', { phase }));
      expect(await cluster.pass()).toEqual(['pod done-pod']);
      expect(await cluster.metrics.value('cleanup_pods_deleted_total', { reason: 'ttled' })).toBe(1);
    },
  );
  it.each(['Pending', 'Running', 'Failed'] as const)('the pod of an unfinished run stays, however old, phase %s', async (phase) => {
    cluster.put(cluster.jobs, run('open'));
    cluster.own.put(pod('open', { phase }));
    expect(await cluster.pass(1000 * hourMs)).toEqual([]);
    expect(cluster.reads).toEqual([]);
  });
  it('a young pod goes when its run has been complete for long enough, the run stays', async () => {
    cluster.put(cluster.jobs, run('done', { completedAgoMs: hourMs / 2 - 1000 }));
    cluster.own.put(pod('done', { ageMs: hourMs }));
    expect(await cluster.pass()).toEqual([]);
    expect(await cluster.pass(999)).toEqual([]);
    expect(await cluster.pass(1)).toEqual(['pod done-pod']);
  });
  it('its time begins when the run completes', async () => {
    const open = run('late');
    cluster.put(cluster.jobs, open);
    cluster.own.put(pod('late'));
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
  it('a pod without a run goes, after a live read', async () => {
    cluster.own.put(pod('unknown', { phase: 'Running' }));
    expect(await cluster.pass()).toEqual(['pod unknown-pod']);
    expect(cluster.reads).toEqual(['unknown']);
    expect(await cluster.metrics.value('cleanup_pods_deleted_total', { reason: 'orphaned' })).toBe(1);
  });
  it('but not before it is 30 s old', async () => {
    cluster.own.put(pod('young', { ageMs: 0 }));
    expect(await cluster.pass(29_999)).toEqual([]);
    expect(cluster.reads).toEqual([]);
    expect(await cluster.pass(1)).toEqual(['pod young-pod']);
  });
  it('a run that only the live read knows keeps its pod', async () => {
    cluster.onlyLive.set('ci/hidden', run('hidden'));
    cluster.own.put(pod('hidden'));
    expect(await cluster.pass()).toEqual([]);
    expect(cluster.reads).toEqual(['hidden']);
  });
  it('the pod of an earlier run with the same name is an orphan', async () => {
    cluster.put(cluster.jobs, run('again'));
    cluster.onlyLive.set('ci/again', run('again'));
    cluster.own.put(pod('again', { uid: 'uid-of-the-first' }));
    expect(await cluster.pass()).toEqual(['pod again-pod']);
  });
  it('a run that is deleted takes its pod along', async () => {
    const done = cluster.put(cluster.jobs, run('done', { completedAgoMs: 0 }));
    cluster.own.put(pod('done'));
    expect(await cluster.pass()).toEqual([]);
    cluster.jobs.apply({ type: 'DELETED', object: { ...done, metadata: { ...done.metadata, resourceVersion: cluster.next() } } });
    expect(await cluster.pass()).toEqual(['pod done-pod']);
  });
  it('pods without our label are never looked at', async () => {
    cluster.own.put(pod('theirs', { ours: false }));
    expect(await cluster.pass(1000 * hourMs)).toEqual([]);
    expect(cluster.reads).toEqual([]);
  });
  it('NotFound is fine, and the next one goes', async () => {
    cluster.failDelete = notFound();
    cluster.own.put(pod('a'));
    cluster.own.put(pod('b'));
    await cluster.pass();
    expect(cluster.calls).toHaveLength(1);
    expect(await cluster.metrics.value('cleanup_pods_deleted_total', { reason: 'orphaned' })).toBe(1);
  });
  it('a failed delete is tried again', async () => {
    cluster.failDelete = new ApiError('DELETE', { reason: 'InternalError' }, 500);
    cluster.own.put(pod('a'));
    await cluster.pass();
    expect(await cluster.pass(1000)).toEqual(['pod a-pod']);
  });
});

describe('runs', () => {
  it('a run goes when it has been complete for long enough, to the second', async () => {
    cluster.put(cluster.jobs, run('old', { completedAgoMs: 48 * hourMs - 1000 }));
    expect(await cluster.pass(999)).toEqual([]);
    expect(await cluster.pass(1)).toEqual(['run old']);
    expect(await cluster.metrics.value('cleanup_prowjobs_deleted_total', { reason: 'aged' })).toBe(1);
  });
  it('its age counts from the completion, not from the start', async () => {
    cluster.put(cluster.jobs, run('long', { startedAgoMs: 1000 * hourMs, completedAgoMs: hourMs }));
    expect(await cluster.pass()).toEqual([]);
  });
  it('an unfinished run stays', async () => {
    cluster.put(cluster.jobs, run('open', { startedAgoMs: 10_000 * hourMs }));
    expect(await cluster.pass(10_000 * hourMs)).toEqual([]);
  });
  it('ttl_seconds_after_finished comes first, and the pod goes before the run', async () => {
    cluster.put(cluster.jobs, run('short', { completedAgoMs: 0, spec: { ttl_seconds_after_finished: 5 } }));
    cluster.own.put(pod('short'));
    expect(await cluster.pass(4_999)).toEqual([]);
    expect((await cluster.pass(1)).toSorted()).toEqual(['pod short-pod', 'run short']);
  });
  it('the newest complete run of a Periodic is kept', async () => {
    cluster.put(cluster.periodics, nightly());
    for (const [name, age] of [
      ['older', 60],
      ['newer', 50],
      ['oldest', 70],
    ] as const) {
      cluster.put(cluster.jobs, run(name, { startedAgoMs: age * hourMs, completedAgoMs: 49 * hourMs, periodic: 'p1' }));
    }
    expect((await cluster.pass()).toSorted()).toEqual(['run older', 'run oldest']);
    expect(await cluster.metrics.value('cleanup_prowjobs_deleted_total', { reason: 'aged-periodic' })).toBe(2);
  });
  it('and goes when a newer one completes', async () => {
    cluster.put(cluster.periodics, nightly());
    cluster.put(cluster.jobs, run('old', { completedAgoMs: 49 * hourMs, periodic: 'p1' }));
    expect(await cluster.pass()).toEqual([]);
    const open = run('new', { startedAgoMs: 0, periodic: 'p1' });
    cluster.put(cluster.jobs, open);
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
  it('the last run of a Periodic that is gone goes as well', async () => {
    cluster.put(cluster.periodics, nightly());
    cluster.put(cluster.jobs, run('last', { completedAgoMs: 49 * hourMs, periodic: 'p1' }));
    expect(await cluster.pass()).toEqual([]);
    cluster.remove(cluster.periodics, nightly());
    expect(await cluster.pass()).toEqual(['run last']);
  });
  it('a Periodic of the same name but another uid keeps nothing', async () => {
    cluster.put(cluster.periodics, { ...nightly(), metadata: { ...nightly().metadata, uid: 'p2' } });
    cluster.put(cluster.jobs, run('last', { completedAgoMs: 49 * hourMs, periodic: 'p1' }));
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
    cluster.put(cluster.jobs, withBuild(run('held', { completedAgoMs: 60 * hourMs }), condition));
    cluster.own.put(pod('held'));
    expect(await cluster.pass(40 * hourMs - 1000)).toEqual([]);
    expect((await cluster.pass(1000)).toSorted()).toEqual(['pod held-pod', 'run held']);
    // Where nobody ever tried, nobody was promised anything.
    expect(cluster.told).toHaveLength(condition === undefined ? 0 : 1);
    if (condition !== undefined) expect(cluster.told[0]).toMatch(/^Warning ResultsLost held: The run was deleted/);
  });
  it('are told of when the pod alone goes, and its log with it', async () => {
    cluster.policy = { ...policy, archive: { ...archive, holdCleanupMs: hourMs } };
    cluster.put(cluster.jobs, withBuild(run('held', { completedAgoMs: 0 }), { status: 'False', reason: 'Failed' }));
    cluster.own.put(pod('held'));
    expect(await cluster.pass(hourMs)).toEqual(['pod held-pod']);
    expect(cluster.told).toEqual([expect.stringMatching(/^Warning ResultsLost held: Pod held-pod was deleted/)]);
  });
  it('hold back what the history of a Periodic does not keep, too', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history: { failed: 0, keepLatest: false } } }));
    const done = withBuild(run('held', { completedAgoMs: hourMs, periodic: 'p1' }));
    cluster.put(cluster.jobs, done);
    expect(await cluster.pass(hourMs)).toEqual([]);
    cluster.put(cluster.jobs, withBuild(done, { status: 'True', reason: 'Uploaded' }));
    expect(await cluster.pass()).toEqual(['run held']);
    expect(cluster.told).toEqual([]);
  });
  it.each([
    { what: 'are written', condition: { status: 'True', reason: 'Uploaded' } },
    { what: 'are given up', condition: { status: 'False', reason: 'GivenUp' } },
  ] as const)('hold nothing when they $what', async ({ condition }) => {
    cluster.put(cluster.jobs, withBuild(run('safe', { completedAgoMs: 60 * hourMs }), condition));
    cluster.own.put(pod('safe'));
    expect((await cluster.pass()).toSorted()).toEqual(['pod safe-pod', 'run safe']);
  });
  it('let go at once when they are safe', async () => {
    const done = withBuild(run('held', { completedAgoMs: 60 * hourMs }));
    cluster.put(cluster.jobs, done);
    expect(await cluster.pass()).toEqual([]);
    const safe = withBuild(done, { status: 'True', reason: 'Uploaded' });
    cluster.jobs.apply({ type: 'MODIFIED', object: { ...safe, metadata: { ...safe.metadata, resourceVersion: cluster.next() } } });
    expect(await cluster.pass()).toEqual(['run held']);
  });
  it('do not hold a run that never had a pod', async () => {
    cluster.put(cluster.jobs, run('podless', { completedAgoMs: 60 * hourMs }));
    expect(await cluster.pass()).toEqual(['run podless']);
  });
});

describe('changed settings', () => {
  const change = (next: Partial<JobPolicy['cleanup']>): void => {
    cluster.policy = { ...policy, cleanup: { ...policy.cleanup, ...next } };
    cluster.settingsChanged();
  };
  it('a shorter time holds at once', async () => {
    cluster.put(cluster.jobs, run('old', { completedAgoMs: hourMs }));
    cluster.own.put(pod('old'));
    cluster.policy = { ...policy, cleanup: { ...policy.cleanup, podTTLMs: 40 * hourMs } };
    expect(await cluster.pass()).toEqual([]);
    change({ podTTLMs: hourMs });
    expect(await cluster.pass()).toEqual(['pod old-pod']);
    change({ prowJobTTLMs: hourMs });
    expect(await cluster.pass()).toEqual(['pod old-pod', 'run old']);
  });
  it('a longer time holds for what waits already', async () => {
    cluster.put(cluster.jobs, run('old', { completedAgoMs: 47 * hourMs }));
    expect(await cluster.pass()).toEqual([]);
    change({ prowJobTTLMs: 50 * hourMs });
    expect(await cluster.pass(2 * hourMs)).toEqual([]);
    expect(await cluster.pass(hourMs)).toEqual(['run old']);
  });
  it('a shorter patience with orphans holds at once', async () => {
    cluster.policy = { ...policy, cleanup: { ...policy.cleanup, orphanAgeMs: hourMs } };
    cluster.own.put(pod('lost', { ageMs: hourMs / 2 }));
    expect(await cluster.pass()).toEqual([]);
    change({ orphanAgeMs: 1000 });
    expect(await cluster.pass()).toEqual(['pod lost-pod']);
  });
});

describe('finalizers', () => {
  const theirs = 'example.com/keep';
  it("others' are waited for, asked once, and counted", async () => {
    cluster.put(cluster.jobs, run('done', { completedAgoMs: hourMs }));
    cluster.own.put(pod('done', { finalizers: [theirs] }));
    cluster.own.put(pod('behind'));
    await cluster.pass();
    expect(cluster.calls.toSorted()).toEqual(['pod behind-pod', 'pod done-pod']);
    await cluster.pass(40 * hourMs);
    cluster.settingsChanged();
    expect(await cluster.pass()).toHaveLength(2);
    expect(await cluster.metrics.value('cleanup_held_objects', { object: 'pods' })).toBe(1);
  });
  it('on a run do not hold its pods, and it is asked once', async () => {
    const old = run('old', { completedAgoMs: 49 * hourMs });
    cluster.put(cluster.jobs, { ...old, metadata: { ...old.metadata, finalizers: [theirs] } });
    cluster.own.put(pod('old'));
    expect(await cluster.pass(10 * hourMs)).toEqual(['pod old-pod', 'run old']);
    expect(await cluster.metrics.value('cleanup_held_objects', { object: 'runs' })).toBe(1);
  });
  it('that of the reporter goes alone, and only from pods that have it', async () => {
    const status = { prev_report_states: { gcsk8sreporter: 'failure' } };
    cluster.put(cluster.jobs, run('done', { completedAgoMs: 0, status }));
    cluster.own.put(pod('done', { finalizers: [theirs, reporterFinalizer] }));
    expect(await cluster.pass()).toEqual(['release done-pod']);
    expect(cluster.own.store.get({ namespace: 'ci', name: 'done-pod' })?.metadata.finalizers).toEqual([theirs]);
  });
  it.each([{ told: 'pending' }, { told: undefined }])(
    'a reporter that has told $told is waited for until the time of the run',
    async ({ told }) => {
      cluster.put(cluster.periodics, nightly());
      const status = told === undefined ? {} : { prev_report_states: { gcsk8sreporter: told } };
      cluster.put(cluster.jobs, run('done', { completedAgoMs: hourMs, status, periodic: 'p1' }));
      cluster.own.put(pod('done', { finalizers: [reporterFinalizer] }));
      expect(await cluster.pass(47 * hourMs - 1)).toEqual(['pod done-pod']);
      expect(await cluster.pass(1)).toEqual(['pod done-pod', 'release done-pod']);
      expect(cluster.own.store.size).toBe(0);
    },
  );
  it('one of a deleted run is taken off after it was asked for', async () => {
    cluster.put(cluster.jobs, run('done', { completedAgoMs: 48 * hourMs - 1000 }));
    cluster.own.put(pod('done', { finalizers: [reporterFinalizer] }));
    expect(await cluster.pass()).toEqual(['pod done-pod']);
    await cluster.pass(1000);
    expect(cluster.calls.toSorted()).toEqual(['pod done-pod', 'release done-pod', 'run done']);
    expect(cluster.own.store.size).toBe(0);
  });
});

describe('a node that does not answer', () => {
  const minutesMs = 60_000;
  it('loses the pod of a finished run ten minutes after its grace', async () => {
    cluster.own.silent.add('done-pod');
    cluster.put(cluster.jobs, run('done', { completedAgoMs: hourMs }));
    cluster.own.put(pod('done', { phase: 'Running' }));
    expect(await cluster.pass(10 * minutesMs + 29_999)).toEqual(['pod done-pod']);
    expect(await cluster.pass(1)).toEqual(['pod done-pod', 'force pod done-pod']);
    expect(await cluster.metrics.value('cleanup_pods_deleted_total', { reason: 'lost' })).toBe(1);
  });
  it('loses an orphan, which is looked for once more', async () => {
    cluster.own.silent.add('lost-pod');
    cluster.own.put(pod('lost', { phase: 'Running' }));
    await cluster.pass(11 * minutesMs);
    expect(cluster.calls).toEqual(['pod lost-pod', 'force pod lost-pod']);
    expect(cluster.reads).toEqual(['lost', 'lost']);
  });
  it('keeps what somebody has a finalizer on: force is used once', async () => {
    cluster.own.silent.add('done-pod');
    cluster.put(cluster.jobs, run('done', { completedAgoMs: hourMs }));
    cluster.own.put(pod('done', { phase: 'Running', finalizers: ['example.com/keep'] }));
    await cluster.pass(30 * hourMs);
    expect(cluster.calls).toEqual(['pod done-pod', 'force pod done-pod']);
  });
  it('keeps the pod of an unfinished run', async () => {
    cluster.put(cluster.jobs, run('open'));
    const lost = pod('open', { phase: 'Running' });
    cluster.own.put({ ...lost, metadata: { ...lost.metadata, deletionTimestamp: before(hourMs), deletionGracePeriodSeconds: 30 } });
    expect(await cluster.pass(100 * hourMs)).toEqual([]);
  });
});

describe('the rate of deletions', () => {
  it('is a second at once, then evenly, for runs and pods together', async () => {
    cluster.policy = { ...policy, cleanup: { ...policy.cleanup, deletesPerSecond: 4 } };
    for (let index = 0; index < 10; index++) {
      cluster.put(cluster.jobs, run(`r-${index}`, { completedAgoMs: 49 * hourMs }));
      cluster.own.put(pod(`orphan-${index}`));
    }
    await cluster.clock.advance(0);
    expect(cluster.calls).toHaveLength(4);
    await cluster.clock.advance(1000);
    expect(cluster.calls).toHaveLength(8);
    await cluster.clock.advance(3000);
    expect(cluster.calls).toHaveLength(20);
  });
  it('is not spent on a pod whose time and whose run come together: it goes once', async () => {
    cluster.policy = { ...policy, cleanup: { ...policy.cleanup, deletesPerSecond: 1 } };
    for (let index = 0; index < 5; index++) {
      cluster.put(cluster.jobs, run(`r-${index}`, { completedAgoMs: 49 * hourMs }));
      cluster.own.put(pod(`r-${index}`));
    }
    await cluster.clock.advance(15_000);
    expect(new Set(cluster.calls).size).toBe(10);
    expect(cluster.calls).toHaveLength(10);
  });
  it('changes at once, and 0 is no limit', async () => {
    cluster.policy = { ...policy, cleanup: { ...policy.cleanup, deletesPerSecond: 1 } };
    for (let index = 0; index < 100; index++) cluster.put(cluster.jobs, run(`r-${index}`, { completedAgoMs: 49 * hourMs }));
    await cluster.clock.advance(0);
    expect(cluster.calls).toHaveLength(1);
    cluster.policy = { ...policy, cleanup: { ...policy.cleanup, deletesPerSecond: 0 } };
    await cluster.clock.advance(5000);
    expect(cluster.calls).toHaveLength(100);
  });
  it('a run that becomes the latest while it waits for its turn stays', async () => {
    cluster.policy = { ...policy, cleanup: { ...policy.cleanup, deletesPerSecond: 1 } };
    cluster.put(cluster.periodics, nightly());
    const newer = cluster.put(cluster.jobs, run('newer', { startedAgoMs: 50 * hourMs, completedAgoMs: 49 * hourMs, periodic: 'p1' }));
    cluster.put(cluster.jobs, run('first', { completedAgoMs: 49 * hourMs }));
    cluster.put(cluster.jobs, run('older', { startedAgoMs: 60 * hourMs, completedAgoMs: 49 * hourMs, periodic: 'p1' }));
    await cluster.clock.advance(0);
    expect(cluster.calls).toEqual(['run first']);
    cluster.remove(cluster.jobs, newer);
    await cluster.clock.advance(5000);
    expect(cluster.calls).toEqual(['run first']);
  });
});
