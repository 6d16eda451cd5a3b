/** Runs over a real socket: objects, Events, metrics and the number of writes, as a user and a bill would see them. */
import { describe, expect, it } from 'vitest';
import { prowJobs } from '../../crds/resources.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { annotation, label } from '../../operator/jobs/labels.ts';
import { pods, type Pod } from '../../operator/kube/builtin.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { suite } from './testing/suite.ts';
import { namespace } from './testing/world.ts';

const { world, start, expectSettled } = suite();

const key = (name: string) => ({ namespace, name });
const abort = (name: string) => world().client.patch(prowJobs, key(name), mergePatch({ spec: { abort: { by: 'ann', reason: 'enough' } } }));
const conditions = (run: ProwJob) => Object.fromEntries((run.status?.conditions ?? []).map((c) => [c.type, `${c.status} ${c.reason}`]));

describe('a run that succeeds', () => {
  it('costs one pod create and two status patches, and says what happened', async () => {
    const operator = await start();
    await world().createRun('good', {}, { [annotation.scheduledTime]: '2026-06-01T12:00:00Z' });
    const pod = await world().untilPod('good');
    const pending = await world().untilState('good', 'pending');
    expect(conditions(pending)).toEqual({ Ready: 'False Running', Reconciling: 'True Running' });
    expect(pending.status?.build_id).toMatch(/^\d{19}$/);
    expect(pod.metadata.labels).toMatchObject({
      [label.createdByProw]: 'true',
      [label.id]: 'good',
      [label.runUid]: pending.metadata.uid,
      [label.attempt]: '1',
      [label.buildId]: pending.status?.build_id,
    });
    expect(pod.spec.containers[0]?.env).toContainEqual({ name: 'SCHEDULED_TIME', value: '2026-06-01T12:00:00Z' });

    await world().setPodStatus('good', { phase: 'Running', startTime: new Date().toISOString() });
    await world().endPod('good', 0);
    const done = await world().untilState('good', 'success');
    expect(done.status).toMatchObject({ reason: 'Succeeded', observedGeneration: 1, pod_name: 'good' });
    expect(done.status?.attempts).toEqual([
      expect.objectContaining({ number: 1, pod_name: 'good', pod_uid: pod.metadata.uid, exit_code: 0, cause: 'Succeeded' }),
    ]);
    expect(conditions(done)).toEqual({ Ready: 'True Succeeded', Succeeded: 'True Succeeded' });
    await expectSettled(operator, 'good');
    expect(operator.writes).toEqual(['PATCH default/prowjobs/good/status', 'POST default/pods', 'PATCH default/prowjobs/good/status']);
    expect(operator.events).toEqual([]);
    const { metrics } = operator;
    expect(await metrics.value('prowjob_state_transitions_total', { type: 'periodic', from: 'triggered', to: 'pending', reason: '' })).toBe(
      1,
    );
    expect(
      await metrics.value('prowjob_state_transitions_total', { type: 'periodic', from: 'pending', to: 'success', reason: 'Succeeded' }),
    ).toBe(1);
    const { namespace: job_namespace } = done.metadata;
    const states = ['triggered', 'pending', 'success', 'failure'].map((state) =>
      metrics.value('prowjob_state_transitions', { job_namespace: job_namespace ?? '', type: 'periodic', state }),
    );
    expect(await Promise.all(states)).toEqual([1, 1, 1, 0]);
    expect(await metrics.value('prowjob_start_seconds_count')).toBe(1);
    expect(await metrics.value('prowjob_attempts_ended_total', { cause: 'Succeeded' })).toBe(1);
  });
});

describe('a run that fails', () => {
  it('ends as failure with the exit code, once, and is not tried again', async () => {
    const operator = await start();
    await world().createRun('bad', { retry: { max_attempts: 5, on: ['Infra', 'Timeout'] } });
    await world().untilPod('bad');
    await world().endPod('bad', 3);
    const done = await world().untilState('bad', 'failure');
    expect(done.status).toMatchObject({ reason: 'TestFailed', attempts: [{ exit_code: 3, cause: 'TestFailed' }] });
    expect(conditions(done)).toEqual({ Ready: 'True TestFailed', Succeeded: 'False TestFailed' });
    await expectSettled(operator, 'bad');
    expect(operator.events).toEqual([expect.objectContaining({ type: 'Warning', reason: 'TestFailed', name: 'bad' })]);
    expect(await world().pods()).toHaveLength(1);
  });
});

describe('infrastructure', () => {
  it('Q8 an evicted pod is followed by the next attempt, recorded first, with a build id of its own', async () => {
    const operator = await start();
    await world().createRun('moved');
    await world().untilPod('moved');
    await world().setPodStatus('moved', { phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory.' });
    await world().untilPod('moved-2');
    const run = await world().run('moved');
    expect(run.status).toMatchObject({ state: 'pending', pod_name: 'moved-2', pod_revival_count: 1 });
    const [first, second] = run.status!.attempts!;
    expect(first).toMatchObject({ number: 1, cause: 'Evicted' });
    expect(BigInt(second!.build_id)).toBeGreaterThan(BigInt(first!.build_id));
    await world().endPod('moved-2', 0);
    await world().untilState('moved', 'success');
    await expectSettled(operator, 'moved');
    expect(operator.writes).toHaveLength(5);
    expect(operator.events.map((event) => event.reason)).toEqual(['Evicted']);
  });

  it('Q11 lost once more than allowed, the run ends with RetriesExhausted', async () => {
    await start({ policy: { maxRevivals: 1 } });
    await world().createRun('unlucky');
    for (const name of ['unlucky', 'unlucky-2']) {
      await world().untilPod(name);
      await world().setPodStatus(name, { phase: 'Failed', reason: 'Evicted' });
    }
    const done = await world().untilState('unlucky', 'error');
    expect(done.status).toMatchObject({ reason: 'RetriesExhausted' });
    expect(done.status?.attempts?.map(({ cause }) => cause)).toEqual(['Evicted', 'Evicted']);
    expect(await world().pod('unlucky-3')).toBeUndefined();
  });

  it('a pod that this process saw vanish is replaced by the next attempt', async () => {
    await start();
    await world().createRun('gone');
    await world().untilPod('gone');
    await world().client.delete(pods, key('gone'), { gracePeriodSeconds: 0 });
    await world().untilPod('gone-2');
    const run = await world().run('gone');
    expect(run.status?.attempts?.map(({ pod_name, cause }) => [pod_name, cause])).toEqual([
      ['gone', expect.stringMatching(/^Pod(Vanished|Deleted)$/)],
      ['gone-2', undefined],
    ]);
  });
});

describe('an abort', () => {
  it('before the start: no pod is ever made', async () => {
    await world().createRun('early');
    await abort('early');
    const operator = await start();
    const done = await world().untilState('early', 'aborted');
    expect(done.status).toMatchObject({ reason: 'Aborted', description: 'Aborted by ann: enough' });
    await expectSettled(operator, 'early');
    expect(operator.writes).toEqual(['PATCH default/prowjobs/early/status']);
    expect(await world().pods()).toEqual([]);
  });

  it('A1 while it runs: the pod is deleted, then the run is complete', async () => {
    const operator = await start();
    await world().createRun('late');
    await world().untilPod('late');
    await abort('late');
    const done = await world().untilState('late', 'aborted');
    expect(done.status?.completionTime).toBeDefined();
    await expectSettled(operator, 'late');
    expect(operator.writes.slice(2)).toEqual(['DELETE default/pods/late', 'PATCH default/prowjobs/late/status']);
  });

  it('of a run that has ended changes nothing but the generation that was seen', async () => {
    const operator = await start();
    await world().createRun('over');
    await world().untilPod('over');
    await world().endPod('over', 0);
    const done = await world().untilState('over', 'success');
    await operator.controller.idle();
    const before = operator.writes.length;
    await abort('over');
    const seen = await world().untilRun('over', 'seen', (run) => run.status?.observedGeneration === 2);
    const conditionsThen = seen.status?.conditions?.map((condition) => ({ ...condition, observedGeneration: 1 }));
    expect({ ...seen.status, observedGeneration: 1, conditions: conditionsThen }).toEqual(done.status);
    expect(seen.status?.conditions?.map(({ observedGeneration }) => observedGeneration)).toEqual([2, 2]);
    await expectSettled(operator, 'over');
    expect(operator.writes.slice(before)).toEqual(['PATCH default/prowjobs/over/status']);
  });

  it("upstream's way (state aborted without completionTime) is understood, and its description kept", async () => {
    await start();
    await world().createRun('old-style');
    await world().untilPod('old-style');
    await world().client.patch(prowJobs, key('old-style'), mergePatch({ status: { state: 'aborted', description: 'Newer commit.' } }), {
      subresource: 'status',
    });
    const done = await world().untilRun('old-style', 'complete', (run) => run.status?.completionTime !== undefined);
    expect(done.status).toMatchObject({ state: 'aborted', reason: 'Aborted', description: 'Newer commit.' });
  });
});

describe('limits', () => {
  it('max_concurrency 1: the second waits with a reason, written once, and starts when the first ends', async () => {
    const operator = await start();
    await world().createRun('one', { job: 'narrow', max_concurrency: 1 });
    await world().untilPod('one');
    await world().createRun('two', { job: 'narrow', max_concurrency: 1 });
    const waiting = await world().untilRun('two', 'waiting', (run) => run.status?.waiting !== undefined);
    expect(waiting.status).toMatchObject({ state: 'triggered', waiting: { reason: 'MaxConcurrency' } });
    expect(conditions(waiting)).toEqual({ Ready: 'False MaxConcurrency', Reconciling: 'True MaxConcurrency' });
    await expectSettled(operator, 'two');
    expect(await world().pod('two')).toBeUndefined();
    await world().endPod('one', 0);
    await world().untilPod('two');
    expect((await world().run('two')).status?.waiting).toBeUndefined();
  });

  it('a slot is free only when the pod of an aborted run has really ended', async () => {
    await start();
    await world().createRun('first', { job: 'device', max_concurrency: 1 });
    await world().untilPod('first');
    // A finalizer keeps the pod in deletion, as a kubelet does while containers stop.
    await world().client.patch(pods, key('first'), mergePatch({ metadata: { finalizers: ['example.com/hold'] } }));
    await world().createRun('second', { job: 'device', max_concurrency: 1 });
    await abort('first');
    await world().untilState('first', 'aborted');
    await world().untilRun('second', 'waiting', (run) => run.status?.waiting?.reason === 'MaxConcurrency');
    expect(await world().pod('second')).toBeUndefined();
    await world().client.patch(pods, key('first'), mergePatch({ metadata: { finalizers: null } }));
    await world()
      .client.delete(pods, key('first'), { gracePeriodSeconds: 0 })
      .catch(() => undefined);
    await world().untilPod('second');
  });

  it('an unknown queue is a reason to wait, and ends when the settings know it', async () => {
    const operator = await start();
    await world().createRun('queued', { job_queue_name: 'gpu' });
    const waiting = await world().untilRun('queued', 'waiting', (run) => run.status?.waiting !== undefined);
    expect(waiting.status?.waiting?.reason).toBe('QueueUnknown');
    expect(conditions(waiting)).toEqual({ Ready: 'False QueueUnknown', Stalled: 'True QueueUnknown' });
    operator.setPolicy({ queueCapacities: new Map([['gpu', 1]]) });
    await world().untilPod('queued');
    expect(conditions(await world().run('queued'))).toEqual({ Ready: 'False Running', Reconciling: 'True Running' });
  });

  it('60 runs of one job with limit 3 never have more than 3 unfinished pods, and all end', async () => {
    const operator = await start();
    const count = 60;
    await Promise.all(Array.from({ length: count }, (_, n) => world().createRun(`many-${n}`, { job: 'many', max_concurrency: 3 })));
    // Every change in the order the server made it, so no moment is missed.
    const open = new Set<string>();
    let worst = 0;
    const unwatch = world().sandbox.api.watch(pods, ({ type, object }) => {
      const { phase } = (object as unknown as Pod).status ?? {};
      if (type === 'DELETED' || phase === 'Succeeded') open.delete(object.metadata.name);
      else open.add(object.metadata.name);
      worst = Math.max(worst, open.size);
    });
    for (let left = count; left > 0;) {
      await world().eventually('every free slot is used', async () => (await world().pods()).length > 0 && open.size === Math.min(3, left));
      const names = [...open];
      left -= names.length;
      await Promise.all(names.map((name) => world().endPod(name, 0)));
      for (const name of names) open.delete(name);
    }
    unwatch();
    expect(worst).toBe(3);
    await world().eventually('the last run is complete', async () =>
      (await world().client.list(prowJobs, { namespace })).items.every((run) => run.status?.state === 'success'),
    );
    const creates = operator.writes.filter((write) => write.startsWith('POST'));
    expect(creates).toHaveLength(count);
  });
});

describe('deadlines', () => {
  const dead = [
    { name: 'queue', spec: { job_queue_name: 'closed', timeouts: { queue: '1h' } }, reason: 'QueueTimeout', state: 'error' },
    { name: 'unscheduled', spec: { timeouts: { unscheduled: '1h' } }, reason: 'UnscheduledTimeout', state: 'error' },
    { name: 'pending', spec: { timeouts: { pending: '1h' } }, phase: 'Pending' as const, reason: 'PendingTimeout', state: 'error' },
    { name: 'running', spec: { timeouts: { running: '1h' } }, phase: 'Running' as const, reason: 'RunningTimeout', state: 'aborted' },
  ];
  it.each(dead)('$name: fires by its own timer, not before, and takes the pod along', async ({ name, spec, phase, reason, state }) => {
    const clock = new FakeClock(Date.now());
    const operator = await start({ clock, policy: { queueCapacities: new Map([['closed', 0]]) } });
    await world().createRun(name, spec);
    if (name === 'queue') await world().untilRun(name, 'waiting', (run) => run.status?.waiting?.reason === 'QueueFull');
    else await world().untilPod(name);
    if (phase !== undefined) {
      await world().setPodStatus(name, { phase, startTime: new Date().toISOString() });
      await world().eventually('the operator has seen it', () => Promise.resolve(operator.controller.queue.depth === 0));
    }
    await operator.controller.idle();
    await clock.advance(59 * 60_000);
    await operator.controller.idle();
    expect((await world().run(name)).status?.completionTime).toBeUndefined();
    await clock.advance(2 * 60_000);
    const done = await world().untilState(name, state);
    expect(done.status?.reason).toBe(reason);
    if (name !== 'queue') expect(operator.writes).toContain(`DELETE default/pods/${name}`);
    await expectSettled(operator, name);
  });
});

describe('adoption', () => {
  it("P11 P12 a pod of upstream's plank is taken with its build id, and none is made beside it", async () => {
    const operator = await start();
    await operator.stop();
    await world().client.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'moved-in', namespace, labels: { [label.createdByProw]: 'true', [label.id]: 'moved-in' } },
      spec: { containers: [{ name: 'test', image: 'i', env: [{ name: 'BUILD_ID', value: '1234567890123456789' }] }] },
    });
    await world().createRun('moved-in');
    const next = await start();
    const run = await world().untilState('moved-in', 'pending');
    expect(run.status).toMatchObject({ build_id: '1234567890123456789', pod_name: 'moved-in' });
    await world().endPod('moved-in', 0);
    await world().untilState('moved-in', 'success');
    await expectSettled(next, 'moved-in');
    expect(next.writes).toHaveLength(2);
  });

  it('Q1 a pending run of plank whose pod is gone gets another attempt with a fresh build id', async () => {
    await world().createRun('orphaned', { agent: 'kubernetes' });
    await world().client.patch(
      prowJobs,
      key('orphaned'),
      mergePatch({ status: { state: 'pending', pod_name: 'orphaned', build_id: '1', pendingTime: new Date().toISOString() } }),
      { subresource: 'status' },
    );
    await start();
    await world().untilPod('orphaned-2');
    const run = await world().run('orphaned');
    expect(run.status?.attempts?.map(({ build_id, cause }) => [build_id, cause])).toEqual([
      ['1', 'PodVanished'],
      [expect.stringMatching(/^\d{19}$/), undefined],
    ]);
  });

  it('a run re-created under the same name waits for the pod of the former one', async () => {
    await start();
    await world().createRun('again');
    await world().untilPod('again');
    await world().client.delete(prowJobs, key('again'));
    const second = await world().createRun('again');
    const waiting = await world().untilRun('again', 'held', (run) => run.status?.waiting !== undefined);
    expect(waiting.status?.waiting?.message).toContain('earlier run');
    await world().client.delete(pods, key('again'), { gracePeriodSeconds: 0 });
    const pod = await world().untilPod('again');
    expect(pod.metadata.labels?.[label.runUid]).toBe(second.metadata.uid);
  });
});
