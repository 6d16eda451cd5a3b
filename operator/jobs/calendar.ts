/**
 * When a cron expression fires, in its time zone. Local times are walked as numbers ("civil milliseconds": local time read as if
 * it were UTC) and mapped to instants segment by segment. A time in the gap of spring is moved behind it or left out; a
 * time that autumn repeats counts the first time, the second time, or both. A schedule that names every hour follows elapsed time instead:
 * it neither pauses nor doubles when the clocks change.
 */
import type { CronFields } from './cronFields.ts';
import type { Segment, ZoneRules } from './zone.ts';

export interface DstPolicy {
  readonly gap: 'Shift' | 'Skip';
  readonly overlap: 'First' | 'Second' | 'Both';
}

export const defaultDstPolicy: DstPolicy = { gap: 'Shift', overlap: 'First' };

const minuteMs = 60_000;
const minutesPerDay = 1440;
const dayMs = 86_400_000;
/** 29 February can be eight years away, from 2096 on. */
const horizonDays = 9 * 366;
/** Two changes a year in that time, and the cuts of long segments. */
const horizonSegments = 64;

/** The slots that a status shows, the one that is due, and some. */
const rememberedAnswers = 8;

/** No slot lies between the two. */
interface Answer {
  readonly fromMs: number;
  readonly slotMs: number;
}

/** Small on purpose: a cluster can hold thousands of schedules, each different. */
export class Calendar {
  readonly #zone: ZoneRules;
  readonly #dst: DstPolicy;
  readonly #eitherDay: boolean;
  readonly #everyHour: boolean;
  /** Rising. */
  readonly #minutes: readonly number[];
  readonly #hours: readonly number[];
  /** Bit n stands for the number n. */
  readonly #months: number;
  readonly #daysOfMonth: number;
  readonly #daysOfWeek: number;
  /** Answers given lately, the oldest of them replaced first. Whoever asks, asks again for nearly the same instants, and many share one calendar. */
  readonly #answers: Answer[] = [];
  #oldest = 0;

  constructor(fields: CronFields, zone: ZoneRules, dst: DstPolicy = defaultDstPolicy) {
    this.#zone = zone;
    this.#dst = dst;
    this.#eitherDay = fields.eitherDay;
    this.#everyHour = fields.everyHour;
    this.#minutes = fields.minutes;
    this.#hours = fields.hours;
    this.#months = bitsOf(fields.months);
    this.#daysOfMonth = bitsOf(fields.daysOfMonth);
    this.#daysOfWeek = bitsOf(fields.daysOfWeek);
  }

  /** The first slot after this instant; undefined when none comes within nine years. */
  next(afterMs: number): number | undefined {
    for (const { fromMs, slotMs } of this.#answers) if (fromMs <= afterMs && afterMs < slotMs) return slotMs;
    const slotMs = this.#search(afterMs);
    if (slotMs !== undefined) {
      this.#answers[this.#oldest] = { fromMs: afterMs, slotMs };
      this.#oldest = (this.#oldest + 1) % rememberedAnswers;
    }
    return slotMs;
  }

  #search(afterMs: number): number | undefined {
    if (this.#zone.isUtc) return this.#nextCivil(afterMs);
    let cursor = afterMs;
    for (let i = 0; i < horizonSegments; i++) {
      const segment = this.#zone.segmentAt(cursor + 1);
      const slot = this.#nextIn(segment, cursor);
      if (slot !== undefined) return slot;
      cursor = segment.endMs - 1;
    }
    return undefined;
  }

  #nextIn(segment: Segment, afterMs: number): number | undefined {
    const regular = this.#regular(segment, afterMs);
    const shifted = this.#shifted(segment, afterMs);
    if (regular === undefined || shifted === undefined) return regular ?? shifted;
    return Math.min(regular, shifted);
  }

  /** The next slot whose local time exists in this segment, unless the other pass through that hour is the one that counts. */
  #regular(segment: Segment, afterMs: number): number | undefined {
    const { overlap } = this.#dst;
    const once = !this.#everyHour;
    const repeatedMs = Math.max(0, segment.offsetBeforeMs - segment.offsetMs);
    const repeatedLaterMs = Math.max(0, segment.offsetMs - segment.offsetAfterMs);
    const from = once && overlap === 'First' ? Math.max(afterMs, segment.startMs + repeatedMs - 1) : afterMs;
    const end = once && overlap === 'Second' ? segment.endMs - repeatedLaterMs : segment.endMs;
    const civil = this.#nextCivil(from + segment.offsetMs);
    if (civil === undefined) return undefined;
    const slot = civil - segment.offsetMs;
    return slot < end ? slot : undefined;
  }

  /** The next slot whose local time fell into the gap at the start of this segment: as far behind the gap as it was into it. */
  #shifted(segment: Segment, afterMs: number): number | undefined {
    if (this.#everyHour || this.#dst.gap === 'Skip' || segment.offsetMs <= segment.offsetBeforeMs) return undefined;
    const gapStart = segment.startMs + segment.offsetBeforeMs;
    const gapEnd = segment.startMs + segment.offsetMs;
    const civil = this.#nextCivil(Math.max(gapStart - 1, afterMs + segment.offsetBeforeMs));
    return civil === undefined || civil >= gapEnd ? undefined : civil - segment.offsetBeforeMs;
  }

  /** The first matching local time after this one. */
  #nextCivil(afterMs: number): number | undefined {
    const first = Math.floor(afterMs / minuteMs) + 1;
    let day = Math.floor(first / minutesPerDay);
    const minute = this.#minuteFrom(first - day * minutesPerDay);
    if (minute !== undefined && this.#isDay(new Date(day * dayMs))) return (day * minutesPerDay + minute) * minuteMs;
    const lastDay = day + horizonDays;
    for (day += 1; day <= lastDay; day++) {
      const date = new Date(day * dayMs);
      if (!holds(this.#months, date.getUTCMonth() + 1)) day += daysLeftInMonth(date);
      else if (this.#isDay(date)) return (day * minutesPerDay + (this.#minuteFrom(0) ?? 0)) * minuteMs;
    }
    return undefined;
  }

  #isDay(date: Date): boolean {
    if (!holds(this.#months, date.getUTCMonth() + 1)) return false;
    const ofMonth = holds(this.#daysOfMonth, date.getUTCDate());
    const ofWeek = holds(this.#daysOfWeek, date.getUTCDay());
    return this.#eitherDay ? ofMonth || ofWeek : ofMonth && ofWeek;
  }

  /** The first matching minute of a day that is not before this one. */
  #minuteFrom(minuteOfDay: number): number | undefined {
    const now = Math.floor(minuteOfDay / 60);
    for (const hour of this.#hours) {
      if (hour < now) continue;
      const least = hour === now ? minuteOfDay - now * 60 : 0;
      const minute = this.#minutes.find((candidate) => candidate >= least);
      if (minute !== undefined) return hour * 60 + minute;
    }
    return undefined;
  }
}

const bitsOf = (values: readonly number[]): number => values.reduce((bits, value) => bits | (1 << value), 0);

const holds = (bits: number, value: number): boolean => (bits & (1 << value)) !== 0;

/** So that the loop's own step arrives at the first of the next month. */
function daysLeftInMonth(date: Date): number {
  const next = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
  return Math.round((next - date.getTime()) / dayMs) - 1;
}
