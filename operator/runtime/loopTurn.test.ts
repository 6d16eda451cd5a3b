import { describe, expect, it } from 'vitest';
import { Controller } from './controller.ts';
import { LoopTurn, longTurnMs, turnOf } from './loopTurn.ts';
import { Metrics } from './metrics.ts';
import { FakeClock, settle } from './testing/fakeClock.ts';
import { RecordingLogger } from './testing/recordingLogger.ts';

describe('a turn of the event loop', () => {
  it('is long when passes have taken more than their time, until it is over', async () => {
    const clock = new FakeClock();
    const turn = new LoopTurn({ monotonic: () => clock.monotonic() + took });
    let took = 0;
    expect(turn.isLong).toBe(false);
    took = longTurnMs;
    expect(turn.isLong).toBe(false);
    took += 1;
    expect(turn.isLong).toBe(true);
    await turn.next();
    expect(turn.isLong).toBe(false);
  });

  it('is the same for all who share a clock', () => {
    const clock = new FakeClock();
    expect(turnOf(clock)).toBe(turnOf(clock));
    expect(turnOf(new FakeClock())).not.toBe(turnOf(clock));
  });
});

describe('passes that wait for nothing', () => {
  it('let others have their turn', async () => {
    // Each pass takes a millisecond of this clock.
    class PassingClock extends FakeClock {
      passedMs = 0;

      override monotonic(): number {
        return super.monotonic() + this.passedMs;
      }
    }
    const clock = new PassingClock();
    let passes = 0;
    const reconcile = (): Promise<Record<string, never>> => {
      passes += 1;
      clock.passedMs += 1;
      return Promise.resolve({});
    };
    const controller = new Controller({
      name: 'busy',
      reconciler: { reconcile },
      clock,
      logger: new RecordingLogger(),
      metrics: new Metrics(),
    });
    for (let at = 0; at < 10 * longTurnMs; at += 1) controller.enqueue({ namespace: 'a', name: String(at) });
    const stop = new AbortController();
    const done = controller.run(stop.signal);
    await settle();
    expect(passes).toBeGreaterThan(0);
    expect(passes).toBeLessThan(3 * longTurnMs);
    await controller.idle();
    expect(passes).toBe(10 * longTurnMs);
    stop.abort();
    await done;
  });
});
