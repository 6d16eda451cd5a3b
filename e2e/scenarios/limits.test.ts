/** Limits on how many runs go at once, and the order in which those that wait start. */
import { expect } from 'vitest';
import { prowJobs } from '../../crds/resources.ts';
import { isPodFinished } from '../../operator/jobs/podShape.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { forever, prowJob } from './manifests.ts';
import type { Scene } from './scene.ts';
import { stories } from './story.ts';

/** Names of runs in the order in which their pods came. */
const startOrder = (scene: Scene): readonly string[] =>
  scene.recorder.pods
    .filter(({ type, object }) => type === 'ADDED' && object.metadata.namespace === scene.namespace)
    .map(({ object }) => object.metadata.name);

const untilWaiting = (scene: Scene, name: string, reason: string): Promise<unknown> =>
  scene.untilRun(name, `to wait because of ${reason}`, ({ status }) => status?.waiting?.reason === reason);

stories('limits', { settings: { prowJobs: { queueCapacities: { narrow: 1, ordered: 1, closed: 0 } } } }, (story) => {
  story('of a job let its runs start one after the other: the urgent first, then the oldest', async (scene) => {
    const one = { job: 'turns', max_concurrency: 1 };
    await scene.apply(prowJob('first', forever, one));
    await scene.started('first');
    // Creation times have whole seconds, and the order of two of the same second is by uid.
    for (const [name, priority] of [
      ['older', 0],
      ['younger', 0],
      ['urgent', 5],
    ] as const) {
      const second = Math.floor(
        Date.parse((await scene.apply(prowJob(name, 'true', { ...one, priority }))).metadata.creationTimestamp ?? '') / 1000,
      );
      await untilWaiting(scene, name, 'MaxConcurrency');
      await scene.eventually('the next second', () => Math.floor(Date.now() / 1000) > second);
    }
    await scene.abort('first', 'the story', 'make room');
    await scene.finished('younger');
    expect(startOrder(scene)).toEqual(['first', 'urgent', 'older', 'younger']);
    for (const name of ['urgent', 'older', 'younger']) expect((await scene.finished(name)).status?.state).toBe('success');
  });

  story('of a job do not hold up another job', async (scene) => {
    await scene.apply(prowJob('slow-1', forever, { job: 'slow', max_concurrency: 1 }));
    await scene.started('slow-1');
    await scene.apply(prowJob('slow-2', 'true', { job: 'slow', max_concurrency: 1 }));
    await untilWaiting(scene, 'slow-2', 'MaxConcurrency');
    await scene.apply(prowJob('quick', 'true', { job: 'quick', max_concurrency: 1 }));
    expect((await scene.finished('quick')).status?.state).toBe('success');
    expect(scene.recorder.run(scene.namespace, 'slow-2')?.status?.state).toBe('triggered');
    await scene.abort('slow-1', 'the story', 'make room');
    expect((await scene.finished('slow-2')).status?.state).toBe('success');
  });

  story('of a job hold when many are created at once', async (scene) => {
    const names = Array.from({ length: 8 }, (_, index) => `crowd-${index}`);
    await Promise.all(names.map((name) => scene.apply(prowJob(name, 'sleep 0.2', { job: 'crowd', max_concurrency: 2 }))));
    for (const name of names) expect((await scene.finished(name)).status?.state).toBe('success');
  });

  story('of a queue hold for all its jobs together', async (scene) => {
    await scene.apply(prowJob('in-queue-1', forever, { job: 'a', job_queue_name: 'narrow' }));
    await scene.started('in-queue-1');
    await scene.apply(prowJob('in-queue-2', 'true', { job: 'b', job_queue_name: 'narrow' }));
    await untilWaiting(scene, 'in-queue-2', 'QueueFull');
    await scene.abort('in-queue-1', 'the story', 'make room');
    expect((await scene.finished('in-queue-2')).status?.state).toBe('success');
  });

  story('of a queue let runs of all its jobs start in one order, and tell each its place', async (scene) => {
    const inQueue = (job: string, priority = 0) => ({ job, priority, job_queue_name: 'ordered' });
    await scene.apply(prowJob('holder', forever, inQueue('x')));
    await scene.started('holder');
    const line = [
      ['low', inQueue('a', -1), 1],
      ['high', inQueue('b', 7), 1],
      ['middle', inQueue('c'), 2],
    ] as const;
    for (const [name, spec, place] of line) {
      await scene.apply(prowJob(name, 'true', spec));
      await scene.untilRun(name, `to have place ${place}`, ({ status }) => status?.waiting?.position === place);
    }
    // Its own job holds this one back; the others pass it.
    await scene.apply(prowJob('blocked', 'true', { ...inQueue('x', 9), max_concurrency: 1 }));
    await untilWaiting(scene, 'blocked', 'MaxConcurrency');
    await scene.abort('holder', 'the story', 'make room');
    for (const name of ['low', 'high', 'middle', 'blocked']) expect((await scene.finished(name)).status?.state).toBe('success');
    expect(startOrder(scene)).toEqual(['holder', 'blocked', 'high', 'middle', 'low']);
  });

  story('of a queue that nobody set up, or that is closed, keep a run waiting until it is aborted: it never has a pod', async (scene) => {
    await scene.apply(prowJob('nobody', 'true', { job_queue_name: 'unheard-of' }));
    await scene.apply(prowJob('closed', 'true', { job_queue_name: 'closed' }));
    await untilWaiting(scene, 'nobody', 'QueueUnknown');
    await untilWaiting(scene, 'closed', 'QueueFull');
    for (const name of ['nobody', 'closed']) {
      await scene.abort(name, 'alice', 'will not come');
      expect((await scene.finished(name)).status).toMatchObject({ state: 'aborted', reason: 'Aborted' });
    }
    expect(startOrder(scene)).toEqual([]);
  });
});

/** The most pods that could run at one instant, among those that count. */
function mostAtOnce(scene: Scene, counts: (pod: Pod) => boolean): number {
  const live = new Set<string>();
  let most = 0;
  for (const { type, object } of scene.recorder.pods) {
    if (!scene.namespaces.includes(object.metadata.namespace ?? '') || !counts(object)) continue;
    const uid = object.metadata.uid ?? '';
    if (type === 'DELETED' || isPodFinished(object)) live.delete(uid);
    else live.add(uid);
    most = Math.max(most, live.size);
  }
  return most;
}

const wide = { prowJobs: { defaultClusterMaxConcurrency: 3, maxConcurrencyPerNamespace: 2 } };

stories('limits of a cluster and of namespaces', { settings: wide, alone: true }, (story) => {
  story("hold together, and whoever is in nobody else's way starts", async (scene) => {
    const other = await scene.addNamespace(`${scene.namespace}-other`);
    await Promise.all([1, 2].map((n) => scene.apply(prowJob(`slow-${n}`, forever, { job: `slow-${n}` }))));
    for (const n of [1, 2]) await scene.started(`slow-${n}`);
    await scene.apply(prowJob('held', 'true'));
    await untilWaiting(scene, 'held', 'NamespaceLimit');
    await scene.apply(prowJob('guest', forever), other);
    await scene.started('guest', other);
    await scene.apply(prowJob('second-guest', 'true'), other);
    await scene.untilRun('second-guest', 'to wait', ({ status }) => status?.waiting?.reason === 'ClusterLimit', other);
    for (const n of [1, 2]) await scene.abort(`slow-${n}`, 'the story', 'make room');
    expect((await scene.finished('held')).status?.state).toBe('success');
    expect((await scene.finished('second-guest', other)).status?.state).toBe('success');
    const crowd = Array.from({ length: 6 }, (_, index) => `crowd-${index}`);
    await Promise.all(crowd.flatMap((name) => [scene.namespace, other].map((where) => scene.apply(prowJob(name, 'sleep 0.1'), where))));
    for (const name of crowd) for (const where of [scene.namespace, other]) await scene.finished(name, where);
    await scene.client.patch(prowJobs, { namespace: other, name: 'guest' }, mergePatch({ spec: { abort: { by: 'the story' } } }));
    await scene.finished('guest', other);
    expect(mostAtOnce(scene, () => true)).toBe(3);
    for (const where of [scene.namespace, other]) {
      expect(mostAtOnce(scene, ({ metadata }) => metadata.namespace === where)).toBeLessThanOrEqual(2);
    }
  });
});
