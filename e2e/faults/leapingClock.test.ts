import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { LeapingClock } from './leapingClock.ts';

describe('LeapingClock', () => {
  it('wakes who waits for no longer than the leap, in order, and leaves the time of day alone', async () => {
    const real = new FakeClock();
    const clock = new LeapingClock(real);
    const woken: string[] = [];
    const dayMs = clock.now();
    clock.after(2_000, () => woken.push('second'));
    clock.after(1_000, () => woken.push('first'));
    clock.after(5_000, () => woken.push('third'));
    clock.leap(4_000);
    expect(woken).toEqual(['first', 'second']);
    expect([clock.now() - dayMs, clock.monotonic() - real.monotonic()]).toEqual([0, 4_000]);
    await real.advance(999);
    expect(woken).toHaveLength(2);
    await real.advance(1);
    expect(woken).toEqual(['first', 'second', 'third']);
    expect(real.pendingTimers).toBe(0);
  });

  it('takes the time of day with it when it is told to', () => {
    const clock = new LeapingClock(new FakeClock());
    const dayMs = clock.now();
    clock.leap(1_000, { withDay: true });
    clock.leap(500);
    expect(clock.now() - dayMs).toBe(1_000);
  });

  it('wakes nobody who was called off, not even by who was woken before', () => {
    const clock = new LeapingClock(new FakeClock());
    const woken: string[] = [];
    const second = clock.after(2_000, () => woken.push('second'));
    clock.after(1_000, () => second.cancel());
    clock.leap(3_000);
    expect(woken).toEqual([]);
  });
});
