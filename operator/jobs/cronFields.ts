/**
 * The cron language of robfig/cron, as Prow's users know it: five fields, names of months and days, lists, ranges, steps, ? for *.
 * What robfig refuses is refused here, with the column of the fault. cron-parser, which takes far more than that, only ever sees the
 * canonical form, on which both agree: plain numbers that rise, and day fields that cannot be read in two ways.
 */
import { CronExpressionParser } from 'cron-parser';

/** What an expression matches, as sorted lists of numbers. */
export interface CronFields {
  /** Means the same in robfig/cron and in cron-parser. */
  readonly canonical: string;
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

/** What is wrong with an expression. `column` counts from 1. */
export class CronError extends Error {
  readonly code = 'CRON_INVALID';
  override readonly name = 'CronError';
  readonly column: number;

  constructor(message: string, column: number) {
    super(`column ${column}: ${message}`);
    this.column = column;
  }
}

interface FieldKind {
  readonly title: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

const minuteField: FieldKind = { title: 'minute', min: 0, max: 59 };
const hourField: FieldKind = { title: 'hour', min: 0, max: 23 };
const dayOfMonthField: FieldKind = { title: 'day of month', min: 1, max: 31 };
const monthField: FieldKind = { title: 'month', min: 1, max: 12, names: monthNames };
const dayOfWeekField: FieldKind = { title: 'day of week', min: 0, max: 6, names: dayNames };
const fieldCount = 5;

const daysInMonth = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** One field: its canonical text, whether robfig sees it as unrestricted, and whether it names every value nevertheless. */
interface Field {
  readonly text: string;
  readonly star: boolean;
  readonly values: ReadonlySet<number>;
}

interface Token {
  readonly text: string;
  readonly column: number;
}

/**
 * Reads five cron fields. Descriptors (@hourly) are not read here.
 * @throws CronError
 */
export function parseCronFields(expression: string): CronFields {
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
  const minutes = readField(minute, minuteField);
  const hours = readField(hour, hourField);
  const months = readField(month, monthField);
  const days = dayFields(readField(dayOfMonth, dayOfMonthField), readField(dayOfWeek, dayOfWeekField), months, dayOfMonth.column);
  return expand([minutes.text, hours.text, days.ofMonth, months.text, days.ofWeek].join(' '));
}

function tokenize(expression: string): readonly Token[] {
  return [...expression.matchAll(/\S+/g)].map((match) => ({ text: match[0], column: match.index + 1 }));
}

/**
 * robfig's rule: two restricted day fields add up, an unrestricted one leaves the other alone. Canonically, a day field that
 * is restricted in name only, or that can never match, is written so that nobody can read it otherwise.
 */
function dayFields(ofMonth: Field, ofWeek: Field, months: Field, column: number): { readonly ofMonth: string; readonly ofWeek: string } {
  if (!ofMonth.star && !ofWeek.star && (ofMonth.values.size === 31 || ofWeek.values.size === 7)) return { ofMonth: '*', ofWeek: '*' };
  if (ofMonth.star) return { ofMonth: '*', ofWeek: ofWeek.text };
  const longest = Math.max(...[...months.values].map((month) => daysInMonth[month - 1] ?? 0));
  if (Math.min(...ofMonth.values) <= longest) return { ofMonth: ofMonth.text, ofWeek: ofWeek.text };
  if (ofWeek.star) throw new CronError('never fires: no month of the expression has such a day', column);
  return { ofMonth: '*', ofWeek: ofWeek.text };
}

function expand(canonical: string): CronFields {
  const { fields } = CronExpressionParser.parse(canonical, { tz: 'UTC' });
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

function readField(token: Token, kind: FieldKind): Field {
  const values = new Set<number>();
  let star = false;
  let column = token.column;
  for (const part of token.text.split(',')) {
    const range = readPart({ text: part, column }, kind);
    for (let value = range.from; value <= range.to; value += range.step) values.add(value);
    star ||= range.star;
    column += part.length + 1;
  }
  return { text: listText(values, kind), star, values };
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  readonly star: boolean;
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
function readPart(part: Token, kind: FieldKind): Range {
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

function readStep(token: Token, kind: FieldKind): number {
  if (!/^[0-9]{1,9}$/.test(token.text)) {
    throw new CronError(`expected a number as the step of the ${kind.title}, found ${quote(token.text)}`, token.column);
  }
  const step = Number(token.text);
  if (step === 0) throw new CronError(`the step of the ${kind.title} must be at least 1`, token.column);
  return step;
}

function readValue(token: Token, kind: FieldKind): number {
  if (token.text === '') throw new CronError(`a value of the ${kind.title} is missing`, token.column);
  const named = kind.names?.indexOf(token.text.toLowerCase()) ?? -1;
  if (named >= 0) return named + kind.min;
  const bad = token.text.search(/[^0-9]/);
  if (bad >= 0) throw new CronError(notANumber(token.text, kind), token.column + (kind.names === undefined ? bad : 0));
  const value = Number(token.text);
  if (value >= kind.min && value <= kind.max) return value;
  const hint = kind === dayOfWeekField && value === 7 ? '; Sunday is 0' : '';
  throw new CronError(`the ${kind.title} ${token.text} is not between ${kind.min} and ${kind.max}${hint}`, token.column);
}

/** Extensions of other cron dialects get a message of their own: a user who writes them means something. */
function notANumber(text: string, kind: FieldKind): string {
  if (/^h(\(|$)/i.test(text)) return 'H, a hash of the name, is not supported yet; write a number';
  if (/^[0-9]*[lw]$|^lw$|#/i.test(text)) return `L, W and # are not part of Prow's cron language, found ${quote(text)}`;
  const names = kind.names === undefined ? '' : ` or a name from ${kind.names[0] ?? ''} to ${kind.names.at(-1) ?? ''}`;
  return `expected a number from ${kind.min} to ${kind.max}${names} as the ${kind.title}, found ${quote(text)}`;
}

const quote = (text: string): string => JSON.stringify(text);
