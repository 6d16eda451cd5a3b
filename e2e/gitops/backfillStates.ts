/** A PeriodicBackfill in every state that its reconciler can give it. */
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { newBackfill } from '../../operator/jobs/testing/backfills.ts';
import { newPeriodic } from '../../operator/jobs/testing/periodics.ts';
import { World, failure } from '../../reconcilers/periodicbackfill/testing/world.ts';

type Spec = Partial<PeriodicBackfill['spec']>;

export interface BackfillStates {
  readonly unseen: PeriodicBackfill;
  readonly running: PeriodicBackfill;
  readonly waiting: PeriodicBackfill;
  readonly suspended: PeriodicBackfill;
  readonly stopped: PeriodicBackfill;
  readonly resumed: PeriodicBackfill;
  readonly withoutPeriodic: PeriodicBackfill;
  readonly scheduleChanged: PeriodicBackfill;
  readonly createFailed: PeriodicBackfill;
  readonly complete: PeriodicBackfill;
  readonly completeWithFailures: PeriodicBackfill;
}

/** `asServed`: the object as the API server serves it before anybody has written a status. */
export async function backfillStates(asServed: (backfill: PeriodicBackfill) => PeriodicBackfill): Promise<BackfillStates> {
  const at = async (spec: Spec, prepare?: (world: World) => Promise<void>, periodic: Periodic | undefined = newPeriodic()) => {
    const world = new World(asServed(newBackfill({ spec })), periodic, '2026-02-01T00:00:00Z');
    await world.reconcile();
    await prepare?.(world);
    return world.backfill;
  };
  const ending = (state: 'success' | 'failure') => async (world: World) => {
    world.finish(world.active[0] ?? '', state);
    await world.reconcile();
  };
  const oneSlot = { to: '2026-01-01T00:05:00Z' };
  return {
    unseen: asServed(newBackfill()),
    running: await at({}),
    waiting: await at({ from: '2026-02-01T12:00:00Z', to: '2026-02-02T00:00:00Z' }),
    suspended: await at({ suspend: true }),
    stopped: await at({ onFailure: 'Stop' }, ending('failure')),
    resumed: await at({ onFailure: 'Stop' }, async (world) => {
      await ending('failure')(world);
      world.edit({ onFailure: 'Continue' });
      await world.reconcile();
    }),
    withoutPeriodic: await at({}, async (world) => {
      world.setPeriodic(undefined);
      await world.reconcile();
    }),
    scheduleChanged: await at({}, async (world) => {
      world.setPeriodic(newPeriodic({ spec: { cron: '@hourly' }, generation: 2 }));
      await world.reconcile();
    }),
    createFailed: await at({}, async (world) => {
      world.refuse = failure(503, 'ServiceUnavailable');
      world.finish(world.active[0] ?? '');
      await world.reconcile().catch((error: unknown) => {
        if (error !== world.refuse) throw error;
      });
    }),
    complete: await at(oneSlot, ending('success')),
    completeWithFailures: await at(oneSlot, ending('failure')),
  };
}
