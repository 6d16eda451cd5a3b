/**
 * The one place that knows winston. JSON lines for machines, one readable line for people, colour only on a terminal.
 * Whatever looks like a credential is replaced before it is written: by the field's name, and by the shape of the text.
 */
import { Writable } from 'node:stream';
import { createLogger as createWinston, format } from 'winston';
import type { Logger as Winston } from 'winston';
import type { LogFields, Logger } from './logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export interface LoggerOptions {
  /** Lines below this level cost nothing. Default info. */
  readonly level?: LogLevel;
  /** human: one line for eyes. json: one object a line. Default: human on a terminal, else json. */
  readonly format?: 'json' | 'human';
  /** Default: standard error. */
  readonly stream?: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Wall clock in milliseconds. */
  readonly now: () => number;
}

export const redacted = '[redacted]';

/** Field names whose values nobody may read in a log. */
const secretNames =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|password|passwd|secret|token|api[-_]?key|private[-_]?key|client[-_]?secret|.*[-_]token|.*(?:Token|Password|Secret))$/i;

/** Credentials inside text: bearer and basic headers, JSON web tokens, GitHub tokens, userinfo in URLs, PEM keys. */
const secretTexts: readonly (readonly [RegExp, string])[] = [
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${redacted}`],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, redacted],
  [/\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|AKIA[0-9A-Z]{16})\b/g, redacted],
  [/(:\/\/)[^/\s:@]+:[^/\s@]+@/g, `$1${redacted}@`],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g, redacted],
];

/** Any text that one of them can match has one of these in it. One look instead of five: nearly every text has none. */
const suspicious = /bearer|basic|eyJ|gh[pousr]_|github_pat_|glpat-|AKIA|:\/\/|PRIVATE KEY/i;

/** The text without what looks like a credential. */
export const redactText = (text: string): string =>
  suspicious.test(text) ? secretTexts.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), text) : text;

const maxDepth = 6;

/** A plain copy of a field that JSON can hold: errors as text, credentials replaced, cycles and depths cut. */
function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return { ...plainError(value, depth), stack: redactText(value.stack ?? '') };
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= maxDepth) return '[deep]';
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
  return plainFields(value as LogFields, depth + 1);
}

function plainError(error: Error, depth: number): object {
  const cause = error.cause === undefined || depth >= maxDepth ? {} : { cause: plain(error.cause, depth + 1) };
  return { name: error.name, message: redactText(error.message), ...cause };
}

function plainFields(fields: LogFields, depth: number): Record<string, unknown> {
  const out = Object.create(null) as Record<string, unknown>;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    out[name] = secretNames.test(name) ? redacted : plain(value, depth);
  }
  return out;
}

const colours: Readonly<Record<string, string>> = { error: '\u001b[31m', warn: '\u001b[33m', info: '\u001b[32m', debug: '\u001b[90m' };

interface Line {
  readonly time: string;
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const jsonLine = ({ time, level, message, fields }: Line): string => JSON.stringify({ time, level, message, ...fields });

function humanLine(line: Line, colour: boolean): string {
  const label = line.level.toUpperCase().padEnd(5);
  const shown = colour ? `${colours[line.level] ?? ''}${label}\u001b[0m` : label;
  const stacks: string[] = [];
  const pairs = Object.entries(line.fields).map(([name, value]) => {
    const { stack, message } = (typeof value === 'object' && value !== null ? value : {}) as { stack?: string; message?: string };
    if (stack === undefined) return `${name}=${humanValue(value)}`;
    stacks.push(stack);
    return `${name}=${humanValue(message)}`;
  });
  const head = [line.time.slice(11, 23), shown, line.message, ...pairs].join(' ');
  return stacks.length === 0 ? head : [head, ...stacks].join('\n');
}

const humanValue = (value: unknown): string =>
  typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value ?? null);

export function createLogger(options: LoggerOptions): Logger {
  const stream = options.stream ?? process.stderr;
  const colour = stream.isTTY === true;
  const style = options.format ?? (colour ? 'human' : 'json');
  const line = format.printf((info) => {
    const { level, message, fields } = info as unknown as { level: string; message: string; fields: LogFields };
    const parts: Line = {
      time: new Date(options.now()).toISOString(),
      level,
      message: redactText(message),
      fields: plainFields(fields, 0),
    };
    return style === 'json' ? jsonLine(parts) : humanLine(parts, colour);
  });
  const winston = createWinston({
    level: options.level ?? 'info',
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: line,
  });
  winston.pipe(sink(stream));
  return new WinstonLogger(winston, {});
}

/** Where winston keeps the finished line of an entry. */
const finished = Symbol.for('message');

/** Writes finished lines, and never ends the stream below: standard error is not ours to end. */
function sink(stream: NodeJS.WritableStream): Writable {
  return new Writable({
    objectMode: true,
    write(entry: Readonly<Record<symbol, string>>, _encoding, done) {
      stream.write(`${entry[finished] ?? ''}\n`);
      done();
    },
  });
}

class WinstonLogger implements Logger {
  readonly debugEnabled: boolean;
  readonly #winston: Winston;
  readonly #fields: LogFields;

  constructor(winston: Winston, fields: LogFields) {
    this.#winston = winston;
    this.#fields = fields;
    this.debugEnabled = winston.level === 'debug';
  }

  debug(message: string, fields?: LogFields): void {
    if (this.debugEnabled) this.#log('debug', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#log('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#log('warn', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#log('error', message, fields);
  }

  child(fields: LogFields): Logger {
    return new WinstonLogger(this.#winston, { ...this.#fields, ...fields });
  }

  /** Checked here, before anything is built: the pipe below passes every level on. */
  #log(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (!this.#winston.isLevelEnabled(level)) return;
    this.#winston.log({ level, message, fields: fields === undefined ? this.#fields : { ...this.#fields, ...fields } });
  }
}
