/**
 * What a Periodic's spec says about time. A schedule either has slots, instants that are known beforehand (cron, @every), or an
 * interval, whose next start depends on the previous run. Pure: the same spec gives the same slots on every replica and after every restart.
 */
import { DurationError, formatDuration, parseDuration } from '../../crds/duration.ts';
import type { PeriodicSpec } from '../../crds/v1/periodic.ts';
import { Calendar, defaultDstPolicy, type DstPolicy } from './calendar.ts';
import { parseCronFields } from './cronFields.ts';
import { holdsHash } from './cronHash.ts';
import { CronError } from './cronTokens.ts';
import { writable } from './times.ts';
import { Zone, type ZoneRules } from './zone.ts';

/** Where the counting starts. */
export interface Anchor {
  /** Slots of a calendar come after this instant; @every counts from it. */
  readonly sinceMs: number;
  /** @every has a slot at the anchor itself: the first run of a new object, never of a changed schedule. */
  readonly startsAtOnce: boolean;
  /** Slots before sinceMs are told as well: the grid of @every goes on backwards. For what looks at the past. */
  readonly reachesBack?: boolean;
}

export interface SlotSchedule {
  readonly kind: 'slots';
  /** The schedule written in one way: equal text means equal slots. */
  readonly text: string;
  /** The first slot after this instant; undefined when none comes within nine years, or before the year 10000. Slots are whole seconds. */
  next(afterMs: number, anchor: Anchor): number | undefined;
}

export interface IntervalSchedule {
  readonly kind: 'interval';
  readonly text: string;
  readonly periodMs: number;
  /** Counted from the start of the previous run, or from its end. */
  readonly from: 'start' | 'end';
}

export type Schedule = SlotSchedule | IntervalSchedule;

export interface ScheduleProblem {
  /** Such as spec.cron or spec.crons[1]. */
  readonly path: string;
  readonly message: string;
}

export type ParsedSchedule =
  { readonly ok: true; readonly schedule: Schedule } | { readonly ok: false; readonly problems: readonly ScheduleProblem[] };

/** The part of spec that decides when. */
export type ScheduleSpec = Pick<PeriodicSpec, 'cron' | 'crons' | 'interval' | 'minimumInterval' | 'timeZone' | 'dst'>;

const secondMs = 1000;
const everyPrefix = '@every';

const descriptors: ReadonlyMap<string, string> = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * 0'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
]);

/** A zone by its IANA name. Callers that parse much pass one that remembers. */
export type ZoneLookup = (name: string) => ZoneRules | undefined;

/** What an H is picked by. A rename, or a move to another namespace, picks anew. */
export const scheduleSeed = ({ namespace, name }: { readonly namespace?: string; readonly name: string }): string =>
  `${namespace ?? ''}/${name}`;

export interface ParseOptions {
  /** What an H in an expression is picked by: `namespace/name` of the Periodic. Without it an H is refused. */
  readonly seed?: string;
  readonly zoneOf?: ZoneLookup;
}

export function parseSchedule(spec: ScheduleSpec, { seed, zoneOf = (name) => Zone.of(name) }: ParseOptions = {}): ParsedSchedule {
  const given = (['cron', 'crons', 'interval', 'minimumInterval'] as const).filter((field) => spec[field] !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none is set' : `set are ${given.join(', ')}`;
    return failed('spec', `exactly one of cron, crons, interval and minimumInterval must be set; ${found}`);
  }
  if (spec.interval !== undefined) return parseInterval('spec.interval', spec.interval, 'start');
  if (spec.minimumInterval !== undefined) return parseInterval('spec.minimumInterval', spec.minimumInterval, 'end');
  const zone = zoneOf(spec.timeZone ?? 'Etc/UTC');
  if (zone === undefined) {
    return failed('spec.timeZone', `${quote(spec.timeZone)} is not a time zone; use an IANA name such as Europe/Zurich or Etc/UTC`);
  }
  const expressions = spec.crons ?? [spec.cron ?? ''];
  if (expressions.length === 0) return failed('spec.crons', 'must hold at least one expression');
  return parseExpressions(expressions, spec.crons !== undefined, { zone, zoneOf, dst: { ...defaultDstPolicy, ...spec.dst }, seed });
}

/** What an expression is read with. */
interface Reading {
  readonly zone: ZoneRules;
  readonly zoneOf: ZoneLookup;
  readonly dst: DstPolicy;
  readonly seed: string | undefined;
}

function parseExpressions(expressions: readonly string[], several: boolean, reading: Reading): ParsedSchedule {
  const sources: SlotSchedule[] = [];
  const problems: ScheduleProblem[] = [];
  for (const [index, expression] of expressions.entries()) {
    try {
      sources.push(parseExpression(expression, reading));
    } catch (error) {
      if (!(error instanceof CronError)) throw error;
      problems.push({ path: several ? `spec.crons[${index}]` : 'spec.cron', message: `${quote(expression)}: ${error.message}` });
    }
  }
  if (problems.length > 0) return { ok: false, problems };
  const [only, ...others] = sources;
  return { ok: true, schedule: only !== undefined && others.length === 0 ? only : union(sources) };
}

/**
 * One expression: five fields or a descriptor.
 * @throws CronError
 */
function parseExpression(expression: string, { zone, zoneOf, dst, seed }: Reading): SlotSchedule {
  const text = expression.trim();
  if (text === '') throw new CronError('the expression is empty', 1);
  const column = expression.indexOf(text) + 1;
  const prefix = /^(?:CRON_)?TZ=(\S*)/.exec(text);
  if (prefix !== null) throw zoneInExpression(prefix[0], prefix[1] ?? '', zoneOf, column);
  if (text.startsWith('@') && text !== expression) {
    throw new CronError('no space may stand before or behind a descriptor', column > 1 ? 1 : text.length + 1);
  }
  if (text === everyPrefix || text.startsWith(`${everyPrefix} `)) return every(text.slice(everyPrefix.length + 1), everyPrefix.length + 2);
  const fields = parseCronFields(text.startsWith('@') ? describedBy(text) : expression, seed);
  const calendar = new Calendar(fields, zone, dst);
  const policy = zone.isUtc || fields.everyHour ? '' : ` gap=${dst.gap} overlap=${dst.overlap}`;
  return slotsOf(calendar, `${fields.canonical} ${zone.isUtc ? 'Etc/UTC' : zone.name}${policy}`);
}

/** Apart, so that a schedule keeps the calendar and not everything it was read from. */
const slotsOf = (calendar: Calendar, text: string): SlotSchedule => ({
  kind: 'slots',
  text,
  next: (afterMs, anchor) => writable(calendar.next(anchor.reachesBack === true ? afterMs : Math.max(afterMs, anchor.sinceMs))),
});

/** robfig/cron reads the zone from there, and Prow, which puts one in front itself, fails where it registers the job. */
function zoneInExpression(prefix: string, name: string, zoneOf: ZoneLookup, column: number): CronError {
  const remedy = zoneOf(name) === undefined ? 'set spec.timeZone to an IANA name' : `set spec.timeZone to ${quote(name)}`;
  return new CronError(`a time zone does not belong into the expression; leave out ${quote(prefix)} and ${remedy}`, column);
}

function describedBy(text: string): string {
  const fields = descriptors.get(text);
  if (fields !== undefined) return fields;
  throw new CronError(`unknown descriptor ${quote(text)}; use ${[...descriptors.keys()].join(', ')} or @every with a duration`, 1);
}

/** robfig's @every: whole seconds, at least one. */
function every(text: string, column: number): SlotSchedule {
  const durationMs = cronDuration(text, column);
  if (durationMs <= 0) throw new CronError(`the duration of @every must be positive, found ${quote(text)}`, column);
  const periodMs = Math.max(secondMs, Math.floor(durationMs / secondMs) * secondMs);
  return {
    kind: 'slots',
    text: `@every ${formatDuration(periodMs)}`,
    next(afterMs, { sinceMs, startsAtOnce, reachesBack }) {
      const first = reachesBack === true ? -Infinity : startsAtOnce ? 0 : 1;
      return writable(sinceMs + Math.max(first, Math.floor((afterMs - sinceMs) / periodMs) + 1) * periodMs);
    },
  };
}

function cronDuration(text: string, column: number): number {
  try {
    return parseDuration(text);
  } catch (error) {
    if (error instanceof DurationError) throw new CronError(error.message, column);
    throw error;
  }
}

function parseInterval(path: string, text: string, from: 'start' | 'end'): ParsedSchedule {
  try {
    const periodMs = Math.floor(parseDuration(text) / secondMs) * secondMs;
    if (periodMs < secondMs) return failed(path, `must be at least 1s, found ${quote(text)}`);
    return { ok: true, schedule: { kind: 'interval', text: `${from} + ${formatDuration(periodMs)}`, periodMs, from } };
  } catch (error) {
    if (error instanceof DurationError) return failed(path, error.message);
    throw error;
  }
}

/** A slot that several sources name is one slot. */
function union(sources: readonly SlotSchedule[]): SlotSchedule {
  return {
    kind: 'slots',
    text: [...new Set(sources.map((source) => source.text))].sort().join(' | '),
    next(afterMs, anchor) {
      const slots = sources.map((source) => source.next(afterMs, anchor)).filter((slot) => slot !== undefined);
      return slots.length === 0 ? undefined : Math.min(...slots);
    },
  };
}

const failed = (path: string, message: string): ParsedSchedule => ({ ok: false, problems: [{ path, message }] });

const quote = (text: string | undefined): string => JSON.stringify(text ?? '');

/** The slots in (afterMs, untilMs], at most `limit` of them. `complete` is false when there are more. */
export function slotsBetween(
  schedule: SlotSchedule,
  anchor: Anchor,
  span: { readonly afterMs: number; readonly untilMs: number },
  limit: number,
): { readonly slots: readonly number[]; readonly complete: boolean } {
  const slots: number[] = [];
  let slot = schedule.next(span.afterMs, anchor);
  for (; slot !== undefined && slot <= span.untilMs && slots.length < limit; slot = schedule.next(slot, anchor)) slots.push(slot);
  return { slots, complete: slot === undefined || slot > span.untilMs };
}

/** The next `count` slots after this instant, fewer when the schedule ends. */
export function nextTimes(schedule: SlotSchedule, anchor: Anchor, afterMs: number, count: number): readonly number[] {
  return slotsBetween(schedule, anchor, { afterMs, untilMs: Infinity }, count).slots;
}

/**
 * Remembers what was parsed, because thousands of objects share few schedules and each pass needs one. Holds at most `capacity`
 * schedules and starts over when it is full.
 */
export class ScheduleCache {
  readonly #capacity: number;
  #parsed = new Map<string, ParsedSchedule>();

  constructor(capacity = 25_000) {
    this.#capacity = capacity;
  }

  /** `seed`: what an H is picked by, `namespace/name` of the Periodic. Objects without an H share what was parsed. */
  parse(spec: ScheduleSpec, seed?: string): ParsedSchedule {
    const hashed = [spec.cron ?? '', ...(spec.crons ?? [])].some(holdsHash);
    const key = JSON.stringify([
      hashed ? seed : undefined,
      spec.cron,
      spec.crons,
      spec.interval,
      spec.minimumInterval,
      spec.timeZone,
      spec.dst?.gap,
      spec.dst?.overlap,
    ]);
    const known = this.#parsed.get(key);
    if (known !== undefined) return known;
    if (this.#parsed.size >= this.#capacity) this.#parsed = new Map();
    const parsed = parseSchedule(spec, seed === undefined ? {} : { seed });
    this.#parsed.set(key, parsed);
    return parsed;
  }
}
