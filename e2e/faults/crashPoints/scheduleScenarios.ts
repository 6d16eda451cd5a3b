/** What happens to schedules: Periodics under each policy, what they make up for, sets and backfills. The clock begins at 10:00:30. */
import { periodics, periodicSets } from '../../../crds/resources.ts';
import type { Periodic, PeriodicSpec } from '../../../crds/v1/periodic.ts';
import type { PeriodicSet, PeriodicSetSpec } from '../../../crds/v1/periodicSet.ts';
import { backfill, periodic, periodicSet, runNow, type Scenario } from './scenario.ts';
import type { World } from './world.ts';

const minuteMs = 60_000;
const podSpec = { containers: [{ name: 'test', image: 'busybox', command: ['true'] }] };

/** Runs take a minute and a half, slots come each minute: they overlap. */
function overlapping(policy: NonNullable<PeriodicSpec['concurrencyPolicy']>): (world: World) => Promise<void> {
  return async (world) => {
    world.home.casting = () => ({ runsMs: 1.5 * minuteMs });
    periodic(world, 'nightly', { cron: '* * * * *', concurrencyPolicy: policy });
    await world.advance(3 * minuteMs);
    world.edit<Periodic>(periodics, 'nightly', (object) => ({ ...object, spec: { ...object.spec, suspend: true } }));
    await world.advance(4 * minuteMs);
  };
}

/** Nobody is there for six slots. */
function outage(missedRuns: PeriodicSpec['missedRuns']): (world: World) => Promise<void> {
  return async (world) => {
    periodic(world, 'nightly', { cron: '*/10 * * * *', concurrencyPolicy: 'Allow', ...(missedRuns === undefined ? {} : { missedRuns }) });
    await world.advance(10 * minuteMs);
    await world.outage();
    await world.advance(60 * minuteMs);
    await world.back();
    await world.advance(5 * minuteMs);
  };
}

const setOf = (regions: readonly string[], cron: string): PeriodicSetSpec => ({
  matrix: { region: regions },
  template: {
    metadata: { name: 'e2e-${region}', labels: { region: '${region}' } },
    spec: { cron, jobTemplate: { spec: { pod_spec: podSpec } } },
  },
});

export const scheduleScenarios: readonly Scenario[] = [
  { name: 'allow', writes: 16, play: overlapping('Allow') },
  { name: 'forbid', writes: 13, play: overlapping('Forbid') },
  { name: 'replace', writes: 22, play: overlapping('Replace') },
  { name: 'queue-policy', writes: 12, play: overlapping('Queue') },
  { name: 'missed-skip', writes: 7, play: outage({ policy: 'Skip' }) },
  { name: 'missed-latest', writes: 11, play: outage({ policy: 'Latest' }) },
  { name: 'missed-all', writes: 24, play: outage({ policy: 'All', limit: 4 }) },
  {
    name: 'repetition',
    writes: 12,
    play: async (world) => {
      world.home.casting = ({ metadata }) => (metadata.name.includes('-r') ? 'succeeds' : 'fails');
      periodic(world, 'nightly', { cron: '0 * * * *', retry: { attempts: 2, delay: '30s' } });
      await world.advance(65 * minuteMs);
    },
  },
  {
    name: 'run-now',
    writes: 12,
    play: async (world) => {
      periodic(world, 'nightly', { cron: '0 3 * * *' });
      await world.settle();
      runNow(world, 'nightly', 'first');
      await world.settle();
      runNow(world, 'nightly', 'second');
      await world.advance(minuteMs);
    },
  },
  {
    name: 'herd',
    writes: 36,
    play: async (world) => {
      world.home.casting = () => 'stays';
      for (let index = 1; index <= 9; index += 1) periodic(world, `herd-${index}`, { cron: '5 10 * * *' });
      await world.advance(6 * minuteMs);
    },
  },
  {
    name: 'backfill',
    writes: 19,
    play: async (world) => {
      world.home.casting = ({ metadata }) => (metadata.name.includes('t02') ? 'fails' : { runsMs: 30_000 });
      periodic(world, 'nightly', { cron: '0 * * * *', suspend: true });
      await world.settle();
      backfill(world, 'january', { periodic: 'nightly', from: '2026-01-02T00:00:00Z', to: '2026-01-02T04:00:00Z', parallelism: 2 });
      await world.advance(5 * minuteMs);
    },
  },
  {
    name: 'set',
    // How many Periodics are ready is counted when they are seen; who starts anew sees all at once.
    allowed: { writes: (what) => (what === 'PATCH periodicsets/e2e/status' ? 1 : 0) },
    writes: 15,
    play: async (world) => {
      periodicSet(world, 'e2e', setOf(['a', 'b', 'c'], '0 3 * * *'));
      await world.settle();
      world.edit<PeriodicSet>(periodicSets, 'e2e', (object) => ({ ...object, spec: setOf(['b', 'c', 'd'], '0 4 * * *') }));
      await world.advance(minuteMs);
    },
  },
];
