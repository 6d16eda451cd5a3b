import { describe, expect, it } from 'vitest';
import { ScheduleCache, nextTimes, parseSchedule, slotsBetween, type Schedule, type ScheduleSpec, type SlotSchedule } from './schedule.ts';

const at = (text: string): number => Date.parse(text);
const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

function scheduleOf(spec: ScheduleSpec): Schedule {
  const parsed = parseSchedule(spec);
  if (!parsed.ok) throw new Error(parsed.problems.map((problem) => `${problem.path}: ${problem.message}`).join('\n'));
  return parsed.schedule;
}

function slotScheduleOf(spec: ScheduleSpec): SlotSchedule {
  const schedule = scheduleOf(spec);
  if (schedule.kind !== 'slots') throw new Error(`${schedule.text} has no slots`);
  return schedule;
}

/** The next slots after an instant, of an object created a day before it. */
function next(spec: ScheduleSpec, after: string, count: number): readonly string[] {
  const anchor = { sinceMs: at(after) - 86_400_000, startsAtOnce: true };
  return nextTimes(slotScheduleOf(spec), anchor, at(after), count).map(iso);
}

/** What an expression means. 2026-01-01 is a Thursday. */
const meaning: readonly {
  readonly name: string;
  readonly cron: string;
  /** Default: 2026-01-01T00:00:00Z. */
  readonly after?: string;
  readonly want: readonly string[];
}[] = [
  { name: 'every minute', cron: '* * * * *', want: ['2026-01-01T00:01:00Z', '2026-01-01T00:02:00Z'] },
  { name: 'the instant itself does not count', cron: '0 0 * * *', want: ['2026-01-02T00:00:00Z'] },
  { name: 'a moment before it does', cron: '0 0 * * *', after: '2025-12-31T23:59:59.999Z', want: ['2026-01-01T00:00:00Z'] },
  {
    name: 'list and range',
    cron: '0,30 9-10 * * *',
    want: ['2026-01-01T09:00:00Z', '2026-01-01T09:30:00Z', '2026-01-01T10:00:00Z', '2026-01-01T10:30:00Z', '2026-01-02T09:00:00Z'],
  },
  { name: 'step over everything', cron: '*/25 * * * *', want: ['2026-01-01T00:25:00Z', '2026-01-01T00:50:00Z', '2026-01-01T01:00:00Z'] },
  {
    name: 'step from a value goes to the maximum',
    cron: '50/5 * * * *',
    want: ['2026-01-01T00:50:00Z', '2026-01-01T00:55:00Z', '2026-01-01T01:50:00Z'],
  },
  { name: 'step over a range', cron: '0 8-18/5 * * *', want: ['2026-01-01T08:00:00Z', '2026-01-01T13:00:00Z', '2026-01-01T18:00:00Z'] },
  {
    name: 'a step beyond the maximum leaves the first value',
    cron: '*/75 * * * *',
    want: ['2026-01-01T01:00:00Z', '2026-01-01T02:00:00Z'],
  },
  { name: 'names, in any case', cron: '0 0 * FEB-mar Mon', want: ['2026-02-02T00:00:00Z', '2026-02-09T00:00:00Z'] },
  { name: 'question marks are asterisks', cron: '0 0 ? * 1', want: ['2026-01-05T00:00:00Z', '2026-01-12T00:00:00Z'] },
  { name: 'Sunday is 0', cron: '0 0 * * 0', want: ['2026-01-04T00:00:00Z'] },
  {
    name: 'both day fields restricted: either matches',
    cron: '0 0 13 * fri',
    want: ['2026-01-02T00:00:00Z', '2026-01-09T00:00:00Z', '2026-01-13T00:00:00Z'],
  },
  { name: '*/2 is a restriction', cron: '0 0 */2 * 1', want: ['2026-01-03T00:00:00Z', '2026-01-05T00:00:00Z', '2026-01-07T00:00:00Z'] },
  { name: '*/1 is none', cron: '0 0 */1 * 1', want: ['2026-01-05T00:00:00Z', '2026-01-12T00:00:00Z'] },
  { name: '1-31 is a restriction, and matches every day', cron: '0 0 1-31 * 1', want: ['2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z'] },
  { name: 'an asterisk in a list lifts the restriction', cron: '0 0 *,5 * 1', want: ['2026-01-05T00:00:00Z', '2026-01-12T00:00:00Z'] },
  { name: 'a day that never comes leaves the other day field', cron: '0 0 30 2 1', want: ['2026-02-02T00:00:00Z', '2026-02-09T00:00:00Z'] },
  { name: 'leap days', cron: '0 0 29 2 *', want: ['2028-02-29T00:00:00Z', '2032-02-29T00:00:00Z'] },
  { name: 'leap days over 2100', cron: '0 0 29 2 *', after: '2096-02-29T00:00:00Z', want: ['2104-02-29T00:00:00Z'] },
  { name: 'the last day of the year', cron: '0 0 31 12 *', want: ['2026-12-31T00:00:00Z', '2027-12-31T00:00:00Z'] },
  {
    name: 'over the end of a year',
    cron: '*/30 23,0 31,1 12,1 *',
    after: '2026-12-31T22:00:00Z',
    want: ['2026-12-31T23:00:00Z', '2026-12-31T23:30:00Z', '2027-01-01T00:00:00Z', '2027-01-01T00:30:00Z', '2027-01-01T23:00:00Z'],
  },
  {
    name: 'the 366th day only in leap years',
    cron: '0 0 28-29 2 *',
    after: '2027-02-01T00:00:00Z',
    want: ['2027-02-28T00:00:00Z', '2028-02-28T00:00:00Z', '2028-02-29T00:00:00Z', '2029-02-28T00:00:00Z'],
  },
  { name: 'the 31st', cron: '0 0 31 * *', want: ['2026-01-31T00:00:00Z', '2026-03-31T00:00:00Z', '2026-05-31T00:00:00Z'] },
  { name: 'spaces around', cron: '  5   4 * *  * ', want: ['2026-01-01T04:05:00Z'] },
  { name: '@yearly', cron: '@yearly', want: ['2027-01-01T00:00:00Z'] },
  { name: '@annually', cron: '@annually', want: ['2027-01-01T00:00:00Z'] },
  { name: '@monthly', cron: '@monthly', want: ['2026-02-01T00:00:00Z'] },
  { name: '@weekly', cron: '@weekly', want: ['2026-01-04T00:00:00Z', '2026-01-11T00:00:00Z'] },
  { name: '@daily', cron: '@daily', want: ['2026-01-02T00:00:00Z'] },
  { name: '@midnight', cron: '@midnight', want: ['2026-01-02T00:00:00Z'] },
  { name: '@hourly', cron: '@hourly', want: ['2026-01-01T01:00:00Z', '2026-01-01T02:00:00Z'] },
  { name: '@every', cron: '@every 1h30m', want: ['2026-01-01T01:30:00Z', '2026-01-01T03:00:00Z'] },
  {
    name: '@every drops a fraction',
    cron: '@every 2.9s',
    want: ['2026-01-01T00:00:02Z', '2026-01-01T00:00:04Z'],
  },
  { name: '@every is at least a second', cron: '@every 10ms', want: ['2026-01-01T00:00:01Z', '2026-01-01T00:00:02Z'] },
];

describe('what a cron expression means', () => {
  it.each(meaning)('$name: $cron', ({ cron, after = '2026-01-01T00:00:00Z', want }) => {
    expect(next({ cron }, after, want.length)).toEqual(want);
  });
});

/** What is refused, and the words that tell the user where and why. */
const refusals: readonly { readonly name: string; readonly spec: ScheduleSpec; readonly path: string; readonly message: RegExp }[] = [
  { name: 'four fields', spec: { cron: '* * * *' }, path: 'spec.cron', message: /column 8: found 4 of 5 fields/ },
  {
    name: 'seconds',
    spec: { cron: '0 * * * * *' },
    path: 'spec.cron',
    message: /column 11: found 6 fields instead of 5.*seconds are not supported/,
  },
  { name: 'nothing', spec: { cron: ' ' }, path: 'spec.cron', message: /empty/ },
  { name: 'minute 60', spec: { cron: '1,60 * * * *' }, path: 'spec.cron', message: /column 3: the minute 60 is not between 0 and 59/ },
  { name: 'hour 24', spec: { cron: '0 24 * * *' }, path: 'spec.cron', message: /column 3: the hour 24/ },
  { name: 'day 0', spec: { cron: '0 0 0 * *' }, path: 'spec.cron', message: /column 5: the day of month 0/ },
  { name: 'month 13', spec: { cron: '0 0 1 13 *' }, path: 'spec.cron', message: /column 7: the month 13/ },
  { name: 'Sunday as 7', spec: { cron: '0 0 * * 5-7' }, path: 'spec.cron', message: /column 11: the day of week 7.*Sunday is 0/ },
  { name: 'step 0', spec: { cron: '*/0 * * * *' }, path: 'spec.cron', message: /column 3: the step of the minute must be at least 1/ },
  { name: 'step that is no number', spec: { cron: '0 */x * * *' }, path: 'spec.cron', message: /column 5: expected a number as the step/ },
  { name: 'two steps', spec: { cron: '*/2/3 * * * *' }, path: 'spec.cron', message: /column 3: expected a number as the step/ },
  {
    name: 'range backwards',
    spec: { cron: '0 22-6 * * *' },
    path: 'spec.cron',
    message: /column 3: the range 22-6 of the hour ends before it begins/,
  },
  {
    name: 'range with an open end',
    spec: { cron: '5- * * * *' },
    path: 'spec.cron',
    message: /column 3: a value of the minute is missing/,
  },
  { name: 'empty list item', spec: { cron: '1,,2 * * * *' }, path: 'spec.cron', message: /column 3: a value of the minute is missing/ },
  {
    name: 'unknown name',
    spec: { cron: '0 0 * foo *' },
    path: 'spec.cron',
    message: /column 7: expected a number from 1 to 12 or a name from jan to dec/,
  },
  {
    name: 'a name where none belongs',
    spec: { cron: '0 0 mon * *' },
    path: 'spec.cron',
    message: /column 5: expected a number from 1 to 31/,
  },
  { name: 'L', spec: { cron: '0 0 L * *' }, path: 'spec.cron', message: /column 5: L, W and # are not part/ },
  { name: '15W', spec: { cron: '0 0 15W * *' }, path: 'spec.cron', message: /L, W and # are not part/ },
  { name: '5#2', spec: { cron: '0 0 * * 5#2' }, path: 'spec.cron', message: /column 9: L, W and # are not part/ },
  { name: 'H', spec: { cron: 'H * * * *' }, path: 'spec.cron', message: /column 1: H needs the name of an object/ },
  { name: 'a day that never comes', spec: { cron: '0 0 31 4,6,9,11 *' }, path: 'spec.cron', message: /column 5: never fires/ },
  {
    name: 'TZ=',
    spec: { cron: 'TZ=Europe/Zurich 0 0 * * *' },
    path: 'spec.cron',
    message:
      /column 1: a time zone does not belong into the expression; leave out "TZ=Europe\/Zurich" and set spec.timeZone to "Europe\/Zurich"/,
  },
  {
    name: 'CRON_TZ=',
    spec: { cron: ' CRON_TZ=UTC @daily' },
    path: 'spec.cron',
    message: /column 2: .*leave out "CRON_TZ=UTC" and set spec.timeZone to "UTC"/,
  },
  {
    name: 'TZ= with a zone that is none',
    spec: { cron: 'TZ=Local @daily' },
    path: 'spec.cron',
    message: /leave out "TZ=Local" and set spec.timeZone to an IANA name/,
  },
  { name: 'TZ= and nothing else', spec: { cron: 'TZ=' }, path: 'spec.cron', message: /column 1: .*set spec.timeZone to an IANA name/ },
  { name: 'a descriptor behind a space', spec: { cron: ' @daily' }, path: 'spec.cron', message: /column 1: no space may stand before/ },
  { name: 'a descriptor before a space', spec: { cron: '@daily ' }, path: 'spec.cron', message: /column 7: no space may stand before/ },
  { name: 'a step without end', spec: { cron: '*/99999999999999999 * * * *' }, path: 'spec.cron', message: /column 3: .*too large/ },
  { name: 'unknown descriptor', spec: { cron: '@noon' }, path: 'spec.cron', message: /unknown descriptor "@noon"; use @yearly/ },
  { name: 'descriptors are lower case', spec: { cron: '@Hourly' }, path: 'spec.cron', message: /unknown descriptor/ },
  { name: '@every without a duration', spec: { cron: '@every' }, path: 'spec.cron', message: /invalid duration/ },
  { name: '@every without a unit', spec: { cron: '@every 5' }, path: 'spec.cron', message: /column 8: .*missing unit/ },
  { name: '@every backwards', spec: { cron: '@every -5m' }, path: 'spec.cron', message: /must be positive/ },
  {
    name: 'unknown zone',
    spec: { cron: '@daily', timeZone: 'Mars/Base' },
    path: 'spec.timeZone',
    message: /"Mars\/Base" is not a time zone; use an IANA name/,
  },
  { name: 'an offset is no zone', spec: { cron: '@daily', timeZone: '+02:00' }, path: 'spec.timeZone', message: /is not a time zone/ },
  ...['Local', 'local', 'localtime', 'Europe', 'Europe/', 'Europe/Zürich', ' Europe/Zurich', 'UTC+2', 'GMT+2', ':UTC', 'CEST', '', '2'].map(
    (timeZone) => ({
      name: `${JSON.stringify(timeZone)} as a zone`,
      spec: { cron: '@daily', timeZone },
      path: 'spec.timeZone',
      message: /is not a time zone; use an IANA name/,
    }),
  ),
  {
    name: 'the second of several',
    spec: { crons: ['@daily', '61 * * * *'] },
    path: 'spec.crons[1]',
    message: /"61 \* \* \* \*": column 1: the minute 61/,
  },
  {
    name: 'no schedule',
    spec: {},
    path: 'spec',
    message: /exactly one of cron, crons, interval and minimumInterval must be set; none is set/,
  },
  { name: 'two schedules', spec: { cron: '@daily', interval: '1h' }, path: 'spec', message: /set are cron, interval/ },
  { name: 'an interval of nothing', spec: { interval: '0s' }, path: 'spec.interval', message: /at least 1s/ },
  {
    name: 'an interval that is none',
    spec: { minimumInterval: 'daily' },
    path: 'spec.minimumInterval',
    message: /invalid duration "daily"/,
  },
];

describe('what is refused', () => {
  it.each(refusals)('$name', ({ spec, path, message }) => {
    const parsed = parseSchedule(spec);
    expect(parsed).toMatchObject({ ok: false, problems: [{ path, message: expect.stringMatching(message) as string }] });
  });

  it('reports every bad expression of a list', () => {
    const parsed = parseSchedule({ crons: ['x', '@daily', '@nope'] });
    expect(parsed.ok ? [] : parsed.problems.map((problem) => problem.path)).toEqual(['spec.crons[0]', 'spec.crons[2]']);
  });
});

describe('anchors', () => {
  const created = at('2026-01-01T10:00:07Z');

  it('starts @every at once for a new object, and then on its own beat', () => {
    const schedule = slotScheduleOf({ cron: '@every 10m' });
    const slots = nextTimes(schedule, { sinceMs: created, startsAtOnce: true }, created - 1, 3).map(iso);
    expect(slots).toEqual(['2026-01-01T10:00:07Z', '2026-01-01T10:10:07Z', '2026-01-01T10:20:07Z']);
  });

  it('waits a whole period after a change', () => {
    const schedule = slotScheduleOf({ cron: '@every 10m' });
    expect(nextTimes(schedule, { sinceMs: created, startsAtOnce: false }, created - 1, 1).map(iso)).toEqual(['2026-01-01T10:10:07Z']);
  });

  it.each([
    { cron: '0 * * * *', want: ['2025-12-31T23:00:00Z', '2026-01-01T00:00:00Z'] },
    { cron: '@every 10m', want: ['2025-12-31T22:10:07Z', '2025-12-31T22:20:07Z'] },
  ])('tells slots before the anchor to whoever looks at the past: $cron', ({ cron, want }) => {
    const anchor = { sinceMs: created, startsAtOnce: false, reachesBack: true };
    expect(nextTimes(slotScheduleOf({ cron }), anchor, at('2025-12-31T22:00:07Z'), 2).map(iso)).toEqual(want);
  });

  it('never gives a calendar a slot before the anchor', () => {
    const schedule = slotScheduleOf({ cron: '0 * * * *' });
    expect(nextTimes(schedule, { sinceMs: created, startsAtOnce: true }, created - 86_400_000, 1).map(iso)).toEqual([
      '2026-01-01T11:00:00Z',
    ]);
  });
});

describe('several expressions', () => {
  it('are one schedule, and a slot that two name is one slot', () => {
    const want = ['2026-01-01T00:30:00Z', '2026-01-01T01:00:00Z', '2026-01-01T01:30:00Z', '2026-01-01T02:00:00Z'];
    expect(next({ crons: ['*/30 * * * *', '@hourly'] }, '2026-01-01T00:00:00Z', 4)).toEqual(want);
  });

  it('mean the same in any order', () => {
    expect(scheduleOf({ crons: ['@daily', '@hourly'] }).text).toBe(scheduleOf({ crons: ['0 * * * *', '@midnight'] }).text);
  });
});

describe('intervals', () => {
  it.each([
    { spec: { interval: '6h' }, want: { kind: 'interval', from: 'start', periodMs: 21_600_000 } },
    { spec: { minimumInterval: '90.5s' }, want: { kind: 'interval', from: 'end', periodMs: 90_000 } },
  ])('$spec', ({ spec, want }) => {
    expect(scheduleOf(spec)).toMatchObject(want);
  });
});

describe('slotsBetween', () => {
  const schedule = slotScheduleOf({ cron: '* * * * *' });
  const anchor = { sinceMs: 0, startsAtOnce: true };
  const span = { afterMs: at('2026-01-01T00:00:00Z'), untilMs: at('2026-01-01T00:05:00Z') };

  it('holds the end and not the beginning', () => {
    const { slots, complete } = slotsBetween(schedule, anchor, span, 100);
    expect([slots.map(iso).at(0), slots.map(iso).at(-1), slots.length, complete]).toEqual([
      '2026-01-01T00:01:00Z',
      '2026-01-01T00:05:00Z',
      5,
      true,
    ]);
  });

  it('says when there are more than it may give', () => {
    expect(slotsBetween(schedule, anchor, span, 4)).toMatchObject({ complete: false });
  });

  it.each(['59 23 * * *', '@every 1h'])('ends with the year 9999, which is the last that can be written: %s', (cron) => {
    const parsed = parseSchedule({ cron });
    if (!parsed.ok || parsed.schedule.kind !== 'slots') throw new Error('unreadable');
    const late = { sinceMs: at('9999-12-31T20:59:00Z'), startsAtOnce: false };
    expect(nextTimes(parsed.schedule, late, late.sinceMs, 10).map(iso).at(-1)).toBe('9999-12-31T23:59:00Z');
  });

  it('counts a year of minutes in a moment', () => {
    const year = { afterMs: at('2025-01-01T00:00:00Z'), untilMs: at('2026-01-01T00:00:00Z') };
    expect(slotsBetween(schedule, anchor, year, 1_000_000).slots).toHaveLength(365 * 1440);
  });
});

describe('ScheduleCache', () => {
  it('keeps objects apart whose schedule follows from their name, and shares the others', () => {
    const cache = new ScheduleCache();
    expect(cache.parse({ cron: 'H * * * *' }, 'ns/a')).not.toBe(cache.parse({ cron: 'H * * * *' }, 'ns/b'));
    expect(cache.parse({ crons: ['@daily', '0 0 H * *'] }, 'ns/a')).not.toBe(cache.parse({ crons: ['@daily', '0 0 H * *'] }, 'ns/b'));
    expect(cache.parse({ cron: '0 0 * * THU' }, 'ns/a')).toBe(cache.parse({ cron: '0 0 * * THU' }, 'ns/b'));
  });

  it('parses equal specs once and different ones apart', () => {
    const cache = new ScheduleCache(2);
    const first = cache.parse({ cron: '@daily' });
    expect(cache.parse({ cron: '@daily' })).toBe(first);
    expect(cache.parse({ cron: '@daily', timeZone: 'Europe/Zurich' })).not.toBe(first);
    cache.parse({ cron: '@hourly' });
    expect(cache.parse({ cron: '@daily' })).toEqual(expect.objectContaining({ ok: true }));
  });
});
