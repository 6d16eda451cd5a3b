/** H in a cron expression: what it picks, what is refused, and that nothing but the name decides. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expandHash, parseCronFields } from './cronFields.ts';
import { nextTimes, parseSchedule, scheduleSeed } from './schedule.ts';

/** These never change: a release that picks other values moves the runs of everybody who wrote an H. */
const pinned: readonly { readonly cron: string; readonly seed: string; readonly want: string }[] = [
  { cron: 'H * * * *', seed: 'team-a/nightly', want: '35 * * * *' },
  { cron: 'H H * * *', seed: 'team-a/nightly', want: '35 11 * * *' },
  { cron: 'H H H H H', seed: 'team-a/nightly', want: '35 11 24 3 1' },
  { cron: 'H H H H H', seed: 'team-b/nightly', want: '30 23 8 11 4' },
  { cron: 'H H H H H', seed: 'team-a/weekly', want: '11 10 9 9 3' },
  { cron: 'H/15 * * * *', seed: 'team-a/nightly', want: '5-59/15 * * * *' },
  { cron: 'H(0-29)/10 H(2-5) * * 1-5', seed: 'team-a/nightly', want: '5-29/10 5 * * 1-5' },
  { cron: '0 0 H/10 * *', seed: 'team-a/nightly', want: '0 0 10-28/10 * *' },
  { cron: '0 0 H(25-28) * *', seed: 'team-a/nightly', want: '0 0 28 * *' },
  { cron: '0 0 H(1-31) 1,3 *', seed: 'team-a/nightly', want: '0 0 10 1,3 *' },
  { cron: '0 0 H(1-30) H(4-6) *', seed: 'team-a/nightly', want: '0 0 30 6 *' },
  { cron: '0 0 * H(jan-mar) H(mon-fri)', seed: 'team-a/nightly', want: '0 0 * 3 5' },
  { cron: 'H(0-14),H(30-44) * * * *', seed: 'team-a/nightly', want: '5,35 * * * *' },
  { cron: '0,H(30-59) * * * *', seed: 'team-a/nightly', want: '0,35 * * * *' },
  { cron: '  H\t0 *  * ? ', seed: 'team-a/nightly', want: '35 0 * * ?' },
  { cron: 'H(7-7) * * * *', seed: 'team-a/nightly', want: '7 * * * *' },
];

describe('what H picks', () => {
  it.each(pinned)('$cron for $seed', ({ cron, seed, want }) => {
    expect(expandHash(cron, seed)).toBe(want);
  });

  it.each(['@hourly', '@daily', '@weekly', '@monthly', '@yearly', '@every 1h', '30 2 * * thu', '  0 0 * * MARCH'])(
    'leaves %s alone',
    (cron) => {
      expect(expandHash(cron, 'team-a/nightly')).toBe(cron);
    },
  );

  it('is a schedule like any other, told from plain ones by nothing', () => {
    const hashed = parseSchedule({ cron: 'H H * * *', timeZone: 'Europe/Zurich' }, { seed: 'team-a/nightly' });
    const plain = parseSchedule({ cron: expandHash('H H * * *', 'team-a/nightly'), timeZone: 'Europe/Zurich' });
    expect(hashed.ok && plain.ok && hashed.schedule.text === plain.schedule.text).toBe(true);
  });

  it('goes by namespace and name', () => {
    expect(scheduleSeed({ namespace: 'team-a', name: 'nightly' })).toBe('team-a/nightly');
  });
});

/** What is refused, whatever the name. Columns count from 1. */
const refusals: readonly { readonly cron: string; readonly message: RegExp }[] = [
  { cron: 'h * * * *', message: /column 1: H, a value picked by the name, stands alone or as/ },
  { cron: 'H5 * * * *', message: /column 1: expected H, H\(a-b\), H\/n or H\(a-b\)\/n as the minute, found "H5"/ },
  { cron: '0 H-5 * * *', message: /column 3: expected H, H\(a-b\)/ },
  { cron: '0 5-H * * *', message: /column 5: .*found "H"/ },
  { cron: '*/H * * * *', message: /column 3: expected a number as the step/ },
  { cron: 'H( * * * *', message: /column 1: expected H, H\(a-b\)/ },
  { cron: 'H() * * * *', message: /column 3: expected a range such as H\(0-59\), found H\(\)/ },
  { cron: 'H(5) * * * *', message: /column 3: expected a range such as H\(0-59\), found H\(5\)/ },
  { cron: 'H(5-) * * * *', message: /column 5: a value of the minute is missing/ },
  { cron: 'H(-5) * * * *', message: /column 3: a value of the minute is missing/ },
  { cron: 'H(*) * * * *', message: /column 3: expected a range/ },
  { cron: 'H(1,5) * * * *', message: /column 1: expected H, H\(a-b\)/ },
  { cron: 'H(30-10) * * * *', message: /column 3: the range 30-10 of the minute ends before it begins/ },
  { cron: '0 H(0-24) * * *', message: /column 7: the hour 24 is not between 0 and 23/ },
  { cron: 'H(1-2)(3-4) * * * *', message: /column 1: expected H, H\(a-b\)/ },
  { cron: 'H/ * * * *', message: /column 3: expected a number as the step of the minute, found ""/ },
  { cron: 'H/0 * * * *', message: /column 3: the step of the minute must be at least 1/ },
  { cron: 'H/1 * * * *', message: /column 3: H\/1 can be read in two ways; write \* for every minute, or H for one/ },
  { cron: 'H/2/3 * * * *', message: /column 3: expected a number as the step/ },
  { cron: 'H/61 * * * *', message: /column 3: the step 61 of the minute is more than the 60 values H picks from/ },
  { cron: '0 0 H/29 * *', message: /column 7: the step 29 of the day of month is more than the 28 values/ },
  { cron: 'H(0-9)/11 * * * *', message: /column 8: the step 11 of the minute is more than the 10 values/ },
  { cron: '0 0 H(1-29) * *', message: /column 9: H must pick a day that every month of the expression has: at most 28, found 29/ },
  { cron: '0 0 H(1-29) 2 *', message: /column 9: .*at most 28/ },
  { cron: '0 0 H(1-31) 1,4 *', message: /column 9: .*at most 30, found 31/ },
  { cron: '0 0 H(1-31) H(1-3) *', message: /column 9: .*at most 28/ },
  { cron: '0 0 H(29-30) * 1', message: /column 10: .*at most 28/ },
  { cron: '0 0 30 H *', message: /column 5: may never fire: H can pick a month that does not have such a day every year/ },
  { cron: '0 0 29 H *', message: /column 5: may never fire/ },
  { cron: '0 0 31 H(3-6) *', message: /column 5: may never fire/ },
  { cron: 'H,5 * * * *', message: /column 1: H could pick the minute 5, which the list names elsewhere; give H a range of its own/ },
  { cron: '0 5,H(0-9) * * *', message: /column 5: H could pick the hour 5/ },
  { cron: 'H,H * * * *', message: /column 1: H could pick the minute 0/ },
  { cron: 'H(0-30),H(30-59) * * * *', message: /column 1: H could pick the minute 30/ },
  { cron: '*,H * * * *', message: /column 3: H could pick the minute 0/ },
  { cron: 'H @daily', message: /found 2 of 5 fields/ },
];

describe('what H does not do', () => {
  it.each(refusals)('$cron', ({ cron, message }) => {
    for (const seed of ['team-a/nightly', 'b/c', '/x', 'ns/a-very-long-name-of-a-periodic-0123456789']) {
      expect(parseSchedule({ cron }, { seed })).toMatchObject({
        ok: false,
        problems: [{ path: 'spec.cron', message: expect.stringMatching(message) as string }],
      });
    }
  });

  it('needs a name', () => {
    expect(parseSchedule({ crons: ['@daily', '0 H * * *'] })).toMatchObject({
      ok: false,
      problems: [
        { path: 'spec.crons[1]', message: '"0 H * * *": column 3: H needs the name of an object to be picked by, and there is none yet' },
      ],
    });
  });

  it.each(['0 0 31 H(7-8) *', '0 0 31 1,H(4-6) *', '0 0 29 2,H(4-6) *', '0 0 30 H 1', '0 0 H(1-30) H(4-6) *'])(
    'takes %s, which fires under every name',
    (cron) => {
      fc.assert(
        fc.property(fc.string(), (seed) => {
          const parsed = parseSchedule({ cron }, { seed });
          expect(
            parsed.ok && parsed.schedule.kind === 'slots' && parsed.schedule.next(0, { sinceMs: 0, startsAtOnce: true }),
          ).toBeGreaterThan(0);
        }),
        { numRuns: 50 },
      );
    },
  );
});

/** A field with an H, its bounds, and how far apart what it picks may be. */
const hashedField = (
  min: number,
  max: number,
): fc.Arbitrary<{ readonly text: string; readonly from: number; readonly to: number; readonly step: number }> =>
  fc
    .tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.nat(), fc.boolean(), fc.boolean())
    .map(([a, b, pick, ranged, stepped]) => {
      const [from, to] = ranged ? [Math.min(a, b), Math.max(a, b)] : [min, max];
      const step = stepped && to - from >= 1 ? 2 + (pick % (to - from)) : 0;
      return { text: `H${ranged ? `(${from}-${to})` : ''}${step > 0 ? `/${step}` : ''}`, from, to, step };
    });

const seed = fc
  .tuple(fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/), fc.stringMatching(/^[a-z][a-z0-9.-]{0,40}$/))
  .map((parts) => parts.join('/'));

describe('H under any name', () => {
  it('stays in its range, one value or one in each step', () => {
    fc.assert(
      fc.property(hashedField(0, 59), hashedField(1, 28), seed, (minute, day, name) => {
        const fields = parseCronFields(`${minute.text} 0 ${day.text} * *`, name);
        for (const [values, { from, to, step }] of [
          [fields.minutes, minute],
          [fields.daysOfMonth, day],
        ] as const) {
          const first = values[0] ?? -1;
          expect(first).toBeGreaterThanOrEqual(from);
          expect(values.at(-1)).toBeLessThanOrEqual(to);
          if (step === 0) expect(values).toHaveLength(1);
          else expect(values).toEqual(Array.from({ length: Math.floor((to - first) / step) + 1 }, (_, index) => first + index * step));
          if (step > 0) expect(first).toBeLessThan(from + step);
        }
      }),
    );
  });

  it('comes down to a plain expression with the same slots', () => {
    fc.assert(
      fc.property(hashedField(0, 59), hashedField(0, 23), hashedField(1, 28), hashedField(1, 12), hashedField(0, 6), seed, (...all) => {
        const name = all[5];
        const cron = [all[0], all[1], all[2], all[3], all[4]].map(({ text }) => text).join(' ');
        const plain = expandHash(cron, name);
        expect(plain).not.toContain('H');
        expect(parseCronFields(plain).canonical).toBe(parseCronFields(cron, name).canonical);
      }),
    );
  });

  it('is spread evenly: 6,000 names over the minutes of an hour, whatever the hours', () => {
    const perMinute = new Map<number, number>();
    const perHour = new Map<number, number>();
    const pairs = new Set<string>();
    for (let index = 0; index < 6000; index++) {
      const { minutes, hours } = parseCronFields('H H * * *', `team-${index % 40}/job-${index}`);
      const [minute = -1] = minutes;
      const [hour = -1] = hours;
      perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1);
      perHour.set(hour, (perHour.get(hour) ?? 0) + 1);
      pairs.add(`${hour}:${minute}`);
    }
    // 100 and 250 are expected; six standard deviations are 60 and 93.
    expect([perMinute.size, perHour.size]).toEqual([60, 24]);
    expect(Math.max(...perMinute.values())).toBeLessThan(160);
    expect(Math.max(...perHour.values())).toBeLessThan(343);
    // 6,000 picks of 1,440 minutes leave about 22 out.
    expect(pairs.size).toBeGreaterThan(1380);
  });

  it('keeps its slots through a restart: the same name gives the same list', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 0, max: 4e12 }), (name, afterMs) => {
        const slots = (): readonly number[] => {
          const parsed = parseSchedule({ cron: 'H H(0-5) * * H' }, { seed: name });
          if (!parsed.ok || parsed.schedule.kind !== 'slots') throw new Error('not parsed');
          return nextTimes(parsed.schedule, { sinceMs: 0, startsAtOnce: true }, afterMs, 5);
        };
        expect(slots()).toHaveLength(5);
        expect(slots()).toEqual(slots());
      }),
      { numRuns: 30 },
    );
  });
});
