/** The rate at which runs go through, beside the bare loop: both in turn, on the same control plane, as many rounds as the mode has. */
import { burst, ofRuns, sum, type BurstOptions, type BurstResult } from '../measuring/burst.ts';
import type { OperatorProcess } from '../measuring/operatorProcess.ts';
import { median, quantile, round } from '../measuring/statistics.ts';
import type { Figure } from '../report/figures.ts';
import type { Stage } from '../stage.ts';
import { withNodes, type Findings, type Say, type Section, type Sizes } from './section.ts';

/** What the bare loop writes for a run itself: a pod and two patches. All else that is written then is the system's. */
const bareWrites = 3;

interface CostedBurst extends BurstResult {
  /** Processor time of API server, etcd, scheduler and controllers for one run. */
  readonly systemMsPerRun: number;
}

export interface OperatorBurst extends CostedBurst {
  readonly eventLoopP99Ms: number;
  /** Processor time of the operator for one run. */
  readonly cpuMsPerRun: number;
  readonly peakMB: number;
  /** What it read from its sockets for one run: answers and watches. */
  readonly readKBPerRun: number;
}

async function costedBurst(stage: Stage, runs: number, options: BurstOptions = {}): Promise<CostedBurst> {
  const beforeMs = await stage.systemCpuMs();
  const result = await burst(stage.client, runs, options);
  return { ...result, systemMsPerRun: ((await stage.systemCpuMs()) - beforeMs) / runs };
}

/** A burst with the operator's own figures for it. */
export async function measuredBurst(stage: Stage, operator: OperatorProcess, runs: number): Promise<OperatorBurst> {
  await operator.figures();
  const before = await operator.use();
  const result = await costedBurst(stage, runs, { failed: operator.failed });
  const { eventLoopP99Ms } = await operator.figures();
  const after = await operator.use();
  const perRun = (pick: (use: typeof after) => number): number => (pick(after) - pick(before)) / runs;
  return {
    ...result,
    eventLoopP99Ms,
    cpuMsPerRun: perRun(({ cpuMs }) => cpuMs),
    peakMB: after.peakMB,
    readKBPerRun: perRun(({ readBytes }) => readBytes) / 1000,
  };
}

async function run(stage: Stage, { burst: runs, rounds }: Sizes, say: Say): Promise<Findings> {
  const pairs: { readonly bare: CostedBurst; readonly ours: OperatorBurst }[] = [];
  // Programs that have just started are slow; neither side shall pay for it.
  await stage.withBareLoop(() => burst(stage.client, Math.ceil(runs / 10)));
  for (let index = 0; index < rounds; index += 1) {
    const bareFirst = index % 2 === 0;
    const measureBare = (): Promise<CostedBurst> => stage.withBareLoop(() => costedBurst(stage, runs));
    const before = bareFirst ? await measureBare() : undefined;
    const ours = await stage.withOperator((operator) => measuredBurst(stage, operator, runs));
    const bare = before ?? (await measureBare());
    say(`${runs} runs: bare loop ${round(bare.perSecond)}/s, operator ${round(ours.perSecond)}/s`);
    pairs.push({ bare, ours });
  }
  return { figures: figuresOf(runs, pairs) };
}

function figuresOf(runs: number, pairs: readonly { readonly bare: CostedBurst; readonly ours: OperatorBurst }[]): readonly Figure[] {
  const ours = pairs.map((pair) => pair.ours);
  const ratios = pairs.map((pair) => pair.ours.perSecond / pair.bare.perSecond);
  const writes = pairs.map((pair) => sum(ofRuns(pair.ours.writesPerRun)) - (sum(ofRuns(pair.bare.writesPerRun)) - bareWrites));
  const of = (pick: (each: OperatorBurst) => number) => ({ value: median(ours.map(pick)), samples: ours.map(pick) });
  const bareRates = pairs.map((pair) => round(pair.bare.perSecond)).join(', ');
  const list = [...(ours[0]?.writesPerRun ?? [])].filter(([, count]) => count > 0.05).map(([key, count]) => `${key} ${round(count)}`);
  return [
    {
      id: 'burst.ratio',
      what: `${runs} runs at once, rate beside the bare loop`,
      unit: '×',
      value: median(ratios),
      better: 'more',
      bar: 0.9,
      samples: ratios,
      note: `bare loop ${bareRates} runs/s; operator ${ours.map((each) => round(each.perSecond)).join(', ')} runs/s`,
    },
    { id: 'burst.rate', what: 'the same, runs a second', unit: '/s', better: 'more', ...of((each) => each.perSecond) },
    { id: 'burst.twice', what: 'runs that were started twice', unit: '', better: 'less', bar: 0, ...of((each) => each.pods - each.runs) },
    {
      id: 'burst.eventLoop',
      what: 'event loop under the burst, p99',
      unit: 'ms',
      better: 'less',
      bar: 50,
      ...of((each) => each.eventLoopP99Ms),
    },
    {
      id: 'burst.podP99',
      what: 'run created → pod created under the burst, p99',
      unit: 'ms',
      better: 'less',
      ...of((each) => quantile(each.podMs, 0.99)),
    },
    { id: 'burst.cpu', what: 'processor time of the operator for one run', unit: 'ms', better: 'less', ...of((each) => each.cpuMsPerRun) },
    {
      id: 'burst.system',
      what: 'processor time of API server, etcd, scheduler and controllers for one run',
      unit: 'ms',
      better: 'less',
      ...of((each) => each.systemMsPerRun),
      note: `under the bare loop ${pairs.map((pair) => round(pair.bare.systemMsPerRun)).join(', ')} ms`,
    },
    { id: 'burst.read', what: 'read by the operator for one run', unit: 'kB', better: 'less', ...of((each) => each.readKBPerRun) },
    { id: 'burst.peak', what: 'peak resident size under the burst', unit: 'MB', better: 'less', ...of((each) => each.peakMB) },
    {
      id: 'writes.run',
      what: 'writes of the operator for one run, until it is terminal',
      unit: '',
      value: round(median(writes)),
      better: 'less',
      bar: 3,
      samples: writes,
      note: `of everybody together: ${list.join(', ')}`,
    },
  ];
}

export const bursts: Section = { name: 'burst', on: withNodes, run };
