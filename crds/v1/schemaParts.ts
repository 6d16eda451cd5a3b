/**
 * The building blocks of the schemas: thin wrappers over TypeBox that always take a description and emit only what a structural
 * OpenAPI v3 schema may hold. The description is what `kubectl explain` and the reference page show.
 */
import Type, { type Static, type TSchema } from 'typebox';

/** A type whose fields cannot be assigned, at any depth: objects from the API are shared and frozen. */
export type Immutable<T> = T extends readonly (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Immutable<T[Key]> }
    : T;

/** What one CEL rule says, in the words of x-kubernetes-validations. */
export interface ValidationRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired' | 'FieldValueDuplicate';
  /** Relative to the schema that holds the rule, such as `.cron`. */
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

type Extra = Readonly<Record<string, unknown>>;

export const optional = <T extends TSchema>(schema: T) => Type.Optional(schema);

export const text = (description: string, extra: Extra = {}) => Type.String({ ...extra, description });

/** A string that has at least one character. */
export const name = (description: string, maxLength = 253) => Type.String({ minLength: 1, maxLength, description });

export const flag = (description: string) => Type.Boolean({ description });

export const integer = (description: string, extra: Extra = {}) => Type.Integer({ ...extra, description });

export const count = (description: string) => Type.Integer({ minimum: 0, description });

/** RFC 3339. Kubernetes reads the format and gives rules a timestamp. */
export const time = (description: string) => Type.String({ format: 'date-time', description });

export const stringEnum = <const Values extends readonly string[]>(values: Values, description: string, extra: Extra = {}) =>
  Type.Unsafe<Values[number]>({ type: 'string', enum: [...values], ...extra, description });

/** A string that our own code keeps inside a union, while the schema stays open for codes that a newer operator may write. */
export const code = <const Values extends readonly string[]>(_values: Values, description: string) =>
  Type.Unsafe<Values[number]>({ type: 'string', maxLength: 64, pattern: '^[A-Za-z][A-Za-z0-9]*$', description });

const goDuration = '(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$';

/** A Go duration that is not negative, such as 1h30m. */
export const duration = (description: string) => Type.String({ maxLength: 64, pattern: `^\\+?${goDuration}`, description });

/** Any Go duration, as upstream's fields take it. */
export const signedDuration = (description: string) => Type.String({ maxLength: 64, pattern: `^[-+]?${goDuration}`, description });

/** A Kubernetes quantity: 500m, 2Gi, or a bare number. */
export const quantity = (description: string) =>
  Type.Unsafe<string | number>({
    anyOf: [{ type: 'integer' }, { type: 'string' }],
    pattern: '^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$',
    'x-kubernetes-int-or-string': true,
    description,
  });

export const list = <T extends TSchema>(items: T, description: string, extra: Extra = {}) => Type.Array(items, { ...extra, description });

/** A list whose items are told apart by the given fields. */
export const listMap = <T extends TSchema>(items: T, keys: readonly string[], description: string, extra: Extra = {}) =>
  Type.Array(items, { ...extra, 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [...keys], description });

export const map = <T extends TSchema>(values: T, description: string, extra: Extra = {}) =>
  Type.Unsafe<Record<string, Static<T>>>({ type: 'object', additionalProperties: values, ...extra, description });

/** An object that keeps fields this schema does not name. The type parameter says what our code reads of it. */
export const openObject = <T extends object = Record<string, unknown>>(description: string) =>
  Type.Unsafe<T>({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true, description });

type Properties = Parameters<typeof Type.Object>[0];

export const object = <const P extends Properties>(
  properties: P,
  description: string,
  rules: readonly ValidationRule[] = [],
  extra: Extra = {},
) => Type.Object(properties, { ...(rules.length > 0 ? { 'x-kubernetes-validations': rules } : {}), ...extra, description });

/** Belongs to the description of each field called on. */
export const quoteOn = 'Write the key in quotes ("on"): to kubectl, which reads YAML 1.1, the bare word is the boolean true.';

/**
 * The same properties with a description of each but none below: for a schema that stands in two kinds, so that it is explained once and
 * the definitions stay small.
 */
export function terse<P extends Properties>(properties: P): P {
  return Object.fromEntries(Object.entries(properties).map(([field, schema]) => [field, withoutInner(schema, true)])) as P;
}

function withoutInner(value: unknown, isTop: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => withoutInner(item, false));
  if (typeof value !== 'object' || value === null) return value;
  // TypeBox marks optional fields and kinds with properties of its own, which a spread would lose.
  const copy: Record<string, unknown> = Object.create(
    Object.getPrototypeOf(value) as object,
    Object.getOwnPropertyDescriptors(value),
  ) as Record<string, unknown>;
  for (const key of Object.keys(value)) {
    if (key === 'description' && !isTop && typeof copy.description === 'string') delete copy.description;
    else if (!key.startsWith('x-kubernetes-validations')) copy[key] = withoutInner(copy[key], false);
  }
  return copy;
}
