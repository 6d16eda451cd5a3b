/**
 * The cron language of robfig/cron, as Prow's users know it: five fields, names of months and days, lists, ranges, steps, ? for *.
 * What robfig refuses is refused here, with the column of the fault. cron-parser, which takes far more than that, only ever sees the
 * canonical form, on which both agree: plain numbers that rise, and day fields that cannot be read in two ways.
 */
import { CronExpressionParser } from 'cron-parser';
import { holdsHash, isHash, readHash, type HashLimits } from './cronHash.ts';
import {
  CronError,
  dayOfMonthField,
  dayOfWeekField,
  hourField,
  minuteField,
  monthField,
  readStep,
  readValue,
  type FieldKind,
  type Token,
} from './cronTokens.ts';

/** What an expression matches, as sorted lists of numbers. */
export interface CronFields {
  /** Means the same in robfig/cron and in cron-parser. */
  readonly canonical: string;
  /** The fields as they were written, with what H picks in the place of each H. */
  readonly effective: string;
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly daysOfMonth: readonly number[];
  /** 1 to 12. */
  readonly months: readonly number[];
  /** 0 = Sunday. */
  readonly daysOfWeek: readonly number[];
  /** Both day fields are restricted: a day matches when either does. Otherwise both must. */
  readonly eitherDay: boolean;
  /** The hour field names every hour: the schedule follows elapsed time, whatever the clocks do. */
  readonly everyHour: boolean;
}

const fieldCount = 5;
const daysInMonth = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** February outside of leap years: the last day that every month has. */
const safeDay = 28;

/** What one field says. */
interface Field {
  /** Canonical: equal values have equal text. */
  readonly text: string;
  /** As it was written, each H replaced by what it picks. */
  readonly effective: string;
  /** robfig sees it as unrestricted. */
  readonly star: boolean;
  readonly values: ReadonlySet<number>;
  /** Those that do not depend on the name. */
  readonly fixed: ReadonlySet<number>;
  /** Everything that some name could pick. */
  readonly hashable: ReadonlySet<number>;
}

/**
 * Reads five cron fields. Descriptors (@hourly) are not read here.
 * @param seed what an H is picked by: namespace and name of the object
 * @throws CronError
 */
export function parseCronFields(expression: string, seed?: string): CronFields {
  const tokens = tokenize(expression);
  const [minute, hour, dayOfMonth, month, dayOfWeek] = tokens;
  if (minute === undefined || hour === undefined || dayOfMonth === undefined || month === undefined || dayOfWeek === undefined) {
    throw new CronError(`found ${tokens.length} of 5 fields: minute, hour, day of month, month, day of week`, expression.length + 1);
  }
  const extra = tokens[fieldCount];
  if (extra !== undefined) {
    throw new CronError(
      `found ${tokens.length} fields instead of 5: minute, hour, day of month, month, day of week; seconds are not supported`,
      extra.column,
    );
  }
  const read = (token: Token, kind: FieldKind, limits = { bareMax: kind.max, rangeMax: kind.max }): Field =>
    readField(token, kind, limits, seed);
  const minutes = read(minute, minuteField);
  const hours = read(hour, hourField);
  const months = read(month, monthField);
  const daysOfMonth = read(dayOfMonth, dayOfMonthField, {
    bareMax: safeDay,
    rangeMax: shortestMonth([...months.fixed, ...months.hashable]),
  });
  const daysOfWeek = read(dayOfWeek, dayOfWeekField);
  const days = dayFields(daysOfMonth, daysOfWeek, months, dayOfMonth.column);
  return {
    ...expand([minutes.text, hours.text, days.ofMonth, months.text, days.ofWeek].join(' ')),
    effective: [minutes, hours, daysOfMonth, months, daysOfWeek].map((field) => field.effective).join(' '),
  };
}

/**
 * The expression that a schedule with H comes down to, in plain cron. Expressions without H, descriptors among them, stay as they are.
 * @param seed namespace/name of the object
 * @throws CronError
 */
export function expandHash(expression: string, seed: string): string {
  return holdsHash(expression) ? parseCronFields(expression, seed).effective : expression;
}

/** Go and JavaScript differ in two of the characters that they count as space. */
function tokenize(expression: string): readonly Token[] {
  return [...expression.matchAll(/(?:[^\s\u0085]|\uFEFF)+/g)].map((match) => ({ text: match[0], column: match.index + 1 }));
}

const longest = (months: Iterable<number>): number => Math.max(0, ...[...months].map((month) => daysInMonth[month - 1] ?? 0));

/** The last day that all of these months have, every year. */
function shortestMonth(months: Iterable<number>): number {
  const shortest = Math.min(...[...months].map((month) => daysInMonth[month - 1] ?? 0));
  return shortest === 29 ? safeDay : shortest;
}

/**
 * robfig's rule: two restricted day fields add up, an unrestricted one leaves the other alone. Canonically, a day field that
 * is restricted in name only, or that can never match, is written so that nobody can read it otherwise.
 */
function dayFields(ofMonth: Field, ofWeek: Field, months: Field, column: number): { readonly ofMonth: string; readonly ofWeek: string } {
  if (!ofMonth.star && !ofWeek.star && (ofMonth.values.size === 31 || ofWeek.values.size === 7)) return { ofMonth: '*', ofWeek: '*' };
  if (ofMonth.star) return { ofMonth: '*', ofWeek: ofWeek.text };
  const first = Math.min(...ofMonth.values);
  if (ofWeek.star) refuseNever(first, months, column);
  return first <= longest(months.values) ? { ofMonth: ofMonth.text, ofWeek: ofWeek.text } : { ofMonth: '*', ofWeek: ofWeek.text };
}

/** No name may make an expression one that never fires. */
function refuseNever(firstDay: number, { fixed, hashable }: Field, column: number): void {
  if (firstDay <= longest(fixed)) return;
  if (hashable.size === 0) throw new CronError('never fires: no month of the expression has such a day', column);
  if (firstDay <= shortestMonth(hashable)) return;
  throw new CronError('may never fire: H can pick a month that does not have such a day every year', column);
}

function expand(canonical: string): Omit<CronFields, 'effective'> {
  const { fields } = CronExpressionParser.parse(canonical, { tz: 'UTC', currentDate: 0 });
  const numbers = (values: readonly (number | string)[]): readonly number[] => values.filter((value) => typeof value === 'number');
  const [, , ofMonth, , ofWeek] = canonical.split(' ');
  return {
    canonical,
    minutes: fields.minute.values,
    hours: fields.hour.values,
    daysOfMonth: numbers(fields.dayOfMonth.values),
    months: fields.month.values,
    // cron-parser lists Sunday as 0 and as 7.
    daysOfWeek: numbers(fields.dayOfWeek.values).filter((day) => day < 7),
    eitherDay: ofMonth !== '*' && ofWeek !== '*',
    everyHour: fields.hour.values.length === 24,
  };
}

function readField(token: Token, kind: FieldKind, limits: HashLimits, seed: string | undefined): Field {
  const elements: Element[] = [];
  let column = token.column;
  for (const part of token.text.split(',')) {
    elements.push(isHash(part) ? hashElement({ text: part, column }, kind, limits, seed) : plainElement({ text: part, column }, kind));
    column += part.length + 1;
  }
  refuseOverlaps(elements, kind);
  const values = new Set(elements.flatMap((element) => element.values));
  return {
    text: listText(values, kind),
    effective: elements.map((element) => element.effective).join(','),
    star: elements.some((element) => element.star),
    values,
    fixed: new Set(elements.filter((element) => !element.hashed).flatMap((element) => element.values)),
    hashable: new Set(elements.filter((element) => element.hashed).flatMap((element) => element.possible)),
  };
}

/** One element of a list. */
interface Element {
  readonly column: number;
  readonly effective: string;
  readonly star: boolean;
  readonly hashed: boolean;
  readonly values: readonly number[];
  /** What the values could be under another name. */
  readonly possible: readonly number[];
}

function hashElement(part: Token, kind: FieldKind, limits: HashLimits, seed: string | undefined): Element {
  const { lowest, highest, from, to, step } = readHash(part, kind, limits, seed);
  return {
    column: part.column,
    effective: from === to ? String(from) : `${from}-${to}/${step}`,
    star: false,
    hashed: true,
    values: valuesOf({ from, to, step }),
    possible: valuesOf({ from: lowest, to: highest, step: 1 }),
  };
}

function plainElement(part: Token, kind: FieldKind): Element {
  const range = readPart(part, kind);
  const values = valuesOf(range);
  return { column: part.column, effective: part.text, star: range.star, hashed: false, values, possible: values };
}

/** What H picks beside other values must not depend on luck: how many slots there are would follow from the name. */
function refuseOverlaps(elements: readonly Element[], kind: FieldKind): void {
  for (const element of elements) {
    if (!element.hashed) continue;
    const others = new Set(elements.filter((other) => other !== element).flatMap((other) => other.possible));
    const shared = element.possible.find((value) => others.has(value));
    if (shared === undefined) continue;
    throw new CronError(
      `H could pick the ${kind.title} ${shared}, which the list names elsewhere; give H a range of its own such as H(${kind.min}-${kind.min + 2})`,
      element.column,
    );
  }
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

function valuesOf({ from, to, step }: Range): readonly number[] {
  const values: number[] = [];
  for (let value = from; value <= to; value += step) values.push(value);
  return values;
}

/** The shortest list of values and ranges that names these values: equal sets have equal text. */
function listText(values: ReadonlySet<number>, kind: FieldKind): string {
  if (values.size === kind.max - kind.min + 1) return '*';
  const ranges: { from: number; to: number }[] = [];
  for (const value of [...values].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.to === value - 1) last.to = value;
    else ranges.push({ from: value, to: value });
  }
  return ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}

/** One element of a list: *, a, a-b, each with an optional /step. */
function readPart(part: Token, kind: FieldKind): Range & { readonly star: boolean } {
  const slash = part.text.indexOf('/');
  const bounds = slash < 0 ? part : { text: part.text.slice(0, slash), column: part.column };
  const step = slash < 0 ? 1 : readStep({ text: part.text.slice(slash + 1), column: part.column + slash + 1 }, kind);
  if (bounds.text === '*' || bounds.text === '?')
    return { from: kind.min, to: kind.max, step: Math.min(step, kind.max + 1), star: step === 1 };
  const dash = bounds.text.indexOf('-');
  if (dash < 0) {
    const from = readValue(bounds, kind);
    return { from, to: slash < 0 ? from : kind.max, step: Math.min(step, kind.max + 1), star: false };
  }
  const from = readValue({ text: bounds.text.slice(0, dash), column: bounds.column }, kind);
  const to = readValue({ text: bounds.text.slice(dash + 1), column: bounds.column + dash + 1 }, kind);
  if (from > to) throw new CronError(`the range ${bounds.text} of the ${kind.title} ends before it begins`, bounds.column);
  return { from, to, step: Math.min(step, kind.max + 1), star: false };
}
