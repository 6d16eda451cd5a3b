import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConcurrencyPolicy } from '../../crds/v1/periodic.ts';
import { TransportError } from '../../operator/kube/errors.ts';
import { slotOfRun } from '../../operator/jobs/periodicRun.ts';
import { newPeriodic } from '../../operator/jobs/testing/periodics.ts';
import { World, type Plug } from './testing/world.ts';

type Step =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'finish' }
  | { readonly kind: 'clean' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'crash'; readonly plug: Plug };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 900, 5_000, 60_000, 61_000, 200_000, 1_000_000) }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'finish' as const }) },
  fc.constant({ kind: 'clean' as const }),
  fc.constant({ kind: 'restart' as const }),
  fc.record({ kind: fc.constant('token' as const), token: fc.constantFrom('a', 'b', 'c') }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      plug: fc.record({ atWrite: fc.integer({ min: 1, max: 3 }), when: fc.constantFrom('before' as const, 'after' as const) }),
    }),
  },
);

/** A pass in which the process may die; then the next process takes over. */
async function pass(world: World, plug?: Plug): Promise<void> {
  if (plug !== undefined) world.pull(plug);
  try {
    await world.reconcile();
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    world.pull({ atWrite: 0, when: 'before' });
    world.restart();
    await world.reconcile();
  }
  world.pull({ atWrite: 0, when: 'before' });
}

async function play(world: World, steps: readonly Step[], tokens: string[]): Promise<void> {
  for (const next of steps) {
    const [active] = [...world.runs.values()].filter((run) => run.status?.completionTime === undefined);
    const [ended] = [...world.runs.values()].filter((run) => run.status?.completionTime !== undefined);
    if (next.kind === 'wait') await world.clock.advance(next.ms);
    else if (next.kind === 'finish' && active !== undefined) world.finish(active.metadata.name);
    else if (next.kind === 'clean' && ended !== undefined) world.remove(ended.metadata.name);
    else if (next.kind === 'restart') world.restart();
    else if (next.kind === 'token' && !tokens.includes(next.token)) {
      tokens.push(next.token);
      world.edit((periodic) => ({ ...periodic, metadata: { ...periodic.metadata, annotations: { 'prow.k8s.io/run-now': next.token } } }));
    }
    await pass(world, next.kind === 'crash' ? next.plug : undefined);
  }
}

const policies = fc.constantFrom<ConcurrencyPolicy>('Allow', 'Forbid');
const minuteMs = 60_000;
const startMs = Date.parse('2026-01-01T00:00:00Z');

describe('whenever the process dies', () => {
  it('no slot is lost and none starts twice', async () => {
    await fc.assert(
      fc.asyncProperty(policies, fc.array(step, { minLength: 5, maxLength: 40 }), async (concurrencyPolicy, steps) => {
        const world = new World(newPeriodic({ spec: { cron: '* * * * *', concurrencyPolicy } }), '2026-01-01T00:00:00Z');
        const tokens: string[] = [];
        const slots = new Set<number>();
        await play(world, steps, tokens);
        expect(new Set(world.created).size).toBe(world.created.length);
        const byHand = world.created.filter((name) => name.startsWith('nightly-now-'));
        expect(byHand).toHaveLength(tokens.length);
        for (const run of world.runs.values()) {
          const slot = slotOfRun(run);
          if (slot !== undefined) slots.add(slot);
        }
        const total = Math.floor((world.clock.now() - startMs) / minuteMs);
        const cursor = Date.parse(world.status.lastScheduleTime ?? '2026-01-01T00:00:00Z');
        expect((cursor - startMs) / minuteMs).toBe(total);
        const started = world.created.length - byHand.length;
        const missed = world.status.missed?.count ?? 0;
        if (concurrencyPolicy === 'Allow') expect(started + missed).toBe(total);
        else expect(started + missed).toBeLessThanOrEqual(total);
        for (const slot of slots) expect(slot).toBeLessThanOrEqual(cursor);
      }),
      { numRuns: 150 },
    );
  });

  it('Forbid never has two runs of slots at once, and an interval neither', async () => {
    const specs = fc.constantFrom({ cron: '* * * * *' }, { cron: undefined, interval: '1m' }, { cron: undefined, minimumInterval: '30s' });
    await fc.assert(
      fc.asyncProperty(specs, fc.array(step, { minLength: 5, maxLength: 40 }), async (spec, steps) => {
        const world = new World(newPeriodic({ spec }), '2026-01-01T00:00:00Z');
        for (const next of steps.filter(({ kind }) => kind !== 'token')) {
          await play(world, [next], []);
          expect([...world.runs.values()].filter((run) => run.status?.completionTime === undefined).length).toBeLessThanOrEqual(1);
        }
        expect(new Set(world.created).size).toBe(world.created.length);
      }),
      { numRuns: 100 },
    );
  });

  it('a settled world is not written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
        const world = new World(newPeriodic({ spec: { cron: '* * * * *' } }), '2026-01-01T00:00:00Z');
        await play(world, steps, []);
        await world.reconcile();
        const writes = world.patches.length + world.created.length;
        world.restart();
        await world.reconcile();
        await world.reconcile();
        expect(world.patches.length + world.created.length).toBe(writes);
      }),
      { numRuns: 60 },
    );
  });
});
