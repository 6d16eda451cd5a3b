/**
 * Whether every slot of the `@every` schedules of a story got an answer: a run, a reason in status.missed, or a cause to be skipped that was
 * there to see (an earlier run was active, or the schedule was suspended).
 */
import { parseDuration } from '../../crds/duration.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { periodicUidOf, slotOfRun } from '../../operator/jobs/periodicRun.ts';
import { byUid, type Change, type History } from './history.ts';

/** A slot is looked at a moment after it is due, and times have whole seconds. */
const slackMs = 3_000;

export function lostSlots({ runs, periodics }: History): string[] {
  const owned = Map.groupBy(byUid(runs).values(), ([first]) => (first === undefined ? undefined : periodicUidOf(first.object)));
  return [...byUid(periodics)].flatMap(([uid, states]) => {
    const everyMs = everyOf(states);
    return everyMs === undefined ? [] : unanswered(everyMs, states, owned.get(uid) ?? []);
  });
}

/** Undefined for other schedules, and for one that was edited: its slots are not evenly spaced. */
function everyOf(states: readonly Change<Periodic>[]): number | undefined {
  const crons = new Set(states.map(({ object }) => object.spec.cron));
  const [cron] = crons;
  return crons.size === 1 && cron?.startsWith('@every ') === true ? parseDuration(cron.slice('@every '.length)) : undefined;
}

function unanswered(everyMs: number, states: readonly Change<Periodic>[], runs: readonly (readonly Change<ProwJob>[])[]): string[] {
  const last = states.at(-1)?.object;
  const untilMs = Date.parse(last?.status?.lastScheduleTime ?? '');
  const slots = runs.flatMap(([first]) => (first === undefined ? [] : [slotOfRun(first.object)])).filter((slot) => slot !== undefined);
  const missed = states.flatMap(({ object }) => object.status?.missed?.last ?? []).map(({ slot }) => Date.parse(slot));
  const answered = new Set([...slots, ...missed]);
  const suspended = states.some(({ object }) => object.spec.suspend === true);
  const lost: string[] = [];
  if (answered.size === 0 || suspended) return lost;
  for (let slotMs = Math.min(...answered); slotMs <= untilMs; slotMs += everyMs) {
    if (answered.has(slotMs) || runs.some((run) => wasActive(run, slotMs))) continue;
    lost.push(`${last?.metadata.name ?? ''} has neither a run nor a reason for ${new Date(slotMs).toISOString()}`);
  }
  return lost;
}

function wasActive(states: readonly Change<ProwJob>[], slotMs: number): boolean {
  const created = Date.parse(states[0]?.object.metadata.creationTimestamp ?? '');
  const completed = Date.parse(
    states.findLast(({ object }) => object.status?.completionTime !== undefined)?.object.status?.completionTime ?? '',
  );
  return created <= slotMs + slackMs && (Number.isNaN(completed) || slotMs - slackMs <= completed);
}
