/** Runs over a real socket: objects, Events, metrics and the number of writes, as a user and a bill would see them. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildClusters, prowJobs } from '../../crds/resources.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { annotation, label } from '../../operator/jobs/labels.ts';
import { pods, type Pod } from '../../operator/kube/builtin.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { World, namespace, type Operator, type OperatorOptions } from './testing/world.ts';

let world: World;
let operators: Operator[] = [];

beforeAll(async () => {
  world = await World.open();
});

afterAll(() => world.close());

afterEach(async () => {
  for (const operator of operators) await operator.stop();
  operators = [];
  for (const run of (await world.client.list(prowJobs, { namespace })).items) {
    await world.client.delete(prowJobs, { namespace, name: run.metadata.name });
  }
  for (const pod of await world.pods()) {
    await world.client.delete(pods, { namespace, name: pod.metadata.name }, { gracePeriodSeconds: 0 });
  }
});

async function start(options?: OperatorOptions): Promise<Operator> {
  const operator = await world.operator(options);
  operators.push(operator);
  return operator;
}

const key = (name: string) => ({ namespace, name });
const abort = (name: string) => world.client.patch(prowJobs, key(name), mergePatch({ spec: { abort: { by: 'ann', reason: 'enough' } } }));
const conditions = (run: ProwJob) => Object.fromEntries((run.status?.conditions ?? []).map((c) => [c.type, `${c.status} ${c.reason}`]));

/** A second pass over a settled run writes nothing. */
async function expectSettled(operator: Operator, name: string): Promise<void> {
  await operator.controller.idle();
  const before = operator.writes.length;
  operator.controller.enqueue(key(name));
  await operator.controller.idle();
  expect(operator.writes.slice(before)).toEqual([]);
}

describe('a run that succeeds', () => {
  it('costs one pod create and two status patches, and says what happened', async () => {
    const operator = await start();
    await world.createRun('good', {}, { [annotation.scheduledTime]: '2026-06-01T12:00:00Z' });
    const pod = await world.untilPod('good');
    const pending = await world.untilState('good', 'pending');
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

    await world.setPodStatus('good', { phase: 'Running', startTime: new Date().toISOString() });
    await world.endPod('good', 0);
    const done = await world.untilState('good', 'success');
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
    expect(await metrics.value('prowjob_running')).toBe(0);
  });
});

describe('a run that fails', () => {
  it('ends as failure with the exit code, once, and is not tried again', async () => {
    const operator = await start();
    await world.createRun('bad', { retry: { max_attempts: 5, on: ['Infra', 'Timeout'] } });
    await world.untilPod('bad');
    await world.endPod('bad', 3);
    const done = await world.untilState('bad', 'failure');
    expect(done.status).toMatchObject({ reason: 'TestFailed', attempts: [{ exit_code: 3, cause: 'TestFailed' }] });
    expect(conditions(done)).toEqual({ Ready: 'True TestFailed', Succeeded: 'False TestFailed' });
    await expectSettled(operator, 'bad');
    expect(operator.events).toEqual([expect.objectContaining({ type: 'Warning', reason: 'TestFailed', name: 'bad' })]);
    expect(await world.pods()).toHaveLength(1);
  });
});

describe('infrastructure', () => {
  it('Q8 an evicted pod is followed by the next attempt, recorded first, with a build id of its own', async () => {
    const operator = await start();
    await world.createRun('moved');
    await world.untilPod('moved');
    await world.setPodStatus('moved', { phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory.' });
    await world.untilPod('moved-2');
    const run = await world.run('moved');
    expect(run.status).toMatchObject({ state: 'pending', pod_name: 'moved-2', pod_revival_count: 1 });
    const [first, second] = run.status!.attempts!;
    expect(first).toMatchObject({ number: 1, cause: 'Evicted' });
    expect(BigInt(second!.build_id)).toBeGreaterThan(BigInt(first!.build_id));
    await world.endPod('moved-2', 0);
    await world.untilState('moved', 'success');
    await expectSettled(operator, 'moved');
    expect(operator.writes).toHaveLength(5);
    expect(operator.events.map((event) => event.reason)).toEqual(['Evicted']);
  });

  it('Q11 lost once more than allowed, the run ends with RetriesExhausted', async () => {
    await start({ policy: { maxRevivals: 1 } });
    await world.createRun('unlucky');
    for (const name of ['unlucky', 'unlucky-2']) {
      await world.untilPod(name);
      await world.setPodStatus(name, { phase: 'Failed', reason: 'Evicted' });
    }
    const done = await world.untilState('unlucky', 'error');
    expect(done.status).toMatchObject({ reason: 'RetriesExhausted' });
    expect(done.status?.attempts?.map(({ cause }) => cause)).toEqual(['Evicted', 'Evicted']);
    expect(await world.pod('unlucky-3')).toBeUndefined();
  });

  it('a pod that this process saw vanish is replaced by the next attempt', async () => {
    await start();
    await world.createRun('gone');
    await world.untilPod('gone');
    await world.client.delete(pods, key('gone'), { gracePeriodSeconds: 0 });
    await world.untilPod('gone-2');
    const run = await world.run('gone');
    expect(run.status?.attempts?.map(({ pod_name, cause }) => [pod_name, cause])).toEqual([
      ['gone', expect.stringMatching(/^Pod(Vanished|Deleted)$/)],
      ['gone-2', undefined],
    ]);
  });
});

describe('a lost attempt whose pod has to go', () => {
  const finalizers = ['prow.x-k8s.io/gcsk8sreporter', 'example.com/other'];
  it("Q3 is recorded first; the finalizer of upstream's reporter goes, others stay; a node that does not answer is not waited for", async () => {
    const clock = new FakeClock(Date.now());
    const operator = await start({ clock });
    await world.createRun('silent');
    await world.untilPod('silent');
    await world.client.patch(pods, key('silent'), mergePatch({ metadata: { finalizers }, spec: { nodeName: 'node-7' } }));
    await world.setPodStatus('silent', { phase: 'Unknown', startTime: new Date().toISOString() });
    const dying = await world.eventually('its deletion', async () => {
      const pod = await world.pod('silent');
      return pod?.metadata.deletionTimestamp !== undefined && pod.metadata.finalizers?.length === 1 ? pod : undefined;
    });
    expect(dying.metadata.finalizers).toEqual(['example.com/other']);
    expect((await world.run('silent')).status).toMatchObject({
      state: 'pending',
      attempts: [{ number: 1, cause: 'NodeLost', node: 'node-7' }],
    });
    await operator.controller.idle();
    expect(await world.pod('silent-2')).toBeUndefined();
    // Grace and slack pass; by force, and then without it, because somebody's finalizer holds it still.
    await clock.advance(61_000);
    await operator.controller.idle();
    await clock.advance(61_000);
    const next = await world.untilPod('silent-2');
    expect(next.spec).toMatchObject({
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 100, preference: { matchFields: [{ key: 'metadata.name', operator: 'NotIn', values: ['node-7'] }] } },
          ],
        },
      },
    });
    expect((await world.pod('silent'))?.metadata.deletionGracePeriodSeconds).toBe(0);
    expect(operator.events.filter(({ reason }) => reason === 'NodeLost')).toHaveLength(1);
    await world.endPod('silent-2', 0);
    const done = await world.untilState('silent', 'success');
    expect(done.status?.attempts?.map(({ cause }) => cause)).toEqual(['NodeLost', 'Succeeded']);
    await world.client.patch(pods, key('silent'), mergePatch({ metadata: { finalizers: null } }));
  });

  it('the third attempt waits ten seconds, by a timer', async () => {
    const clock = new FakeClock(Date.now());
    const operator = await start({ clock });
    await world.createRun('again-and-again');
    for (const name of ['again-and-again', 'again-and-again-2']) {
      await world.untilPod(name);
      await world.setPodStatus(name, { phase: 'Failed', reason: 'Evicted' });
    }
    const paused = await world.untilRun('again-and-again', 'both lost', ({ status }) => status?.attempts?.[1]?.cause === 'Evicted');
    expect(paused.status).toMatchObject({ state: 'pending', description: expect.stringContaining('in 10 s') as string });
    await operator.controller.idle();
    expect(await world.pod('again-and-again-3')).toBeUndefined();
    await clock.advance(12_000);
    await world.untilPod('again-and-again-3');
  });
});

describe('an abort', () => {
  it('before the start: no pod is ever made', async () => {
    await world.createRun('early');
    await abort('early');
    const operator = await start();
    const done = await world.untilState('early', 'aborted');
    expect(done.status).toMatchObject({ reason: 'Aborted', description: 'Aborted by ann: enough' });
    await expectSettled(operator, 'early');
    expect(operator.writes).toEqual(['PATCH default/prowjobs/early/status']);
    expect(await world.pods()).toEqual([]);
  });

  it('A1 while it runs: the pod is deleted, then the run is complete', async () => {
    const operator = await start();
    await world.createRun('late');
    await world.untilPod('late');
    await abort('late');
    const done = await world.untilState('late', 'aborted');
    expect(done.status?.completionTime).toBeDefined();
    await expectSettled(operator, 'late');
    expect(operator.writes.slice(2)).toEqual(['DELETE default/pods/late', 'PATCH default/prowjobs/late/status']);
  });

  it('of a run that has ended changes nothing but the generation that was seen', async () => {
    const operator = await start();
    await world.createRun('over');
    await world.untilPod('over');
    await world.endPod('over', 0);
    const done = await world.untilState('over', 'success');
    await operator.controller.idle();
    const before = operator.writes.length;
    await abort('over');
    const seen = await world.untilRun('over', 'seen', (run) => run.status?.observedGeneration === 2);
    expect({ ...seen.status, observedGeneration: 1 }).toEqual(done.status);
    await expectSettled(operator, 'over');
    expect(operator.writes.slice(before)).toEqual(['PATCH default/prowjobs/over/status']);
  });

  it("upstream's way (state aborted without completionTime) is understood, and its description kept", async () => {
    await start();
    await world.createRun('old-style');
    await world.untilPod('old-style');
    await world.client.patch(prowJobs, key('old-style'), mergePatch({ status: { state: 'aborted', description: 'Newer commit.' } }), {
      subresource: 'status',
    });
    const done = await world.untilRun('old-style', 'complete', (run) => run.status?.completionTime !== undefined);
    expect(done.status).toMatchObject({ state: 'aborted', reason: 'Aborted', description: 'Newer commit.' });
  });
});

describe('limits', () => {
  it('max_concurrency 1: the second waits with a reason, written once, and starts when the first ends', async () => {
    const operator = await start();
    await world.createRun('one', { job: 'narrow', max_concurrency: 1 });
    await world.untilPod('one');
    await world.createRun('two', { job: 'narrow', max_concurrency: 1 });
    const waiting = await world.untilRun('two', 'waiting', (run) => run.status?.waiting !== undefined);
    expect(waiting.status).toMatchObject({ state: 'triggered', waiting: { reason: 'MaxConcurrency' } });
    expect(conditions(waiting)).toEqual({ Ready: 'False MaxConcurrency', Reconciling: 'True MaxConcurrency' });
    await expectSettled(operator, 'two');
    expect(await world.pod('two')).toBeUndefined();
    await world.endPod('one', 0);
    await world.untilPod('two');
    expect((await world.run('two')).status?.waiting).toBeUndefined();
  });

  it('a slot is free only when the pod of an aborted run has really ended', async () => {
    await start();
    await world.createRun('first', { job: 'device', max_concurrency: 1 });
    await world.untilPod('first');
    // A finalizer keeps the pod in deletion, as a kubelet does while containers stop.
    await world.client.patch(pods, key('first'), mergePatch({ metadata: { finalizers: ['example.com/hold'] } }));
    await world.createRun('second', { job: 'device', max_concurrency: 1 });
    await abort('first');
    await world.untilState('first', 'aborted');
    await world.untilRun('second', 'waiting', (run) => run.status?.waiting?.reason === 'MaxConcurrency');
    expect(await world.pod('second')).toBeUndefined();
    await world.client.patch(pods, key('first'), mergePatch({ metadata: { finalizers: null } }));
    await world.client.delete(pods, key('first'), { gracePeriodSeconds: 0 }).catch(() => undefined);
    await world.untilPod('second');
  });

  it('an unknown queue is a reason to wait, and ends when the settings know it', async () => {
    const operator = await start();
    await world.createRun('queued', { job_queue_name: 'gpu' });
    const waiting = await world.untilRun('queued', 'waiting', (run) => run.status?.waiting !== undefined);
    expect(waiting.status?.waiting?.reason).toBe('QueueUnknown');
    expect(conditions(waiting)).toEqual({ Ready: 'False QueueUnknown', Stalled: 'True QueueUnknown' });
    operator.setPolicy({ queueCapacities: new Map([['gpu', 1]]) });
    await world.untilPod('queued');
    expect(conditions(await world.run('queued'))).toEqual({ Ready: 'False Running', Reconciling: 'True Running' });
  });

  it('60 runs of one job with limit 3 never have more than 3 unfinished pods, and all end', async () => {
    const operator = await start();
    const count = 60;
    await Promise.all(Array.from({ length: count }, (_, n) => world.createRun(`many-${n}`, { job: 'many', max_concurrency: 3 })));
    // Every change in the order the server made it, so no moment is missed.
    const open = new Set<string>();
    let worst = 0;
    const unwatch = world.sandbox.api.watch(pods, ({ type, object }) => {
      const { phase } = (object as unknown as Pod).status ?? {};
      if (type === 'DELETED' || phase === 'Succeeded') open.delete(object.metadata.name);
      else open.add(object.metadata.name);
      worst = Math.max(worst, open.size);
    });
    for (let left = count; left > 0;) {
      await world.eventually('every free slot is used', async () => (await world.pods()).length > 0 && open.size === Math.min(3, left));
      const names = [...open];
      left -= names.length;
      await Promise.all(names.map((name) => world.endPod(name, 0)));
      for (const name of names) open.delete(name);
    }
    unwatch();
    expect(worst).toBe(3);
    await world.eventually('the last run is complete', async () =>
      (await world.client.list(prowJobs, { namespace })).items.every((run) => run.status?.state === 'success'),
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
    await world.createRun(name, spec);
    if (name === 'queue') await world.untilRun(name, 'waiting', (run) => run.status?.waiting?.reason === 'QueueFull');
    else await world.untilPod(name);
    if (phase !== undefined) {
      await world.setPodStatus(name, { phase, startTime: new Date().toISOString() });
      await world.eventually('the operator has seen it', () => Promise.resolve(operator.controller.queue.depth === 0));
    }
    await operator.controller.idle();
    await clock.advance(59 * 60_000);
    await operator.controller.idle();
    expect((await world.run(name)).status?.completionTime).toBeUndefined();
    await clock.advance(2 * 60_000);
    const done = await world.untilState(name, state);
    expect(done.status?.reason).toBe(reason);
    if (name !== 'queue') expect(operator.writes).toContain(`DELETE default/pods/${name}`);
    await expectSettled(operator, name);
  });
});

describe('refusals', () => {
  it('P7 a pod the API server will never take ends the run with its words', async () => {
    await start();
    await world.createRun('broken', {
      pod_spec: {
        containers: [
          { name: 'BAD NAME', image: 'x' },
          { name: 'also', image: 'x' },
        ],
      },
    });
    const done = await world.untilState('broken', 'error');
    expect(done.status?.reason).toBe('PodRejected');
    expect(done.status?.description).toContain('BAD NAME');
  });

  it("a stranger's pod with our name is never touched, and named", async () => {
    await world.client.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'taken', namespace },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    await start();
    await world.createRun('taken');
    const done = await world.untilState('taken', 'error');
    expect(done.status).toMatchObject({ reason: 'PodRejected', description: expect.stringContaining('default/taken') });
    expect(await world.pod('taken')).toBeDefined();
  });

  const passing = [
    { code: 403, reason: 'Forbidden', message: 'pods "x" is forbidden: exceeded quota: tiny' },
    { code: 429, reason: 'TooManyRequests', message: 'slow down' },
    { code: 409, reason: 'Conflict', message: 'Operation cannot be fulfilled on resourcequotas' },
    { code: 404, reason: 'NotFound', message: 'namespaces "x" not found' },
    { code: 500, reason: 'InternalError', message: 'boom' },
  ];
  it.each(passing)('P9 P10 a refusal that passes ($code $reason) is tried again', async ({ code, reason, message }) => {
    let left = 2;
    const operator = await start({
      intercept: (request) => {
        if (request.method !== 'POST' || left === 0) return undefined;
        left -= 1;
        return { status: code, headers: {}, body: JSON.stringify({ kind: 'Status', status: 'Failure', code, reason, message }) };
      },
    });
    await world.createRun('patient');
    await world.untilPod('patient');
    await world.endPod('patient', 0);
    const done = await world.untilState('patient', 'success');
    expect(done.status?.waiting).toBeUndefined();
    expect(done.status?.attempts).toHaveLength(1);
    // At most one patch says that it waits and one that it does not any more, however often it was refused.
    expect(operator.writes.filter((write) => write.startsWith('PATCH')).length).toBeLessThanOrEqual(4);
  });

  it('P16 an alias nobody declared ends the run; one that is declared holds it', async () => {
    const operator = await start();
    await world.createRun('lost', { cluster: 'nowhere' });
    expect((await world.untilState('lost', 'error')).status).toMatchObject({ reason: 'UnknownCluster' });
    await world.client.create(buildClusters, {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'BuildCluster',
      metadata: { name: 'gpu', namespace },
      spec: { alias: 'gpu', kubeconfigSecretRef: { name: 's', key: 'k' } },
    });
    await world.eventually('the alias is known', async () => {
      await world.createRun(`held-${operator.writes.length}`, { cluster: 'gpu' }).catch(() => undefined);
      return (await world.client.list(prowJobs, { namespace })).items.some((run) => run.status?.waiting?.reason === 'ClusterUnavailable');
    });
    await world.client.delete(buildClusters, key('gpu'));
  });

  it('a decorated run that wants a clone ends with InvalidSpec instead of running without it', async () => {
    await start();
    await world.createRun('decorated', { decoration_config: { timeout: '1h' }, extra_refs: [{ org: 'acme', repo: 'widget' }] });
    const done = await world.untilState('decorated', 'error');
    expect(done.status).toMatchObject({ reason: 'InvalidSpec', description: expect.stringContaining('spec.decoration_config') });
  });

  it('F2 F3 runs of other agents and runs without a chosen cluster are left alone', async () => {
    const operator = await start();
    await world.createRun('jenkins', { agent: 'jenkins' });
    await world.createRun('control');
    await world.untilPod('control');
    expect((await world.run('jenkins')).status).toEqual({ observedGeneration: -1, state: 'triggered' });
    expect(operator.writes.filter((write) => write.includes('jenkins'))).toEqual([]);
  });
});

describe('adoption', () => {
  it("P11 P12 a pod of upstream's plank is taken with its build id, and none is made beside it", async () => {
    const operator = await start();
    await operator.stop();
    await world.client.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'moved-in', namespace, labels: { [label.createdByProw]: 'true', [label.id]: 'moved-in' } },
      spec: { containers: [{ name: 'test', image: 'i', env: [{ name: 'BUILD_ID', value: '1234567890123456789' }] }] },
    });
    await world.createRun('moved-in');
    const next = await start();
    const run = await world.untilState('moved-in', 'pending');
    expect(run.status).toMatchObject({ build_id: '1234567890123456789', pod_name: 'moved-in' });
    await world.endPod('moved-in', 0);
    await world.untilState('moved-in', 'success');
    await expectSettled(next, 'moved-in');
    expect(next.writes).toHaveLength(2);
  });

  it('Q1 a pending run of plank whose pod is gone gets another attempt with a fresh build id', async () => {
    await world.createRun('orphaned', { agent: 'kubernetes' });
    await world.client.patch(
      prowJobs,
      key('orphaned'),
      mergePatch({ status: { state: 'pending', pod_name: 'orphaned', build_id: '1', pendingTime: new Date().toISOString() } }),
      { subresource: 'status' },
    );
    await start();
    await world.untilPod('orphaned-2');
    const run = await world.run('orphaned');
    expect(run.status?.attempts?.map(({ build_id, cause }) => [build_id, cause])).toEqual([
      ['1', 'PodVanished'],
      [expect.stringMatching(/^\d{19}$/), undefined],
    ]);
  });

  it('a run re-created under the same name waits for the pod of the former one', async () => {
    await start();
    await world.createRun('again');
    await world.untilPod('again');
    await world.client.delete(prowJobs, key('again'));
    const second = await world.createRun('again');
    const waiting = await world.untilRun('again', 'held', (run) => run.status?.waiting !== undefined);
    expect(waiting.status?.waiting?.message).toContain('earlier run');
    await world.client.delete(pods, key('again'), { gracePeriodSeconds: 0 });
    const pod = await world.untilPod('again');
    expect(pod.metadata.labels?.[label.runUid]).toBe(second.metadata.uid);
  });
});
