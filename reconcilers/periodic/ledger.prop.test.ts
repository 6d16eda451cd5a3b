/**
 * The ledger of slots: whatever happens to the operator, the clock, the API server and the object, each slot ends in exactly one verdict
 * (or still waits), and no slot and attempt has two runs. Slots are three hours apart, so that a day that nobody saw fits into the ten
 * slots which status lists; of what does not fit, the number must be right.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Periodic, PeriodicSpec } from '../../crds/v1/periodic.ts';
import type { ProwJobState } from '../../crds/v1/prowJob.ts';
import { TransportError } from '../../operator/kube/errors.ts';
import { attemptOfRun, isFinished, slotOfRun } from '../../operator/jobs/periodicRun.ts';
import { newPeriodic } from '../../operator/jobs/testing/periodics.ts';
import { World, failure, type Plug } from './testing/world.ts';

const hourMs = 3_600_000;
const startMs = Date.parse('2026-01-01T00:00:00Z');

type Step =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'jump'; readonly ms: number }
  | { readonly kind: 'finish'; readonly state: ProwJobState }
  | { readonly kind: 'clean' | 'restart' | 'edit' | 'suspend' | 'resume' | 'mend' | 'byHand' | 'outage' }
  | { readonly kind: 'pause'; readonly ms: number }
  | { readonly kind: 'crash'; readonly plug: Plug };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 9_000, 60_000, hourMs, 3 * hourMs, 7 * hourMs) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sleep' as const), ms: fc.constantFrom(hourMs, 4 * hourMs, 24 * hourMs) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('jump' as const), ms: fc.constantFrom(-hourMs, -10_000, 24 * hourMs) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('finish' as const),
      state: fc.constantFrom<ProwJobState>('success', 'failure', 'error', 'aborted'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'clean' as const,
        'restart' as const,
        'edit' as const,
        'suspend' as const,
        'resume' as const,
        'mend' as const,
        'byHand' as const,
        'outage' as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pause' as const), ms: fc.constantFrom(hourMs, 8 * hourMs) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      plug: fc.record({ atWrite: fc.integer({ min: 1, max: 3 }), when: fc.constantFrom('before' as const, 'after' as const) }),
    }),
  },
);

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const spec = fc
  .record({
    policy: fc.constantFrom(
      { concurrencyPolicy: 'Allow' as const },
      { concurrencyPolicy: 'Allow' as const, maxConcurrency: 2 },
      { concurrencyPolicy: 'Forbid' as const },
      { concurrencyPolicy: 'Replace' as const },
      { concurrencyPolicy: 'Queue' as const },
      { concurrencyPolicy: 'Queue' as const, maxQueued: 2, maxConcurrency: 2 },
    ),
    jitter: maybe(fc.constantFrom('1h', '30h')),
    startingDeadline: maybe(fc.constantFrom('2h', '5s')),
    missedRuns: maybe(
      fc.constantFrom<NonNullable<PeriodicSpec['missedRuns']>>(
        { policy: 'Skip' },
        { policy: 'All' },
        { policy: 'All', limit: 2, spacing: '1h', maxAge: '20h' },
        { maxAge: '4h' },
      ),
    ),
    exclusions: maybe(fc.constant([{ from: '2026-01-01T10:00:00Z', to: '2026-01-01T19:00:00Z' }])),
    retry: maybe(
      fc.constantFrom<NonNullable<PeriodicSpec['retry']>>(
        { attempts: 1 },
        { attempts: 3, delay: '2h', on: ['failure', 'success', 'aborted'] },
      ),
    ),
    stopAfter: maybe(fc.constant({ consecutiveFailures: 2 })),
  })
  .map(({ policy, ...rest }) => ({ ...policy, ...rest }));

const schedules = ['0 */3 * * *', '20 1-22/3 * * *'] as const;
const offsets: ReadonlyMap<string, number> = new Map([
  [schedules[0], 0],
  [schedules[1], hourMs + 20 * 60_000],
]);

/** The slots of a schedule in a span, by arithmetic of its own. */
function slotsOf(cron: string, afterMs: number, untilMs: number): readonly number[] {
  const offsetMs = offsets.get(cron) ?? 0;
  const first = Math.floor((afterMs - startMs - offsetMs) / (3 * hourMs)) + 1;
  const last = Math.floor((untilMs - startMs - offsetMs) / (3 * hourMs));
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => startMs + offsetMs + (first + index) * 3 * hourMs);
}

/** A world, and which slots are its own: those of each schedule it had, from one edit to the next. */
class Ledger {
  readonly world: World;
  readonly #owned: number[] = [];
  #cron: string = schedules[0];
  #fromMs = startMs;
  #tokens = 0;

  constructor(given: Partial<PeriodicSpec>) {
    this.world = new World(newPeriodic({ spec: { cron: schedules[0], ...given } }), '2026-01-01T00:00:01Z');
  }

  get cursorMs(): number {
    return Date.parse(this.world.status.lastScheduleTime ?? '2026-01-01T00:00:00Z');
  }

  async pass(): Promise<void> {
    const { world } = this;
    try {
      await world.reconcile();
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      world.restart();
      world.pull({ atWrite: 0, when: 'before' });
      await world.reconcile();
    }
  }

  /** Time passes and the operator is there. */
  async wait(ms: number): Promise<void> {
    const { clock } = this.world;
    const endMs = clock.now() + ms;
    for (let leftMs = ms; leftMs > 0; leftMs = endMs - clock.now()) {
      const { requeueAfterMs = Infinity } = await this.world.reconcile();
      await clock.advance(Math.min(leftMs, requeueAfterMs));
    }
  }

  async edit(): Promise<void> {
    await this.pass();
    this.#cron = this.#cron === schedules[0] ? schedules[1] : schedules[0];
    const fromMs = this.#fromMs;
    this.#spec({ cron: this.#cron });
    await this.pass();
    const old = this.#cron === schedules[0] ? schedules[1] : schedules[0];
    this.#owned.push(...slotsOf(old, fromMs, this.cursorMs));
    this.#fromMs = Math.max(this.cursorMs, Math.floor(this.world.clock.now() / 1000) * 1000);
  }

  #spec(change: Partial<PeriodicSpec>): void {
    this.world.edit((periodic: Periodic) => ({ ...periodic, spec: { ...periodic.spec, ...change } }));
  }

  async play(next: Step): Promise<void> {
    const { world } = this;
    const runs = [...world.runs.values()];
    if (next.kind === 'wait') await this.wait(next.ms);
    else if (next.kind === 'sleep') {
      await world.clock.advance(next.ms);
      world.restart();
    } else if (next.kind === 'jump') world.clock.jump(next.ms);
    else if (next.kind === 'finish') {
      const active = runs.find((run) => !isFinished(run));
      if (active !== undefined) world.finish(active.metadata.name, active.spec.abort === undefined ? next.state : 'aborted');
    } else if (next.kind === 'clean') {
      const ended = runs.find(isFinished);
      if (ended !== undefined) world.remove(ended.metadata.name);
    } else if (next.kind === 'restart') world.restart();
    else if (next.kind === 'edit') await this.edit();
    else if (next.kind === 'suspend') this.#spec({ suspend: true });
    else if (next.kind === 'resume') this.#spec({ suspend: false });
    else if (next.kind === 'mend') this.#spec({ jobTemplate: { ...world.periodic.spec.jobTemplate } });
    else if (next.kind === 'pause') this.#spec({ suspendUntil: new Date(world.clock.now() + next.ms).toISOString() });
    else if (next.kind === 'byHand') {
      const token = String((this.#tokens += 1));
      world.edit((periodic) => ({ ...periodic, metadata: { ...periodic.metadata, annotations: { 'prow.k8s.io/run-now': token } } }));
    } else if (next.kind === 'outage') {
      world.refuse = failure(503, 'ServiceUnavailable');
      await world.reconcile().catch(() => undefined);
      world.refuse = undefined;
    } else if ('plug' in next) world.pull(next.plug);
    await this.pass();
    world.pull({ atWrite: 0, when: 'before' });
  }

  /** What is said of each slot: the reason that status gave, "started", or "waits". */
  verdicts(): ReadonlyMap<number, readonly string[]> {
    const { world } = this;
    const said = [
      ...world.idle.map(({ slotMs, reason }) => [slotMs, reason] as const),
      ...world.createdRuns.flatMap((run) => (attemptOfRun(run) === 1 ? [[slotOfRun(run) ?? -1, 'started'] as const] : [])),
      ...(world.status.waiting ?? []).flatMap(({ slot, attempt }) => (attempt === undefined ? [[Date.parse(slot), 'waits'] as const] : [])),
    ].filter(([slotMs]) => slotMs >= 0);
    const bySlot = Map.groupBy(said, ([slotMs]) => slotMs);
    return new Map([...bySlot].map(([slotMs, entries]) => [slotMs, entries.map(([, verdict]) => verdict)]));
  }

  check(): void {
    const { world } = this;
    expect(new Set(world.created).size).toBe(world.created.length);
    const owned = [...this.#owned, ...slotsOf(this.#cron, this.#fromMs, this.cursorMs)];
    const verdicts = this.verdicts();
    const twice = owned.filter((slotMs) => (verdicts.get(slotMs)?.length ?? 0) > 1);
    expect(twice.map((slotMs) => `${new Date(slotMs).toISOString()} ${String(verdicts.get(slotMs))}`)).toEqual([]);
    const untold = owned.filter((slotMs) => !verdicts.has(slotMs));
    if (world.idleUnshown === 0) expect(untold.map((slotMs) => new Date(slotMs).toISOString())).toEqual([]);
    expect(untold).toHaveLength(world.idleUnshown);
    expect([...verdicts.keys()].filter((slotMs) => !owned.includes(slotMs)).map((slotMs) => new Date(slotMs).toISOString())).toEqual([]);
  }

  get activeOfSlots(): number {
    return [...this.world.runs.values()].filter((run) => !isFinished(run) && slotOfRun(run) !== undefined).length;
  }
}

const steps = fc.array(step, { minLength: 5, maxLength: 40 });

describe('every slot', { timeout: 60_000 }, () => {
  it('ends in exactly one verdict, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(spec, steps, async (given, history) => {
        const ledger = new Ledger(given as Partial<PeriodicSpec>);
        for (const next of history) await ledger.play(next);
        ledger.check();
        await ledger.play({ kind: 'resume' });
        await ledger.play({ kind: 'wait', ms: 8 * hourMs });
        ledger.check();
        expect(ledger.cursorMs).toBeGreaterThan(0);
      }),
      { numRuns: 200 },
    );
  });

  it('leaves no more active runs than the policy allows', async () => {
    await fc.assert(
      fc.asyncProperty(spec, steps, async (given, history) => {
        const ledger = new Ledger(given as Partial<PeriodicSpec>);
        const most = given.concurrencyPolicy === 'Allow' ? (given.maxConcurrency ?? Infinity) : (given.maxConcurrency ?? 1);
        for (const next of history) {
          await ledger.play(next);
          expect(ledger.activeOfSlots).toBeLessThanOrEqual(most);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('starts in the order of the slots in a queue', async () => {
    await fc.assert(
      fc.asyncProperty(spec, steps, async (given, history) => {
        const ledger = new Ledger({ ...given, concurrencyPolicy: 'Queue', maxConcurrency: 1, cron: schedules[0] } as Partial<PeriodicSpec>);
        for (const next of history) await ledger.play(next);
        const slots = ledger.world.createdRuns.flatMap((run) => slotOfRun(run) ?? []);
        expect(slots).toEqual(slots.toSorted((a, b) => a - b));
      }),
      { numRuns: 100 },
    );
  });

  it('costs no write once the world is settled', async () => {
    await fc.assert(
      fc.asyncProperty(spec, steps, async (given, history) => {
        const { world, play } = bound(new Ledger(given as Partial<PeriodicSpec>));
        for (const next of history) await play(next);
        const writes = world.patches.length + world.created.length + world.aborted.length;
        world.restart();
        await world.reconcile();
        await world.reconcile();
        expect(world.patches.length + world.created.length + world.aborted.length).toBe(writes);
      }),
      { numRuns: 100 },
    );
  });
});

const bound = (ledger: Ledger) => ({ world: ledger.world, play: (next: Step): Promise<void> => ledger.play(next) });
