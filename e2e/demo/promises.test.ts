import { describe, expect, it } from 'vitest';
import { figures, median, promises, type Expected } from './promises.ts';
import { attempts, ended, periodic, pod, prowJob, someCell } from './testing/objects.ts';
import { World } from './world.ts';

const hung = { ...someCell, region: 'hung' };
const broken = { ...someCell, region: 'broken' };
const expected: Expected = { schedules: 3, abortedUid: 'uid-p-now', hung, failing: [broken] };
const slots = ['2026-01-01T00:00:00Z', '2026-01-01T00:00:08Z', '2026-01-01T00:00:16Z'];

/** A world in which every promise holds: three slots and a start by hand of p, one run each of h (hangs) and b (fails). */
function goodWorld(): World {
  const world = new World();
  world.seeSchedule({ type: 'added', object: periodic('p') });
  world.seeSchedule({ type: 'added', object: periodic('h', '0 0 * * *', { observedGeneration: 1 }, hung) });
  world.seeSchedule({ type: 'added', object: periodic('b', '0 0 * * *', { observedGeneration: 1 }, broken) });
  for (const [index, slot] of slots.entries()) addRun(world, `p-${index}`, { slot }, ended(`p-${index}`, 'success', 'Succeeded'));
  addRun(world, 'p-now', { token: 'demo' }, ended('p-now', 'aborted', 'Aborted'));
  addRun(world, 'h-0', { of: 'h', slot: slots[0]!, cell: hung }, ended('h-0', 'aborted', 'RunningTimeout'));
  addRun(world, 'b-0', { of: 'b', slot: slots[0]!, cell: broken }, ended('b-0', 'failure', 'TestFailed'));
  return world;
}

function addRun(world: World, name: string, fields: NonNullable<Parameters<typeof prowJob>[1]>, status: ReturnType<typeof ended>): void {
  world.seeRun({ type: 'added', object: prowJob(name, fields) }, 1_000);
  world.seePod({ type: 'added', object: pod(name) }, 1_200);
  world.seeRun({ type: 'updated', object: prowJob(name, { ...fields, status }) }, 5_000);
}

const findings = (world: World): string[] => promises(world, expected).flatMap((promise) => promise.broken);

interface Case {
  readonly name: string;
  /** What goes wrong. */
  readonly act: (world: World) => void;
  readonly finds: RegExp;
}

const cases: readonly Case[] = [
  {
    name: 'a schedule that never ran',
    act: (world) => world.seeSchedule({ type: 'added', object: periodic('idle', '@daily') }),
    finds: /idle never ran/,
  },
  {
    name: 'two runs of one slot',
    act: (world) => addRun(world, 'p-again', { slot: slots[1]! }, ended('p-again', 'success', 'Succeeded')),
    finds: /p-1 .* and p-again .* both stand for 2026-01-01T00:00:08Z/,
  },
  {
    name: 'two runs of one start by hand',
    act: (world) => addRun(world, 'p-again', { token: 'demo' }, ended('p-again', 'success', 'Succeeded')),
    finds: /both stand for by hand: demo/,
  },
  {
    name: 'a slot without a run and without a reason',
    act: (world) => addRun(world, 'p-4', { slot: '2026-01-01T00:00:32Z' }, ended('p-4', 'success', 'Succeeded')),
    finds: /p has neither a run nor a reason for 2026-01-01T00:00:24\.000Z/,
  },
  {
    name: 'an attempt with two pods',
    act: (world) => {
      const twin = pod('p-0');
      world.seePod({ type: 'added', object: { ...twin, metadata: { ...twin.metadata, uid: 'twin' } } }, 1_300);
    },
    finds: /p-0 has 1 attempt\(s\) and 2 pod\(s\)/,
  },
  {
    name: 'an attempt without a pod',
    act: (world) => {
      world.seeRun({ type: 'added', object: prowJob('p-3', { slot: '2026-01-01T00:00:24Z' }) }, 1_000);
      world.seeRun(
        { type: 'updated', object: prowJob('p-3', { slot: '2026-01-01T00:00:24Z', status: ended('p-3', 'success', 'Succeeded') }) },
        2_000,
      );
    },
    finds: /p-3 has 1 attempt\(s\) and 0 pod\(s\)/,
  },
  {
    name: 'a pod of nobody',
    act: (world) => world.seePod({ type: 'added', object: pod('nobody') }, 1),
    finds: /pod nobody-1 belongs to no run/,
  },
  {
    name: 'a run without end',
    act: (world) => world.seeRun({ type: 'added', object: prowJob('p-3', { slot: '2026-01-01T00:00:24Z' }) }, 1),
    finds: /p-3 is still triggered/,
  },
  {
    name: 'a finished run that changed its mind',
    act: (world) =>
      world.seeRun({ type: 'updated', object: prowJob('p-0', { slot: slots[0]!, status: ended('p-0', 'failure', 'TestFailed') }) }, 9_000),
    finds: /p-0: state success → failure/,
  },
  {
    name: 'a failure where nothing is wrong',
    act: (world) => addRun(world, 'p-3', { slot: '2026-01-01T00:00:24Z' }, ended('p-3', 'failure', 'TestFailed')),
    finds: /p-3 ended as failure \(TestFailed\) instead of success/,
  },
  {
    name: 'the latest run cleaned up',
    act: (world) =>
      world.seeRun(
        { type: 'deleted', object: prowJob('b-0', { of: 'b', slot: slots[0]!, status: ended('b-0', 'failure', 'TestFailed') }) },
        9_000,
      ),
    finds: /the latest run of b was deleted/,
  },
  {
    name: 'a run deleted before its end',
    act: (world) => {
      world.seeRun({ type: 'added', object: prowJob('p-3', { slot: '2026-01-01T00:00:24Z' }) }, 1);
      world.seeRun({ type: 'deleted', object: prowJob('p-3', { slot: '2026-01-01T00:00:24Z' }) }, 2);
    },
    finds: /p-3 was deleted before it ended/,
  },
];

describe('promises', () => {
  it('hold in a good world, also when older runs were cleaned up', () => {
    const world = goodWorld();
    world.seeRun({ type: 'deleted', object: prowJob('p-0', { slot: slots[0]!, status: ended('p-0', 'success', 'Succeeded') }) }, 9_000);
    expect(findings(world)).toEqual([]);
  });

  it.each(cases)('find $name', ({ act, finds }) => {
    const world = goodWorld();
    act(world);
    expect(findings(world).join('\n')).toMatch(finds);
  });

  it('accept a slot without a run when status says why', () => {
    const world = goodWorld();
    addRun(world, 'p-4', { slot: '2026-01-01T00:00:32Z' }, ended('p-4', 'success', 'Succeeded'));
    const status = { observedGeneration: 1, missed: { count: 1, last: [{ slot: '2026-01-01T00:00:24Z', reason: 'TooLate' }] } };
    world.seeSchedule({ type: 'updated', object: periodic('p', '@every 8s', status) });
    expect(findings(world)).toEqual([]);
  });

  it('accept two pods for two attempts', () => {
    const world = goodWorld();
    const slot = '2026-01-01T00:00:24Z';
    addRun(world, 'p-3', { slot }, { ...ended('p-3', 'success', 'Succeeded'), attempts: attempts('p-3', 2) });
    world.seePod({ type: 'added', object: pod('p-3', 2) }, 1_400);
    expect(findings(world)).toEqual([]);
  });
});

describe('figures', () => {
  it('count what was seen and take medians', () => {
    const world = goodWorld();
    world.seePod({ type: 'deleted', object: pod('p-0') }, 9_000);
    expect(figures(world)).toMatchObject({ runs: 6, pods: 6, podsDeleted: 1, runsDeleted: 0, startLatencyMs: 200 });
  });

  it('leave out of the latencies what fell into an outage', () => {
    const world = goodWorld();
    const slotMs = Date.parse('2026-01-01T00:00:24Z');
    world.seeRun({ type: 'added', object: prowJob('p-3', { slot: '2026-01-01T00:00:24Z' }) }, slotMs + 30);
    expect(figures(world, [{ fromMs: 0, toMs: slotMs - 1 }]).slotLagMs).toBe(30);
    expect(figures(world, [{ fromMs: 0, toMs: slotMs + 1_000 }]).slotLagMs).toBeNaN();
  });

  it('of nothing is not a number', () => {
    expect(median([])).toBeNaN();
    expect(median([3, 1, 2])).toBe(2);
  });
});
