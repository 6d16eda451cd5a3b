/**
 * JSON values as CEL sees them. The schema decides: an integer becomes an int, a date-time a timestamp, an object a map whose keys are
 * escaped as Kubernetes escapes property names (`namespace` is `__namespace__`). Fields the schema does not name stay comparable.
 */
import { Environment } from '@marcbachmann/cel-js';
import { isArray, isJsonObject } from '../json.ts';

/** What is needed of a schema node here; SchemaNode has it. */
export interface CelSchema {
  readonly types: readonly string[];
  readonly format: string | undefined;
  readonly properties: ReadonlyMap<string, CelSchema>;
  readonly additional: CelSchema | true | undefined;
  readonly items: CelSchema | undefined;
}

const reserved = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);

/** The name under which a rule selects a property; undefined: rules cannot select it. */
export function escapeName(name: string): string | undefined {
  if (reserved.has(name)) return `__${name}__`;
  const escaped = name.replace(/__/g, '__underscores__').replace(/\./g, '__dot__').replace(/-/g, '__dash__').replace(/\//g, '__slash__');
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(escaped) ? escaped : undefined;
}

const durations = new Environment().registerVariable('text', 'string').parse('duration(text)');

function scalarToCel(value: unknown, schema: CelSchema | undefined): unknown {
  // Out of its range a number is no int in CEL either; the double keeps comparisons right.
  if (typeof value === 'number') return isInteger(value, schema) ? BigInt(value) : value;
  if (typeof value !== 'string' || schema?.format === undefined || !schema.types.includes('string')) return value;
  switch (schema.format) {
    case 'date-time':
    case 'date':
      return new Date(value);
    case 'duration':
      return durations({ text: value });
    case 'byte':
      return Buffer.from(value, 'base64');
    default:
      return value;
  }
}

const isInteger = (value: number, schema: CelSchema | undefined): boolean =>
  Number.isInteger(value) && (schema === undefined || schema.types.length === 0 || schema.types.includes('integer'));

/** A value for a rule. Objects become maps, so that no key of the user's is ever looked up on a prototype. */
export function toCel(value: unknown, schema: CelSchema | undefined): unknown {
  if (isArray(value)) return value.map((item) => toCel(item, schema?.items));
  if (!isJsonObject(value)) return scalarToCel(value, schema);
  const map = new Map<string, unknown>();
  for (const key of Object.keys(value)) {
    const property = schema?.properties.get(key);
    const below = property ?? (typeof schema?.additional === 'object' ? schema.additional : undefined);
    const name = property === undefined ? key : (escapeName(key) ?? key);
    map.set(name, toCel(value[key], below));
  }
  return map;
}
