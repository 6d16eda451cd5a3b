/** What becomes of slots when a zone's clocks change. The wanted instants were computed elsewhere, minute by minute. */
import { describe, expect, it } from 'vitest';
import type { DstPolicy } from './calendar.ts';
import { nextTimes, parseSchedule, slotsBetween, type SlotSchedule, type ZoneLookup } from './schedule.ts';
import { Zone, type Segment, type ZoneRules } from './zone.ts';

const at = (text: string): number => Date.parse(text);
const iso = (ms: number): string => new Date(ms).toISOString().replace(':00.000Z', 'Z');
const hourMs = 3_600_000;

function scheduleOf(cron: string, timeZone: string, dst: Partial<DstPolicy> = {}, zoneOf?: ZoneLookup): SlotSchedule {
  const parsed = parseSchedule({ cron, timeZone, dst }, zoneOf === undefined ? {} : { zoneOf });
  if (!parsed.ok) throw new Error(parsed.problems.map(({ message }) => message).join('\n'));
  if (parsed.schedule.kind !== 'slots') throw new Error(`${cron} has no slots`);
  return parsed.schedule;
}

const anchor = { sinceMs: 0, startsAtOnce: true };

/** The slots of the two days after an instant. */
function twoDays(schedule: SlotSchedule, after: string): readonly string[] {
  return slotsBetween(schedule, anchor, { afterMs: at(after), untilMs: at(after) + 48 * hourMs }, 100).slots.map(iso);
}

/** Local times that a change leaves out: what each policy makes of them. */
const gaps: readonly {
  readonly name: string;
  readonly zone: string;
  readonly cron: string;
  readonly after: string;
  readonly shift: readonly string[];
  readonly skip: readonly string[];
}[] = [
  {
    name: '02:00 becomes 03:00',
    zone: 'Europe/Zurich',
    cron: '30 2 * * *',
    after: '2026-03-28T12:00Z',
    shift: ['2026-03-29T01:30Z', '2026-03-30T00:30Z'],
    skip: ['2026-03-30T00:30Z'],
  },
  {
    name: '02:00 becomes 03:00',
    zone: 'America/New_York',
    cron: '30 2 * * *',
    after: '2026-03-07T12:00Z',
    shift: ['2026-03-08T07:30Z', '2026-03-09T06:30Z'],
    skip: ['2026-03-09T06:30Z'],
  },
  {
    name: '02:00 becomes 02:30',
    zone: 'Australia/Lord_Howe',
    cron: '15 2 * * *',
    after: '2026-10-03T00:00Z',
    shift: ['2026-10-03T15:45Z', '2026-10-04T15:15Z'],
    skip: ['2026-10-04T15:15Z'],
  },
  {
    name: '01:00 becomes 02:00, which Ireland calls standard time',
    zone: 'Europe/Dublin',
    cron: '30 1 * * *',
    after: '2026-03-28T12:00Z',
    shift: ['2026-03-29T01:30Z', '2026-03-30T00:30Z'],
    skip: ['2026-03-30T00:30Z'],
  },
  {
    name: 'a whole day is left out, and its slot falls on that of the next',
    zone: 'Pacific/Apia',
    cron: '0 6 * * *',
    after: '2011-12-29T12:00Z',
    shift: ['2011-12-29T16:00Z', '2011-12-30T16:00Z'],
    skip: ['2011-12-29T16:00Z', '2011-12-30T16:00Z'],
  },
  {
    name: 'a date that does not exist that year',
    zone: 'Pacific/Apia',
    cron: '0 12 30 12 *',
    after: '2011-12-29T12:00Z',
    shift: ['2011-12-30T22:00Z'],
    skip: [],
  },
  {
    name: 'midnight itself is left out',
    zone: 'America/Sao_Paulo',
    cron: '0 0 * * *',
    after: '2018-11-03T12:00Z',
    shift: ['2018-11-04T03:00Z', '2018-11-05T02:00Z'],
    skip: ['2018-11-05T02:00Z'],
  },
  {
    name: 'the only day of the week begins in the gap',
    zone: 'Africa/Cairo',
    cron: '15 0 * * fri',
    after: '2026-04-23T12:00Z',
    shift: ['2026-04-23T22:15Z'],
    skip: [],
  },
  {
    name: 'two hours are left out',
    zone: 'Antarctica/Troll',
    cron: '30 1,2 * * *',
    after: '2026-03-28T12:00Z',
    shift: ['2026-03-29T01:30Z', '2026-03-29T02:30Z', '2026-03-29T23:30Z', '2026-03-30T00:30Z'],
    skip: ['2026-03-29T23:30Z', '2026-03-30T00:30Z'],
  },
  {
    name: '02:45 becomes 03:45',
    zone: 'Pacific/Chatham',
    cron: '0 3 * * *',
    after: '2026-09-26T00:00Z',
    shift: ['2026-09-26T14:15Z', '2026-09-27T13:15Z'],
    skip: ['2026-09-27T13:15Z'],
  },
  {
    name: 'clocks that never change',
    zone: 'Asia/Kathmandu',
    cron: '30 2 * * *',
    after: '2026-03-28T12:00Z',
    shift: ['2026-03-28T20:45Z', '2026-03-29T20:45Z'],
    skip: ['2026-03-28T20:45Z', '2026-03-29T20:45Z'],
  },
  {
    name: 'a slot moved onto another is one slot',
    zone: 'Europe/Zurich',
    cron: '0 2,3 * * *',
    after: '2026-03-28T12:00Z',
    shift: ['2026-03-29T01:00Z', '2026-03-30T00:00Z', '2026-03-30T01:00Z'],
    skip: ['2026-03-29T01:00Z', '2026-03-30T00:00Z', '2026-03-30T01:00Z'],
  },
];

describe('local times that do not exist', () => {
  it.each(gaps)('$zone, $name: $cron', ({ zone, cron, after, shift, skip }) => {
    expect(twoDays(scheduleOf(cron, zone), after)).toEqual(shift);
    expect(twoDays(scheduleOf(cron, zone, { gap: 'Shift' }), after)).toEqual(shift);
    expect(twoDays(scheduleOf(cron, zone, { gap: 'Skip' }), after)).toEqual(skip);
  });
});

/** Local times that come twice: what each policy makes of them. */
const overlaps: readonly {
  readonly name: string;
  readonly zone: string;
  readonly cron: string;
  readonly after: string;
  readonly passes: readonly [first: string, second: string];
  readonly nextDay: readonly string[];
}[] = [
  {
    name: '03:00 becomes 02:00',
    zone: 'Europe/Zurich',
    cron: '30 2 * * *',
    after: '2026-10-24T12:00Z',
    passes: ['2026-10-25T00:30Z', '2026-10-25T01:30Z'],
    nextDay: ['2026-10-26T01:30Z'],
  },
  {
    name: '02:00 becomes 01:00',
    zone: 'America/New_York',
    cron: '30 1 * * *',
    after: '2026-10-31T12:00Z',
    passes: ['2026-11-01T05:30Z', '2026-11-01T06:30Z'],
    nextDay: ['2026-11-02T06:30Z'],
  },
  {
    name: '02:00 becomes 01:30',
    zone: 'Australia/Lord_Howe',
    cron: '45 1 * * *',
    after: '2026-04-04T00:00Z',
    passes: ['2026-04-04T14:45Z', '2026-04-04T15:15Z'],
    nextDay: ['2026-04-05T15:15Z'],
  },
  {
    name: '02:00 becomes 01:00',
    zone: 'Europe/Dublin',
    cron: '30 1 * * *',
    after: '2026-10-24T12:00Z',
    passes: ['2026-10-25T00:30Z', '2026-10-25T01:30Z'],
    nextDay: ['2026-10-26T01:30Z'],
  },
  {
    name: 'midnight becomes 23:00 of the day before',
    zone: 'America/Sao_Paulo',
    cron: '30 23 * * *',
    after: '2018-02-17T12:00Z',
    passes: ['2018-02-18T01:30Z', '2018-02-18T02:30Z'],
    nextDay: ['2018-02-19T02:30Z'],
  },
  {
    name: 'midnight becomes 23:00 of the day before, and only that day counts',
    zone: 'Africa/Cairo',
    cron: '15 23 29 10 *',
    after: '2026-10-29T12:00Z',
    passes: ['2026-10-29T20:15Z', '2026-10-29T21:15Z'],
    nextDay: [],
  },
  {
    name: '03:00 becomes 01:00',
    zone: 'Antarctica/Troll',
    cron: '30 1 * * *',
    after: '2026-10-24T12:00Z',
    passes: ['2026-10-24T23:30Z', '2026-10-25T01:30Z'],
    nextDay: ['2026-10-26T01:30Z'],
  },
  {
    name: '03:45 becomes 02:45',
    zone: 'Pacific/Chatham',
    cron: '0 3 * * *',
    after: '2026-04-04T00:00Z',
    passes: ['2026-04-04T13:15Z', '2026-04-04T14:15Z'],
    nextDay: ['2026-04-05T14:15Z'],
  },
];

describe('local times that come twice', () => {
  it.each(overlaps)('$zone, $name: $cron', ({ zone, cron, after, passes: [first, second], nextDay }) => {
    expect(twoDays(scheduleOf(cron, zone), after)).toEqual([first, ...nextDay]);
    expect(twoDays(scheduleOf(cron, zone, { overlap: 'First' }), after)).toEqual([first, ...nextDay]);
    expect(twoDays(scheduleOf(cron, zone, { overlap: 'Second' }), after)).toEqual([second, ...nextDay]);
    expect(twoDays(scheduleOf(cron, zone, { overlap: 'Both' }), after)).toEqual([first, second, ...nextDay]);
  });

  it('come in the order of time, not of the clock', () => {
    const schedule = scheduleOf('30 1,2 * * *', 'Antarctica/Troll', { overlap: 'Both' });
    expect(twoDays(schedule, '2026-10-24T12:00Z').slice(0, 4)).toEqual([
      '2026-10-24T23:30Z',
      '2026-10-25T00:30Z',
      '2026-10-25T01:30Z',
      '2026-10-25T02:30Z',
    ]);
  });
});

/** An hour of * (or all 24 of them) follows elapsed time, whatever the policy says. */
const everyHour: readonly { readonly cron: string; readonly zone: string; readonly after: string; readonly want: readonly string[] }[] = [
  {
    cron: '0 * * * *',
    zone: 'Europe/Zurich',
    after: '2026-03-28T23:30Z',
    want: ['2026-03-29T00:00Z', '2026-03-29T01:00Z', '2026-03-29T02:00Z'],
  },
  {
    cron: '0 * * * *',
    zone: 'Europe/Zurich',
    after: '2026-10-24T23:30Z',
    want: ['2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T02:00Z'],
  },
  {
    cron: '0 0-23 * * *',
    zone: 'America/New_York',
    after: '2026-11-01T04:30Z',
    want: ['2026-11-01T05:00Z', '2026-11-01T06:00Z', '2026-11-01T07:00Z'],
  },
  {
    cron: '0 */1 * * *',
    zone: 'Antarctica/Troll',
    after: '2026-03-29T00:30Z',
    want: ['2026-03-29T01:00Z', '2026-03-29T02:00Z', '2026-03-29T03:00Z'],
  },
  {
    cron: '15 * * * *',
    zone: 'Pacific/Chatham',
    after: '2026-09-26T13:00Z',
    want: ['2026-09-26T13:30Z', '2026-09-26T14:30Z', '2026-09-26T15:30Z'],
  },
  {
    cron: '*/30 * * * *',
    zone: 'Australia/Lord_Howe',
    after: '2026-10-03T15:00Z',
    want: ['2026-10-03T15:30Z', '2026-10-03T16:00Z', '2026-10-03T16:30Z'],
  },
  // A change by half an hour moves the minute within the hour: one pause, or one pair, of that much.
  {
    cron: '15 * * * *',
    zone: 'Australia/Lord_Howe',
    after: '2026-10-03T14:00Z',
    want: ['2026-10-03T14:45Z', '2026-10-03T16:15Z', '2026-10-03T17:15Z'],
  },
  {
    cron: '45 * * * *',
    zone: 'Australia/Lord_Howe',
    after: '2026-04-04T14:00Z',
    want: ['2026-04-04T14:45Z', '2026-04-04T15:15Z', '2026-04-04T16:15Z'],
  },
];

describe('a schedule that names every hour', () => {
  it.each(everyHour)('$cron in $zone after $after', ({ cron, zone, after, want }) => {
    for (const dst of [{}, { gap: 'Skip', overlap: 'Second' }, { gap: 'Shift', overlap: 'Both' }] as const) {
      expect(nextTimes(scheduleOf(cron, zone, dst), anchor, at(after), 3).map(iso)).toEqual(want);
    }
  });
});

/** Ends of years and leap days are those of the zone. */
const calendars: readonly { readonly cron: string; readonly zone: string; readonly after: string; readonly want: readonly string[] }[] = [
  { cron: '0 0 1 1 *', zone: 'Pacific/Kiritimati', after: '2026-06-01T00:00Z', want: ['2026-12-31T10:00Z', '2027-12-31T10:00Z'] },
  { cron: '59 23 31 12 *', zone: 'Pacific/Pago_Pago', after: '2026-06-01T00:00Z', want: ['2027-01-01T10:59Z', '2028-01-01T10:59Z'] },
  { cron: '0 0 29 2 *', zone: 'Asia/Kathmandu', after: '2026-01-01T00:00Z', want: ['2028-02-28T18:15Z', '2032-02-28T18:15Z'] },
  { cron: '0 0 29 2 *', zone: 'America/New_York', after: '2096-03-01T00:00Z', want: ['2104-02-29T05:00Z'] },
  { cron: '0 0 1 * *', zone: 'Pacific/Chatham', after: '2027-12-15T00:00Z', want: ['2027-12-31T10:15Z', '2028-01-31T10:15Z'] },
  { cron: '0 12 * * 0', zone: 'Pacific/Auckland', after: '2026-01-01T00:00Z', want: ['2026-01-03T23:00Z', '2026-01-10T23:00Z'] },
];

describe('years and leap days in a zone', () => {
  it.each(calendars)('$cron in $zone', ({ cron, zone, after, want }) => {
    expect(nextTimes(scheduleOf(cron, zone), anchor, at(after), want.length).map(iso)).toEqual(want);
  });
});

describe('names of zones', () => {
  it.each([
    ['US/Pacific', 'America/Los_Angeles'],
    ['Asia/Calcutta', 'Asia/Kolkata'],
    ['europe/zurich', 'Europe/Zurich'],
    ['EUROPE/ZURICH', 'Europe/Zurich'],
    ['UTC', 'Etc/UTC'],
    ['utc', 'Etc/UTC'],
    ['GMT', 'Etc/UTC'],
    ['Etc/GMT', 'Etc/UTC'],
    ['Zulu', 'Etc/UTC'],
    ['Etc/GMT-2', 'Africa/Maputo'],
  ])('%s keeps the time of %s', (alias, zone) => {
    const slots = (name: string): readonly number[] => nextTimes(scheduleOf('30 2 * * *', name), anchor, at('2026-01-01T00:00Z'), 400);
    expect(slots(alias)).toEqual(slots(zone));
  });

  it('are part of the schedule, unless they name UTC', () => {
    expect(scheduleOf('0 0 * * *', 'UTC').text).toBe(scheduleOf('0 0 * * *', 'Etc/UTC').text);
    expect(scheduleOf('0 0 * * *', 'Europe/Zurich').text).not.toBe(scheduleOf('0 0 * * *', 'Etc/UTC').text);
  });
});

/** A zone whose offset is what a table says: from each instant on. */
function zoneOf(changes: readonly (readonly [from: string, offsetHours: number])[]): ZoneRules {
  const segments = changes.map(([from, hours], index): Segment => {
    const [nextFrom, nextHours] = changes[index + 1] ?? ['', hours];
    return {
      startMs: index === 0 ? -Infinity : at(from),
      endMs: nextFrom === '' ? Infinity : at(nextFrom),
      offsetMs: hours * hourMs,
      offsetBeforeMs: (changes[index - 1]?.[1] ?? hours) * hourMs,
      offsetAfterMs: nextHours * hourMs,
    };
  });
  return {
    name: 'Test/Zone',
    isUtc: false,
    segmentAt(ms) {
      const found = segments.find(({ startMs, endMs }) => startMs <= ms && ms < endMs);
      if (found === undefined) throw new Error(`no segment holds ${ms}`);
      return found;
    },
  };
}

describe('a release with newer time zone data', () => {
  const summerStays = zoneOf([['', 2]]);
  const summerEnds = zoneOf([
    ['', 2],
    ['2026-10-25T01:00Z', 1],
  ]);
  const slots = (zone: ZoneRules, after: string, cron = '30 2 * * *'): readonly string[] =>
    nextTimes(
      scheduleOf(cron, 'Test/Zone', {}, () => zone),
      anchor,
      at(after),
      3,
    ).map(iso);

  it('moves the slots that are still to come, and those only', () => {
    expect(slots(summerStays, '2026-10-23T12:00Z')).toEqual(['2026-10-24T00:30Z', '2026-10-25T00:30Z', '2026-10-26T00:30Z']);
    expect(slots(summerEnds, '2026-10-23T12:00Z')).toEqual(['2026-10-24T00:30Z', '2026-10-25T00:30Z', '2026-10-26T01:30Z']);
  });

  it('counts on from the last slot that was dealt with: the same day can come a second time where clocks now go back', () => {
    const dealtWith = '2026-10-26T00:30Z';
    expect(slots(summerEnds, dealtWith)).toEqual(['2026-10-26T01:30Z', '2026-10-27T01:30Z', '2026-10-28T01:30Z']);
  });

  it('and one that now lies before it does not come', () => {
    // 03:30 would have been at 02:30Z; with the clocks an hour ahead it is at 01:30Z, when the slot of 02:30 was dealt with.
    const dealtWith = '2026-10-26T01:30Z';
    expect(slots(summerEnds, dealtWith, '30 2,3 * * *')).toEqual(['2026-10-26T02:30Z', '2026-10-27T01:30Z', '2026-10-27T02:30Z']);
    expect(slots(summerStays, dealtWith, '30 2,3 * * *')).toEqual(['2026-10-27T00:30Z', '2026-10-27T01:30Z', '2026-10-28T00:30Z']);
  });

  it('is no change of the schedule', () => {
    const text = (zone: ZoneRules): string => scheduleOf('30 2 * * *', 'Test/Zone', {}, () => zone).text;
    expect(text(summerEnds)).toBe(text(summerStays));
  });

  it('is read once for each name, so that thousands of schedules pay for it once', () => {
    expect(Zone.of('Europe/Zurich')).toBe(Zone.of('Europe/Zurich'));
    expect(Zone.of('europe/zurich')?.name).toBe('europe/zurich');
    expect(Zone.of('Europe/Nowhere')).toBeUndefined();
  });

  it('brings its rules with Node', () => {
    const zone = Zone.of('Europe/Zurich');
    expect(zone?.segmentAt(at('2026-07-01T00:00Z'))).toEqual({
      startMs: at('2026-03-29T01:00Z'),
      endMs: at('2026-10-25T01:00Z'),
      offsetMs: 2 * hourMs,
      offsetBeforeMs: hourMs,
      offsetAfterMs: hourMs,
    });
  });
});
