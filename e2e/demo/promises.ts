/**
 * What the demo claims, as checks over everything it has seen. Pure: a World in, verdicts out. A promise that does not hold makes the demo
 * fail with the objects that broke it.
 */
import type { Cell, Run, Schedule, World } from './world.ts';

export interface Promised {
  readonly says: string;
  /** What broke it; empty when it holds. */
  readonly broken: readonly string[];
}

export interface Expected {
  /** How many schedules there are. */
  readonly schedules: number;
  /** The run that the demo aborted. */
  readonly abortedUid: string;
  /** The run that was to hang until its deadline. */
  readonly hung: Cell;
  /** Cells whose runs fail, because their data says so. */
  readonly failing: readonly Cell[];
}

const same = (one: Cell, other: Cell): boolean => one.stage === other.stage && one.region === other.region && one.job === other.job;

/** Every promise, in the order of the summary. */
export function promises(world: World, expected: Expected): readonly Promised[] {
  const runs = [...world.runs.values()];
  const schedules = [...world.schedules.values()];
  return [
    { says: `each of the ${expected.schedules} schedules ran at least once`, broken: neverRan(world, schedules, expected.schedules) },
    { says: 'nothing ran twice: one run for each slot and each start by hand', broken: ranTwice(runs) },
    { says: 'nothing was lost: every slot started a run, or says why not', broken: lostSlots(world, schedules) },
    { says: 'every attempt had exactly one pod, and every pod belongs to a run', broken: wrongPods(world, runs) },
    { says: 'every run came to an end', broken: runs.filter((run) => !run.complete).map((run) => `${run.name} is still ${run.state}`) },
    { says: 'a finished run never changed', broken: runs.flatMap((run) => run.changedAfterEnd.map((what) => `${run.name}: ${what}`)) },
    { says: 'results are what the data says: red where it must be, green elsewhere', broken: wrongResults(runs, expected) },
    { says: 'the aborted run and the hanging run ended as aborted, each with its reason', broken: wrongEnds(runs, expected) },
    { says: 'cleanup took finished runs only, and kept the latest of each schedule', broken: wrongCleanup(world, schedules) },
  ];
}

function neverRan(world: World, schedules: readonly Schedule[], wanted: number): string[] {
  const idle = schedules.filter((schedule) => world.runsOf(schedule).length === 0).map((schedule) => `${schedule.name} never ran`);
  return schedules.length === wanted ? idle : [...idle, `${schedules.length} schedules instead of ${wanted}`];
}

function ranTwice(runs: readonly Run[]): string[] {
  const first = new Map<string, Run>();
  const broken: string[] = [];
  for (const run of runs) {
    const key = `${run.scheduleUid} ${run.cause}`;
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, run);
    else broken.push(`${earlier.name} (${earlier.uid}) and ${run.name} (${run.uid}) both stand for ${run.cause}`);
  }
  return broken;
}

/** The slots of an `@every` schedule are evenly spaced, so a hole shows. */
function lostSlots(world: World, schedules: readonly Schedule[]): string[] {
  return schedules.flatMap((schedule) => {
    const { everyMs } = schedule;
    if (everyMs === undefined) return [];
    const slots = world.runsOf(schedule).flatMap((run) => (run.slotMs === undefined ? [] : [run.slotMs]));
    const answered = new Set([...slots, ...[...schedule.missed.keys()].map((slot) => Date.parse(slot))]);
    const lost: string[] = [];
    const last = Math.max(...slots);
    for (let slot = Math.min(...slots); slot < last; slot += everyMs) {
      if (!answered.has(slot)) lost.push(`${schedule.name} has neither a run nor a reason for ${new Date(slot).toISOString()}`);
    }
    return lost;
  });
}

function wrongPods(world: World, runs: readonly Run[]): string[] {
  const stray = [...world.pods.values()].filter((pod) => !world.runs.has(pod.runUid)).map((pod) => `pod ${pod.name} belongs to no run`);
  const counted = runs.flatMap((run) => {
    const pods = world.podsOf(run);
    const numbers = new Set(pods.map((pod) => pod.attempt));
    if (pods.length === run.attempts && numbers.size === pods.length) return [];
    return [`${run.name} has ${run.attempts} attempt(s) and ${pods.length} pod(s): ${pods.map((pod) => pod.name).join(', ')}`];
  });
  return [...stray, ...counted];
}

function wrongResults(runs: readonly Run[], expected: Expected): string[] {
  return runs
    .filter((run) => run.complete && run.uid !== expected.abortedUid && !same(run, expected.hung))
    .flatMap((run) => {
      const wanted = expected.failing.some((cell) => same(cell, run)) ? 'failure' : 'success';
      return run.state === wanted ? [] : [`${run.name} ended as ${run.state} (${run.reason}) instead of ${wanted}`];
    });
}

function wrongEnds(runs: readonly Run[], expected: Expected): string[] {
  const check = (run: Run | undefined, what: string, reason: string): string[] => {
    if (run === undefined) return [`the ${what} run was never seen`];
    return run.state === 'aborted' && run.reason === reason
      ? []
      : [`${run.name} ended as ${run.state} (${run.reason}) instead of aborted (${reason})`];
  };
  return [
    ...check(
      runs.find((run) => run.uid === expected.abortedUid),
      'aborted',
      'Aborted',
    ),
    ...check(
      runs.find((run) => same(run, expected.hung)),
      'hanging',
      'RunningTimeout',
    ),
  ];
}

function wrongCleanup(world: World, schedules: readonly Schedule[]): string[] {
  const early = [...world.runs.values()]
    .filter((run) => run.deletedAtMs !== undefined && !run.complete)
    .map((run) => `${run.name} was deleted before it ended`);
  const lost = schedules
    .filter((schedule) => {
      const runs = world.runsOf(schedule);
      return runs.length > 0 && runs.every((run) => run.deletedAtMs !== undefined);
    })
    .map((schedule) => `the latest run of ${schedule.name} was deleted`);
  return [...early, ...lost];
}

export interface Figures {
  readonly runs: number;
  readonly pods: number;
  readonly startLatencyMs: number;
  readonly slotLagMs: number;
  readonly runsDeleted: number;
  readonly podsDeleted: number;
}

/** A time without an operator, in milliseconds since 1970. */
export interface Outage {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * The figures of the summary. Latencies are medians on the driver's clock, watch delay included; NaN when nothing was measured. Slots
 * and runs that fell into an outage are left out of them: the wait is the outage's.
 */
export function figures(world: World, outages: readonly Outage[] = []): Figures {
  const runs = [...world.runs.values()];
  const isFair = (ms: number): boolean => !outages.some(({ fromMs, toMs }) => fromMs <= ms && ms <= toMs);
  const starts = runs
    .filter((run) => isFair(run.seenAtMs))
    .flatMap((run) =>
      world
        .podsOf(run)
        .slice(0, 1)
        .map((pod) => pod.seenAtMs - run.seenAtMs),
    );
  const lags = runs.flatMap((run) => (run.slotMs === undefined || !isFair(run.slotMs) ? [] : [run.seenAtMs - run.slotMs]));
  return {
    runs: runs.length,
    pods: world.pods.size,
    startLatencyMs: median(starts),
    slotLagMs: median(lags),
    runsDeleted: runs.filter((run) => run.deletedAtMs !== undefined).length,
    podsDeleted: [...world.pods.values()].filter((pod) => pod.deletedAtMs !== undefined).length,
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
