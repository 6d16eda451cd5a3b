/**
 * A structural schema, compiled once: what pruning, defaulting and validation need to know at each place, in the form they need it.
 * What Kubernetes refuses in a CustomResourceDefinition is refused here, with every problem named at once.
 */
import { isArray, isJsonObject, ownField, type JsonObject } from '../json.ts';
import { compileRules, type CompiledRule } from './celRules.ts';
import { child, forbidden, formatFieldError, invalid, notSupported, required, type FieldError, type Path } from './fieldErrors.ts';
import { compileChecks, compileEnum, type ValueCheck } from './valueChecks.ts';

/** The schema itself is wrong. `problems` has paths relative to openAPIV3Schema. */
export class SchemaError extends Error {
  readonly code = 'SCHEMA_INVALID';
  override readonly name = 'SchemaError';
  readonly problems: readonly FieldError[];

  constructor(problems: readonly FieldError[]) {
    super(problems.map(formatFieldError).join('; '));
    this.problems = problems;
  }
}

export type ListType = 'atomic' | 'set' | 'map';

export interface SchemaNode {
  /** The type names; empty: any. int-or-string has two. */
  readonly types: readonly string[];
  readonly nullable: boolean;
  readonly properties: ReadonlyMap<string, SchemaNode>;
  readonly required: readonly string[];
  /** Schema of further fields; true: they may be anything; undefined: there are none. */
  readonly additional: SchemaNode | true | undefined;
  readonly items: SchemaNode | undefined;
  readonly preserveUnknown: boolean;
  readonly embedded: boolean;
  readonly hasDefault: boolean;
  readonly defaultValue: unknown;
  readonly format: string | undefined;
  readonly listType: ListType;
  readonly listMapKeys: readonly string[];
  readonly enumCheck: ValueCheck | undefined;
  /** Pattern, lengths, ranges, and the like. */
  readonly checks: readonly ValueCheck[];
  readonly allOf: readonly SchemaNode[];
  readonly anyOf: readonly SchemaNode[];
  readonly oneOf: readonly SchemaNode[];
  readonly not: SchemaNode | undefined;
  readonly rules: readonly CompiledRule[];
  /** Whether this place or one below has rules. */
  readonly rulesInside: boolean;
  /** Whether this place or one below has a list type other than atomic. */
  readonly listTypesInside: boolean;
}

interface Compilation {
  readonly problems: FieldError[];
}

const jsonTypes = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const refused = [
  '$ref',
  '$schema',
  'definitions',
  'dependencies',
  'deprecated',
  'discriminator',
  'id',
  'patternProperties',
  'readOnly',
  'writeOnly',
  'xml',
  'additionalItems',
];
const refusedInLogic = ['type', 'default', 'description', 'additionalProperties', 'nullable'];

/**
 * Compiles the schema of a whole object.
 * @throws SchemaError with every problem
 */
export function compileSchema(schema: unknown): SchemaNode {
  const compilation: Compilation = { problems: [] };
  const node = compileNode(schema, undefined, compilation);
  if (!node.types.includes('object'))
    compilation.problems.push(invalid(child(undefined, 'type'), node.types[0] ?? '', 'must be object at the root'));
  if (compilation.problems.length > 0) throw new SchemaError(compilation.problems);
  return node;
}

function compileNode(schema: unknown, at: Path | undefined, compilation: Compilation): SchemaNode {
  if (!isJsonObject(schema)) {
    compilation.problems.push(invalid(at, schema, 'must be a schema object'));
    return compileNode({ type: 'object' }, at, compilation);
  }
  checkStructure(schema, at, compilation);
  const intOrString = schema['x-kubernetes-int-or-string'] === true;
  const shape = compileShape(schema, at, compilation, compileNode);
  const rules = compileRules(schema, child(at, 'x-kubernetes-validations'), compilation.problems);
  const below = [...shape.properties.values(), shape.items, shape.additional].filter((node) => typeof node === 'object');
  return {
    ...shape,
    ...compileLogic(schema, at, compilation, intOrString),
    types: intOrString ? ['integer', 'string'] : typeof schema.type === 'string' ? [schema.type] : [],
    nullable: schema.nullable === true,
    preserveUnknown: schema['x-kubernetes-preserve-unknown-fields'] === true,
    embedded: schema['x-kubernetes-embedded-resource'] === true,
    hasDefault: schema.default !== undefined,
    defaultValue: schema.default,
    format: typeof schema.format === 'string' ? schema.format : undefined,
    ...listTypeOf(schema),
    rules,
    rulesInside: rules.length > 0 || below.some((node) => node.rulesInside),
    listTypesInside: listTypeOf(schema).listType !== 'atomic' || below.some((node) => node.listTypesInside),
  };
}

type NodeCompiler = (schema: unknown, at: Path | undefined, compilation: Compilation) => SchemaNode;
type Shape = Pick<SchemaNode, 'properties' | 'required' | 'items' | 'additional' | 'enumCheck' | 'checks'>;

function compileShape(schema: JsonObject, at: Path | undefined, compilation: Compilation, compile: NodeCompiler): Shape {
  const properties = new Map<string, SchemaNode>();
  for (const [key, value] of Object.entries(isJsonObject(schema.properties) ? schema.properties : {})) {
    properties.set(key, compile(value, { parent: child(at, 'properties'), segment: key, isKey: true }, compilation));
  }
  const more = schema.additionalProperties;
  return {
    properties,
    required: isArray(schema.required) ? schema.required.filter((key) => typeof key === 'string') : [],
    items: schema.items === undefined ? undefined : compile(schema.items, child(at, 'items'), compilation),
    additional: isJsonObject(more) ? compile(more, child(at, 'additionalProperties'), compilation) : more === true ? true : undefined,
    enumCheck: compileEnum(schema),
    checks: compileChecks(schema, at, compilation.problems),
  };
}

function compileLogic(
  schema: JsonObject,
  at: Path | undefined,
  compilation: Compilation,
  intOrString: boolean,
): Pick<SchemaNode, 'allOf' | 'anyOf' | 'oneOf' | 'not'> {
  const branches = (keyword: string): readonly SchemaNode[] => {
    const value = schema[keyword];
    if (!isArray(value)) return [];
    return value.map((branch, index) => compileBranch(branch, child(child(at, keyword), index), compilation, intOrString));
  };
  return {
    allOf: branches('allOf'),
    anyOf: branches('anyOf'),
    oneOf: branches('oneOf'),
    not: schema.not === undefined ? undefined : compileBranch(schema.not, child(at, 'not'), compilation, false),
  };
}

/** A schema inside allOf, anyOf, oneOf or not: it may only check values. */
function compileBranch(schema: unknown, at: Path, compilation: Compilation, intOrString: boolean): SchemaNode {
  const branch = isJsonObject(schema) ? schema : {};
  for (const key of Object.keys(branch)) {
    // The two type branches that Kubernetes allows beside int-or-string.
    if (intOrString && key === 'type') continue;
    if (refusedInLogic.includes(key) || key.startsWith('x-kubernetes-'))
      compilation.problems.push(forbidden(child(at, key), 'must be undefined to be structural'));
  }
  const none = {
    types: [],
    nullable: true,
    preserveUnknown: true,
    embedded: false,
    hasDefault: false,
    defaultValue: undefined,
    rules: [],
    rulesInside: false,
  } as const;
  return {
    ...compileShape(branch, at, compilation, (inner, path, rest) => compileBranch(inner, path ?? at, rest, false)),
    ...compileLogic(branch, at, compilation, intOrString),
    ...none,
    types: intOrString && typeof branch.type === 'string' ? [branch.type] : [],
    additional: true,
    format: typeof branch.format === 'string' ? branch.format : undefined,
    listType: 'atomic',
    listMapKeys: [],
    listTypesInside: false,
  };
}

function listTypeOf(schema: JsonObject): Pick<SchemaNode, 'listType' | 'listMapKeys'> {
  const given = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'];
  return {
    listType: given === 'set' || given === 'map' ? given : 'atomic',
    listMapKeys: isArray(keys) ? keys.filter((key) => typeof key === 'string') : [],
  };
}

function checkStructure(schema: JsonObject, at: Path | undefined, { problems }: Compilation): void {
  const typed = schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true;
  const type = schema.type;
  if (type === undefined || type === '') {
    if (!typed) problems.push(required(child(at, 'type'), 'must not be empty for specified object fields'));
  } else if (typeof type !== 'string' || !jsonTypes.includes(type)) {
    problems.push(notSupported(child(at, 'type'), type, jsonTypes));
  }
  for (const key of refused) if (schema[key] !== undefined) problems.push(forbidden(child(at, key), 'is not supported'));
  if (schema.uniqueItems === true)
    problems.push(forbidden(child(at, 'uniqueItems'), 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'));
  if (isJsonObject(schema.properties) && schema.additionalProperties !== undefined && schema.additionalProperties !== false) {
    problems.push(forbidden(child(at, 'additionalProperties'), 'additionalProperties and properties are mutual exclusive'));
  }
  if (type === 'array') checkArray(schema, at, problems);
}

function checkArray(schema: JsonObject, at: Path | undefined, problems: FieldError[]): void {
  if (schema.items === undefined) problems.push(required(child(at, 'items'), 'must be specified'));
  const listType = schema['x-kubernetes-list-type'];
  if (listType !== undefined && listType !== 'atomic' && listType !== 'set' && listType !== 'map') {
    problems.push(notSupported(child(at, 'x-kubernetes-list-type'), listType, ['atomic', 'map', 'set']));
  }
  if (listType !== 'map') return;
  const { listMapKeys } = listTypeOf(schema);
  if (listMapKeys.length === 0)
    problems.push(required(child(at, 'x-kubernetes-list-map-keys'), 'must not be empty if x-kubernetes-list-type is map'));
  const items = isJsonObject(schema.items) ? schema.items : {};
  for (const key of listMapKeys) {
    const property = isJsonObject(items.properties) ? ownField(items.properties, key) : undefined;
    const isRequired = isArray(items.required) && items.required.includes(key);
    if (!isJsonObject(property) || (!isRequired && property.default === undefined)) {
      problems.push(
        required(
          { parent: child(child(at, 'items'), 'properties'), segment: key, isKey: true },
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
        ),
      );
    }
  }
}
