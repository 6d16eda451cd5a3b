/**
 * Schedules: so many that are due in the same minute, beside the time that as many bare creates take; and many that are spread over a time, as in
 * an installation that has grown. The runs are carried out by nobody, so what is measured is the start alone.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Periodic } from '../../../crds/v1/periodic.ts';
import { periodics, prowJobs } from '../../../crds/resources.ts';
import { startOfSlot } from '../../../operator/jobs/periodicJitter.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { until } from '../../cluster/terminal.ts';
import { follow } from './follow.ts';
import { inParallel } from './inParallel.ts';
import { batchLabel, namespace, runOfOthers, scheduleOf } from './workload.ts';

export interface HerdResult {
  readonly schedules: number;
  /** How late each run was seen, in the order of sight. Negative: early. */
  readonly lagMs: readonly number[];
  /** Runs beyond the one of each schedule. */
  readonly twice: number;
  readonly missing: number;
  /** How long as many bare creates took right before. */
  readonly floorMs: number;
}

const minuteMs = 60_000;
const patienceMs = 300_000;
/** A run that comes twice comes soon. */
const settleMs = 2_000;
let batches = 0;

/** Creates them, waits for their minute, and tells how late each was. They stay: see wipe. */
export async function herd(client: KubeClient, schedules: number, failed?: () => string | undefined): Promise<HerdResult> {
  batches += 1;
  const batch = `herd-${batches}`;
  const floorMs = await timeOf(() => inParallel(schedules, (index) => client.create(prowJobs, runOfOthers(`${batch}-floor`, index))));
  const seen = new Map<string, number>();
  let all = 0;
  const stop = new AbortController();
  await follow(client, prowJobs, { namespace, labelSelector: `${batchLabel}=${batch}` }, stop.signal, ({ spec }, change) => {
    if (change !== 'ADDED') return;
    all += 1;
    if (!seen.has(spec.job)) seen.set(spec.job, Date.now());
  });
  try {
    // The creates of the schedules take about as long as those of the runs, and the operator writes a status for each.
    const dueMs = Math.ceil((Date.now() + 4 * floorMs + 10_000) / minuteMs) * minuteMs;
    await inParallel(schedules, (index) => client.create(periodics, scheduleOf(batch, index, { cron: onceAt(dueMs) })));
    if (Date.now() > dueMs) throw new Error(`${schedules} schedules were not created in time: the machine is too busy to measure a herd`);
    await pause(dueMs - Date.now());
    await until(`${schedules} runs`, () => seen.size === schedules, { timeoutMs: patienceMs, ...(failed === undefined ? {} : { failed }) });
    await pause(settleMs);
    const lagMs = [...seen.values()].map((atMs) => atMs - dueMs);
    return { schedules, lagMs, twice: all - seen.size, missing: schedules - seen.size, floorMs };
  } finally {
    stop.abort();
  }
}

/** A cron expression for this minute of this day. */
function onceAt(ms: number): string {
  const at = new Date(ms);
  return `${at.getUTCMinutes()} ${at.getUTCHours()} ${at.getUTCDate()} ${at.getUTCMonth() + 1} *`;
}

export interface SpreadOptions {
  readonly schedules: number;
  /** All are due within so long, each at a second of its own. */
  readonly overMs: number;
  readonly failed?: () => string | undefined;
}

/** How late each run was, in milliseconds. Rejects when one did not come. */
export async function spreadLoad(client: KubeClient, { schedules, overMs, failed }: SpreadOptions): Promise<readonly number[]> {
  batches += 1;
  const batch = `spread-${batches}`;
  const slotMs = Math.ceil((Date.now() + (schedules * 1000) / 100 + 5_000) / minuteMs) * minuteMs;
  const starts = new Map<string, number>();
  await inParallel(schedules, async (index) => {
    const made = await client.create(periodics, scheduleOf(batch, index, { cron: onceAt(slotMs), jitter: `${overMs / 1000}s` }));
    starts.set(made.metadata.name, startOf(made, slotMs, overMs));
  });
  if (Date.now() > slotMs) throw new Error(`${schedules} schedules were not created in time: the machine is too busy to measure them`);
  const lagMs = new Map<string, number>();
  const stop = new AbortController();
  await follow(client, prowJobs, { namespace, labelSelector: `${batchLabel}=${batch}` }, stop.signal, ({ spec }, change) => {
    const startMs = starts.get(spec.job);
    if (change === 'ADDED' && startMs !== undefined && !lagMs.has(spec.job)) lagMs.set(spec.job, Date.now() - startMs);
  });
  try {
    const timeoutMs = slotMs - Date.now() + overMs + patienceMs;
    const isComplete = (): boolean => lagMs.size === schedules;
    await until(`the runs of ${schedules} schedules`, isComplete, { timeoutMs, ...(failed === undefined ? {} : { failed }) });
    return [...lagMs.values()];
  } finally {
    stop.abort();
  }
}

/** A slot with its jitter, by the function that the operator has for it: which second it picks is not what is measured here. */
const startOf = (periodic: Periodic, slotMs: number, windowMs: number): number =>
  startOfSlot(
    periodic,
    { kind: 'interval', text: '', periodMs: windowMs, from: 'start' },
    { sinceMs: slotMs, startsAtOnce: false },
    slotMs,
  );

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}
