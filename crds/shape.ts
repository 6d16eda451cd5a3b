/**
 * Whether spec and status of an object have the types that the schemas give them, and spec what is required: nothing more. An API server lets
 * through what a definition of its time let in, so what comes from it may have any shape. Finer rules (patterns, enumerations, limits) are
 * not asked for here: an object that an older release took for good must stay usable. Cheap enough for every object of every list.
 */
import { kindDefinitions, plainSchema } from './definitions.ts';
import { isArray, isJsonObject } from './json.ts';

/** The first place where something else stands, such as "spec.refs.pulls[0] is text, not an object"; undefined when there is none. */
export type ShapeCheck = (object: unknown) => string | undefined;

/** Undefined when the value is well, else the path from here and what is wrong with it. */
type Check = (value: unknown) => readonly [path: string, problem: string] | undefined;

const shapes = new Map<string, ShapeCheck>();

/** The check of a kind of ours. Throws for any other. */
export function shapeCheckOf(kind: string): ShapeCheck {
  const known = shapes.get(kind);
  if (known !== undefined) return known;
  const schema = plainSchema(kindDefinitions.find((definition) => definition.kind === kind)?.schema);
  if (!isJsonObject(schema) || !isJsonObject(schema.properties)) throw new Error(`there is no schema of kind ${kind}`);
  const { spec, status } = schema.properties;
  const ofSpec = checkOf({ type: 'object', properties: { spec }, required: ['spec'] }, true);
  // What a status has to have is what this release writes: an older one may not have known of it.
  const ofStatus = checkOf({ type: 'object', properties: { status } }, false);
  const shape: ShapeCheck = (object) => {
    const found = ofSpec(object) ?? ofStatus(object);
    return found === undefined ? undefined : `${found[0].slice(1)} ${found[1]}`.trimStart();
  };
  shapes.set(kind, shape);
  return shape;
}

const well: Check = () => undefined;

/** `keys`: what has to be there also where the schema's own word does not count, since lists are told apart by it. */
function checkOf(schema: unknown, isStrict: boolean, keys: readonly string[] = []): Check {
  if (!isJsonObject(schema) || schema['x-kubernetes-int-or-string'] === true) return well;
  if (schema.type === 'object') return objectCheck(schema, isStrict, keys);
  if (schema.type === 'array') return arrayCheck(checkOf(schema.items, isStrict, textsOf(schema['x-kubernetes-list-map-keys'])));
  if (schema.type === 'integer' || schema.type === 'number') return typed('number', 'a number');
  if (schema.type === 'string') return typed('string', 'text');
  return schema.type === 'boolean' ? typed('boolean', 'true or false') : well;
}

const typed =
  (type: 'number' | 'string' | 'boolean', wanted: string): Check =>
  (value) =>
    typeof value === type ? undefined : ['', `is ${wordOf(value)}, not ${wanted}`];

const arrayCheck =
  (item: Check): Check =>
  (value) => {
    if (!isArray(value)) return ['', `is ${wordOf(value)}, not a list`];
    for (let index = 0; index < value.length; index += 1) {
      const found = item(value[index]);
      if (found !== undefined) return [`[${index}]${found[0]}`, found[1]];
    }
    return undefined;
  };

const textsOf = (list: unknown): readonly string[] => (isArray(list) ? list.map(String) : []);

function objectCheck(schema: Readonly<Record<string, unknown>>, isStrict: boolean, keys: readonly string[]): Check {
  const properties = isJsonObject(schema.properties) ? Object.entries(schema.properties) : [];
  const checks = properties.map(([name, property]) => [name, checkOf(property, isStrict)] as const);
  const required = isStrict ? textsOf(schema.required) : keys;
  const other = isJsonObject(schema.additionalProperties) ? checkOf(schema.additionalProperties, isStrict) : undefined;
  return (value) => {
    if (!isJsonObject(value)) return ['', `is ${wordOf(value)}, not an object`];
    for (const name of required) if (!Object.hasOwn(value, name)) return [`.${name}`, 'is missing'];
    for (const [name, check] of checks) {
      const found = Object.hasOwn(value, name) ? check(value[name]) : undefined;
      if (found !== undefined) return [`.${name}${found[0]}`, found[1]];
    }
    for (const name of other === undefined ? [] : Object.keys(value)) {
      const found = other?.(value[name]);
      // The name is the user's own.
      if (found !== undefined) return [`[${JSON.stringify(name.slice(0, 100))}]${found[0]}`, found[1]];
    }
    return undefined;
  };
}

const words: ReadonlyMap<string, string> = new Map([
  ['string', 'text'],
  ['number', 'a number'],
  ['boolean', 'true or false'],
]);

function wordOf(value: unknown): string {
  if (value === null) return 'null';
  if (isArray(value)) return 'a list';
  return words.get(typeof value) ?? 'an object';
}
