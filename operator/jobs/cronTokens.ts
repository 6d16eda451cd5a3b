/**
 * The smallest parts of a cron expression: words with their column, the numbers and names that stand in a field, and the error that says
 * where the fault is.
 */

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

/** One of the five fields: what it is called and what may stand in it. */
export interface FieldKind {
  readonly title: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

export const minuteField: FieldKind = { title: 'minute', min: 0, max: 59 };
export const hourField: FieldKind = { title: 'hour', min: 0, max: 23 };
export const dayOfMonthField: FieldKind = { title: 'day of month', min: 1, max: 31 };
export const monthField: FieldKind = { title: 'month', min: 1, max: 12, names: monthNames };
export const dayOfWeekField: FieldKind = { title: 'day of week', min: 0, max: 6, names: dayNames };

/** A word of the expression, or a part of one. `column` counts from 1. */
export interface Token {
  readonly text: string;
  readonly column: number;
}

/**
 * The number behind a slash.
 * @throws CronError
 */
export function readStep(token: Token, kind: FieldKind): number {
  if (!/^[0-9]+$/.test(token.text)) {
    throw new CronError(`expected a number as the step of the ${kind.title}, found ${quote(token.text)}`, token.column);
  }
  const step = Number(token.text);
  if (step > Number.MAX_SAFE_INTEGER) throw new CronError(`the step ${token.text} of the ${kind.title} is too large`, token.column);
  if (step === 0) throw new CronError(`the step of the ${kind.title} must be at least 1`, token.column);
  return step;
}

/**
 * A number or a name of the field.
 * @throws CronError
 */
export function readValue(token: Token, kind: FieldKind): number {
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
  if (/^h/i.test(text)) return `H, a value picked by the name, stands alone or as H(a-b), H/n or H(a-b)/n, found ${quote(text)}`;
  if (/^[0-9]*[lw]$|^lw$|#/i.test(text)) return `L, W and # are not part of Prow's cron language, found ${quote(text)}`;
  const names = kind.names === undefined ? '' : ` or a name from ${kind.names[0] ?? ''} to ${kind.names.at(-1) ?? ''}`;
  return `expected a number from ${kind.min} to ${kind.max}${names} as the ${kind.title}, found ${quote(text)}`;
}

export const quote = (text: string): string => JSON.stringify(text);
