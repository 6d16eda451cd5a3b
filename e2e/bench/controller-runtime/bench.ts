/**
 * `make bench-frameworks`: our framework beside controller-runtime, the same toy operator on both (operator.ts and main.go) against the same API
 * server, in turn, each release build in a process of its own. It takes a quarter of an hour on a quiet machine, with --full three times that; the first run ever
 * builds the Go program, which takes minutes more. --write keeps the result, --only, --kubeconfig and --node-option serve for looking closer.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { command } from '../../cluster/commands.ts';
import { repositoryRoot } from '../../cluster/paths.ts';
import { clientOf } from '../../scenarios/installation.ts';
import { startControlPlane } from '../controlPlane.ts';
import { median, round, spread } from '../measuring/statistics.ts';
import { build, contenderNames } from './contender.ts';
import type { ContenderName, Program } from './contender.ts';
import { measure, prepare } from './measure.ts';
import type { Figures, Load } from './measure.ts';

interface Plan extends Load {
  readonly rounds: number;
  readonly workers: readonly number[];
}

/** Long enough for both runtimes to give back what they do not need. */
const restMs = 15_000;
const full: Plan = { rounds: 3, workers: [8, 32], objects: 20_000, updates: 25_000, keys: 1_000, rate: 300, lanes: 32, restMs };
const quick: Plan = { ...full, rounds: 2, workers: [8] };

export interface Round {
  readonly round: number;
  readonly contender: ContenderName;
  readonly workers: number;
  readonly figures: Figures;
}

export interface Comparison {
  readonly workers: number;
  readonly figure: keyof Figures;
  readonly controllerRuntime: Middle;
  readonly ours: Middle;
  /** Ours divided by controller-runtime's; null where that is 0. */
  readonly ratio: number | null;
}

interface Middle {
  readonly median: number;
  /** Half of the range, as a share of the median. */
  readonly spread: number;
}

/** The medians of all rounds, figure by figure. */
export function compare(rounds: readonly Round[]): readonly Comparison[] {
  const middle = (contender: ContenderName, workers: number, figure: keyof Figures): Middle => {
    const samples = rounds.filter((each) => each.contender === contender && each.workers === workers).map(({ figures }) => figures[figure]);
    return { median: round(median(samples)), spread: round(spread(samples)) };
  };
  return [...new Set(rounds.map(({ workers }) => workers))].flatMap((workers) =>
    (Object.keys(rounds[0]!.figures) as (keyof Figures)[]).map((figure) => {
      const controllerRuntime = middle('controller-runtime', workers, figure);
      const ours = middle('ours', workers, figure);
      return {
        workers,
        figure,
        controllerRuntime,
        ours,
        ratio: controllerRuntime.median === 0 ? null : round(ours.median / controllerRuntime.median),
      };
    }),
  );
}

function tableOf(comparisons: readonly Comparison[]): string {
  const show = ({ median: value, spread: share }: Middle): string => `${value} ±${Math.round(share * 100)} %`;
  const rows = comparisons.map(({ workers, figure, controllerRuntime, ours, ratio }) =>
    [String(workers), figure, show(controllerRuntime), show(ours), ratio === null ? '–' : `${ratio} ×`].join(' | '),
  );
  const head = 'workers | figure | controller-runtime | ours | ours / controller-runtime';
  return [head, '--- | --- | --- | --- | ---', ...rows].map((row) => `| ${row} |\n`).join('');
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

interface Machine {
  readonly cpus: number;
  readonly cpu: string;
  readonly memoryMB: number;
  readonly node: string;
  readonly kubernetes: string;
  readonly controllerRuntime: string;
}

interface Result {
  readonly at: string;
  readonly machine: Machine;
  readonly plan: Plan;
  readonly comparisons: readonly Comparison[];
  readonly rounds: readonly Round[];
}

async function machine(client: ReturnType<typeof clientOf>): Promise<Machine> {
  const { gitVersion } = JSON.parse(await client.text('/version')) as { readonly gitVersion: string };
  const goMod = await readFile(path.join(import.meta.dirname, 'go.mod'), 'utf8');
  return {
    cpus: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryMB: Math.round(totalmem() / 1e6),
    node: process.version,
    kubernetes: gitVersion,
    controllerRuntime: /sigs\.k8s\.io\/controller-runtime (\S+)/.exec(goMod)?.[1] ?? 'unknown',
  };
}

/** Writes what is committed: the result, and the page that docs/performance.md links to. */
async function keep(result: Result): Promise<void> {
  const file = path.join(import.meta.dirname, '..', 'results', 'frameworks.json');
  const page = path.join(repositoryRoot, 'docs', 'performance', 'frameworks.md');
  for (const each of [file, page]) await mkdir(path.dirname(each), { recursive: true });
  await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
  await writeFile(page, pageOf(result));
  await command('prettier', ['--write', '--log-level', 'warn', file, page]);
}

function pageOf({ at, machine: { cpus: cores, cpu, memoryMB, node, kubernetes, controllerRuntime }, plan, comparisons }: Result): string {
  const { rounds, objects, updates, keys, rate } = plan;
  const where = `\`make bench-frameworks\` at ${at}: ${cores} × ${cpu}, ${Math.round(memoryMB / 1000)} GB, Node ${node}, Kubernetes ${kubernetes}, controller-runtime ${controllerRuntime}.`;
  const what =
    `${objects} objects, then ${updates} changes on ${keys} of them at ${rate} a second, then as many as fast as they went; ` +
    `${rounds} rounds, medians, and half of the range as a share of the median.`;
  return ['# The framework beside controller-runtime', where, what, tableOf(comparisons)].join('\n\n');
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      full: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      kubeconfig: { type: 'string' },
      out: { type: 'string' },
      only: { type: 'string' },
      'node-option': { type: 'string', multiple: true, default: [] },
      ...Object.fromEntries(
        ['rounds', 'workers', 'objects', 'updates', 'keys', 'rate', 'lanes'].map((name) => [name, { type: 'string' } as const]),
      ),
    },
  });
  const given = new Map(Object.entries(values).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  const plan = planOf(values.full ? full : quick, given);
  const contenders = contenderNames.filter((name) => values.only === undefined || values.only === name);
  const programs = new Map<ContenderName, Program>();
  for (const name of contenders) programs.set(name, await build(name, values['node-option']));
  const plane = values.kubeconfig === undefined ? await startControlPlane({ bare: true }) : undefined;
  const kubeconfig = plane?.kubeconfig ?? values.kubeconfig ?? '';
  const client = clientOf(kubeconfig);
  try {
    say(`Making ${plan.objects} objects`);
    await prepare(client, plan.objects);
    const rounds = await runRounds(plan, { contenders, programs, client, kubeconfig });
    if (contenders.length < contenderNames.length) {
      process.stdout.write(`${JSON.stringify(rounds, null, 2)}\n`);
      return;
    }
    const result = { at: new Date(Date.now()).toISOString(), machine: await machine(client), plan, comparisons: compare(rounds), rounds };
    process.stdout.write(tableOf(result.comparisons));
    if (values.out !== undefined) await writeFile(values.out, `${JSON.stringify(result, null, 2)}\n`);
    if (values.write) await keep(result);
  } finally {
    await client.close();
    await plane?.close();
  }
}

function planOf(base: Plan, given: ReadonlyMap<string, string>): Plan {
  const positive = (name: string, text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text}: give a whole number above 0`);
    return value;
  };
  const number = (name: Exclude<keyof Plan, 'workers'>): number => positive(name, given.get(name) ?? String(base[name]));
  const plan = {
    rounds: number('rounds'),
    workers: (given.get('workers') ?? base.workers.join(',')).split(',').map((text) => positive('workers', text)),
    objects: number('objects'),
    updates: number('updates'),
    keys: number('keys'),
    rate: number('rate'),
    lanes: number('lanes'),
    restMs: base.restMs,
  };
  if (plan.keys > plan.objects) throw new Error(`--keys ${plan.keys}: there are only ${plan.objects} objects`);
  return plan;
}

interface Stage {
  readonly contenders: readonly ContenderName[];
  readonly programs: ReadonlyMap<ContenderName, Program>;
  readonly client: ReturnType<typeof clientOf>;
  readonly kubeconfig: string;
}

/** In turn, and each second round the other way round: what the machine does beside this falls on both. */
async function runRounds(plan: Plan, { contenders, programs, client, kubeconfig }: Stage): Promise<readonly Round[]> {
  const rounds: Round[] = [];
  for (let index = 1; index <= plan.rounds; index += 1) {
    for (const workers of plan.workers) {
      for (const contender of index % 2 === 1 ? contenders : contenders.toReversed()) {
        // A name that no earlier round of any process has left in a status.
        const run = `${contender}-${index}-${workers}-${Math.floor(performance.timeOrigin)}`;
        const figures = await measure(client, kubeconfig, { program: programs.get(contender)!, workers, run }, plan);
        rounds.push({ round: index, contender, workers, figures });
        say(`round ${index}, ${workers} workers, ${contender}: ${summary(figures)}`);
      }
    }
  }
  return rounds;
}

const summary = (figures: Figures): string =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${round(value as number)}`)
    .join(', ');

if (import.meta.main) await main();
