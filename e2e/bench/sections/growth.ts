/** How the cost of runs grows with their number: the same burst at 1×, 4× and 16×. */
import type { Stage } from '../stage.ts';
import { measuredBurst, type OperatorBurst } from './bursts.ts';
import type { Growth } from '../report/figures.ts';
import { withNodes, type Findings, type Say, type Section, type Sizes } from './section.ts';

async function run(stage: Stage, { growth: sizes }: Sizes, say: Say): Promise<Findings> {
  const results: OperatorBurst[] = [];
  // The first burst pays for what every later one finds warm.
  await stage.withOperator((operator) => measuredBurst(stage, operator, sizes[0] ?? 1));
  for (const runs of sizes) {
    results.push(await stage.withOperator((operator) => measuredBurst(stage, operator, runs)));
    say(`growth: ${runs} runs`);
  }
  const series = (id: string, what: string, unit: string, pick: (each: OperatorBurst) => number): Growth => ({
    id,
    what,
    unit,
    sizeOf: 'runs at once',
    points: results.map((result) => ({ x: result.runs, y: pick(result) })),
  });
  const growth = [
    series('burst-time', 'Time until all runs of a burst are through', 'seconds', ({ seconds }) => seconds),
    series('burst-cpu', 'Processor time of the operator for a burst', 'seconds', ({ cpuMsPerRun, runs }) => (cpuMsPerRun * runs) / 1000),
    series('burst-memory', 'Peak resident size under a burst', 'MB', ({ peakMB }) => peakMB),
  ];
  return { figures: [], growth };
}

export const growth: Section = { name: 'growth', on: withNodes, run };
