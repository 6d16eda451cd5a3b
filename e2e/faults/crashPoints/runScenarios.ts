/** What happens to runs. */
import { abort, run, type Scenario } from './scenario.ts';

const attemptOf = (name: string): number => Number(/-(\d)$/.exec(name)?.[1] ?? 1);
const presubmit = {
  type: 'presubmit' as const,
  job: 'unit',
  refs: { org: 'acme', repo: 'widget', base_ref: 'main', base_sha: 'b5', pulls: [{ number: 7, author: 'ann', sha: 'c0ffee' }] },
};

export const runScenarios: readonly Scenario[] = [
  {
    name: 'run',
    writes: 3,
    play: async (world) => {
      run(world, 'plain');
      await world.settle();
    },
  },
  {
    name: 'failure',
    writes: 4,
    play: async (world) => {
      world.home.casting = () => 'fails';
      run(world, 'fails');
      await world.settle();
    },
  },
  {
    name: 'retry',
    writes: 10,
    play: async (world) => {
      world.home.casting = ({ metadata }) => (attemptOf(metadata.name) < 3 ? 'evicted' : 'succeeds');
      run(world, 'evicted');
      await world.advance(600_000);
    },
  },
  {
    name: 'abort-waiting',
    writes: 6,
    play: async (world) => {
      world.home.casting = () => 'stays';
      run(world, 'holder', { job: 'one', max_concurrency: 1 });
      await world.settle();
      run(world, 'waits', { job: 'one', max_concurrency: 1 });
      await world.settle();
      abort(world, 'waits');
      await world.settle();
    },
  },
  {
    name: 'abort-pending',
    writes: 5,
    // Read from a pod that is deleted before the end is written down: who starts anew finds neither.
    allowed: { lost: ['pod_uid'] },
    play: async (world) => {
      world.home.casting = () => 'pending';
      run(world, 'unscheduled');
      await world.settle();
      abort(world, 'unscheduled');
      await world.settle();
    },
  },
  {
    name: 'superseded',
    writes: 9,
    play: async (world) => {
      world.home.casting = ({ metadata }) => (metadata.name === 'newer' ? 'succeeds' : 'stays');
      run(world, 'older', presubmit);
      await world.advance(5_000);
      run(world, 'newer', presubmit);
      await world.settle();
    },
  },
  {
    name: 'queue',
    writes: 28,
    // How often the place of a run is told is paced in memory. A process that starts tells it anew, or finds it told.
    allowed: { writes: (what) => (/^PATCH prowjobs\/queued-\d\/status$/.test(what) ? 2 : 0) },
    settings: { prowJobs: { maxConcurrency: 2 } },
    play: async (world) => {
      world.home.casting = () => ({ runsMs: 60_000 });
      for (let index = 1; index <= 6; index += 1) {
        run(world, `queued-${index}`);
        await world.advance(1_000);
      }
      await world.advance(600_000);
    },
  },
];
