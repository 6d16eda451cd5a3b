/**
 * The keywords that check one value: enum, pattern, format, lengths, ranges. Each becomes a function when the schema is compiled.
 * A keyword looks only at values of its own kind, as in JSON Schema; the type itself is checked elsewhere.
 */
import { isArray, isJsonObject, jsonEqual, type JsonObject } from '../json.ts';
import {
  child,
  formatPath,
  inBody,
  invalid,
  notSupported,
  tooLong,
  tooMany,
  wrongFormat,
  type FieldError,
  type Path,
} from './fieldErrors.ts';
import { integerRange, stringFormat } from './formats.ts';

/** Undefined: nothing is wrong. */
export type ValueCheck = (value: unknown, path: Path | undefined) => FieldError | undefined;

/** Compiles the keywords of one schema; what is wrong with them goes to problems. */
export function compileChecks(schema: JsonObject, at: Path | undefined, problems: FieldError[]): readonly ValueCheck[] {
  return [
    ...numberChecks(schema),
    ...firstOf([...lengthChecks(schema), ...patternCheck(schema, at, problems)]),
    ...formatCheck(schema),
    ...integerCheck(schema),
    ...countChecks(schema),
  ];
}

/** The check of enum, which looks at values of any type. */
export function compileEnum(schema: JsonObject): ValueCheck | undefined {
  const values = schema.enum;
  if (!isArray(values)) return undefined;
  return (value, path) => (values.some((allowed) => jsonEqual(allowed, value)) ? undefined : notSupported(path, value, values));
}

/** Of the checks of a string only the first that fails is told. */
function firstOf(checks: readonly ValueCheck[]): readonly ValueCheck[] {
  if (checks.length < 2) return checks;
  return [
    (value, path) => {
      for (const check of checks) {
        const error = check(value, path);
        if (error !== undefined) return error;
      }
      return undefined;
    },
  ];
}

function numberChecks(schema: JsonObject): readonly ValueCheck[] {
  const { minimum, maximum, multipleOf } = schema;
  const checks: ValueCheck[] = [];
  const check = (isGood: (value: number) => boolean, text: string): void => {
    checks.push((value, path) =>
      typeof value !== 'number' || isGood(value) ? undefined : invalid(path, value, `${inBody(path)} should be ${text}`),
    );
  };
  if (typeof minimum === 'number') {
    if (schema.exclusiveMinimum === true) check((value) => value > minimum, `greater than ${minimum}`);
    else check((value) => value >= minimum, `greater than or equal to ${minimum}`);
  }
  if (typeof maximum === 'number') {
    if (schema.exclusiveMaximum === true) check((value) => value < maximum, `less than ${maximum}`);
    else check((value) => value <= maximum, `less than or equal to ${maximum}`);
  }
  if (typeof multipleOf === 'number') check((value) => isMultiple(value, multipleOf), `a multiple of ${multipleOf}`);
  return checks;
}

function isMultiple(value: number, factor: number): boolean {
  const ratio = value / factor;
  return Math.abs(ratio - Math.round(ratio)) < 1e-9;
}

/** Kubernetes counts characters, although its message says bytes. */
const lengthOf = (text: string): number => {
  let length = 0;
  for (const _ of text) length++;
  return length;
};

function lengthChecks(schema: JsonObject): readonly ValueCheck[] {
  const { minLength, maxLength } = schema;
  const checks: ValueCheck[] = [];
  if (typeof maxLength === 'number') {
    checks.push((value, path) =>
      typeof value !== 'string' || value.length <= maxLength || lengthOf(value) <= maxLength ? undefined : tooLong(path, maxLength),
    );
  }
  if (typeof minLength === 'number') {
    checks.push((value, path) =>
      typeof value !== 'string' || lengthOf(value) >= minLength
        ? undefined
        : invalid(path, value, `${inBody(path)} should be at least ${minLength} chars long`),
    );
  }
  return checks;
}

function patternCheck(schema: JsonObject, at: Path | undefined, problems: FieldError[]): readonly ValueCheck[] {
  const { pattern } = schema;
  if (typeof pattern !== 'string') return [];
  const compiled = compilePattern(pattern);
  if (compiled === undefined) {
    problems.push(invalid(child(at, 'pattern'), pattern, 'must be a valid regular expression'));
    return [];
  }
  return [
    (value, path) =>
      typeof value !== 'string' || compiled.test(value) ? undefined : invalid(path, value, `${inBody(path)} should match '${pattern}'`),
  ];
}

/**
 * Patterns come from whoever may install a CustomResourceDefinition, which is the administrator of the cluster, and are written in
 * Go's syntax. What JavaScript writes differently is translated; undefined: the rest is not a pattern.
 */
function compilePattern(pattern: string): RegExp | undefined {
  const flags = /^\(\?([ims]+)\)/.exec(pattern);
  const source = (flags === null ? pattern : pattern.slice(flags[0].length))
    .replace(/\\z/g, '$')
    .replace(/\\A/g, '^')
    .replace(/\(\?P</g, '(?<');
  try {
    // eslint-disable-next-line no-restricted-syntax -- an administrator's pattern, see above; job authors cannot supply one
    return new RegExp(source, `${flags?.[1] ?? ''}u`);
  } catch (error) {
    if (error instanceof SyntaxError) return withoutUnicode(source, flags?.[1] ?? '');
    throw error;
  }
}

/** Escapes such as `\-` and `\_` are fine in Go and refused by the unicode flag. */
function withoutUnicode(source: string, flags: string): RegExp | undefined {
  try {
    // eslint-disable-next-line no-restricted-syntax -- as above
    return new RegExp(source, flags);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function formatCheck(schema: JsonObject): readonly ValueCheck[] {
  const { format } = schema;
  if (typeof format !== 'string') return [];
  const check = stringFormat(format);
  if (check !== undefined)
    return [(value, path) => (typeof value !== 'string' || check(value) ? undefined : wrongFormat(path, format, value))];
  return [];
}

/** Kubernetes names no field in this error, other than in its text. */
function integerCheck(schema: JsonObject): readonly ValueCheck[] {
  if (schema.type !== 'integer') return [];
  const { format } = schema;
  const suffix = typeof format === 'string' ? `with format ${format}` : '(default format)';
  const [min, max] = integerRange(typeof format === 'string' ? format : '');
  return [
    (value, path) =>
      typeof value !== 'number' || (Number.isInteger(value) && value >= min && value <= max)
        ? undefined
        : invalid(undefined, '', `Checked value must be of type integer ${suffix} in ${formatPath(path)}`),
  ];
}

function countChecks(schema: JsonObject): readonly ValueCheck[] {
  const { minItems, maxItems, minProperties, maxProperties } = schema;
  const checks: ValueCheck[] = [];
  const atLeast = (count: (value: unknown) => number | undefined, min: unknown, what: string): void => {
    if (typeof min !== 'number') return;
    checks.push((value, path) => {
      const actual = count(value);
      return actual === undefined || actual >= min
        ? undefined
        : invalid(path, actual, `${inBody(path)} should have at least ${min} ${what}`);
    });
  };
  const atMost = (count: (value: unknown) => number | undefined, max: unknown): void => {
    if (typeof max !== 'number') return;
    checks.push((value, path) => {
      const actual = count(value);
      return actual === undefined || actual <= max ? undefined : tooMany(path, actual, max);
    });
  };
  atMost(itemCount, maxItems);
  atLeast(itemCount, minItems, 'items');
  atMost(propertyCount, maxProperties);
  atLeast(propertyCount, minProperties, 'properties');
  return checks;
}

const itemCount = (value: unknown): number | undefined => (isArray(value) ? value.length : undefined);
const propertyCount = (value: unknown): number | undefined => (isJsonObject(value) ? Object.keys(value).length : undefined);
