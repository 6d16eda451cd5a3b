import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StartBudget, type Lane, type StartRates } from './startBudget.ts';

/** A budget, and a clock that the test turns. */
function open(rates: StartRates) {
  const state = { rates, nowMs: 0 };
  const budget = new StartBudget(() => state.rates, { monotonic: () => state.nowMs });
  const take = (id: string, lane: Lane = 'catchUp', namespace = 'team'): number => budget.take(namespace, lane, id);
  return { state, take };
}

describe('the start budget', () => {
  it('lets as many start at once as it allows in a second, then one after another', () => {
    const { take } = open({ onTime: 0, catchUp: 4 });
    expect(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => take(id))).toEqual([0, 0, 0, 0, 250, 500]);
  });

  it('keeps the turn of who comes back too early', () => {
    const { state, take } = open({ onTime: 0, catchUp: 1 });
    expect([take('a'), take('b'), take('c')]).toEqual([0, 1000, 2000]);
    state.nowMs = 400;
    expect([take('b'), take('c'), take('b')]).toEqual([600, 1600, 600]);
    state.nowMs = 1000;
    expect([take('b'), take('c')]).toEqual([0, 1000]);
  });

  it('never delays a slot on time for those that are made up for, nor one namespace for another', () => {
    const { take } = open({ onTime: 1, catchUp: 1 });
    for (let index = 0; index < 100; index++) take(`late-${index}`);
    expect([take('now', 'onTime'), take('elsewhere', 'catchUp', 'other')]).toEqual([0, 0]);
  });

  it('knows no limit at 0, at once when the setting is changed', () => {
    const { state, take } = open({ onTime: 0, catchUp: 1 });
    expect([take('x', 'onTime'), take('y', 'onTime'), take('a'), take('b')]).toEqual([0, 0, 0, 1000]);
    state.rates = { onTime: 0, catchUp: 0 };
    expect(take('b')).toBe(0);
  });

  it('saves up no more than a second', () => {
    const { state, take } = open({ onTime: 0, catchUp: 2 });
    state.nowMs = 3_600_000;
    expect(['a', 'b', 'c'].map((id) => take(id))).toEqual([0, 0, 500]);
  });

  it('throws away a ticket nobody came for', () => {
    const { state, take } = open({ onTime: 0, catchUp: 1 });
    expect([take('a'), take('b')]).toEqual([0, 1000]);
    state.nowMs = 61_001;
    expect([take('c'), take('b')]).toEqual([0, 1000]);
  });

  it('keeps to the rate over any second, whoever comes when', () => {
    const visits = fc.array(fc.record({ gapMs: fc.integer({ min: 0, max: 400 }), id: fc.integer({ min: 0, max: 30 }) }), {
      maxLength: 300,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), visits, (rate, all) => {
        const { state, take } = open({ onTime: 0, catchUp: rate });
        const starts: number[] = [];
        for (const { gapMs, id } of all) {
          state.nowMs += gapMs;
          if (take(String(id)) === 0) starts.push(state.nowMs);
        }
        const most = starts.map((startMs) => starts.filter((ms) => ms >= startMs && ms < startMs + 1000).length);
        // What was saved up, what accrues, and tickets that fell due together because their owners came late.
        expect(Math.max(0, ...most)).toBeLessThanOrEqual(rate + rate + 31);
        const spanS = (state.nowMs - (starts[0] ?? 0)) / 1000;
        expect(starts.length).toBeLessThanOrEqual(rate + spanS * rate + 1);
      }),
    );
  });
});
