/** Two replicas share four shards: each namespace is looked after by one of them, and by the other when that one crashes. */
import { expect } from 'vitest';
import { periodics } from '../../crds/resources.ts';
import { leases } from '../../operator/kube/builtin.ts';
import { shardOf } from '../../operator/runtime/shardAssignment.ts';
import { shardLeaseName } from '../../operator/runtime/shardKeeper.ts';
import { periodic, prowJob } from './manifests.ts';
import type { Scene } from './scene.ts';
import { stories, uniqueName } from './story.ts';

const count = 4;

/** Who leads each shard; empty where nobody does. */
async function leadersOf({ client, installation: { lease } }: Scene): Promise<readonly string[]> {
  const shards = Array.from({ length: count }, (_, shard) => shardLeaseName(lease.name, shard));
  const found = await Promise.all(shards.map((name) => client.get(leases, { ...lease, name }).catch(() => undefined)));
  return found.map((each) => each?.spec?.holderIdentity ?? '');
}

const sharesOf = (leaders: readonly string[]): readonly number[] =>
  [...new Set(leaders)].map((leader) => leaders.filter((each) => each === leader).length);

const isFair = (leaders: readonly string[]): boolean => !leaders.includes('') && sharesOf(leaders).every((share) => share === count / 2);

/** A namespace of each shard. */
async function namespacesOf(scene: Scene): Promise<readonly string[]> {
  const found = new Map<number, string>();
  while (found.size < count) {
    const name = uniqueName('shard');
    found.set(shardOf(name, count), name);
  }
  const names = [...found.values()];
  for (const name of names) await scene.addNamespace(name);
  return names;
}

stories('two replicas and four shards', { alone: true, replicas: 2, settings: { leaderElection: { shards: count } } }, (story) => {
  story('lead two each, and carry out runs and schedules of all namespaces', async (scene) => {
    await scene.eventually('two shards each', async () => isFair(await leadersOf(scene)));
    const namespaces = await namespacesOf(scene);
    for (const namespace of namespaces) {
      await scene.apply(prowJob('one', 'echo done', { job: 'turns', max_concurrency: 1 }), namespace);
      await scene.apply(prowJob('two', 'echo done', { job: 'turns', max_concurrency: 1 }), namespace);
      await scene.apply(periodic('ticking', 'true', { cron: '@every 2s' }), namespace);
    }
    for (const namespace of namespaces) {
      for (const name of ['one', 'two']) {
        const run = await scene.finished(name, namespace);
        expect([namespace, run.status?.state, run.status?.attempts?.length]).toEqual([namespace, 'success', 1]);
      }
      await scene.eventually('a run of the schedule', async () => {
        const { status } = await scene.client.get(periodics, { namespace, name: 'ticking' });
        return status?.lastScheduleTime !== undefined;
      });
    }
  });

  story('take over from one that crashes, and nothing happens twice', async (scene) => {
    const before = await scene.eventually('two shards each', async () => {
      const leaders = await leadersOf(scene);
      return isFair(leaders) && leaders;
    });
    const namespaces = await namespacesOf(scene);
    for (const namespace of namespaces) await scene.apply(prowJob('through', 'echo started; sleep 3'), namespace);
    for (const namespace of namespaces) await scene.started('through', namespace);
    const [victim = ''] = before;
    await scene.installation.crash(victim);
    for (const namespace of namespaces) await scene.apply(prowJob('later', 'echo done'), namespace);
    // Where a Deployment brings a new replica, that one may take some of them.
    await scene.eventually('others to lead all', async () => {
      const leaders = await leadersOf(scene);
      return !leaders.includes('') && !leaders.includes(victim);
    });
    for (const namespace of namespaces) {
      for (const name of ['through', 'later']) {
        const run = await scene.finished(name, namespace);
        expect([namespace, name, run.status?.state, run.status?.attempts?.length]).toEqual([namespace, name, 'success', 1]);
      }
    }
  });
});
