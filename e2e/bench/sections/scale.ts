/**
 * What finished runs cost an operator that has to know of them: memory, the time of a cold start beside a bare paged list, and what it does while
 * nothing happens. On a server without controllers and nodes, so that nobody else is at work.
 */
import { median, round } from '../measuring/statistics.ts';
import type { Figure, Growth } from '../report/figures.ts';
import { measureStanding, type Standing } from '../scale/standing.ts';
import { storeFinished } from '../scale/storedWorld.ts';
import type { Stage } from '../stage.ts';
import { withoutControllers, type Findings, type Say, type Section, type Sizes } from './section.ts';

interface Scale extends Standing {
  readonly finished: number;
}

async function run(stage: Stage, { finished: sizes, idleMs }: Sizes, say: Say): Promise<Findings> {
  const results: Scale[] = [];
  let stored = 0;
  for (const finished of sizes) {
    await storeFinished(stage, stored, finished);
    stored = finished;
    const result = { finished, ...(await measureStanding(stage, `cold-${finished}`, idleMs)) };
    say(
      `${finished} finished runs: ${round(result.residentMB)} MB, cold start ${round(median(result.coldMs))} ms, list ${round(median(result.listMs))} ms`,
    );
    results.push(result);
  }
  return { figures: figuresOf(results), growth: growthOf(results) };
}

function figuresOf(results: readonly Scale[]): readonly Figure[] {
  const [first, last] = [results.at(-2), results.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError('memory for each object needs two sizes');
  const perObjectKB = ((last.residentMB - first.residentMB) * 1000) / (last.finished - first.finished);
  const ratios = last.coldMs.map((ms, index) => ms / (last.listMs[index] ?? NaN));
  const count = last.finished.toLocaleString('en-US');
  const requests = [...last.idleRequests].map(([key, times]) => `${key} ${times}`).join(', ');
  const idleRequests = [...last.idleRequests.values()].reduce((all, times) => all + times, 0);
  const from = first.finished.toLocaleString('en-US');
  const single = (id: string, what: string, unit: string, value: number, rest: Partial<Figure>): Figure => ({
    id,
    what,
    unit,
    value,
    better: 'less',
    samples: [value],
    ...rest,
  });
  return [
    single('memory.resident', `resident size with ${count} finished runs`, 'MB', last.residentMB, {
      bar: 150,
      note: `${round(last.ownMB)} MB of it its own; the rest are pages of the node binary`,
    }),
    single('memory.perObject', 'more for each finished run', 'kB', perObjectKB, {
      bar: 1.5,
      note: `from ${from} (${round(first.residentMB)} MB) to ${count}`,
    }),
    single('cold.ratio', `cold start with ${count} finished runs → first pod, beside a bare paged list`, '×', median(ratios), {
      bar: 1.3,
      samples: ratios,
      note: `list ${last.listMs.map(round).join(', ')} ms, operator ${last.coldMs.map(round).join(', ')} ms; both with the start of their process`,
    }),
    single('idle.cpu', 'processor of an idle operator, share of a core', '%', last.idleCpu, { bar: 1 }),
    single('idle.requests', 'requests of an idle operator beside its lease', '', idleRequests, {
      bar: 0,
      ...(requests === '' ? {} : { note: requests }),
    }),
  ];
}

function growthOf(results: readonly Scale[]): readonly Growth[] {
  const series = (id: string, what: string, unit: string, pick: (each: Scale) => number): Growth => ({
    id,
    what,
    unit,
    sizeOf: 'finished runs in the cluster',
    points: results.map((each) => ({ x: each.finished, y: pick(each) })),
  });
  return [
    series('memory', 'Resident size', 'MB', ({ residentMB }) => residentMB),
    series('cold-start', 'Cold start until the first pod', 'seconds', ({ coldMs }) => median(coldMs) / 1000),
  ];
}

export const scale: Section = { name: 'scale', on: withoutControllers, run };
