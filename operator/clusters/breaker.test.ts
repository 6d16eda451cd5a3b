import { describe, expect, it } from 'vitest';
import { FakeClock } from '../runtime/testing/fakeClock.ts';
import { Breaker } from './breaker.ts';

/** Without luck: each wait is as long as it may be. */
const almostOne = 1 - 2 ** -53;
const make = (clock = new FakeClock(), random = almostOne): { readonly clock: FakeClock; readonly breaker: Breaker } => ({
  clock,
  breaker: new Breaker({ clock, random: () => random }),
});
const fail = (breaker: Breaker, times: number): readonly boolean[] => Array.from({ length: times }, () => breaker.failed());

describe('Breaker', () => {
  it('opens at the third failure in a row, and says so once', () => {
    const { breaker } = make();
    expect(fail(breaker, 5)).toEqual([false, false, true, false, false]);
    expect(breaker).toMatchObject({ state: 'open', failures: 5 });
  });

  it('starts to count again after an answer', () => {
    const { breaker } = make();
    fail(breaker, 2);
    breaker.succeeded();
    fail(breaker, 2);
    expect(breaker.state).toBe('closed');
    expect(breaker.failed()).toBe(true);
  });

  it('opens at once when repeating is useless', () => {
    const { breaker } = make();
    expect(breaker.failed(true)).toBe(true);
  });

  it('is not closed by the late answer to an earlier call', () => {
    const { breaker } = make();
    fail(breaker, 3);
    breaker.succeeded();
    expect(breaker).toMatchObject({ state: 'open', failures: 3 });
  });

  it('lets one probe through when its time has come', async () => {
    const { breaker, clock } = make();
    expect(breaker.beginProbe()).toBe(false);
    fail(breaker, 3);
    expect(breaker.beginProbe()).toBe(false);
    await clock.advance(1_000);
    expect(breaker.probeInMs).toBe(0);
    expect(breaker.beginProbe()).toBe(true);
    expect(breaker.state).toBe('halfOpen');
    expect(breaker.beginProbe()).toBe(false);
  });

  it('closes when the probe was answered', async () => {
    const { breaker, clock } = make();
    fail(breaker, 3);
    await clock.advance(1_000);
    breaker.beginProbe();
    breaker.endProbe(true);
    expect(breaker).toMatchObject({ state: 'closed', failures: 0, probeInMs: 0 });
  });

  it('waits twice as long after each opening, up to half a minute', async () => {
    const { breaker, clock } = make();
    fail(breaker, 3);
    const waits: number[] = [];
    for (let probe = 0; probe < 7; probe++) {
      waits.push(Math.round(breaker.probeInMs));
      await clock.advance(breaker.probeInMs);
      expect(breaker.beginProbe()).toBe(true);
      breaker.endProbe(false);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  });

  it('keeps the longer wait while it opens again and again', async () => {
    const { breaker, clock } = make();
    for (const waitMs of [1_000, 2_000, 4_000]) {
      fail(breaker, 3);
      expect(Math.round(breaker.probeInMs)).toBe(waitMs);
      await clock.advance(waitMs);
      breaker.beginProbe();
      breaker.endProbe(true);
    }
  });

  it('forgets its openings after a quiet minute', async () => {
    const { breaker, clock } = make();
    fail(breaker, 3);
    await clock.advance(1_000);
    breaker.beginProbe();
    breaker.endProbe(true);
    await clock.advance(60_000);
    fail(breaker, 3);
    expect(Math.round(breaker.probeInMs)).toBe(1_000);
  });

  it('probes at once when something has changed', () => {
    const { breaker } = make();
    fail(breaker, 3);
    breaker.hurry();
    expect(breaker.beginProbe()).toBe(true);
  });

  it('probes again at once when something changed during a probe', async () => {
    const { breaker, clock } = make();
    fail(breaker, 3);
    await clock.advance(1_000);
    breaker.beginProbe();
    breaker.hurry();
    breaker.endProbe(false);
    expect(breaker.beginProbe()).toBe(true);
    breaker.endProbe(false);
    expect(breaker.beginProbe()).toBe(false);
  });

  it('ignores the end of a probe that nobody began', () => {
    const { breaker } = make();
    fail(breaker, 3);
    breaker.endProbe(true);
    expect(breaker.state).toBe('open');
  });
});
