/** Schedules: herds that are due in the same minute, and a load that is spread as over an hour with 5,000 of them. */
import { herd, spreadLoad, type HerdResult } from '../measuring/herd.ts';
import { quantile, round } from '../measuring/statistics.ts';
import type { Figure } from '../report/figures.ts';
import type { Stage } from '../stage.ts';
import { withNodes, type Findings, type Say, type Section, type Sizes } from './section.ts';

async function run(stage: Stage, { herds, spread }: Sizes, say: Say): Promise<Findings> {
  const results: HerdResult[] = [];
  for (const schedules of herds) {
    const result = await stage.withOperator((operator) => herd(stage.client, schedules, operator.failed));
    say(`${schedules} schedules in one minute: last start after ${round(lastMs(result))} ms, floor ${round(result.floorMs)} ms`);
    results.push(result);
  }
  const lag = await stage.withOperator((operator) => spreadLoad(stage.client, { ...spread, failed: operator.failed }));
  const points = results.map((result) => ({ x: result.schedules, y: lastMs(result) / 1000 }));
  return {
    figures: [...results.flatMap(figuresOf), spreadFigure(spread, lag)],
    growth: [{ id: 'herd', what: 'Last start of a herd', unit: 'seconds', sizeOf: 'schedules due in the same minute', points }],
  };
}

const lastMs = ({ lagMs }: HerdResult): number => Math.max(...lagMs);

function figuresOf(result: HerdResult): readonly Figure[] {
  const { schedules, lagMs, floorMs, twice, missing } = result;
  const ratio = lastMs(result) / floorMs;
  const wrong = twice + missing + lagMs.filter((ms) => ms < 0).length;
  const note = `last start after ${round(lastMs(result))} ms, p50 ${round(quantile(lagMs, 0.5))} ms; as many bare creates took ${round(floorMs)} ms`;
  const count = schedules.toLocaleString('en-US');
  return [
    {
      id: `herd.${schedules}.ratio`,
      what: `${count} schedules in one minute, last start beside bare creates`,
      unit: '×',
      value: ratio,
      better: 'less',
      bar: 1.5,
      samples: [ratio],
      note,
    },
    {
      id: `herd.${schedules}.wrong`,
      what: 'of these early, twice or missing',
      unit: '',
      value: wrong,
      better: 'less',
      bar: 0,
      samples: [wrong],
    },
  ];
}

function spreadFigure({ schedules, overMs }: Sizes['spread'], lag: readonly number[]): Figure {
  const value = quantile(lag, 0.99);
  const scaled = overMs === 3_600_000 ? '' : `; ${schedules} over ${overMs / 1000} s, the rate of 5,000 over an hour`;
  return {
    id: 'spread.p99',
    what: 'schedules spread over time, lag p99',
    unit: 'ms',
    value,
    better: 'less',
    bar: 1000,
    samples: [value],
    note: `p50 ${round(quantile(lag, 0.5))} ms, worst ${round(Math.max(...lag))} ms${scaled}`,
  };
}

export const schedules: Section = { name: 'schedules', on: withNodes, run };
