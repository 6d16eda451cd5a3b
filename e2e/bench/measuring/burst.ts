/** So many runs at once: how fast they are all through, how long each waits for its pod, and what everybody together has written for them. */
import { setTimeout as pause } from 'node:timers/promises';
import { prowJobs } from '../../../crds/resources.ts';
import { pods } from '../../../operator/kube/builtin.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { until } from '../../cluster/terminal.ts';
import { writesSoFar } from './apiRequests.ts';
import { follow } from './follow.ts';
import { inParallel } from './inParallel.ts';
import { added, type Counts } from './prometheusText.ts';
import { batchLabel, namespace, runOf } from './workload.ts';

export interface BurstResult {
  readonly runs: number;
  /** From the first create until the last run has succeeded. */
  readonly seconds: number;
  readonly perSecond: number;
  /** From the answer to the create of each run until its pod was seen. */
  readonly podMs: readonly number[];
  /** Successful writes of everybody for one run, by what was done to what. */
  readonly writesPerRun: Counts;
  /** Pods that were seen; more than runs when one was started twice. */
  readonly pods: number;
  /** By name of the run, when its pod was first seen, on the monotonic clock. */
  readonly podSeenMs: ReadonlyMap<string, number>;
}

export interface BurstOptions {
  /** Called when this share of the runs has a pod. */
  readonly at?: { readonly share: number; readonly call: () => void };
  /** One run after another, each when the one before has ended. */
  readonly oneByOne?: boolean;
  /** Asked while waiting; a text ends the burst with it. */
  readonly failed?: () => string | undefined;
}

const patienceMs = 600_000;
/** The last patches of a run are still on their way when it is seen to have ended. */
const settleMs = 500;
let batches = 0;

/** Throws when a run does not succeed, or when they are not through in ten minutes. */
export async function burst(client: KubeClient, runs: number, options: BurstOptions = {}): Promise<BurstResult> {
  batches += 1;
  const batch = `burst-${batches}`;
  const created = new Map<string, number>();
  const done = new Set<string>();
  const podUids = new Set<string>();
  const podSeenMs = new Map<string, number>();
  const bad: string[] = [];
  const stop = new AbortController();
  const wake = alarm(Math.ceil(runs * (options.at?.share ?? 2)), options.at?.call);
  await follow(client, prowJobs, { namespace, labelSelector: `${batchLabel}=${batch}` }, stop.signal, ({ metadata, status }) => {
    const state = status?.state ?? '';
    if (state === 'success') done.add(metadata.name);
    else if (['failure', 'error', 'aborted'].includes(state)) bad.push(`${metadata.name} ${state}: ${status?.description ?? ''}`);
  });
  await follow(client, pods, { namespace }, stop.signal, ({ metadata }, change) => {
    if (change !== 'ADDED' || !metadata.name.startsWith(`${batch}-`) || podUids.has(metadata.uid ?? '')) return;
    podUids.add(metadata.uid ?? '');
    if (!podSeenMs.has(metadata.name)) podSeenMs.set(metadata.name, performance.now());
    wake(podUids.size);
  });
  try {
    const before = await writesSoFar(client);
    const startMs = performance.now();
    const through = (count: number): Promise<void> =>
      until(`the end of ${count} runs`, () => done.size >= count, {
        timeoutMs: patienceMs,
        everyMs: 10,
        failed: () => bad[0] ?? options.failed?.(),
      });
    const create = async (index: number): Promise<void> => {
      const run = runOf(batch, index);
      await client.create(prowJobs, run);
      created.set(run.metadata.name, performance.now());
      if (options.oneByOne === true) await through(index + 1);
    };
    await inParallel(runs, create, options.oneByOne === true ? 1 : 32);
    await through(runs);
    const seconds = (performance.now() - startMs) / 1000;
    await pause(settleMs);
    const writes = added(before, await writesSoFar(client));
    const podMs = [...created].flatMap(([name, atMs]) => (podSeenMs.has(name) ? [Math.max(0, podSeenMs.get(name)! - atMs)] : []));
    const writesPerRun = new Map([...writes].map(([key, count]) => [key, count / runs]));
    return { runs, seconds, perSecond: runs / seconds, podMs, writesPerRun, pods: podUids.size, podSeenMs };
  } finally {
    stop.abort();
  }
}

/** Calls once, when the count is reached. */
function alarm(count: number, call: (() => void) | undefined): (now: number) => void {
  let isRung = false;
  return (now) => {
    if (isRung || now < count) return;
    isRung = true;
    call?.();
  };
}

/** Writes to these are part of every run; the rest of what is counted happens for other reasons (leases, events, service accounts). */
export const ofRuns = (writes: Counts): Counts => new Map([...writes].filter(([key]) => /^\w+ (prowjobs|pods)(\/status)?$/.test(key)));
export const sum = (counts: Counts): number => [...counts.values()].reduce((all, value) => all + value, 0);
