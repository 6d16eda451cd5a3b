/**
 * Slots around changes of the clocks against a model that knows nothing of segments: it walks the minutes, reads each from Node's
 * own formatter, and applies the policies by their definition.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DstPolicy } from './calendar.ts';
import { nextTimes, ScheduleCache, slotsBetween, type SlotSchedule } from './schedule.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** What an expression names, as sets: the model never reads the text. */
interface Wanted {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  /** Undefined: an asterisk. */
  readonly daysOfMonth: readonly number[] | undefined;
  readonly months: readonly number[] | undefined;
  readonly daysOfWeek: readonly number[] | undefined;
}

/** Local time as the formatter shows it, as if it were UTC. */
type LocalMs = number;

const formats = new Map<string, Intl.DateTimeFormat>();

function localOf(zone: string, ms: number): LocalMs {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' });
    formats.set(zone, format);
  }
  return Date.parse(`${format.format(ms).replace(' ', 'T')}Z`);
}

function isWanted({ minutes, hours, daysOfMonth, months, daysOfWeek }: Wanted, local: LocalMs): boolean {
  const date = new Date(local);
  if (!minutes.includes(date.getUTCMinutes()) || !hours.includes(date.getUTCHours())) return false;
  if (months !== undefined && !months.includes(date.getUTCMonth() + 1)) return false;
  const ofMonth = daysOfMonth?.includes(date.getUTCDate());
  const ofWeek = daysOfWeek?.includes(date.getUTCDay());
  return ofMonth === undefined || ofWeek === undefined ? (ofMonth ?? ofWeek ?? true) : ofMonth || ofWeek;
}

/** A few hours before and behind the span are walked too, for times that come twice. */
const marginMs = 4 * hourMs;

function model(
  wanted: Wanted,
  zone: string,
  { gap, overlap }: DstPolicy,
  span: { readonly afterMs: number; readonly untilMs: number },
): readonly number[] {
  const elapsed = wanted.hours.length === 24;
  const passes = new Map<LocalMs, number[]>();
  const slots = new Set<number>();
  let previous: LocalMs | undefined;
  for (let ms = span.afterMs - marginMs; ms <= span.untilMs + marginMs; ms += minuteMs) {
    const local = localOf(zone, ms);
    if (isWanted(wanted, local)) passes.set(local, [...(passes.get(local) ?? []), ms]);
    const skippedFrom = (previous ?? local) + minuteMs;
    for (let skipped = skippedFrom; skipped < local && !elapsed && gap === 'Shift'; skipped += minuteMs) {
      if (isWanted(wanted, skipped)) slots.add(ms + skipped - skippedFrom);
    }
    previous = local;
  }
  for (const instants of passes.values()) {
    const [first = 0] = instants;
    const last = instants.at(-1) ?? first;
    for (const slot of elapsed || overlap === 'Both' ? instants : [overlap === 'First' ? first : last]) slots.add(slot);
  }
  return [...slots].filter((slot) => slot > span.afterMs && slot <= span.untilMs).sort((a, b) => a - b);
}

const zones = [
  'Europe/Zurich',
  'America/New_York',
  'Australia/Lord_Howe',
  'Europe/Dublin',
  'Pacific/Apia',
  'America/Sao_Paulo',
  'Africa/Cairo',
  'Africa/Casablanca',
  'Antarctica/Troll',
  'Asia/Kathmandu',
  'Asia/Pyongyang',
  'Pacific/Chatham',
  'America/St_Johns',
  'America/Caracas',
  'Pacific/Kiritimati',
];

const changes = new Map<string, readonly number[]>();

function changesOf(zone: string, year: number): readonly number[] {
  const key = `${zone} ${year}`;
  const found = changes.get(key) ?? findChanges(zone, year);
  changes.set(key, found);
  return found;
}

/** The whole hours in which a zone's offset changes in a year, and one where nothing happens. */
function findChanges(zone: string, year: number): readonly number[] {
  const found: number[] = [Date.UTC(year, 7, 7)];
  const offset = (ms: number): number => localOf(zone, ms) - ms;
  for (let ms = Date.UTC(year, 0, 1); ms < Date.UTC(year + 1, 0, 1); ms += dayMs) {
    if (offset(ms) === offset(ms + dayMs)) continue;
    for (let hour = ms; hour < ms + dayMs; hour += hourMs) if (offset(hour) !== offset(hour + hourMs)) found.push(hour);
  }
  return found;
}

const around = fc
  .record({ zone: fc.constantFrom(...zones), year: fc.integer({ min: 1995, max: 2037 }), pick: fc.nat() })
  .map(({ zone, year, pick }) => {
    const found = changesOf(zone, year);
    return { zone, changeMs: found[pick % found.length] ?? 0 };
  });

const someOf = (min: number, max: number, most: number): fc.Arbitrary<readonly number[]> =>
  fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: most });
const all = (count: number): readonly number[] => Array.from({ length: count }, (_, value) => value);
const orAsterisk = (values: fc.Arbitrary<readonly number[]>): fc.Arbitrary<readonly number[] | undefined> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: values });

const wanted: fc.Arbitrary<Wanted> = fc.record({
  minutes: fc.oneof(someOf(0, 59, 4), fc.constantFrom([0], [30], [0, 15, 30, 45])),
  // Clocks change at night.
  hours: fc.oneof(
    { weight: 4, arbitrary: someOf(0, 4, 4) },
    { weight: 2, arbitrary: someOf(0, 23, 20) },
    { weight: 1, arbitrary: fc.constant(all(24)) },
  ),
  daysOfMonth: orAsterisk(someOf(1, 31, 12)),
  months: fc.constant(undefined),
  daysOfWeek: orAsterisk(someOf(0, 6, 3)),
});

const text = ({ minutes, hours, daysOfMonth, months, daysOfWeek }: Wanted): string =>
  [minutes, hours, daysOfMonth, months, daysOfWeek].map((values) => values?.join(',') ?? '*').join(' ');

const policy: fc.Arbitrary<DstPolicy> = fc.record({
  gap: fc.constantFrom('Shift' as const, 'Skip' as const),
  overlap: fc.constantFrom('First' as const, 'Second' as const, 'Both' as const),
});

const anchor = { sinceMs: 0, startsAtOnce: true };
const schedules = new ScheduleCache();

function scheduleOf(cron: string, timeZone: string, dst: DstPolicy): SlotSchedule {
  const parsed = schedules.parse({ cron, timeZone, dst });
  if (!parsed.ok || parsed.schedule.kind !== 'slots') throw new Error(`${cron} has no slots`);
  return parsed.schedule;
}

describe('slots around a change of the clocks', () => {
  it('are those of a walk over the minutes', () => {
    fc.assert(
      fc.property(around, wanted, policy, ({ zone, changeMs }, names, dst) => {
        const span = { afterMs: changeMs - 20 * hourMs, untilMs: changeMs + 32 * hourMs };
        const found = slotsBetween(scheduleOf(text(names), zone, dst), anchor, span, 10_000);
        expect(found).toEqual({ slots: model(names, zone, dst, span), complete: true });
      }),
      { numRuns: 60 },
    );
  });

  it('are the same from wherever the search begins', () => {
    const offset = fc.integer({ min: -30 * hourMs, max: 30 * hourMs });
    fc.assert(
      fc.property(around, wanted, policy, offset, ({ zone, changeMs }, names, dst, offsetMs) => {
        const span = { afterMs: changeMs - 36 * hourMs, untilMs: changeMs + 36 * hourMs };
        const { slots } = slotsBetween(scheduleOf(text(names), zone, dst), anchor, span, 10_000);
        // A cache of its own: nothing may depend on which segments were asked for before.
        const parsed = new ScheduleCache().parse({ cron: text(names), timeZone: zone, dst });
        if (!parsed.ok || parsed.schedule.kind !== 'slots') throw new Error('not parsed again');
        const afterMs = changeMs + offsetMs;
        const expected = slots.filter((slot) => slot > afterMs);
        expect(nextTimes(parsed.schedule, anchor, afterMs, expected.length)).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });
});
