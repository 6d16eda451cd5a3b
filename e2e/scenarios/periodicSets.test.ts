/** What a set does for its user: many schedules from one object, kept as it says, and none lost by a slip. */
import { expect } from 'vitest';
import { periodics, periodicSets } from '../../crds/resources.ts';
import { apiVersion } from '../../crds/v1/common.ts';
import type { PeriodicSet, PeriodicSetSpec } from '../../crds/v1/periodicSet.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import { rarely, shellPod } from './manifests.ts';
import { ignoreNotFound, type Scene } from './scene.ts';
import { stories } from './story.ts';

function setOf(name: string, words: readonly string[], cron: string, over: Partial<PeriodicSetSpec> = {}): PeriodicSet {
  return {
    apiVersion,
    kind: 'PeriodicSet',
    metadata: { name },
    spec: {
      matrix: { word: words },
      template: {
        metadata: { name: `${name}-\${word}`, labels: { set: name } },
        spec: { cron, jobTemplate: { spec: { pod_spec: shellPod('echo "${word} $${JOB_NAME}"') } } },
      },
      ...over,
    },
  };
}

/** The set when its status speaks about its spec, and Ready has this reason. */
const until = (scene: Scene, name: string, reason: string): Promise<PeriodicSet> =>
  scene.eventually(`PeriodicSet ${name} to be ${reason}`, async () => {
    const set = await scene.client.get<PeriodicSet>(periodicSets, { namespace: scene.namespace, name }).catch(ignoreNotFound);
    const isSeen = set?.status?.observedGeneration === set?.metadata.generation;
    return isSeen && findCondition(set?.status?.conditions, 'Ready')?.reason === reason && set;
  });

const namesOf = async (scene: Scene, set: string): Promise<readonly string[]> => {
  const { items } = await scene.client.list(periodics, { namespace: scene.namespace, labelSelector: `set=${set}` });
  return items.map(({ metadata }) => metadata.name).sort();
};

stories('a PeriodicSet', {}, (story) => {
  story('makes a schedule for each value, and each runs with its own', async (scene) => {
    await scene.apply(setOf('greet', ['hello', 'goodbye'], rarely));
    const { status } = await until(scene, 'greet', 'Applied');
    expect(status).toMatchObject({ desired: 2, current: 2, problems: [] });
    for (const word of ['hello', 'goodbye']) {
      const name = `greet-${word}`;
      await scene.runNow(name, 'once');
      const [made] = await scene.eventually(`a run of ${name}`, () => scene.runsOf(name).length > 0 && scene.runsOf(name));
      const run = await scene.finished(made?.metadata.name ?? '');
      expect(run.status?.state).toBe('success');
      expect(await scene.logsOf(run.status?.pod_name ?? '')).toBe(`${word} ${name}\n`);
    }
    const counted = await scene.eventually('the set to count both as ready', async () => {
      const set = await until(scene, 'greet', 'Applied');
      return set.status?.ready === 2 && set;
    });
    expect(counted.status?.suspended).toBe(0);
  });

  story('is kept as it says: what leaves goes, what joins comes, what is changed by hand is put back', async (scene) => {
    await scene.apply(setOf('kept', ['a', 'b'], rarely));
    await until(scene, 'kept', 'Applied');
    await scene.changePeriodic('kept-a', { cron: '0 0 2 2 *', suspend: true });
    await scene.untilPeriodic('kept-a', 'to be as the set says', ({ spec }) => spec.cron === rarely && spec.suspend === undefined);
    await scene.client.delete(periodics, { namespace: scene.namespace, name: 'kept-b' });
    await scene.eventually('both to be there', async () => (await namesOf(scene, 'kept')).join() === 'kept-a,kept-b');
    await scene.apply(setOf('kept', ['b', 'c'], rarely));
    await until(scene, 'kept', 'Applied');
    await scene.eventually('the other two', async () => (await namesOf(scene, 'kept')).join() === 'kept-b,kept-c');
    await scene.client.delete(periodicSets, { namespace: scene.namespace, name: 'kept' });
    await scene.eventually('none', async () => (await namesOf(scene, 'kept')).length === 0);
  });

  story('with a slip in its template says where, and its schedules go on', async (scene) => {
    await scene.apply(setOf('slip', ['a', 'b'], '@every 1s'));
    await until(scene, 'slip', 'Applied');
    const { spec } = setOf('slip', ['a'], '${cron}');
    await scene.apply(setOf('slip', ['a'], '@every 1s', { template: spec.template }));
    const { status } = await until(scene, 'slip', 'InvalidTemplate');
    expect(findCondition(status?.conditions, 'Stalled')?.message).toMatch(/^spec\.template\.spec\.cron: \$\{cron\} is no name/);
    const runs = scene.runsOf('slip-b').length;
    await scene.eventually('another run of what the edit leaves out', () => scene.runsOf('slip-b').length > runs);
    await scene.eventually('an Event', async () => (await scene.eventsOf('slip')).some(({ reason }) => reason === 'InvalidTemplate'));
    await scene.apply(setOf('slip', ['a'], rarely));
    await until(scene, 'slip', 'Applied');
    expect(await namesOf(scene, 'slip')).toEqual(['slip-a']);
  });

  story('whose name has a placeholder that is none is refused when it is applied', async (scene) => {
    const set = setOf('refused', ['a'], rarely);
    const template = { ...set.spec.template, metadata: { name: 'refused-${wrod}' } };
    const applied = scene.kubectl(['apply', '-f', '-'], JSON.stringify({ ...set, spec: { ...set.spec, template } }));
    await expect(applied).rejects.toThrow(/spec\.template\.metadata\.name.*holds a placeholder that is no name of matrix or include/);
  });

  story('is shown by kubectl with its counts', async (scene) => {
    await scene.kubectl(['apply', '-f', '-'], JSON.stringify(setOf('listed', ['a', 'b', 'c'], rarely)));
    await scene.kubectl(['wait', '--for=condition=Ready', 'periodicset/listed', '--timeout=60s']);
    const table = await scene.kubectl(['get', 'periodicsets']);
    expect(table.split('\n')[0]?.trim().split(/\s+/)).toEqual(expect.arrayContaining(['NAME', 'READY', 'AGE']));
    expect(table).toMatch(/^listed +3 +3 /m);
    expect(await scene.kubectl(['describe', 'periodicset', 'listed'])).toContain('Periodics: 3 created');
  });
});
