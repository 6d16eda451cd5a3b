/**
 * Whether every slot of the `@every` schedules of a story got exactly one answer: a run, a reason in status.skipped or status.missed, or a
 * place among those that wait. Status lists ten of each kind, so of slots that passed together some may only have been counted.
 */
import { parseDuration } from '../../crds/duration.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { attemptOfRun, periodicUidOf, slotOfRun } from '../../operator/jobs/periodicRun.ts';
import { byUid, type Change, type History } from './history.ts';

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
  const name = last?.metadata.name ?? '';
  const untilMs = Date.parse(last?.status?.lastScheduleTime ?? '');
  const firsts = runs.flatMap(([first]) => (first === undefined || attemptOfRun(first.object) > 1 ? [] : (slotOfRun(first.object) ?? [])));
  const idle = [idleSlots(states, 'skipped'), idleSlots(states, 'missed')];
  // One that was deleted never came to say that the run of a slot was there.
  const started = new Set(states.at(-1)?.type === 'DELETED' ? firsts : []);
  const waits = (last?.status?.waiting ?? [])
    .filter(({ attempt = 1 }) => attempt === 1)
    .map(({ slot }) => Date.parse(slot))
    .filter((slotMs) => !started.has(slotMs));
  const answers = [...firsts, ...waits, ...idle.flatMap(({ slots }) => slots)];
  const answered = new Set(answers);
  const twice = answers.filter((slotMs, index) => answers.indexOf(slotMs) !== index);
  const lost: number[] = [];
  if (answered.size === 0) return [];
  for (let slotMs = Math.min(...answers); slotMs <= untilMs; slotMs += everyMs) if (!answered.has(slotMs)) lost.push(slotMs);
  const counted = idle.reduce((sum, { unlisted }) => sum + unlisted, 0);
  return [
    ...twice.map((slotMs) => `${name} has two answers for ${new Date(slotMs).toISOString()}`),
    ...lost
      .slice(0, Math.max(0, lost.length - counted))
      .map((slotMs) => `${name} has neither a run nor a reason for ${new Date(slotMs).toISOString()}`),
  ];
}

/** The slots that status listed from one state to the next, and how many it only counted. */
function idleSlots(
  states: readonly Change<Periodic>[],
  list: 'skipped' | 'missed',
): { readonly slots: readonly number[]; readonly unlisted: number } {
  const slots: number[] = [];
  let [count, unlisted] = [0, 0];
  for (const { object } of states) {
    const { count: now = 0, last = [] } = object.status?.[list] ?? {};
    const added = now === count ? [] : last.slice(count - now);
    unlisted += now - count - added.length;
    slots.push(...added.map(({ slot }) => Date.parse(slot)));
    count = now;
  }
  return { slots, unlisted };
}
