/** How many runs of a schedule are kept, which, and what the schedule itself still needs. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { again, before, ended, nightly, pod, run } from './testing/objects.ts';
import { CleanupWorld, hourMs, startMs } from './testing/cleanupWorld.ts';

let cluster: CleanupWorld;
beforeEach(() => {
  cluster = new CleanupWorld();
});
afterEach(() => cluster.stop());

describe('the history of a Periodic', () => {
  /** r-1 started first. */
  const addRuns = (states: readonly ('success' | 'failure' | 'aborted')[]): void => {
    states.forEach((state, index) => {
      const startedAgoMs = (states.length - index) * hourMs;
      cluster.put(cluster.jobs, run(`r-${index + 1}`, { startedAgoMs, completedAgoMs: startedAgoMs - hourMs / 2, state, periodic: 'p1' }));
    });
  };
  const runsLeft = (): readonly string[] =>
    cluster.jobs
      .list()
      .map(({ metadata }) => metadata.name)
      .toSorted();

  it('keeps so many of each kind of result, newest first', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history: { successful: 2, failed: 1 } } }));
    addRuns(['success', 'failure', 'success', 'aborted', 'success', 'failure', 'success']);
    await cluster.pass();
    expect(runsLeft()).toEqual(['r-5', 'r-6', 'r-7']);
    expect(await cluster.metrics.value('cleanup_prowjobs_deleted_total', { reason: 'history' })).toBe(4);
  });
  it('has no limit for what it does not name', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history: { failed: 0 } } }));
    addRuns(['success', 'failure', 'success', 'failure', 'success']);
    await cluster.pass();
    expect(runsLeft()).toEqual(['r-1', 'r-3', 'r-5']);
  });
  it('lets the oldest go the moment a newer one has ended, with its pod', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history: { successful: 2 } } }));
    addRuns(['success', 'success']);
    cluster.own.put(pod('r-1', { ageMs: hourMs }));
    const open = cluster.put(cluster.jobs, run('r-3', { startedAgoMs: 0, periodic: 'p1' }));
    expect(await cluster.pass()).toEqual(['pod r-1-pod']);
    cluster.put(cluster.jobs, ended(open, startMs));
    expect(await cluster.pass()).toEqual(['pod r-1-pod', 'run r-1']);
  });
  it('counts a late end of an old run where it belongs', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history: { successful: 1 } } }));
    const slow = cluster.put(cluster.jobs, run('slow', { startedAgoMs: 9 * hourMs, periodic: 'p1' }));
    addRuns(['success']);
    expect(await cluster.pass()).toEqual([]);
    cluster.put(cluster.jobs, ended(slow, startMs));
    expect(await cluster.pass()).toEqual(['run slow']);
  });
  it.each([
    { keepLatest: undefined, left: ['r-2'] },
    { keepLatest: true, left: ['r-2'] },
    { keepLatest: false, left: [] },
  ])('with no place at all and keepLatest $keepLatest', async ({ keepLatest, left }) => {
    const history = { successful: 0, failed: 0, ...(keepLatest === undefined ? {} : { keepLatest }) };
    cluster.put(cluster.periodics, nightly({ spec: { history } }));
    addRuns(['success', 'failure']);
    await cluster.pass();
    expect(runsLeft()).toEqual(left);
  });
  it('keeps the pods of the latest run for their own time, not for none', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history: { successful: 0 } } }));
    cluster.put(cluster.jobs, run('r-1', { completedAgoMs: 0, state: 'success', periodic: 'p1' }));
    cluster.own.put(pod('r-1'));
    expect(await cluster.pass(hourMs / 2 - 1)).toEqual([]);
    expect(await cluster.pass(1)).toEqual(['pod r-1-pod']);
  });
  it('has a time of its own', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history: { ttl: '2h', keepLatest: false } } }));
    cluster.put(cluster.jobs, run('r-1', { completedAgoMs: hourMs, periodic: 'p1' }));
    cluster.put(cluster.jobs, run('own-time', { completedAgoMs: hourMs, periodic: 'p1', spec: { ttl_seconds_after_finished: 10_800 } }));
    expect(await cluster.pass(hourMs - 1)).toEqual([]);
    expect(await cluster.pass(1)).toEqual(['run r-1']);
    expect(await cluster.pass(hourMs)).toEqual(['run r-1', 'run own-time']);
  });
  it('a time that no clock reaches keeps them', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history: { ttl: '9999999999h', keepLatest: false } } }));
    cluster.put(cluster.jobs, run('r-1', { completedAgoMs: hourMs, periodic: 'p1' }));
    cluster.own.put(pod('r-1'));
    expect(await cluster.pass(10_000 * hourMs)).toEqual(['pod r-1-pod']);
  });
  it('keepLatest comes before the time of the run itself only where it is written out', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history: { keepLatest: true } } }));
    cluster.put(cluster.jobs, run('r-1', { completedAgoMs: hourMs, periodic: 'p1', spec: { ttl_seconds_after_finished: 5 } }));
    expect(await cluster.pass(100 * hourMs)).toEqual([]);
    cluster.put(cluster.periodics, nightly());
    expect(await cluster.pass()).toEqual(['run r-1']);
  });
  it('that is edited holds at once, for more and for less', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history: { successful: 4 } } }));
    addRuns(['success', 'success', 'success', 'success']);
    expect(await cluster.pass()).toEqual([]);
    cluster.put(cluster.periodics, nightly({ spec: { history: { successful: 3 } } }));
    expect(await cluster.pass()).toEqual(['run r-1']);
    cluster.put(cluster.periodics, nightly({ spec: { history: { successful: 1 } } }));
    await cluster.pass();
    expect(runsLeft()).toEqual(['r-4']);
  });
  it('of one Periodic says nothing about another', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history: { successful: 0, keepLatest: false } } }));
    cluster.put(cluster.jobs, run('other', { completedAgoMs: hourMs, state: 'success', periodic: 'p2' }));
    cluster.put(cluster.jobs, run('mine', { completedAgoMs: hourMs, state: 'success', periodic: 'p1' }));
    expect(await cluster.pass()).toEqual(['run mine']);
  });
});

describe('what a schedule still needs', () => {
  const slot = before(3 * hourMs);
  const waits = (attempt: number) => ({ slot, attempt, reason: 'Retry' as const });
  const scheduled = { 'prow.k8s.io/scheduled-time': slot };
  const history = { successful: 0, failed: 0, keepLatest: false };
  const settled = { lastScheduleTime: slot };
  const failedRun = () => run('nightly-x', { startedAgoMs: 3 * hourMs, completedAgoMs: hourMs, periodic: 'p1', annotations: scheduled });

  it.each([
    { what: 'its end has not been seen', status: { ...settled, active: [{ name: 'nightly-x', uid: 'uid-nightly-x' }] } },
    { what: 'its slot is not written down', status: { lastScheduleTime: before(4 * hourMs) } },
    { what: 'nothing is written down', status: {} },
    { what: 'its slot still waits, as far as status knows', status: { ...settled, waiting: [{ slot, reason: 'Queued' as const }] } },
  ])('stays for an hour at most: $what', async ({ status }) => {
    cluster.put(cluster.periodics, nightly({ spec: { history }, status }));
    cluster.put(cluster.jobs, failedRun());
    expect(await cluster.pass(hourMs - 1)).toEqual([]);
    expect(await cluster.pass(1)).toEqual(['run nightly-x']);
  });
  it('goes as soon as its end is written down', async () => {
    cluster.put(
      cluster.periodics,
      nightly({ spec: { history }, status: { ...settled, active: [{ name: 'nightly-x', uid: 'uid-nightly-x' }] } }),
    );
    cluster.put(cluster.jobs, failedRun());
    expect(await cluster.pass()).toEqual([]);
    cluster.put(cluster.periodics, nightly({ spec: { history }, status: { ...settled, active: [] } }));
    expect(await cluster.pass()).toEqual(['run nightly-x']);
  });
  it('goes when another run of its name is meant', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history }, status: { ...settled, active: [{ name: 'nightly-x', uid: 'another' }] } }));
    cluster.put(cluster.jobs, failedRun());
    expect(await cluster.pass()).toEqual(['run nightly-x']);
  });
  it('a run that is to be repeated stays until that has happened, however long it takes', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history }, status: { ...settled, waiting: [waits(2)] } }));
    cluster.put(cluster.jobs, failedRun());
    expect(await cluster.pass(30 * hourMs)).toEqual([]);
    cluster.put(cluster.periodics, nightly({ spec: { history }, status: settled }));
    expect(await cluster.pass(60_000)).toEqual(['run nightly-x']);
  });
  it('what waits for another repetition does not hold it', async () => {
    cluster.put(cluster.periodics, nightly({ spec: { history }, status: { ...settled, waiting: [waits(3)] } }));
    cluster.put(cluster.jobs, failedRun());
    expect(await cluster.pass()).toEqual(['run nightly-x']);
  });
  it.each([
    { seen: undefined, calls: [] },
    { seen: 'now', calls: ['run by-hand'] },
  ])('a start by hand whose token status says is $seen', async ({ seen, calls }) => {
    const status = seen === undefined ? settled : { ...settled, lastRunNowToken: seen };
    const periodic = nightly({ spec: { history }, status });
    cluster.put(cluster.periodics, { ...periodic, metadata: { ...periodic.metadata, annotations: { 'prow.k8s.io/run-now': 'now' } } });
    cluster.put(
      cluster.jobs,
      run('by-hand', { completedAgoMs: hourMs, periodic: 'p1', annotations: { 'prow.k8s.io/run-now-token': 'now' } }),
    );
    expect(await cluster.pass()).toEqual(calls);
  });
  it.each([
    {
      what: 'lists it',
      status: { cursor: slot, active: [{ name: 'again-x', uid: 'uid-again-x', slot }] },
      after: { cursor: slot, active: [] },
    },
    { what: 'has not come to its slot', status: {}, after: undefined },
  ])('a run of a backfill whose status $what', async ({ status, after }) => {
    const spec = { ttl_seconds_after_finished: 0 };
    cluster.put(cluster.backfills, again(status));
    cluster.put(cluster.jobs, run('again-x', { completedAgoMs: hourMs, backfill: 'b1', annotations: scheduled, spec }));
    expect(await cluster.pass()).toEqual([]);
    if (after === undefined) cluster.remove(cluster.backfills, again());
    else cluster.put(cluster.backfills, again(after));
    expect(await cluster.pass()).toEqual(['run again-x']);
  });
});
