/** What happens around runs: cleanup, kept results, clusters that come and go, and a leader that changes. */
import { buildClusters, periodics } from '../../../crds/resources.ts';
import { pods, secrets } from '../../../operator/kube/builtin.ts';
import { buildCluster, periodic, run, stateOf, type Scenario } from './scenario.ts';
import { namespace, type World } from './world.ts';

const minuteMs = 60_000;

/** A pod as an operator leaves it whose runs were lost. */
function orphan(world: World, name: string): void {
  world.create(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { 'created-by-prow': 'true', 'prow.k8s.io/id': name } },
    spec: { containers: [{ name: 'test', image: 'busybox' }] },
  } as never);
}

function declareEast(world: World): void {
  const kubeconfig = Buffer.from(world.east.sandbox.kubeconfig).toString('base64');
  world.create(secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: 'east' }, data: { kubeconfig } } as never);
  buildCluster(world, 'east', { alias: 'east', kubeconfigSecretRef: { name: 'east', key: 'kubeconfig' } });
}

const isOver = (world: World, ...names: readonly string[]): boolean => names.every((name) => stateOf(world, name) === 'success');

export const upkeepScenarios: readonly Scenario[] = [
  {
    name: 'cleanup',
    writes: 11,
    settings: { cleanup: { prowJobTTL: '2h', podTTL: '1h' } },
    play: async (world) => {
      orphan(world, 'orphan');
      run(world, 'aged');
      run(world, 'short', { ttl_seconds_after_finished: 600 });
      await world.advance(3 * 60 * minuteMs);
    },
  },
  {
    name: 'history',
    writes: 20,
    settings: { cleanup: { prowJobTTL: '24h', podTTL: '24h' } },
    play: async (world) => {
      periodic(world, 'nightly', { cron: '*/10 * * * *', history: { successful: 1 } });
      await world.advance(30 * minuteMs);
      world.remove(periodics, 'nightly');
      await world.settle();
    },
  },
  {
    name: 'archive',
    // Results are written again until it is written down that they are there; each write leaves what is there already.
    allowed: { writes: (what) => (/^put(If)? /.test(what) ? 1 : 0) },
    writes: 12,
    settings: { archive: {}, cleanup: { prowJobTTL: '20m', podTTL: '10m' } },
    play: async (world) => {
      world.home.casting = () => ({ runsMs: 30_000 });
      run(world, 'kept');
      await world.advance(2 * minuteMs);
      await world.advance(30 * minuteMs);
    },
  },
  {
    name: 'build-cluster',
    // When a cluster that was away is looked at again is left to chance, so that not all look at once.
    losesTime: true,
    // What a BuildCluster says of its connection, a process that starts finds out anew.
    allowed: { writes: (what) => (what === 'PATCH buildclusters/east/status' ? 3 : 0) },
    writes: 8,
    play: async (world) => {
      world.east.casting = () => ({ runsMs: 2 * minuteMs });
      declareEast(world);
      await world.advance(10_000);
      run(world, 'there', { cluster: 'east' });
      await world.advance(minuteMs);
      // Nobody can look at the pod when it ends.
      world.east.leave();
      await world.advance(2 * minuteMs);
      run(world, 'waits', { cluster: 'east' });
      await world.advance(minuteMs);
      world.east.comeBack();
      await world.until('both runs to end', () => isOver(world, 'there', 'waits'), 30 * minuteMs);
      world.remove(buildClusters, 'east');
      await world.settle();
    },
  },
  {
    name: 'leader-change',
    writes: 10,
    replicas: 2,
    losesTime: true,
    play: async (world) => {
      world.home.casting = () => ({ runsMs: 5_000 });
      run(world, 'first');
      await world.until('the first run', () => isOver(world, 'first'));
      run(world, 'second');
      await world.until('a leader', () => world.hasLeader && stateOf(world, 'second') !== 'triggered');
      await world.stopLeader();
      run(world, 'third');
      await world.until('the other runs', () => isOver(world, 'second', 'third'));
    },
  },
];
