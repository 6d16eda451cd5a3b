/** A push to a pull request that is being tested: the newer run takes the place of the older one. */
import { expect } from 'vitest';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { forever, prowJob } from './manifests.ts';
import type { Scene } from './scene.ts';
import { stories } from './story.ts';

const pull = (number: number, sha: string): Pick<ProwJobSpec, 'refs'> => ({
  refs: { org: 'acme', repo: 'widget', base_ref: 'main', base_sha: 'b1', pulls: [{ number, author: 'ann', sha }] },
});

const presubmit = (name: string, script: string, sha: string, spec: Partial<ProwJobSpec> = {}): ProwJob =>
  prowJob(name, script, { type: 'presubmit', job: 'unit', ...pull(7, sha), ...spec });

/** Which of two runs of the same second is the newer one is decided by their uids. */
async function pushed(scene: Scene, run: ProwJob): Promise<void> {
  const { metadata } = await scene.apply(run);
  const second = Math.floor(Date.parse(metadata.creationTimestamp ?? '') / 1000);
  await scene.eventually('the next second', () => Math.floor(Date.now() / 1000) > second);
}

stories('superseding', {}, (story) => {
  story('ends the older run of a pull request, with its pod, and says by which it was replaced', async (scene) => {
    await pushed(scene, presubmit('first', forever, 'p1', { max_concurrency: 1 }));
    await scene.started('first');
    await pushed(scene, presubmit('second', 'true', 'p2', { max_concurrency: 1 }));
    expect((await scene.finished('first')).status).toMatchObject({
      state: 'aborted',
      reason: 'Superseded',
      superseded_by: 'second',
      prev_report_states: { 'github-reporter': 'aborted' },
    });
    await scene.podGone('first');
    expect((await scene.finished('second')).status).toMatchObject({ state: 'success', reason: 'Succeeded' });
    expect((await scene.eventsOf('first')).map(({ reason }) => reason)).toContain('Superseded');
  });

  story('leaves alone what is about something else: another pull request, another job, a batch, a periodic', async (scene) => {
    const others = [
      presubmit('other-pull', 'sleep 1', 'p1', pull(8, 'p1')),
      presubmit('other-job', 'sleep 1', 'p1', { job: 'lint' }),
      presubmit('batch', 'sleep 1', 'p1', { type: 'batch' }),
      presubmit('batch-2', 'sleep 1', 'p1', { type: 'batch' }),
      prowJob('nightly', 'sleep 1', { job: 'unit' }),
    ];
    await Promise.all(others.map((run) => pushed(scene, run)));
    await pushed(scene, presubmit('newest', 'true', 'p2'));
    for (const { metadata } of [...others, { metadata: { name: 'newest' } }]) {
      expect((await scene.finished(metadata.name)).status?.state, metadata.name).toBe('success');
    }
  });

  story('lets a run finish that says so, and one that has begun under CancelIfNotStarted; not one that waits', async (scene) => {
    const narrow = { max_concurrency: 2 };
    await pushed(scene, presubmit('finishes', forever, 'p1', { ...narrow, supersede: 'Finish' }));
    await pushed(scene, presubmit('begun', forever, 'p2', { ...narrow, supersede: 'CancelIfNotStarted' }));
    for (const name of ['finishes', 'begun']) await scene.started(name);
    await pushed(scene, presubmit('waits', 'true', 'p3', { ...narrow, supersede: 'CancelIfNotStarted' }));
    await pushed(scene, presubmit('newest', 'true', 'p4', narrow));
    const waits = (await scene.finished('waits')).status;
    expect(waits).toMatchObject({ reason: 'Superseded', superseded_by: 'newest' });
    expect(waits?.attempts ?? []).toEqual([]);
    for (const name of ['finishes', 'begun']) {
      await scene.abort(name, 'the story', 'make room');
      expect((await scene.finished(name)).status, name).toMatchObject({ state: 'aborted', reason: 'Aborted' });
    }
    expect((await scene.finished('newest')).status?.state).toBe('success');
  });

  story('is not done by a run that cannot start itself', async (scene) => {
    await pushed(scene, presubmit('tested', 'echo started; sleep 2', 'p1'));
    await scene.started('tested');
    await pushed(scene, presubmit('broken', 'true', 'p2', { pod_spec: { containers: [] } }));
    expect((await scene.finished('broken')).status?.reason).toBe('InvalidSpec');
    expect((await scene.finished('tested')).status?.state).toBe('success');
  });
});
