/**
 * Everything that a busy installation has, at once: finished runs, schedules, and runs that are running with their pods. What the operator holds and
 * reads, how soon it works after a start, and that it rests. On a server without controllers and nodes, so that nobody else is at work.
 */
import { median, round } from '../measuring/statistics.ts';
import type { Figure } from '../report/figures.ts';
import { measureStanding, settle, type Standing } from '../scale/standing.ts';
import { storeFinished, storeSchedules } from '../scale/storedWorld.ts';
import type { Stage } from '../stage.ts';
import { withoutControllers, type Findings, type Say, type Section, type Sizes } from './section.ts';

async function run(stage: Stage, { world, idleMs }: Sizes, say: Say): Promise<Findings> {
  await storeFinished(stage, 0, world.finished);
  await storeSchedules(stage, world.schedules, world.running);
  const requests = await settle(stage);
  say(`the first operator that this world has seen settled it with ${requests} requests`);
  const standing = await measureStanding(stage, 'world', idleMs);
  say(`${round(standing.residentMB)} MB, cold start ${round(median(standing.coldMs))} ms, ${round(standing.coldReadMB)} MB read by it`);
  const count = (value: number): string => value.toLocaleString('en-US');
  const what = `${count(world.finished)} finished and ${count(world.running)} running runs, ${count(world.schedules)} schedules`;
  return { figures: figuresOf(what, standing) };
}

function figuresOf(what: string, standing: Standing): readonly Figure[] {
  const { residentMB, ownMB, peakMB, coldMs, listMs, coldReadMB, idleCpu, idleReadKB, idleRequests } = standing;
  const single = (id: string, text: string, unit: string, value: number, rest: Partial<Figure> = {}): Figure => ({
    id: `world.${id}`,
    what: `${what}: ${text}`,
    unit,
    value,
    better: 'less',
    samples: [value],
    ...rest,
  });
  const times = [...idleRequests.values()].reduce((all, each) => all + each, 0);
  const list = [...idleRequests].map(([key, each]) => `${key} ${each}`).join(', ');
  return [
    single('resident', 'resident size', 'MB', residentMB, { note: `${round(ownMB)} MB of it its own; ${round(peakMB)} MB at its peak` }),
    single('cold', 'cold start until the first pod', 'ms', median(coldMs), {
      samples: [...coldMs],
      note: `a bare paged list of the runs alone ${listMs.map(round).join(', ')} ms`,
    }),
    single('coldRead', 'lists and first answers read by a cold start', 'MB', coldReadMB),
    single('idleRead', 'read in a minute of rest', 'kB', idleReadKB),
    single('idleCpu', 'processor of an idle operator, share of a core', '%', idleCpu, { bar: 1 }),
    single('idleRequests', 'requests of an idle operator beside its lease', '', times, { bar: 0, ...(list === '' ? {} : { note: list }) }),
  ];
}

export const world: Section = { name: 'world', on: { ...withoutControllers }, run };
