/** The operator dies in the middle of things: when it is there again nothing has happened twice, and nothing is lost. */
import { expect } from 'vitest';
import { forever, periodic, prowJob } from './manifests.ts';
import type { Scene } from './scene.ts';
import { leaderOf } from './installation.ts';
import { stories } from './story.ts';

/** Runs in each state that a crash can meet, and a schedule that goes on. */
async function setScene(scene: Scene): Promise<void> {
  await scene.apply(prowJob('finished', 'true'));
  await scene.finished('finished');
  await scene.apply(prowJob('running', 'echo started; sleep 4'));
  await scene.apply(prowJob('hung', forever, { timeouts: { running: '8s' } }));
  await scene.apply(prowJob('holder', 'echo started; sleep 5', { job: 'turns', max_concurrency: 1 }));
  for (const name of ['running', 'hung', 'holder']) await scene.started(name);
  await scene.apply(prowJob('waiting', 'true', { job: 'turns', max_concurrency: 1 }));
  await scene.untilRun('waiting', 'to wait', ({ status }) => status?.waiting?.reason === 'MaxConcurrency');
  await scene.apply(periodic('ticking', 'true', { cron: '@every 2s', concurrencyPolicy: 'Allow' }));
  await scene.eventually('a run of the schedule', () => scene.runsOf('ticking').length > 0);
  // These the crash meets on their way.
  await Promise.all(Array.from({ length: 6 }, (_, index) => scene.apply(prowJob(`new-${index}`, 'echo started; sleep 1'))));
}

async function expectAllWell(scene: Scene): Promise<void> {
  await scene.apply(prowJob('after', 'true'));
  for (const name of ['running', 'holder', 'waiting', 'after', ...Array.from({ length: 6 }, (_, index) => `new-${index}`)]) {
    const run = await scene.finished(name);
    expect([name, run.status?.state, run.status?.attempts?.length]).toEqual([name, 'success', 1]);
  }
  expect((await scene.finished('hung')).status).toMatchObject({ state: 'aborted', reason: 'RunningTimeout' });
  const before = scene.runsOf('ticking').length;
  await scene.eventually('the schedule to go on', () => scene.runsOf('ticking').length > before);
}

stories('an operator that crashes', { alone: true }, (story) => {
  story('goes on where it was, and does nothing twice', async (scene) => {
    await setScene(scene);
    await scene.installation.crash();
    await expectAllWell(scene);
  });

  story('twice in a row, with aborts while it is away, carries out what was asked', async (scene) => {
    await scene.apply(prowJob('stopped', forever));
    await scene.started('stopped');
    await scene.installation.crash();
    await scene.abort('stopped', 'alice', 'while nobody looked');
    await scene.apply(prowJob('unstarted', forever));
    await scene.abort('unstarted', 'alice', 'before anybody looked');
    await scene.finished('stopped');
    await scene.installation.crash();
    for (const name of ['stopped', 'unstarted'])
      expect((await scene.finished(name)).status).toMatchObject({ state: 'aborted', reason: 'Aborted' });
    await scene.podGone('stopped');
  });
});

stories('two replicas', { alone: true, replicas: 2 }, (story) => {
  story('change places when the leader crashes, and nothing happens twice', async (scene) => {
    await setScene(scene);
    const before = await leaderOf(scene.installation);
    expect(before).not.toBe('');
    await scene.installation.crash();
    await scene.eventually('another leader', async () => ![before, ''].includes(await leaderOf(scene.installation)));
    await expectAllWell(scene);
  });
});
