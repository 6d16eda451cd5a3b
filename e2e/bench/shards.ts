/**
 * Growth past one process: the same burst of runs in many namespaces with one, two and four processes that share as many shards, on a control
 * plane of its own. `node e2e/bench/shards.ts [runs]` prints a table; on a machine that the API server alone fills, more processes cost more.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { prowJobs } from '../../crds/resources.ts';
import { namespaces as namespaceType, pods } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { shardOf } from '../../operator/runtime/shardAssignment.ts';
import { say, until } from '../cluster/terminal.ts';
import { follow } from './measuring/follow.ts';
import { inParallel } from './measuring/inParallel.ts';
import { OperatorProcess } from './measuring/operatorProcess.ts';
import { runOf } from './measuring/workload.ts';
import { Stage } from './stage.ts';

const processCounts = [1, 2, 4] as const;
const namespaceCount = 32;
const patienceMs = 300_000;
const idleMs = 5_000;

interface Row {
  readonly processes: number;
  readonly perSecond: number;
  /** Share of all runs that the busiest process had. */
  readonly largestShare: number;
  /** Of all processes together, after the burst. */
  readonly residentMB: number;
  readonly largestMB: number;
  readonly cpuMsPerRun: number;
  readonly readKBPerRun: number;
}

const namespacesOf = (processes: number): readonly string[] =>
  Array.from({ length: namespaceCount }, (_, index) => `bench-${processes}-${index}`);

async function makeNamespaces(client: KubeClient, names: readonly string[]): Promise<void> {
  for (const name of names) await client.create(namespaceType, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  // The controller manager makes the service account that pods need.
  await pause(2_000);
}

/** From the first create until the last run has succeeded. */
async function burst(client: KubeClient, names: readonly string[], runs: number, failed: () => string | undefined): Promise<number> {
  const done = new Set<string>();
  const podUids = new Set<string>();
  const bad: string[] = [];
  const stop = new AbortController();
  const ours = new Set(names);
  await follow(client, prowJobs, {}, stop.signal, ({ metadata, status }) => {
    const state = status?.state ?? 'triggered';
    if (!ours.has(metadata.namespace ?? '') || state === 'triggered' || state === 'pending') return;
    if (state === 'success') done.add(metadata.name);
    else bad.push(`${metadata.name} ${state}: ${status?.description ?? ''}`);
  });
  await follow(client, pods, {}, stop.signal, ({ metadata }) => {
    if (ours.has(metadata.namespace ?? '')) podUids.add(metadata.uid ?? '');
  });
  const startMs = performance.now();
  try {
    await inParallel(runs, (index) => {
      const namespace = names[index % names.length] ?? 'default';
      const run = runOf(namespace, index);
      return client.create(prowJobs, { ...run, metadata: { ...run.metadata, namespace }, spec: { ...run.spec, namespace } });
    });
    const over = (): string | undefined => (bad.length > 0 ? bad[0] : failed());
    await until(`${runs} runs`, () => done.size === runs, { timeoutMs: patienceMs, everyMs: 20, failed: over });
    const seconds = (performance.now() - startMs) / 1000;
    if (podUids.size !== runs) throw new Error(`${runs} runs had ${podUids.size} pods`);
    return seconds;
  } finally {
    stop.abort();
  }
}

async function measure(stage: Stage, processes: number, runs: number): Promise<Row> {
  const { client, plane } = stage;
  const names = namespacesOf(processes);
  await makeNamespaces(client, names);
  // Long, so that an API server that cannot keep up with a burst ends nothing.
  const timing = { leaseDuration: '60s', renewDeadline: '45s' };
  const leaderElection = { ...timing, name: `bench-${processes}`, shards: processes };
  const operators: OperatorProcess[] = [];
  try {
    for (let index = 0; index < processes; index += 1) operators.push(await OperatorProcess.launch(plane, { leaderElection }));
    await Promise.all(operators.map((operator) => operator.hasSaid('Controllers run')));
    const before = await Promise.all(operators.map((operator) => operator.use()));
    const failed = (): string | undefined => operators.map((operator) => operator.failed()).find((text) => text !== undefined);
    const seconds = await burst(client, names, runs, failed);
    await pause(idleMs);
    const after = await Promise.all(operators.map((operator) => operator.use()));
    const sum = (of: (use: (typeof after)[number]) => number): number =>
      after.reduce((total, use, index) => total + of(use) - of(before[index] ?? use), 0);
    const shares = Array.from({ length: processes }, (_, shard) => names.filter((name) => shardOf(name, processes) === shard).length);
    return {
      processes,
      perSecond: runs / seconds,
      largestShare: Math.max(...shares) / names.length,
      residentMB: after.reduce((total, { residentMB }) => total + residentMB, 0),
      largestMB: Math.max(...after.map(({ residentMB }) => residentMB)),
      cpuMsPerRun: sum(({ cpuMs }) => cpuMs) / runs,
      readKBPerRun: sum(({ readBytes }) => readBytes) / runs / 1000,
    };
  } finally {
    await Promise.all(operators.map((operator) => operator.stop()));
    for (const namespace of names) await client.raw({ method: 'DELETE', path: `/apis/prow.k8s.io/v1/namespaces/${namespace}/prowjobs` });
  }
}

const line = ({ processes, perSecond, largestShare, residentMB, largestMB, cpuMsPerRun, readKBPerRun }: Row): string =>
  [
    processes,
    perSecond.toFixed(1),
    `${Math.round(largestShare * 100)} %`,
    residentMB.toFixed(0),
    largestMB.toFixed(0),
    cpuMsPerRun.toFixed(2),
    readKBPerRun.toFixed(1),
  ].join(' | ');

async function main(): Promise<number> {
  const runs = Number(process.argv[2] ?? 600);
  if (!Number.isInteger(runs) || runs < namespaceCount) {
    say(`shards.ts [runs]: a number, ${namespaceCount} or more`);
    return 2;
  }
  await Stage.with({}, async (stage) => {
    const rows: string[] = [];
    for (const processes of processCounts) {
      say(`${processes} of them`);
      rows.push(line(await measure(stage, processes, runs)));
    }
    process.stdout.write(`\n${runs} runs in ${namespaceCount} namespaces\n`);
    process.stdout.write('| processes | runs/s | largest share | MB of all | MB of the largest | CPU ms/run, all | kB read/run, all |\n');
    process.stdout.write(`| --- | --- | --- | --- | --- | --- | --- |\n${rows.map((row) => `| ${row} |`).join('\n')}\n`);
  });
  return 0;
}

process.exitCode = await main();
// Connections to servers that are gone by now must not keep the process.
process.exit();
