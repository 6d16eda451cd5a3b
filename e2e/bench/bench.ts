/**
 * `make bench`: measures the operator beside the least that any controller could do, prints the figures beside their bars, compares them with the last
 * committed result, and writes a new one. BENCH=quick takes 25 minutes, BENCH=full longer with bursts of 2,000 runs, BENCH=hour an hour more;
 * ROWS=burst,scale measures only these sections, prints them, and writes nothing.
 */
import { mkdirSync, readFileSync, existsSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import { messageOf } from '../../operator/runtime/errors.ts';
import { command } from '../cluster/commands.ts';
import { repositoryRoot } from '../cluster/paths.ts';
import { readModule, versionsOf } from '../cluster/versions.ts';
import { growthExponent, linearithmicExponent, round } from './measuring/statistics.ts';
import { differentMachines, regressions } from './report/compare.ts';
import type { BenchResult, Figure, Growth, Machine } from './report/figures.ts';
import { isMet } from './report/figures.ts';
import { plot } from './report/plot.ts';
import { markdownTable, textTable } from './report/table.ts';
import { bursts } from './sections/bursts.ts';
import { growth } from './sections/growth.ts';
import { latency } from './sections/latency.ts';
import { leader } from './sections/leader.ts';
import { scale } from './sections/scale.ts';
import { schedules } from './sections/schedules.ts';
import type { Section, Sizes } from './sections/section.ts';
import { world } from './sections/world.ts';
import { Stage } from './stage.ts';

const here = import.meta.dirname;
const plotDir = path.join(repositoryRoot, 'docs', 'performance');
const sections: readonly Section[] = [bursts, latency, schedules, leader, scale, growth, world];

/** The sizes of the bars, but for the hour over which 5,000 schedules are spread: as many as are due in a minute of it. */
const full: Sizes = {
  burst: 2_000,
  rounds: 3,
  singles: 50,
  herds: [312, 500, 1_250, 5_000],
  spread: { schedules: 83, overMs: 60_000 },
  finished: [3_125, 12_500, 50_000],
  world: { finished: 50_000, schedules: 5_000, running: 500 },
  idleMs: 60_000,
  growth: [125, 500, 2_000],
};

const modes: ReadonlyMap<string, Sizes> = new Map([
  [
    'try',
    {
      burst: 40,
      rounds: 2,
      singles: 5,
      herds: [20, 40],
      spread: { schedules: 10, overMs: 20_000 },
      finished: [500, 2_000],
      world: { finished: 500, schedules: 50, running: 20 },
      idleMs: 5_000,
      growth: [10, 20, 40],
    },
  ],
  [
    'quick',
    {
      burst: 480,
      rounds: 3,
      singles: 30,
      herds: full.herds,
      spread: { schedules: 42, overMs: 30_000 },
      finished: full.finished,
      world: full.world,
      idleMs: 30_000,
      growth: [30, 120, 480],
    },
  ],
  ['full', full],
  ['hour', { ...full, spread: { schedules: 5_000, overMs: 3_600_000 } }],
]);

const exponentTolerance = 0.1;

const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);

function machine(): Machine {
  const [first] = cpus();
  const { goMod } = readModule();
  return {
    cpus: cpus().length,
    cpu: first?.model ?? 'unknown',
    memoryMB: Math.round(totalmem() / 1e6),
    kernel: release(),
    node: process.version,
    kubernetes: versionsOf(goMod).kubernetes,
  };
}

interface Measured {
  readonly figures: Figure[];
  readonly growth: Growth[];
  /** A section that fails is told of at the end; the others are measured all the same. */
  readonly failures: string[];
}

async function measure(wanted: readonly Section[], sizes: Sizes): Promise<Measured> {
  const measured: Measured = { figures: [], growth: [], failures: [] };
  for (const on of new Set(wanted.map((section) => section.on))) {
    const those = wanted.filter((section) => section.on === on);
    await Stage.with(on, async (stage) => {
      for (const section of those) await measureOne(section, stage, sizes, measured);
    });
  }
  return measured;
}

async function measureOne(section: Section, stage: Stage, sizes: Sizes, measured: Measured): Promise<void> {
  const startMs = performance.now();
  try {
    const { figures, growth: series = [] } = await section.run(stage, sizes, say);
    measured.figures.push(...figures);
    measured.growth.push(...series);
  } catch (error) {
    measured.failures.push(`${section.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    say(`${section.name} failed: ${messageOf(error)}`);
  }
  say(`${section.name}: ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
}

/** No term may grow faster than n log n; what the rounds of a quiet machine differ by is allowed for. */
function growthFigure({ id, what, sizeOf, points }: Growth): Figure {
  const value = growthExponent(points);
  const sizes = points.map(({ x }) => x);
  const bar = round(linearithmicExponent(sizes) + exponentTolerance);
  return {
    id: `growth.${id}`,
    what: `${what}: exponent`,
    unit: '',
    value,
    better: 'less',
    bar,
    samples: [value],
    note: `${sizes.join(', ')} ${sizeOf}`,
  };
}

function compareWithLast(result: BenchResult, file: string): void {
  if (!existsSync(file)) {
    say(`${file} does not exist: nothing to compare with`);
    return;
  }
  const last = JSON.parse(readFileSync(file, 'utf8')) as BenchResult;
  const other = differentMachines(last, result);
  if (other !== undefined) say(`the last result is of another machine (${other}): differences may be its`);
  const worse = regressions(last, result);
  if (worse.length === 0) say(`nothing got worse than in ${last.commit} of ${last.at} by more than the spread`);
  for (const { figure, before, worseBy, tolerance } of worse) {
    const by = `${round(before.value)} → ${round(figure.value)} ${figure.unit}`;
    say(`WORSE: ${figure.what}: ${by} (by ${(worseBy * 100).toFixed(0)} %, the spread is ${(tolerance * 100).toFixed(0)} %)`);
  }
}

async function writeResult(result: BenchResult, file: string): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true });
  mkdirSync(plotDir, { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  for (const series of result.growth) writeFileSync(path.join(plotDir, `${series.id}.svg`), plot(series));
  const page = path.join(plotDir, 'table.md');
  writeFileSync(page, pageOf(result));
  await command(path.join(repositoryRoot, 'node_modules', '.bin', 'prettier'), ['--write', '--log-level', 'warn', file, page]);
  say(`written: ${path.relative(process.cwd(), file)}, docs/performance/table.md and ${result.growth.length} plots`);
}

/** The page that docs/performance.md links to: the figures of the last committed run. */
function pageOf({
  mode,
  at,
  commit,
  machine: { cpus: cores, cpu, memoryMB, node, kubernetes },
  figures,
  growth: series,
}: BenchResult): string {
  const where = `\`make bench\` (${mode}) at ${at}, commit ${commit}: ${cores} × ${cpu}, ${Math.round(memoryMB / 1000)} GB, Node ${node}, Kubernetes ${kubernetes}.`;
  const plots = series.map(({ id, what, points }) => `![${what}: n^${growthExponent(points).toFixed(2)}](${id}.svg)`);
  return ['# Figures of the last committed run', where, markdownTable(figures), '## Growth', ...plots, ''].join('\n\n');
}

async function main(): Promise<number> {
  const mode = process.env.BENCH ?? 'quick';
  const sizes = modes.get(mode);
  if (sizes === undefined) {
    say(`BENCH=${mode}: it can be ${[...modes.keys()].join(', ')}`);
    return 2;
  }
  const rows = process.env.ROWS?.split(',');
  const unknown = rows?.filter((row) => !sections.some(({ name }) => name === row)) ?? [];
  if (unknown.length > 0) {
    say(`ROWS=${unknown.join(',')}: there are ${sections.map(({ name }) => name).join(', ')}`);
    return 2;
  }
  const commit = (await command('git', ['describe', '--always', '--dirty'], { cwd: here })).trim();
  const { failures, ...found } = await measure(rows === undefined ? sections : sections.filter(({ name }) => rows.includes(name)), sizes);
  const result: BenchResult = {
    format: 1,
    mode,
    at: new Date(Date.now()).toISOString(),
    commit,
    machine: machine(),
    figures: [...found.figures, ...found.growth.map(growthFigure)],
    growth: found.growth,
  };
  process.stdout.write(`\n${textTable(result.figures)}\n\n`);
  const file = path.join(here, 'results', mode === 'quick' ? 'latest.json' : `${mode}.json`);
  compareWithLast(result, file);
  if (rows === undefined && failures.length === 0 && mode !== 'try') await writeResult(result, file);
  for (const failure of failures) say(`FAILED: ${failure}`);
  const missed = result.figures.filter((figure) => isMet(figure) === false).length;
  say(missed === 0 ? 'no bar was missed' : `${missed} bars were missed`);
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = await main();
// Connections to servers that are gone by now must not keep the process.
process.exit();
