/**
 * What finished runs cost an operator that has to know of them: memory, the time of a cold start beside a bare paged list, and what it does while
 * nothing happens. On a server without controllers and nodes, so that nobody else is at work.
 */
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import { prowJobs } from '../../../crds/resources.ts';
import { pods } from '../../../operator/kube/builtin.ts';
import { isFromTheFuture } from '../../../operator/kube/errors.ts';
import { until } from '../../cluster/terminal.ts';
import { requestsSoFar } from '../measuring/apiRequests.ts';
import { startChild } from '../measuring/childProgram.ts';
import { follow, listAll } from '../measuring/follow.ts';
import { OperatorProcess } from '../measuring/operatorProcess.ts';
import { added, type Counts } from '../measuring/prometheusText.ts';
import { median, round } from '../measuring/statistics.ts';
import { namespace, runOf } from '../measuring/workload.ts';
import type { Figure, Growth } from '../report/figures.ts';
import { putObjects } from '../scale/etcdWriter.ts';
import { imageProgram } from '../scale/imageProgram.ts';
import { schedule, startedRun } from '../scale/worldObjects.ts';
import type { Stage } from '../stage.ts';
import { withoutControllers, type Findings, type Say, type Section, type Sizes } from './section.ts';

const bareList = path.join(import.meta.dirname, '..', 'bareList.ts');
const minuteMs = 60_000;
/** Starts of each, in turn; what is told is the middle one. */
const coldStarts = 3;
const firstReconcileMs = 120_000;
/** Until garbage of the start is collected and all have been looked at. */
const settleMs = 25_000;

interface Scale {
  readonly finished: number;
  readonly coldMs: readonly number[];
  readonly listMs: readonly number[];
  readonly residentMB: number;
  readonly ownMB: number;
  /** Share of one core, in percent. */
  readonly idleCpu: number;
  /** Requests while idle but for the lease. */
  readonly idleRequests: Counts;
}

async function run(stage: Stage, { finished: sizes, idleMs }: Sizes, say: Say): Promise<Findings> {
  const results: Scale[] = [];
  let stored = 0;
  for (const finished of sizes) {
    await storeFinished(stage, stored, finished);
    stored = finished;
    const result = await measure(stage, finished, idleMs);
    say(
      `${finished} finished runs: ${round(result.residentMB)} MB, cold start ${round(median(result.coldMs))} ms, list ${round(median(result.listMs))} ms`,
    );
    results.push(result);
  }
  return { figures: figuresOf(results), growth: growthOf(results) };
}

/** Straight into etcd: creating each through the server would take most of the time of the benchmark. */
async function storeFinished(stage: Stage, from: number, to: number): Promise<void> {
  const nowMs = Date.now();
  await putObjects(`http://127.0.0.1:${stage.plane.parts.plan.ports.etcd}`, prowJobs, finishedRuns(from, to, nowMs));
  // The server reads them from etcd in its own time; until then it refuses the pages of a list as too new.
  await until('the server to have read them', () => isReadable(stage), { timeoutMs: firstReconcileMs, everyMs: 1_000 });
}

async function isReadable({ client }: Stage): Promise<boolean> {
  try {
    await listAll(client, prowJobs, {}, () => undefined);
    return true;
  } catch (error) {
    if (isFromTheFuture(error)) return false;
    throw error;
  }
}

function* finishedRuns(from: number, to: number, nowMs: number): Generator<ProwJob> {
  const schedules = Array.from({ length: 40 }, (_, index) => schedule(index, namespace, nowMs));
  for (let index = from; index < to; index += 1) {
    const periodic = schedules[index % schedules.length]!;
    // Ended within the last days, each minute one of each schedule: no clean-up is due.
    const slotMs = Math.floor(nowMs / minuteMs - 10 - Math.floor(index / schedules.length)) * minuteMs;
    yield startedRun(periodic, slotMs, slotMs + 2 * minuteMs);
  }
}

async function measure(stage: Stage, finished: number, idleMs: number): Promise<Scale> {
  // Made once, and not while a start is timed.
  await imageProgram();
  const coldMs: number[] = [];
  const listMs: number[] = [];
  for (let index = 0; ; index += 1) {
    const startMs = performance.now();
    const list = await startChild(bareList, stage.plane.kubeconfig);
    listMs.push(performance.now() - startMs);
    await list.stop();
    const { operator, tookMs } = await coldStart(stage, `cold-${finished}-${index}`);
    coldMs.push(tookMs);
    try {
      if (index === coldStarts - 1) return { finished, coldMs, listMs, ...(await idle(stage, operator, idleMs)) };
    } finally {
      await operator.stop();
    }
  }
}

/** From the start of the process until it has made the pod of a run that was waiting for it. */
async function coldStart(stage: Stage, batch: string): Promise<{ readonly operator: OperatorProcess; readonly tookMs: number }> {
  const waiting = await stage.client.create(prowJobs, runOf(batch, 0));
  const stop = new AbortController();
  let podMs = NaN;
  await follow(stage.client, pods, { namespace }, stop.signal, ({ metadata }) => {
    if (metadata.name === waiting.metadata.name && Number.isNaN(podMs)) podMs = performance.now();
  });
  const startMs = performance.now();
  const operator = await OperatorProcess.launch(stage.plane);
  try {
    const { failed } = operator;
    await until('the first pod', () => !Number.isNaN(podMs), { timeoutMs: firstReconcileMs, everyMs: 10, failed });
    // Out of the way of those that follow; no node will ever run it.
    await stage.client.delete(prowJobs, { namespace, name: waiting.metadata.name });
    await stage.client.delete(pods, { namespace, name: waiting.metadata.name }, { gracePeriodSeconds: 0 });
    return { operator, tookMs: podMs - startMs };
  } catch (error) {
    await operator.kill();
    throw error;
  } finally {
    stop.abort();
  }
}

type Idle = Pick<Scale, 'residentMB' | 'ownMB' | 'idleCpu' | 'idleRequests'>;

async function idle({ client }: Stage, operator: OperatorProcess, idleMs: number): Promise<Idle> {
  await pause(settleMs);
  const [requests, before] = [await requestsSoFar(client), await operator.use()];
  await pause(idleMs);
  const [after, later] = [await operator.use(), await requestsSoFar(client)];
  const others = new Map([...added(requests, later)].filter(([key]) => isOfOperator(key)));
  return { residentMB: after.residentMB, ownMB: after.ownMB, idleCpu: ((after.cpuMs - before.cpuMs) / idleMs) * 100, idleRequests: others };
}

/** The server writes leases and reads its own configuration all the time; of what an operator works with it touches nothing by itself. */
const isOfOperator = (key: string): boolean =>
  /^\w+ (prowjobs|periodics|periodicsets|periodicbackfills|pluginconfigs|buildclusters|pods|events|secrets)\b/.test(key);

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
