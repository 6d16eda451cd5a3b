import { CronExpressionParser } from 'cron-parser';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCronFields } from './cronFields.ts';
import { nextTimes, parseSchedule, slotsBetween, type SlotSchedule } from './schedule.ts';

const part = (min: number, max: number): fc.Arbitrary<string> => {
  const value = fc.integer({ min, max });
  const range = fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
  const base = fc.oneof(fc.constant('*'), value.map(String), range);
  return fc.oneof(
    base,
    fc.tuple(base, fc.integer({ min: 1, max: 70 })).map(([text, step]) => `${text}/${step}`),
  );
};

const field = (min: number, max: number): fc.Arbitrary<string> =>
  fc.array(part(min, max), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(','));

const expression = fc
  .tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6))
  .map((fields) => fields.join(' '))
  .filter((cron) => parseSchedule({ cron }).ok);

const instant = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2040, 0, 1) });
const zone = fc.constantFrom(
  'Etc/UTC',
  'Europe/Zurich',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/St_Johns',
  'Africa/Casablanca',
  'Pacific/Chatham',
);
const dst = fc.record({
  gap: fc.constantFrom('Shift' as const, 'Skip' as const),
  overlap: fc.constantFrom('First' as const, 'Second' as const, 'Both' as const),
});

function slotsOf(
  cron: string,
  timeZone = 'Etc/UTC',
  policy?: { gap: 'Shift' | 'Skip'; overlap: 'First' | 'Second' | 'Both' },
): SlotSchedule {
  const parsed = parseSchedule({ cron, timeZone, ...(policy === undefined ? {} : { dst: policy }) });
  if (!parsed.ok || parsed.schedule.kind !== 'slots') throw new Error(`${cron} has no slots`);
  return parsed.schedule;
}

const anchor = { sinceMs: 0, startsAtOnce: true };

/** The local time of an instant as the zone's clocks show it. */
const localTime = (ms: number, timeZone: string): string =>
  new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(ms);

describe('schedules', () => {
  it('fire in UTC exactly when cron-parser says so of the canonical form', () => {
    fc.assert(
      fc.property(expression, instant, (cron, afterMs) => {
        const reference = CronExpressionParser.parse(parseCronFields(cron).canonical, { tz: 'UTC', currentDate: new Date(afterMs) });
        const want = [reference.next(), reference.next(), reference.next()].map((date) => date.getTime());
        expect(nextTimes(slotsOf(cron), anchor, afterMs, 3)).toEqual(want);
      }),
      { numRuns: 200 },
    );
  });

  it('say the same however often and in whatever order they are asked', () => {
    const askedMs = fc.array(fc.integer({ min: -90_000, max: 90_000 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(expression, zone, dst, instant, askedMs, (cron, timeZone, policy, baseMs, offsets) => {
        const asked = slotsOf(cron, timeZone, policy);
        // Around the slots themselves, where one answer ends and the next begins.
        const around = nextTimes(slotsOf(cron, timeZone, policy), anchor, baseMs, 4);
        for (const offset of offsets) {
          const afterMs = (around[Math.abs(offset) % around.length] ?? baseMs) + offset;
          expect(asked.next(afterMs, anchor)).toBe(slotsOf(cron, timeZone, policy).next(afterMs, anchor));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('rise, and stepping finds the same slots as asking for a span', () => {
    fc.assert(
      fc.property(expression, zone, dst, instant, (cron, timeZone, policy, afterMs) => {
        const schedule = slotsOf(cron, timeZone, policy);
        const steps = nextTimes(schedule, anchor, afterMs, 6);
        expect([...steps].sort((a, b) => a - b)).toEqual(steps);
        expect(new Set(steps).size).toBe(steps.length);
        const untilMs = steps.at(-1);
        if (untilMs === undefined) return;
        expect(slotsBetween(schedule, anchor, { afterMs, untilMs }, 100).slots).toEqual(steps);
        const middleMs = steps[2] ?? untilMs;
        const halves = [
          ...slotsBetween(schedule, anchor, { afterMs, untilMs: middleMs - 1 }, 100).slots,
          ...slotsBetween(schedule, anchor, { afterMs: middleMs - 1, untilMs }, 100).slots,
        ];
        expect(halves).toEqual(steps);
      }),
      { numRuns: 200 },
    );
  });

  it('name every local day exactly once, whatever the clocks do', () => {
    const minuteOfDay = fc.integer({ min: 0, max: 1439 });
    const policy = fc.constantFrom('First' as const, 'Second' as const);
    fc.assert(
      fc.property(minuteOfDay, zone, policy, instant, (minute, timeZone, overlap, afterMs) => {
        const schedule = slotsOf(`${minute % 60} ${Math.floor(minute / 60)} * * *`, timeZone, { gap: 'Shift', overlap });
        const days = nextTimes(schedule, anchor, afterMs, 400).map((ms) => localTime(ms, timeZone).slice(0, 10));
        expect(new Set(days).size).toBe(days.length);
        for (const [index, day] of days.entries()) {
          const next = days[index + 1];
          if (next !== undefined) expect(Date.parse(next) - Date.parse(day)).toBe(86_400_000);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('show the wanted time on the local clock, except behind a gap', () => {
    fc.assert(
      fc.property(zone, instant, (timeZone, afterMs) => {
        const skipping = slotsOf('30 2 * * *', timeZone, { gap: 'Skip', overlap: 'Both' });
        for (const slot of nextTimes(skipping, anchor, afterMs, 200)) expect(localTime(slot, timeZone).slice(11)).toBe('02:30:00');
      }),
      { numRuns: 20 },
    );
  });

  it('are never confused by what a user types', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9*,/?HLW#()a-z@ -]{0,30}$/)), (cron) => {
        const parsed = parseSchedule({ cron }, { seed: 'ns/name' });
        if (parsed.ok && parsed.schedule.kind === 'slots') expect(parsed.schedule.next(0, anchor)).toBeGreaterThan(-1);
        else expect(parsed).toMatchObject({ ok: false });
      }),
      { numRuns: 500 },
    );
  });
});
