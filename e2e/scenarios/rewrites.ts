/**
 * Whether somebody wrote an object again and again without getting anywhere: an endless retry that leaves traces, or two hands that
 * take back what the other wrote. Both look like work, and both load the API server for ever.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { byUid, type Change, type History } from './history.ts';

/** A run that has ended: its observed generation, what became of its results, marks of users and finalizers. Far fewer in truth. */
const writesAfterTheEnd = 12;
/** The same status may come back once or twice: a waiting run is told its place, loses it, and gets it again. */
const returns = 4;

export function rewritten({ runs, periodics }: History): string[] {
  const restless = [...byUid(runs).values()].flatMap((states) => {
    const end = states.findIndex(({ object }) => isComplete(object));
    const after = end < 0 ? 0 : states.slice(end + 1).filter(({ type }) => type === 'MODIFIED').length;
    return after <= writesAfterTheEnd ? [] : [`${nameOf(states)} was written ${after} times after its end`];
  });
  return [...restless, ...[...byUid(runs).values(), ...byUid<ProwJob | Periodic>(periodics).values()].flatMap(flapping)];
}

/** A status that is replaced by another and comes back, times included. */
function flapping(states: readonly Change<ProwJob | Periodic>[]): string[] {
  const comings = new Map<string, number>();
  let last: string | undefined;
  for (const { object } of states) {
    const now = JSON.stringify(object.status ?? null);
    if (now !== last) comings.set(now, (comings.get(now) ?? 0) + 1);
    last = now;
  }
  const most = Math.max(0, ...comings.values());
  return most <= returns ? [] : [`${nameOf(states)} got the same status ${most} times, with others between`];
}

const nameOf = (states: readonly Change<ProwJob | Periodic>[]): string => {
  const { kind = 'object', metadata } = states.at(-1)?.object ?? { metadata: { name: '' } };
  return `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
};
