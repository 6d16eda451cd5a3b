/**
 * H in a cron expression, as Jenkins has it: a value that follows from the object's namespace and name, so that objects written alike do
 * not all start in the same minute. The same name and field always give the same value; nothing else goes into it. Whether an
 * expression is valid never depends on the name.
 */
import { createHash } from 'node:crypto';
import { CronError, quote, readStep, readValue, type FieldKind, type Token } from './cronTokens.ts';

/** The values an H may take, and those it takes. */
export interface HashedRange {
  /** It picks from lowest to highest, whatever the name. */
  readonly lowest: number;
  readonly highest: number;
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

/** From and to which value a bare H picks, where that is less than the field: days that every month has. */
export interface HashLimits {
  readonly bareMax: number;
  /** No H(a-b) may end later, because a month of the expression has no such day. */
  readonly rangeMax: number;
}

/** Whether any field of an expression holds an H. */
export const holdsHash = (expression: string): boolean => /(?:^|[\s,])H/.test(expression);

/** Whether this element of a list begins like an H. */
export const isHash = (text: string): boolean => text.startsWith('H');

const grammar = /^H(?:\(([^()]*)\))?(?:\/(.*))?$/;

/**
 * One element of a list: H, H(a-b), H/n or H(a-b)/n.
 * @throws CronError
 */
export function readHash(part: Token, kind: FieldKind, limits: HashLimits, seed: string | undefined): HashedRange {
  const match = grammar.exec(part.text);
  if (match === null) {
    throw new CronError(`expected H, H(a-b), H/n or H(a-b)/n as the ${kind.title}, found ${quote(part.text)}`, part.column);
  }
  const [, range, stepText] = match;
  const { lowest, highest } =
    range === undefined
      ? { lowest: kind.min, highest: limits.bareMax }
      : readBounds({ text: range, column: part.column + 2 }, kind, limits.rangeMax);
  const count = highest - lowest + 1;
  const step = stepText === undefined ? undefined : readHashStep(part, stepText, kind, count);
  if (seed === undefined) throw new CronError('H needs the name of an object to be picked by, and there is none yet', part.column);
  if (step === undefined) {
    const value = lowest + (hashOf(seed, kind) % count);
    return { lowest, highest, from: value, to: value, step: 1 };
  }
  return { lowest, highest, from: lowest + (hashOf(seed, kind) % step), to: highest, step };
}

function readBounds(range: Token, kind: FieldKind, rangeMax: number): { readonly lowest: number; readonly highest: number } {
  const dash = range.text.indexOf('-');
  if (dash < 0) throw new CronError(`expected a range such as H(${kind.min}-${kind.max}), found H(${range.text})`, range.column);
  const lowest = readValue({ text: range.text.slice(0, dash), column: range.column }, kind);
  const last = { text: range.text.slice(dash + 1), column: range.column + dash + 1 };
  const highest = readValue(last, kind);
  if (lowest > highest) throw new CronError(`the range ${range.text} of the ${kind.title} ends before it begins`, range.column);
  if (highest > rangeMax) {
    throw new CronError(`H must pick a day that every month of the expression has: at most ${rangeMax}, found ${last.text}`, last.column);
  }
  return { lowest, highest };
}

function readHashStep(part: Token, text: string, kind: FieldKind, count: number): number {
  const column = part.column + part.text.length - text.length;
  const step = readStep({ text, column }, kind);
  if (step === 1) throw new CronError(`H/1 can be read in two ways; write * for every ${kind.title}, or H for one`, column);
  if (step > count) throw new CronError(`the step ${step} of the ${kind.title} is more than the ${count} values H picks from`, column);
  return step;
}

/** 48 bits: small enough to be exact, large enough for every remainder to be equally likely. */
const hashOf = (seed: string, kind: FieldKind): number => createHash('sha256').update(`${kind.title}\n${seed}`).digest().readUIntBE(0, 6);
