/** Two tenants on one operator: neither gets in the other's way, and pods go only where the settings allow. */
import { expect } from 'vitest';
import { forever, prowJob } from './manifests.ts';
import { stories, uniqueName } from './story.ts';

const team = uniqueName('team');
const farm = uniqueName('farm');

stories('tenants', { settings: { tenants: [{ namespace: team, podNamespaces: [farm] }] } }, (story) => {
  story('have runs of the same name and job, each with its own limit', async (scene) => {
    const other = await scene.addNamespace(uniqueName('story'));
    const one = { job: 'nightly', max_concurrency: 1 };
    await scene.apply(prowJob('nightly', forever, one));
    await scene.started('nightly');
    await scene.apply(prowJob('nightly', 'echo theirs', one), other);
    expect((await scene.finished('nightly', other)).status?.state).toBe('success');
    expect(await scene.logsOf('nightly', other)).toBe('theirs\n');
    expect(scene.recorder.run(scene.namespace, 'nightly')?.status?.state).toBe('pending');
    await scene.abort('nightly', 'the story', 'over');
  });

  story('get pods in another namespace where the settings list it for them, and nowhere else', async (scene) => {
    for (const name of [team, farm]) await scene.addNamespace(name);
    await scene.apply(prowJob('guest', 'echo here', { namespace: farm }), team);
    await scene.apply(prowJob('intruder', 'echo here', { namespace: farm }));
    expect((await scene.finished('guest', team)).status?.state).toBe('success');
    expect(await scene.logsOf('guest', farm)).toBe('here\n');
    expect((await scene.finished('intruder')).status?.state).toBe('success');
    expect(await scene.logsOf('intruder')).toBe('here\n');
    expect(scene.recorder.pod(farm, 'intruder')).toBeUndefined();
  });
});
