/** Whenever the process dies and whatever its caches show: each slot has one run, in order, never too many at once, and the counts are right. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { newBackfill } from '../../operator/jobs/testing/backfills.ts';
import { newPeriodic } from '../../operator/jobs/testing/periodics.ts';
import { TransportError } from '../../operator/kube/errors.ts';
import { World, type Plug } from './testing/world.ts';

type Step =
  | { readonly kind: 'crash'; readonly plug: Plug }
  | { readonly kind: 'finish'; readonly which: number; readonly state: 'success' | 'failure' }
  | { readonly kind: 'clean' }
  | { readonly kind: 'restart'; readonly blind: boolean }
  | { readonly kind: 'parallelism'; readonly to: number }
  | { readonly kind: 'suspend'; readonly to: boolean };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      plug: fc.record({ atWrite: fc.integer({ min: 1, max: 5 }), when: fc.constantFrom('before' as const, 'after' as const) }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('finish' as const),
      which: fc.nat({ max: 9 }),
      state: fc.constantFrom('success' as const, 'failure' as const),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'clean' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart' as const), blind: fc.boolean() }) },
  fc.record({ kind: fc.constant('parallelism' as const), to: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('suspend' as const), to: fc.boolean() }),
);

const slots = 12;
const exclusions = [{ from: '2026-01-01T00:30:00Z', to: '2026-01-01T00:50:00Z' }];
const excluded = 2;

async function play(world: World, next: Step): Promise<void> {
  if (next.kind === 'crash') {
    world.pull(next.plug);
    await world.reconcile().catch((error: unknown) => {
      if (!(error instanceof TransportError)) throw error;
    });
    world.pull({ atWrite: 0, when: 'before' });
    world.restart();
  }
  if (next.kind === 'finish' && world.active.length > 0) world.finish(world.active[next.which % world.active.length] ?? '', next.state);
  // Cleanup deletes what has ended and was counted: a run lives much longer than a pass takes.
  const listed = new Set(world.status.active?.map(({ name }) => name));
  if (next.kind === 'clean') {
    const cursor = world.status.cursor ?? '';
    for (const { metadata, status } of [...world.runs.values()]) {
      const slot = metadata.annotations?.['prow.k8s.io/scheduled-time'] ?? '';
      if (status?.completionTime !== undefined && slot <= cursor && !listed.has(metadata.name)) world.remove(metadata.name);
    }
  }
  if (next.kind === 'restart') world.restart(next.blind);
  if (next.kind === 'parallelism') world.edit({ parallelism: next.to });
  if (next.kind === 'suspend') world.edit({ suspend: next.to });
}

it('each slot has one run, in order, never more at once than spec says, and status adds up', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const backfill = newBackfill({ spec: { to: '2026-01-01T02:00:00Z', parallelism: 2 } });
      const world = new World(backfill, newPeriodic({ spec: { exclusions } }), '2026-02-01T00:00:00Z');
      for (const next of steps) {
        const limit = Math.max(world.backfill.spec.parallelism ?? 1, world.active.length);
        world.busiest = 0;
        await play(world, next);
        await world.reconcile();
        expect(world.busiest).toBeLessThanOrEqual(Math.max(limit, world.backfill.spec.parallelism ?? 1));
        const { started = 0, succeeded = 0, failed = 0, active = [] } = world.status;
        expect(succeeded + failed + active.length).toBe(started);
        expect(active.map(({ name }) => name)).toEqual(world.active.toSorted());
      }
      world.edit({ suspend: false, parallelism: 3 });
      for (let left = 3 * slots; left > 0 && world.status.completionTime === undefined; left--) {
        await world.reconcile();
        for (const name of world.active) world.finish(name);
        await world.reconcile();
      }
      expect(world.status).toMatchObject({ started: slots - excluded, excluded, remaining: 0, active: [] });
      expect(new Set(world.created).size).toBe(world.created.length);
      expect(world.created).toEqual(world.created.toSorted());
      expect(world.created).toHaveLength(slots - excluded);
      const writes = world.patches.length;
      world.restart();
      await world.reconcile();
      expect(world.patches).toHaveLength(writes);
    }),
    { numRuns: 300 },
  );
});
