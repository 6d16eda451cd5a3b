/**
 * An operator on a server where nothing happens: how long its start takes beside a program that only reads the list, what it holds afterwards,
 * and what it does and reads while nobody wants anything of it.
 */
import { statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { prowJobs } from '../../../crds/resources.ts';
import { pods } from '../../../operator/kube/builtin.ts';
import { until } from '../../cluster/terminal.ts';
import { requestsSoFar } from '../measuring/apiRequests.ts';
import { startChild } from '../measuring/childProgram.ts';
import { follow } from '../measuring/follow.ts';
import { OperatorProcess } from '../measuring/operatorProcess.ts';
import { added, type Counts } from '../measuring/prometheusText.ts';
import { namespace, runOf } from '../measuring/workload.ts';
import type { Stage } from '../stage.ts';
import { imageProgram } from './imageProgram.ts';

const bareList = path.join(import.meta.dirname, '..', 'bareList.ts');
/** Starts of each, in turn; what is told is the middle one. */
const coldStarts = 3;
const minuteMs = 60_000;
const firstReconcileMs = 120_000;
/** Until garbage of the start is collected and all have been looked at. */
const settleMs = 25_000;
/** Nothing asked for so long: there was nothing more to do. */
const quietMs = 5_000;

export interface Standing {
  readonly coldMs: readonly number[];
  readonly listMs: readonly number[];
  /** What a start reads from its sockets. */
  readonly coldReadMB: number;
  readonly residentMB: number;
  readonly ownMB: number;
  readonly peakMB: number;
  /** Share of one core, in percent. */
  readonly idleCpu: number;
  /** Read in a minute of rest: bookmarks, its lease, and whoever asks for its figures. */
  readonly idleReadKB: number;
  /** Requests while idle but for the lease. */
  readonly idleRequests: Counts;
}

/** `batch` names the runs that starts wait for. */
export async function measureStanding(stage: Stage, batch: string, idleMs: number): Promise<Standing> {
  // Made once, and not while a start is timed.
  const { args } = await imageProgram();
  const ownBytes = statSync(args.at(-1) ?? '').size;
  const coldMs: number[] = [];
  const listMs: number[] = [];
  for (let index = 0; ; index += 1) {
    const startMs = performance.now();
    const list = await startChild(bareList, stage.plane.kubeconfig);
    listMs.push(performance.now() - startMs);
    await list.stop();
    const { operator, tookMs } = await coldStart(stage, `${batch}-${index}`);
    coldMs.push(tookMs);
    try {
      const coldReadMB = ((await operator.use()).readBytes - ownBytes) / 1e6;
      if (index === coldStarts - 1) return { coldMs, listMs, coldReadMB, ...(await idle(stage, operator, idleMs)) };
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

type Idle = Pick<Standing, 'residentMB' | 'ownMB' | 'peakMB' | 'idleCpu' | 'idleReadKB' | 'idleRequests'>;

async function idle({ client }: Stage, operator: OperatorProcess, idleMs: number): Promise<Idle> {
  await pause(settleMs);
  const [requests, before] = [await requestsSoFar(client), await operator.use()];
  await pause(idleMs);
  const [after, later] = [await operator.use(), await requestsSoFar(client)];
  const others = new Map([...added(requests, later)].filter(([key]) => isOfOperator(key)));
  const { residentMB, ownMB, peakMB } = after;
  const idleReadKB = ((after.readBytes - before.readBytes) / 1e3) * (minuteMs / idleMs);
  return { residentMB, ownMB, peakMB, idleCpu: ((after.cpuMs - before.cpuMs) / idleMs) * 100, idleReadKB, idleRequests: others };
}

/** The server writes leases and reads its own configuration all the time; of what an operator works with it touches nothing by itself. */
const isOfOperator = (key: string): boolean =>
  /^\w+ (prowjobs|periodics|periodicsets|periodicbackfills|pluginconfigs|buildclusters|pods|events|secrets)\b/.test(key);

/** Lets an operator do all that a world which has never had one needs, and ends it. Returns how many requests that took. */
export async function settle(stage: Stage): Promise<number> {
  await imageProgram();
  const before = await requestsSoFar(stage.client);
  const operator = await OperatorProcess.start(stage.plane);
  try {
    let last = before;
    const isQuiet = async (): Promise<boolean> => {
      const now = await requestsSoFar(stage.client);
      const isAlike = countOf(last, now) === 0;
      last = now;
      return isAlike;
    };
    await until('rest', isQuiet, { timeoutMs: firstReconcileMs, everyMs: quietMs, failed: operator.failed });
    return countOf(before, last);
  } finally {
    await operator.stop();
  }
}

const countOf = (before: Counts, later: Counts): number =>
  [...added(before, later)].filter(([key]) => isOfOperator(key)).reduce((all, [, times]) => all + times, 0);
