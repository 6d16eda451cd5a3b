/** What `validate` says of a PeriodicBackfill: what the reconciler would, as far as it can be known without a cluster. */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import { cursorOf, remainingSlots, slotsOf } from './backfillPlan.ts';
import { parseSchedule, scheduleSeed } from './schedule.ts';
import type { SemanticProblem } from './semanticChecks.ts';

/** `periodic`: the one it names, where that is among the manifests. */
export function checkPeriodicBackfill(backfill: PeriodicBackfill, periodic: Periodic | undefined): readonly SemanticProblem[] {
  if (backfill.metadata.name === backfill.spec.periodic) {
    return [{ path: 'metadata.name', message: 'must not be that of the Periodic: the runs of both would have the same names' }];
  }
  if (periodic === undefined) return [];
  const parsed = parseSchedule(periodic.spec, { seed: scheduleSeed(periodic.metadata) });
  // What is wrong with the expression itself is said of the Periodic.
  if (!parsed.ok) return [];
  const slots = slotsOf({ backfill, periodic, parsed, hasNamesake: false });
  if (slots.kind === 'fault') return [{ path: 'spec.periodic', message: slots.fault.message }];
  if (slots.kind === 'unseen' || remainingSlots(backfill, periodic, slots.grid, cursorOf(backfill)) > 0) return [];
  const message = `Periodic ${periodic.metadata.name} has no slot between from and to that would start a run`;
  return [{ path: 'spec.to', message, severity: 'warning' }];
}
