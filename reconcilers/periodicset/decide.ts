/**
 * What has to be done so that the Periodics of a set are those that its matrix asks for. Nothing is deleted while anything is wrong with
 * the matrix or the template: a slip in an edit must not cost schedules that run. A Periodic that does not belong to the set is not touched.
 */
import type { JsonObject } from '../../crds/json.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { describeProblem, type Expansion, type ExpansionReason } from '../../operator/jobs/matrixChildren.ts';
import { desiredPeriodic, patchFor } from './desired.ts';
import { controllerOf } from './owned.ts';
import type { PeriodicSetScope } from './scope.ts';

export interface SetProblem {
  /** Name of a Periodic, or the field of spec that is to blame. */
  readonly name: string;
  readonly reason: ExpansionReason | 'NameTaken' | 'Refused';
  readonly message: string;
}

export interface ChildUpdate {
  readonly live: Periodic;
  /** A merge patch. */
  readonly patch: JsonObject;
}

export interface SetPlan {
  readonly remove: readonly Periodic[];
  readonly update: readonly ChildUpdate[];
  readonly create: readonly Periodic[];
  /** Wanted names that are free as soon as a Periodic of this set has gone that is being deleted. */
  readonly leaving: readonly string[];
  /** How many are there and as the template says. */
  readonly current: number;
  readonly problems: readonly SetProblem[];
}

export function decide({ set, expansion, owned, strangers }: PeriodicSetScope): SetPlan {
  const update: ChildUpdate[] = [];
  const create: Periodic[] = [];
  const leaving: string[] = [];
  const taken: SetProblem[] = [];
  let current = 0;
  for (const child of expansion.children) {
    const desired = desiredPeriodic(set, child.periodic);
    const { name } = desired.metadata;
    const stranger = strangers.get(name);
    const live = owned.get(name);
    if (stranger !== undefined) taken.push(nameTaken(stranger));
    else if (live === undefined) create.push(desired);
    else if (live.metadata.deletionTimestamp !== undefined) leaving.push(name);
    else {
      const patch = patchFor(live, desired);
      if (patch === undefined) current++;
      else update.push({ live, patch });
    }
  }
  return {
    remove: superfluous(expansion, owned),
    update,
    create,
    leaving,
    current,
    problems: [...expansion.problems.map(ofExpansion), ...taken],
  };
}

function superfluous(expansion: Expansion, owned: ReadonlyMap<string, Periodic>): readonly Periodic[] {
  if (expansion.problems.length > 0) return [];
  const wanted = new Set(expansion.children.map(({ periodic }) => periodic.metadata.name));
  return [...owned.values()].filter(({ metadata }) => metadata.deletionTimestamp === undefined && !wanted.has(metadata.name));
}

const ofExpansion = (problem: Expansion['problems'][number]): SetProblem => ({
  name: problem.path,
  reason: problem.reason,
  message: describeProblem(problem),
});

function nameTaken(stranger: Periodic): SetProblem {
  const { name } = stranger.metadata;
  const owner = controllerOf(stranger);
  const whose = owner === undefined ? 'belongs to no set' : `belongs to the ${owner.kind} ${owner.name}`;
  return {
    name,
    reason: 'NameTaken',
    message: `a Periodic of this name is there already and ${whose}: it is left alone; delete it or give another name`,
  };
}
