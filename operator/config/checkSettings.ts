/**
 * Compares a settings document with the schema and says what is wrong in the words of a person who edits YAML. It knows just the
 * schema words that settings.ts uses, and refuses to guess about others.
 */
import { DurationError, parseDuration } from '../../crds/duration.ts';
import { nearest } from '../../crds/nearest.ts';

/** A place in the document: keys and list positions from the top. */
export type SettingsPath = readonly (string | number)[];

export interface SettingsFault {
  readonly path: SettingsPath;
  readonly message: string;
  /** The key is at fault, not its value. */
  readonly atKey: boolean;
}

/** The part of JSON Schema that the settings are written in. */
export interface SettingsSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SettingsSchema>>;
  readonly patternProperties?: Readonly<Record<string, SettingsSchema>>;
  readonly required?: readonly string[];
  readonly items?: SettingsSchema;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly description?: string;
  readonly default?: unknown;
}

export function* settingsFaults(schema: SettingsSchema, value: unknown, path: SettingsPath = []): Generator<SettingsFault> {
  // Without a type: part of something that is judged elsewhere.
  if (schema.type === undefined) return;
  const message = wrongType(schema, value);
  if (message !== undefined) yield { path, message, atKey: false };
  else if (Array.isArray(value))
    for (const [index, item] of (value as readonly unknown[]).entries()) yield* settingsFaults(schema.items ?? {}, item, [...path, index]);
  else if (typeof value === 'object' && value !== null) yield* objectFaults(schema, value, path);
  else yield* scalarFaults(schema, value, path);
}

const nameOfType = new Map([
  ['object', 'a map of fields'],
  ['array', 'a list'],
  ['string', 'a text'],
  ['integer', 'a whole number'],
  ['boolean', 'true or false'],
]);

function wrongType({ type = '' }: SettingsSchema, value: unknown): string | undefined {
  const found = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  const fits = type === found || (type === 'integer' && Number.isSafeInteger(value));
  return fits ? undefined : `must be ${nameOfType.get(type) ?? type}, found ${value === null ? 'nothing' : JSON.stringify(value)}`;
}

function* objectFaults(schema: SettingsSchema, value: object, path: SettingsPath): Generator<SettingsFault> {
  const known = new Map(Object.entries(schema.properties ?? {}));
  const [anyKey] = Object.values(schema.patternProperties ?? {});
  const entries = Object.entries(value);
  for (const [key, child] of entries) {
    const childSchema = known.get(key) ?? anyKey;
    if (childSchema !== undefined) yield* settingsFaults(childSchema, child, [...path, key]);
    else yield { path: [...path, key], message: unknownKey(key, [...known.keys()]), atKey: true };
  }
  for (const key of schema.required ?? []) {
    if (!entries.some(([own]) => own === key)) yield { path, message: `the field ${key} is missing`, atKey: false };
  }
}

/** A slip of the fingers gets the word that was meant. */
function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  return meant === undefined ? `unknown field; known are ${known.join(', ')}` : `unknown field; did you mean ${meant}?`;
}

function* scalarFaults(schema: SettingsSchema, value: unknown, path: SettingsPath): Generator<SettingsFault> {
  const message = typeof value === 'string' ? wrongText(schema, value) : typeof value === 'number' ? wrongNumber(schema, value) : undefined;
  if (message !== undefined) yield { path, message, atKey: false };
}

function wrongText(schema: SettingsSchema, text: string): string | undefined {
  if (schema.enum !== undefined && !schema.enum.includes(text))
    return `must be one of ${schema.enum.join(', ')}, found ${JSON.stringify(text)}`;
  if (text.length < (schema.minLength ?? 0)) return 'must not be empty';
  if (text.length > (schema.maxLength ?? Infinity)) return `must not be longer than ${schema.maxLength ?? 0} characters`;
  if (schema.pattern !== undefined && !isName(text))
    return `must be a name of lower-case letters, digits and '-', found ${JSON.stringify(text)}`;
  return schema.format === 'go-duration' ? wrongDuration(text) : undefined;
}

/** The one pattern the settings know: names of Kubernetes objects. */
const isName = (text: string): boolean => /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(text);

function wrongNumber({ minimum = -Infinity, maximum = Infinity }: SettingsSchema, value: number): string | undefined {
  return value >= minimum && value <= maximum ? undefined : `must be between ${minimum} and ${maximum}, found ${value}`;
}

function wrongDuration(text: string): string | undefined {
  try {
    return parseDuration(text) > 0 ? undefined : `must be longer than nothing, found ${JSON.stringify(text)}`;
  } catch (error) {
    if (error instanceof DurationError) return error.message;
    throw error;
  }
}
