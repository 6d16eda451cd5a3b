/** A plan is a function of its input, whatever that is: a stale status, runs in any order, a clock that goes anywhere. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Periodic, PeriodicSpec, PeriodicStatus } from '../../crds/v1/periodic.ts';
import { startOfSlot } from './periodicJitter.ts';
import { planPeriodic, type PlanInput } from './periodicPlan.ts';
import { isFinished } from './periodicRun.ts';
import { parseSchedule, slotsBetween } from './schedule.ts';
import { newPeriodic, newRun } from './testing/periodics.ts';
import { stamp } from './times.ts';

const startMs = Date.parse('2026-01-01T00:00:00Z');
const minuteMs = 60_000;
const slot = fc.integer({ min: 0, max: 60 }).map((index) => startMs + index * 10 * minuteMs);
const slotText = slot.map(stamp);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const defined = <T extends object>(fields: T): T => JSON.parse(JSON.stringify(fields)) as T;

const spec = fc
  .record({
    timing: fc.constantFrom<Partial<PeriodicSpec>>(
      { cron: '*/10 * * * *' },
      { cron: '@every 10m' },
      { interval: '10m' },
      { minimumInterval: '7m' },
    ),
    concurrencyPolicy: fc.constantFrom('Allow' as const, 'Forbid' as const, 'Queue' as const, 'Replace' as const),
    jitter: maybe(fc.constantFrom('3m', '2h')),
    startingDeadline: maybe(fc.constantFrom('1s', '30m')),
    missedRuns: maybe(
      fc.record({
        policy: fc.constantFrom('Skip' as const, 'Latest' as const, 'All' as const),
        limit: fc.integer({ min: 1, max: 5 }),
        spacing: maybe(fc.constant('90s')),
      }),
    ),
    exclusions: maybe(fc.tuple(slotText, slotText).map(([from, to]) => [{ from, to }])),
    suspend: maybe(fc.boolean()),
    suspendUntil: maybe(slotText),
    stopAfter: maybe(fc.constant({ consecutiveFailures: 2 })),
    retry: maybe(fc.constant({ attempts: 2, delay: '1m' })),
  })
  .map(({ timing, ...rest }) => ({ cron: undefined, ...(defined({ ...timing, ...rest }) as Omit<PeriodicSpec, 'jobTemplate'>) }));

const condition = fc
  .constantFrom('Suspended', 'Stopped')
  .map((type) => ({ type, status: 'True' as const, reason: type, message: '', lastTransitionTime: stamp(startMs) }));

const status = fc
  .record({
    observedGeneration: fc.integer({ min: 1, max: 2 }),
    lastScheduleTime: maybe(slotText),
    lastRunTime: maybe(slotText),
    lastStartedSlot: maybe(slotText),
    schedule: maybe(fc.record({ text: fc.constantFrom('0,10,20,30,40,50 * * * * Etc/UTC', '@every 10m0s', 'another'), since: slotText })),
    nextScheduleTimes: maybe(fc.array(slotText, { maxLength: 3 })),
    consecutiveFailures: maybe(fc.integer({ min: 0, max: 4 })),
    conditions: maybe(fc.array(condition, { maxLength: 2 })),
    waiting: maybe(
      fc.uniqueArray(
        fc.record({
          slot: slotText,
          attempt: maybe(fc.integer({ min: 2, max: 3 })),
          reason: fc.constantFrom('Queued' as const, 'Replacing' as const, 'CatchUp' as const, 'Retry' as const),
          notBefore: maybe(slotText),
        }),
        { maxLength: 5, selector: ({ slot: at, attempt = 1 }) => `${at}/${attempt}` },
      ),
    ),
  })
  .map((fields) => defined(fields) as PeriodicStatus);

const run = fc.record({
  slot,
  attempt: fc.integer({ min: 1, max: 3 }),
  state: fc.constantFrom('success' as const, 'failure' as const, 'aborted' as const),
  isEnded: fc.boolean(),
});

const input: fc.Arbitrary<PlanInput> = fc
  .record({
    spec,
    status,
    runs: fc.uniqueArray(run, { maxLength: 6, selector: ({ slot: at, attempt }) => `${at}/${attempt}` }),
    nowMs: fc.integer({ min: -3_600_000, max: 60 * 10 * minuteMs }),
  })
  .map(({ spec: given, status: told, runs: drawn, nowMs }) => {
    const periodic = newPeriodic({ spec: given, status: told });
    const parsed = parseSchedule(periodic.spec);
    if (!parsed.ok) throw new Error('the schedule of the property is invalid');
    const runs = drawn.map(({ slot: slotMs, attempt, state, isEnded }) =>
      newRun(periodic, { slot: stamp(slotMs), attempt, ...(isEnded ? { state, completed: stamp(slotMs + 5 * minuteMs) } : {}) }),
    );
    return { periodic, schedule: parsed.schedule, runs, ended: runs.filter(isFinished).slice(0, 1), nowMs: startMs + nowMs };
  });

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const each of Object.values(value)) deepFreeze(each);
  }
  return value;
}

describe('planPeriodic', () => {
  it('says the same each time, and changes nothing it was given', () => {
    fc.assert(
      fc.property(input, (given) => {
        const { schedule, ...data } = given;
        deepFreeze(data);
        const again = { ...(JSON.parse(JSON.stringify(data)) as Omit<PlanInput, 'schedule'>), schedule };
        expect(planPeriodic(again)).toEqual(planPeriodic(given));
        expect(planPeriodic({ ...given, runs: given.runs.toReversed() }).decisions).toEqual(planPeriodic(given).decisions);
      }),
      { numRuns: 500 },
    );
  });

  it('decides once about each slot, starts none before its time or twice, and tells when to look again', () => {
    fc.assert(
      fc.property(input, (given) => {
        const { decisions, wakeAtMs, nextSlots } = planPeriodic(given);
        const keys = decisions.map(({ slotMs, attempt }) => `${slotMs}/${attempt}`);
        expect(new Set(keys).size).toBe(keys.length);
        for (const decision of decisions)
          if (decision.outcome === 'start' && !decision.exists) expect(decision.slotMs).toBeLessThanOrEqual(given.nowMs);
        if (wakeAtMs !== undefined) expect(wakeAtMs).toBeGreaterThanOrEqual(given.nowMs);
        expect(nextSlots).toEqual(nextSlots.toSorted((a, b) => a - b));
      }),
      { numRuns: 2000 },
    );
  });

  it('asks no run to end that was not started for an earlier slot', () => {
    fc.assert(
      fc.property(input, (given) => {
        const { replaced, decisions } = planPeriodic(given);
        const waits = [
          ...(given.periodic.status?.waiting ?? []).map((entry) => Date.parse(entry.slot)),
          ...decisions.filter(({ outcome }) => outcome === 'wait').map(({ slotMs }) => slotMs),
        ];
        for (const { metadata } of replaced)
          expect(Date.parse(metadata.annotations?.['prow.k8s.io/scheduled-time'] ?? '')).toBeLessThan(Math.max(...waits));
      }),
      { numRuns: 500 },
    );
  });
});

describe('startOfSlot', () => {
  const crons = fc.constantFrom('*/7 * * * *', '0 3 * * *', '@every 90s', '15 9 * * 1-5');

  it('is the same for the same object, within the window, in whole seconds, and keeps the order of slots', () => {
    fc.assert(
      fc.property(crons, fc.constantFrom('1s', '59s', '10m', '500h'), fc.uuid(), (cron, jitter, uid) => {
        const periodic: Periodic = newPeriodic({ uid, spec: { cron, jitter } });
        const parsed = parseSchedule(periodic.spec);
        if (!parsed.ok || parsed.schedule.kind !== 'slots') throw new Error('the schedule of the property is invalid');
        const { schedule } = parsed;
        const anchor = { sinceMs: startMs, startsAtOnce: true };
        const { slots } = slotsBetween(schedule, anchor, { afterMs: startMs, untilMs: Infinity }, 30);
        const starts = slots.map((slotMs) => startOfSlot(periodic, schedule, anchor, slotMs));
        expect(slots.map((slotMs) => startOfSlot(structuredClone(periodic), schedule, anchor, slotMs))).toEqual(starts);
        for (const [index, begin] of starts.entries()) {
          const slotMs = slots[index] ?? 0;
          expect(begin % 1000).toBe(0);
          expect(begin).toBeGreaterThanOrEqual(slotMs);
          expect(begin).toBeLessThan(slots[index + 1] ?? Infinity);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('spreads the slots of many objects over the window', () => {
    const schedule = parseSchedule({ cron: '0 3 * * *' });
    if (!schedule.ok) throw new Error('the schedule is invalid');
    const tenths = new Map<number, number>();
    for (let index = 0; index < 1000; index++) {
      const begin = startOfSlot(
        newPeriodic({ uid: `uid-${index}`, spec: { cron: '0 3 * * *', jitter: '10m' } }),
        schedule.schedule,
        { sinceMs: 0, startsAtOnce: true },
        startMs,
      );
      const tenth = Math.floor((begin - startMs) / minuteMs);
      tenths.set(tenth, (tenths.get(tenth) ?? 0) + 1);
    }
    expect(tenths.size).toBe(10);
    for (const count of tenths.values()) expect(count).toBeGreaterThan(50);
  });
});
