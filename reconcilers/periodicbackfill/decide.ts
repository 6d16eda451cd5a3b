/** What a pass over a PeriodicBackfill does, and what holds it up. Pure. */
import type { Periodic } from '../../crds/v1/periodic.ts';
import { planBackfill, type BackfillFault, type BackfillGrid, type BackfillPlan } from '../../operator/jobs/backfillPlan.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import type { BackfillScope } from './scope.ts';

/** Why no further run starts although there are slots. */
export type Hold =
  | { readonly kind: 'fault'; readonly fault: BackfillFault }
  | { readonly kind: 'unseen' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'suspended' };

export interface Decided extends BackfillPlan {
  readonly hold?: Hold;
}

export function decide(scope: BackfillScope): Decided {
  const { periodic, slots } = scope;
  if (isThrough(scope)) return { decisions: [], isLast: true };
  if (slots.kind === 'fault') return { decisions: [], isLast: false, hold: slots };
  if (slots.kind === 'unseen' || periodic === undefined) return { decisions: [], isLast: false, hold: { kind: 'unseen' } };
  return walk(scope, periodic, slots.grid);
}

/** No slot is left, so the Periodic may be gone or changed. */
function isThrough({ backfill: { status }, slots }: BackfillScope): boolean {
  if (status?.completionTime !== undefined) return true;
  return slots.kind !== 'grid' && status?.cursor !== undefined && status.remaining === 0;
}

function walk(scope: BackfillScope, periodic: Periodic, grid: BackfillGrid): Decided {
  const { backfill, busy, nowMs } = scope;
  const hold = heldBy(scope);
  const free = hold === undefined ? (backfill.spec.parallelism ?? 1) - busy.size : 0;
  const plan = planBackfill({ backfill, periodic, grid, free, startedSlots: scope.startedSlots, nowMs });
  if (hold === undefined || plan.isLast) return plan;
  const { wakeAtMs = Infinity, nextMs: _later, ...rest } = plan;
  return { ...rest, hold, ...(wakeAtMs <= nowMs ? { wakeAtMs } : {}) };
}

function heldBy(scope: BackfillScope): Hold | undefined {
  if (isStopped(scope)) return { kind: 'stopped' };
  return scope.backfill.spec.suspend === true ? { kind: 'suspended' } : undefined;
}

/** A run ended badly, now or since spec was written. Who edits spec has seen it. */
function isStopped({ backfill, ended }: BackfillScope): boolean {
  if (backfill.spec.onFailure !== 'Stop') return false;
  const stopped = findCondition(backfill.status?.conditions, 'Stopped');
  const lasts = stopped?.status === 'True' && stopped.observedGeneration === backfill.metadata.generation;
  return lasts || ended.some(({ succeeded }) => !succeeded);
}
