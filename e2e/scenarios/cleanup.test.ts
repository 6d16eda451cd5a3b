/** What is removed when its time has come, and what is kept. */
import { expect } from 'vitest';
import { periodics, prowJobs } from '../../crds/resources.ts';
import { annotation, label, reporterFinalizer } from '../../operator/jobs/labels.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { forever, periodic, plainPod, prowJob, rarely } from './manifests.ts';
import type { Scene } from './scene.ts';
import { stories } from './story.ts';

const runGone = (scene: Scene, name: string): Promise<true> =>
  scene.eventually(`run ${name} to be gone`, () => scene.recorder.run(scene.namespace, name) === undefined);

stories('cleanup', { settings: { cleanup: { prowJobTTL: '10s', podTTL: '4s', orphanAge: '2s' } } }, (story) => {
  story('removes the pod of a finished run first, then the run', async (scene) => {
    await scene.apply(prowJob('done', 'true'));
    await scene.apply(prowJob('working', forever));
    const { status } = await scene.finished('done');
    await scene.podGone('done');
    expect(scene.recorder.run(scene.namespace, 'done')?.status).toEqual(status);
    await runGone(scene, 'done');
    // Older than both times by now, and not finished.
    expect(scene.recorder.pod(scene.namespace, 'working')?.metadata.deletionTimestamp).toBeUndefined();
    await scene.abort('working', 'the story', 'over');
  });

  story('keeps a run as long as its own spec says', async (scene) => {
    await scene.apply(prowJob('brief', 'true', { ttl_seconds_after_finished: 0 }));
    await scene.apply(prowJob('lasting', 'true', { ttl_seconds_after_finished: 3600 }));
    await runGone(scene, 'brief');
    await scene.podGone('brief');
    await scene.finished('lasting');
    await scene.podGone('lasting');
    expect(scene.recorder.run(scene.namespace, 'lasting')?.metadata.deletionTimestamp).toBeUndefined();
  });

  story('keeps the latest run of a schedule, whatever its age', async (scene) => {
    await scene.apply(periodic('kept', 'true', { cron: rarely }));
    // Creation times have whole seconds: the second run is to be younger beyond doubt.
    for (const token of ['one', 'two']) {
      const second = Math.floor(Date.now() / 1000);
      await scene.eventually('the next second', () => Math.floor(Date.now() / 1000) > second);
      await scene.runNow('kept', token);
      await scene.untilPeriodic(
        'kept',
        `to have started ${token}`,
        ({ status }) => status?.lastRunNowToken === token && status.active?.length === 0,
      );
    }
    const [older, newer] = scene.runsOf('kept').map(({ metadata }) => metadata.name);
    await scene.apply(prowJob('stopwatch', 'true'));
    await runGone(scene, older ?? '');
    // It finished after the one that must stay, and had the same time to live.
    await runGone(scene, 'stopwatch');
    expect(scene.recorder.run(scene.namespace, newer ?? '')?.status?.state).toBe('success');
  });

  story('keeps as many runs of a schedule as it says, and lets the oldest go when a newer one has ended', async (scene) => {
    await scene.apply(periodic('brief', 'true', { cron: rarely, history: { successful: 1, failed: 0, ttl: '1h' } }));
    const names: string[] = [];
    for (const token of ['one', 'two', 'three']) {
      // Creation times have whole seconds: each run is to be younger than the one before beyond doubt.
      const second = Math.floor(Date.now() / 1000);
      await scene.eventually('the next second', () => Math.floor(Date.now() / 1000) > second);
      await scene.runNow('brief', token);
      await scene.untilPeriodic(
        'brief',
        `to have seen the end of ${token}`,
        ({ status }) => status?.lastRunNowToken === token && status.active?.length === 0,
      );
      const [latest] = scene.runsOf('brief').filter(({ metadata }) => !names.includes(metadata.name));
      names.push(latest?.metadata.name ?? '');
    }
    await runGone(scene, names[0] ?? '');
    await runGone(scene, names[1] ?? '');
    expect(scene.recorder.run(scene.namespace, names[2] ?? '')?.status?.state).toBe('success');
    const { status } = await scene.client.get(periodics, { namespace: scene.namespace, name: 'brief' });
    expect(status?.consecutiveFailures).toBe(0);
  });

  story("takes the finalizer of Prow's reporter off, and waits for others' without holding anything up", async (scene) => {
    const annotations = { [annotation.run]: `${scene.namespace}/never-was` };
    const labels = { [label.createdByProw]: 'true', [label.runUid]: '00000000-0000-4000-8000-000000000000' };
    const theirs = 'e2e.prow.k8s.io/keep';
    await scene.apply(plainPod('reported', forever, { labels, annotations, finalizers: [reporterFinalizer] }));
    await scene.apply(plainPod('held', forever, { labels, annotations, finalizers: [theirs, reporterFinalizer] }));
    await scene.podGone('reported');
    const held = await scene.untilPod(
      'held',
      'to have only the finalizer of others',
      ({ metadata }) => metadata.deletionTimestamp !== undefined && metadata.finalizers?.join() === theirs,
    );
    await scene.client.patch(pods, { namespace: scene.namespace, name: held.metadata.name }, mergePatch({ metadata: { finalizers: [] } }));
    await scene.podGone('held');
  });

  story('removes a pod of ours whose run does not exist, and no pod of others', async (scene) => {
    const annotations = { [annotation.run]: `${scene.namespace}/never-was` };
    await scene.apply(plainPod('stranger', forever, { annotations }));
    const labels = { [label.createdByProw]: 'true', [label.runUid]: '00000000-0000-4000-8000-000000000000' };
    await scene.apply(plainPod('orphan', forever, { labels, annotations }));
    await scene.untilPod('orphan', 'to be there', () => true);
    await scene.podGone('orphan');
    expect((await scene.client.get(pods, { namespace: scene.namespace, name: 'stranger' })).metadata.deletionTimestamp).toBeUndefined();
  });

  story('removes the pod of a run that a user deletes under way', async (scene) => {
    await scene.apply(prowJob('dropped', forever));
    await scene.started('dropped');
    await scene.client.delete(prowJobs, { namespace: scene.namespace, name: 'dropped' });
    await scene.podGone('dropped');
  });
});
