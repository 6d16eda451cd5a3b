import { describe, expect, it } from 'vitest';
import { ServerClock } from './serverClock.ts';
import { FakeClock } from './testing/fakeClock.ts';
import { SkewedClock } from './testing/memoryLeases.ts';
import { RecordingLogger } from './testing/recordingLogger.ts';

const minuteMs = 60_000;
const startMs = Date.UTC(2026, 0, 1);

/** The machine of an operator, and an API server with a clock of its own. */
function machine(skewMs: number) {
  const server = new FakeClock(startMs);
  let wallMs = skewMs;
  const skewed = new SkewedClock(server, 0);
  const own = {
    now: () => server.now() + wallMs,
    monotonic: () => skewed.monotonic(),
    after: (delayMs: number, fn: () => void) => server.after(delayMs, fn),
  };
  const logger = new RecordingLogger();
  const clock = new ServerClock(own, logger);
  const answer = (durationMs = 10): void => clock.heard({ date: new Date(server.now()).toUTCString(), durationMs });
  const offMs = (): number => clock.now() - server.now();
  const set = (byMs: number): void => void (wallMs += byMs);
  return { server, clock, logger, answer, offMs, set };
}

describe('ServerClock', () => {
  it.each([
    { name: 'ten minutes ahead', skewMs: 10 * minuteMs },
    { name: 'ten minutes behind', skewMs: -10 * minuteMs },
    { name: 'a year behind', skewMs: -365 * 24 * 60 * minuteMs },
  ])('on a machine that is $name follows the server, to the second, and says so once', async ({ skewMs }) => {
    const { answer, offMs, logger, server } = machine(skewMs);
    expect(offMs()).toBe(skewMs);
    for (let count = 0; count < 20; count += 1) {
      answer();
      await server.advance(1_370);
      expect(Math.abs(offMs())).toBeLessThanOrEqual(1_000);
    }
    expect(logger.lines.map(({ level, fields }) => [level, Math.round(Number(fields.aheadMs) / minuteMs)])).toEqual([
      ['warn', Math.round(skewMs / minuteMs)],
    ]);
  });

  it('on a machine that agrees keeps its own, finer time, also when it is slewed', async () => {
    const { answer, offMs, set, server, logger } = machine(120);
    answer();
    expect(offMs()).toBe(120);
    set(300);
    await server.advance(2_000);
    answer();
    expect([offMs(), logger.lines.length]).toEqual([420, 0]);
  });

  it.each([
    { name: 'back by an hour', byMs: -60 * minuteMs },
    { name: 'forward by a day', byMs: 24 * 60 * minuteMs },
  ])('does not notice that the clock of the machine is set $name', async ({ byMs }) => {
    const { answer, offMs, set, server } = machine(0);
    answer();
    set(byMs);
    expect(offMs()).toBe(0);
    await server.advance(2_000);
    answer();
    expect(offMs()).toBe(0);
    set(-byMs);
    await server.advance(2_000);
    answer();
    expect(offMs()).toBe(0);
  });

  it.each([
    { name: 'no date', date: undefined, durationMs: 10 },
    { name: 'no date that can be read', date: 'soon', durationMs: 10 },
    { name: 'an answer that took too long to say when', date: 'Thu, 01 Jan 1970 00:00:00 GMT', durationMs: 2_000 },
  ])('is not moved by $name', ({ date, durationMs }) => {
    const { clock, offMs } = machine(0);
    clock.heard({ date, durationMs });
    expect(offMs()).toBe(0);
  });

  it('looks at one answer in a second', async () => {
    const { clock, answer, offMs, server } = machine(0);
    answer();
    clock.heard({ date: 'Thu, 01 Jan 1970 00:00:00 GMT', durationMs: 1 });
    expect(offMs()).toBe(0);
    await server.advance(1_000);
    clock.heard({ date: 'Thu, 01 Jan 1970 00:00:00 GMT', durationMs: 1 });
    expect(offMs()).toBeLessThan(-1_000_000);
  });
});
