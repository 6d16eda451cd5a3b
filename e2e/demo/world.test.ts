import { describe, expect, it } from 'vitest';
import { ended, periodic, pod, prowJob } from './testing/objects.ts';
import { World, type Transition } from './world.ts';

describe('World', () => {
  it('tells each state a run goes through once', () => {
    const world = new World();
    const seen: string[] = [];
    world.onTransition(({ from, to, run }: Transition) => seen.push(`${run.name}: ${from ?? 'new'} → ${to}`));
    world.seeRun({ type: 'added', object: prowJob('r') }, 1);
    world.seeRun({ type: 'updated', object: prowJob('r', { status: { state: 'pending' } }) }, 2);
    world.seeRun({ type: 'updated', object: prowJob('r', { status: { state: 'pending', description: 'x' } }) }, 3);
    world.seeRun({ type: 'updated', object: prowJob('r', { status: ended('r', 'success', 'Succeeded') }) }, 4);
    expect(seen).toEqual(['r: new → triggered', 'r: triggered → pending', 'r: pending → success']);
  });

  it('remembers what is gone', () => {
    const world = new World();
    world.seeRun({ type: 'added', object: prowJob('r', { status: ended('r', 'success', 'Succeeded') }) }, 1);
    world.seePod({ type: 'added', object: pod('r') }, 2);
    world.seeRun({ type: 'deleted', object: prowJob('r') }, 3);
    world.seePod({ type: 'deleted', object: pod('r') }, 4);
    expect([...world.runs.values()]).toMatchObject([{ name: 'r', state: 'success', deletedAtMs: 3 }]);
    expect([...world.pods.values()]).toMatchObject([{ name: 'r-1', deletedAtMs: 4 }]);
    expect(world.active).toEqual([]);
  });

  it('counts a schedule as finished with its first complete run, however many follow', () => {
    const world = new World();
    world.seeSchedule({ type: 'added', object: periodic('p') });
    expect(world.finishedSchedules).toBe(0);
    for (const name of ['a', 'b'])
      world.seeRun({ type: 'added', object: prowJob(name, { status: ended(name, 'failure', 'TestFailed') }) }, 1);
    expect(world.finishedSchedules).toBe(1);
    expect(world.count('failure')).toBe(2);
  });

  it('knows the period of an @every schedule, and which schedules were looked at', () => {
    const world = new World();
    world.seeSchedule({ type: 'added', object: periodic('p', '@every 8s') });
    world.seeSchedule({ type: 'added', object: periodic('c', '0 * * * *', {}) });
    expect([...world.schedules.values()].map(({ everyMs, ready }) => [everyMs, ready])).toEqual([
      [8_000, true],
      [undefined, false],
    ]);
  });
});
