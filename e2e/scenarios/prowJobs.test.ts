/** What becomes of a run: each way it can end, with the reason that a person reads. */
import { expect } from 'vitest';
import { prowJobs } from '../../crds/resources.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import { forever, nowhere, plainPod, prowJob, shellPod } from './manifests.ts';
import { stories } from './story.ts';

const conditionOf = (run: ProwJob, type: string): string | undefined => findCondition(run.status?.conditions, type)?.status;

stories('a ProwJob', {}, (story) => {
  story('succeeds: its log can be read, and its build id is the one the test saw', async (scene) => {
    await scene.apply(prowJob('good', 'echo "job $JOB_NAME build $BUILD_ID"'));
    const run = await scene.finished('good');
    expect(run.status).toMatchObject({ state: 'success', reason: 'Succeeded', pod_name: 'good', description: 'The test succeeded.' });
    expect(run.status?.attempts).toMatchObject([{ number: 1, pod_name: 'good', exit_code: 0, cause: 'Succeeded' }]);
    expect(run.status?.build_id).toMatch(/^\d{19}$/);
    expect([conditionOf(run, 'Ready'), conditionOf(run, 'Succeeded'), conditionOf(run, 'Reconciling')]).toEqual([
      'True',
      'True',
      undefined,
    ]);
    expect(await scene.logsOf('good')).toBe(`job good build ${run.status?.build_id ?? ''}\n`);
  });

  story('fails: the exit code is named, and a test that said no is not asked again', async (scene) => {
    await scene.apply(prowJob('bad', 'echo no; exit 3'));
    const run = await scene.finished('bad');
    expect(run.status).toMatchObject({ state: 'failure', reason: 'TestFailed' });
    expect(run.status?.attempts).toMatchObject([{ number: 1, exit_code: 3, cause: 'TestFailed' }]);
    expect([conditionOf(run, 'Ready'), conditionOf(run, 'Succeeded')]).toEqual(['True', 'False']);
    await scene.eventually('a warning about it', async () => (await scene.eventsOf('bad')).some(({ reason }) => reason === 'TestFailed'));
  });

  story('runs out of memory: the reason says so, and names the container', async (scene) => {
    await scene.apply(prowJob('hungry', forever, { pod_spec: shellPod(forever, nowhere) }));
    await scene.untilPod('hungry', 'to exist', () => true);
    const killed = { exitCode: 137, reason: 'OOMKilled', startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:00:01Z' };
    const container = { name: 'test', image: 'busybox', imageID: '', ready: false, restartCount: 0, state: { terminated: killed } };
    await scene.playNode('hungry', { phase: 'Failed', containerStatuses: [container] });
    const run = await scene.finished('hungry');
    expect(run.status).toMatchObject({ state: 'error', reason: 'OOMKilled' });
    expect(run.status?.description).toContain('Container test ');
    expect(run.status?.attempts).toMatchObject([{ exit_code: 137, cause: 'OOMKilled' }]);
  });

  story('is aborted while it runs: the pod goes, and the status says who asked and why', async (scene) => {
    await scene.apply(prowJob('stopped', forever));
    await scene.started('stopped');
    await scene.abort('stopped', 'alice', 'wrong branch');
    const run = await scene.finished('stopped');
    expect(run.status).toMatchObject({ state: 'aborted', reason: 'Aborted', description: 'Aborted by alice: wrong branch' });
    await scene.podGone('stopped');
  });

  story('is aborted as upstream does it, by a state without an end', async (scene) => {
    await scene.apply(prowJob('stopped-upstream', forever));
    await scene.started('stopped-upstream');
    const key = { namespace: scene.namespace, name: 'stopped-upstream' };
    const body = { status: { state: 'aborted', description: 'Aborted by trigger.' } };
    await scene.client.patch<ProwJob>(prowJobs, key, mergePatch(body), { subresource: 'status' });
    const run = await scene.finished('stopped-upstream');
    expect(run.status).toMatchObject({ state: 'aborted', reason: 'Aborted', description: 'Aborted by trigger.' });
    await scene.podGone('stopped-upstream');
  });

  story('names a cluster that nobody declared', async (scene) => {
    await scene.apply(prowJob('lost', 'true', { cluster: 'moon' }));
    const run = await scene.finished('lost');
    expect(run.status).toMatchObject({ state: 'error', reason: 'UnknownCluster' });
    expect(run.status?.description).toContain('"moon" (spec.cluster)');
    expect(scene.recorder.pod(scene.namespace, 'lost')).toBeUndefined();
  });

  story('has a spec that cannot run: the field at fault is named', async (scene) => {
    const { pod_spec: _none, ...empty } = prowJob('empty', 'true').spec;
    await scene.apply({ ...prowJob('empty', 'true'), spec: empty });
    await scene.apply(prowJob('no-repo', 'true', { type: 'presubmit' }));
    expect((await scene.finished('empty')).status).toMatchObject({ state: 'error', reason: 'InvalidSpec' });
    expect((await scene.finished('empty')).status?.description).toContain('spec.pod_spec');
    expect((await scene.finished('no-repo')).status?.description).toContain('spec.refs');
  });

  story('has a pod that the API server refuses: its words are passed on', async (scene) => {
    const broken = {
      containers: [
        { name: 'a', image: 'busybox' },
        { name: 'Not_A_Name', image: 'busybox' },
      ],
    };
    await scene.apply(prowJob('refused', 'true', { pod_spec: broken }));
    const run = await scene.finished('refused');
    expect(run.status).toMatchObject({ state: 'error', reason: 'PodRejected' });
    expect(run.status?.description).toContain('Not_A_Name');
  });

  story('loses its pod to somebody: the next attempt takes over', async (scene) => {
    await scene.apply(prowJob('robbed', 'test "$HOSTNAME" = robbed-2 || { echo started; sleep 3600; }'));
    await scene.started('robbed');
    await scene.deletePod('robbed');
    const run = await scene.finished('robbed');
    expect(run.status).toMatchObject({ state: 'success', pod_name: 'robbed-2', pod_revival_count: 1 });
    expect(run.status?.attempts).toMatchObject([
      { number: 1, cause: 'PodDeleted' },
      { number: 2, cause: 'Succeeded' },
    ]);
  });

  story('is given no second attempt when its spec allows only one', async (scene) => {
    await scene.apply(prowJob('once', forever, { retry: { max_attempts: 1 } }));
    await scene.started('once');
    await scene.deletePod('once');
    expect((await scene.finished('once')).status).toMatchObject({ state: 'error', reason: 'PodDeleted' });
  });

  story('finds a stranger under the name of its pod, and does not touch it', async (scene) => {
    const stranger = plainPod('taken', forever);
    const { metadata } = await scene.apply(stranger);
    await scene.apply(prowJob('taken', 'true'));
    const run = await scene.finished('taken');
    expect(run.status).toMatchObject({ state: 'error', reason: 'PodRejected' });
    expect(run.status?.description).toContain('does not belong to this run');
    const there = await scene.client.get(pods, { namespace: scene.namespace, name: 'taken' });
    expect([there.metadata.uid, there.metadata.deletionTimestamp]).toEqual([metadata.uid, undefined]);
  });

  story('of another agent is left alone', async (scene) => {
    const { metadata } = await scene.apply(prowJob('jenkins', 'true', { agent: 'jenkins' }));
    await scene.apply(prowJob('ours', 'true'));
    await scene.finished('ours');
    const run = await scene.client.get<ProwJob>(prowJobs, { namespace: scene.namespace, name: 'jenkins' });
    expect(run.metadata.resourceVersion).toBe(metadata.resourceVersion);
    await scene.client.delete(prowJobs, { namespace: scene.namespace, name: 'jenkins' });
  });
});
