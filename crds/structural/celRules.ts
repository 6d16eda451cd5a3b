/**
 * x-kubernetes-validations: CEL rules, compiled once and evaluated on values that were translated by their schema (an integer is a CEL
 * int, a date-time a timestamp), as kube-apiserver does. A rule that names oldSelf is a transition rule and runs only when there is an
 * old value, unless optionalOldSelf is set. Limits of the CEL library: quantity(), url(), ip(), cidr(), format(), isSorted() and the
 * macros over two variables are unknown to it. A schema that uses them is refused by name, never accepted and ignored.
 */
import { Environment, Optional, type ASTNode, type ParseResult } from '@marcbachmann/cel-js';
import { isArray, isJsonObject, type JsonObject } from '../json.ts';
import { checkFields } from './celFields.ts';
import { toCel, type CelSchema } from './celValues.ts';
import {
  child,
  duplicate,
  duplicateWithoutValue,
  forbidden,
  invalid,
  invalidWithoutValue,
  notSupported,
  required,
  type FieldError,
  type Path,
} from './fieldErrors.ts';

export interface CompiledRule {
  /** What an evaluation error calls the rule: its message, or else its text. */
  readonly label: string;
  readonly isTransition: boolean;
  readonly optionalOldSelf: boolean;
  readonly message: string;
  readonly messageExpression: ParseResult | undefined;
  readonly evaluate: ParseResult;
  readonly reason: string;
  /** From the value that holds the rule to the field that is to blame. */
  readonly fieldPath: readonly string[];
}

const reasons = ['FieldValueInvalid', 'FieldValueForbidden', 'FieldValueRequired', 'FieldValueDuplicate'];

/** Kubernetes itself knows only what it was built with; optionals are on there as well. */
const baseEnvironment = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false }).registerVariable('self', 'dyn');
const plainEnvironment = baseEnvironment.clone().registerVariable('oldSelf', 'dyn');
const optionalEnvironment = baseEnvironment.clone().registerVariable('oldSelf', 'optional<dyn>');

/** Compiles the rules of one schema; what is wrong with them goes to problems. */
export function compileRules(schema: JsonObject, at: Path, problems: FieldError[]): readonly CompiledRule[] {
  const given = schema['x-kubernetes-validations'];
  if (!isArray(given)) return [];
  return given.map((entry, index) => compileRule(entry, schema, child(at, index), problems)).filter((rule) => rule !== undefined);
}

function compileRule(entry: unknown, schema: JsonObject, at: Path, problems: FieldError[]): CompiledRule | undefined {
  if (!isJsonObject(entry) || typeof entry.rule !== 'string' || entry.rule.trim() === '') {
    problems.push(required(child(at, 'rule'), 'rule is not specified'));
    return undefined;
  }
  const environment = entry.optionalOldSelf === true ? optionalEnvironment : plainEnvironment;
  const before = problems.length;
  const evaluate = compileExpression(environment, entry.rule, ['bool', 'dyn'], { schema, at: child(at, 'rule'), problems });
  const text = entry.messageExpression;
  const messageExpression =
    typeof text === 'string'
      ? compileExpression(environment, text, ['string', 'dyn'], { schema, at: child(at, 'messageExpression'), problems })
      : undefined;
  if (entry.reason !== undefined && !reasons.includes(entry.reason as string))
    problems.push(notSupported(child(at, 'reason'), entry.reason, reasons));
  if (evaluate === undefined || problems.length > before) return undefined;
  const given = typeof entry.message === 'string' ? entry.message.trim() : '';
  return {
    isTransition: mentions(evaluate.ast, 'oldSelf'),
    optionalOldSelf: entry.optionalOldSelf === true,
    message: given === '' ? `failed rule: ${entry.rule.trim()}` : given,
    label: given === '' ? entry.rule.trim() : given,
    messageExpression,
    evaluate,
    reason: typeof entry.reason === 'string' ? entry.reason : 'FieldValueInvalid',
    fieldPath: typeof entry.fieldPath === 'string' ? splitFieldPath(entry.fieldPath) : [],
  };
}

interface Expression {
  readonly schema: JsonObject;
  readonly at: Path;
  readonly problems: FieldError[];
}

function compileExpression(
  environment: Environment,
  text: string,
  types: readonly string[],
  { schema, at, problems }: Expression,
): ParseResult | undefined {
  try {
    const parsed = environment.parse(text);
    const checked = parsed.check();
    if (!checked.valid) throw checked.error ?? new Error('the expression is not valid');
    if (!types.includes(checked.type ?? 'dyn'))
      throw new Error(`must evaluate to a ${types[0] ?? 'bool'}, not to ${checked.type ?? 'nothing'}`);
    checkFields(parsed.ast, schema);
    return parsed;
  } catch (error) {
    problems.push(invalid(at, text, `compilation failed: ${summaryOf(error)}`));
    return undefined;
  }
}

/** The library's messages carry a drawing of the source below their first line. */
function summaryOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'summary' in error && typeof error.summary === 'string' ? error.summary : (error.message.split('\n')[0] ?? '');
}

/** `.spec.x` and `['a.b']` become segments. */
const splitFieldPath = (text: string): readonly string[] =>
  [...text.matchAll(/\.([^.[]+)|\['([^']*)'\]/g)].map((match) => match[1] ?? match[2] ?? '');

function mentions(node: unknown, identifier: string): boolean {
  if (isArray(node)) return node.some((item) => mentions(item, identifier));
  if (!isAst(node)) return false;
  return node.op === 'id' ? node.args === identifier : mentions(node.args, identifier);
}

const isAst = (node: unknown): node is ASTNode => typeof node === 'object' && node !== null && 'op' in node && 'args' in node;

/** A value with its schema, and the value it replaces. */
export interface RuleSubject {
  readonly schema: CelSchema;
  readonly typeName: string;
  readonly value: unknown;
  /** Undefined: there is none that corresponds. */
  readonly old: unknown;
  /** old is equal to value: a rule that looks at nothing else has been broken before and is not held against this write. */
  readonly isUnchanged: boolean;
}

/** Runs the rules of one value. */
export function evaluateRules(rules: readonly CompiledRule[], subject: RuleSubject, path: Path | undefined, errors: FieldError[]): void {
  const applicable = rules.filter((rule) => (rule.isTransition ? rule.optionalOldSelf || subject.old !== undefined : !subject.isUnchanged));
  if (applicable.length === 0) return;
  const self = toCel(subject.value, subject.schema);
  const old = subject.old === undefined ? undefined : toCel(subject.old, subject.schema);
  for (const rule of applicable) {
    const oldSelf = rule.optionalOldSelf ? (old === undefined ? Optional.none() : Optional.of(old)) : old;
    const error = errorOf(rule, { self, oldSelf }, subject, path);
    if (error !== undefined) errors.push(error);
  }
}

function errorOf(
  rule: CompiledRule,
  context: Record<string, unknown>,
  subject: RuleSubject,
  path: Path | undefined,
): FieldError | undefined {
  try {
    if (rule.evaluate(context) === true) return undefined;
  } catch (error) {
    return invalid(path, subject.typeName, `${lowerFirst(summaryOf(error))} evaluating rule: ${rule.label}`);
  }
  const expressed = rule.messageExpression === undefined ? undefined : expressedMessage(rule.messageExpression, context);
  return refusal(rule, expressed ?? rule.message, subject, path);
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** A message expression that fails, is empty or has more than one line does not count. */
function expressedMessage(expression: ParseResult, context: Record<string, unknown>): string | undefined {
  try {
    const text: unknown = expression(context);
    if (typeof text === 'string' && text.trim() !== '' && !text.includes('\n')) return text.trim();
    return undefined;
  } catch {
    return undefined;
  }
}

function refusal(rule: CompiledRule, message: string, subject: RuleSubject, base: Path | undefined): FieldError {
  const path = rule.fieldPath.reduce<Path | undefined>((parent, segment) => child(parent, segment), base);
  const isLarge = subject.typeName === 'object' || subject.typeName === 'array';
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return forbidden(path, message);
    case 'FieldValueRequired':
      return required(path, message);
    case 'FieldValueDuplicate':
      return isLarge ? duplicateWithoutValue(path) : duplicate(path, subject.value);
    default:
      return isLarge ? invalidWithoutValue(path, message) : invalid(path, subject.value, message);
  }
}
