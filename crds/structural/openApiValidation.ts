/**
 * Validation of values against the OpenAPI part of a schema: types, required fields, keywords, and the logic of allOf, anyOf, oneOf and
 * not. A part of the object that equals the old object is not looked at, as an API server with validation ratcheting does.
 */
import { isArray, isJsonObject, jsonEqual, type JsonObject } from '../json.ts';
import { child, invalid, required, wrongType, type FieldError, type Path } from './fieldErrors.ts';
import type { SchemaNode } from './schemaNode.ts';

/** Appends what is wrong with the value. `old` is undefined where nothing corresponds. */
export function validateValue(value: unknown, old: unknown, node: SchemaNode, path: Path | undefined, errors: FieldError[]): void {
  if (old !== undefined && jsonEqual(value, old)) return;
  const isWrongType = !(value === null && node.nullable) && !hasType(value, node.types);
  if (isWrongType) errors.push(typeError(value, node, path));
  addTo(errors, node.enumCheck?.(value, path));
  if (isWrongType && typeof value !== 'number') {
    validateLogic(value, node, path, errors);
    return;
  }
  for (const check of node.checks) addTo(errors, check(value, path));
  if (isArray(value)) validateItems(value, node, path, errors);
  else if (isJsonObject(value)) validateFields(value, old, node, path, errors);
  validateLogic(value, node, path, errors);
}

function addTo(errors: FieldError[], error: FieldError | undefined): void {
  if (error !== undefined) errors.push(error);
}

function hasType(value: unknown, types: readonly string[]): boolean {
  if (types.length === 0) return true;
  const actual = typeNameOf(value);
  return types.includes(actual) || (actual === 'integer' && types.includes('number'));
}

/** Where the schema has a format, the error speaks of that, unless the value is a string, a list or null. */
function typeError(value: unknown, node: SchemaNode, path: Path | undefined): FieldError {
  const speaksOfFormat = node.format !== undefined && value !== null && typeof value !== 'string' && !isArray(value);
  if (!speaksOfFormat) return wrongType(path, node.types.join(','), typeNameOf(value));
  const actual = typeof value !== 'number' ? '' : typeNameOf(value) === 'integer' ? 'int64' : 'float64';
  return wrongType(path, node.format, actual);
}

/** Go reads numbers beyond 64 bits as fractions. */
const isInt64 = (value: number): boolean => Number.isInteger(value) && Math.abs(value) < 2 ** 63;

/** The name of the JSON type, as schemas write it. */
export function typeNameOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (isArray(value)) return 'array';
  if (typeof value === 'number') return isInt64(value) ? 'integer' : 'number';
  return typeof value;
}

function validateItems(value: readonly unknown[], node: SchemaNode, path: Path | undefined, errors: FieldError[]): void {
  const { items } = node;
  if (items === undefined) return;
  value.forEach((item, index) => validateValue(item, undefined, items, child(path, index), errors));
}

function validateFields(value: JsonObject, old: unknown, node: SchemaNode, path: Path | undefined, errors: FieldError[]): void {
  for (const key of node.required) if (!Object.hasOwn(value, key)) errors.push(required(child(path, key)));
  if (node.embedded) validateEmbedded(value, path, errors);
  for (const key of Object.keys(value)) {
    const below = node.properties.get(key) ?? node.additional;
    if (typeof below !== 'object') continue;
    const before = isJsonObject(old) && Object.hasOwn(old, key) ? old[key] : undefined;
    validateValue(value[key], before, below, child(path, key), errors);
  }
}

function validateEmbedded(value: JsonObject, path: Path | undefined, errors: FieldError[]): void {
  for (const key of ['apiVersion', 'kind']) {
    if (typeof value[key] !== 'string' || value[key] === '') errors.push(required(child(path, key), 'must not be empty'));
  }
}

function failuresOf(value: unknown, node: SchemaNode, path: Path | undefined): readonly FieldError[] {
  const errors: FieldError[] = [];
  validateValue(value, undefined, node, path, errors);
  return errors;
}

const logic = (path: Path | undefined, text: string): FieldError => {
  const place = path === undefined ? '' : segmentText(path);
  return invalid(undefined, '', `"${place}" ${text}`);
};

function segmentText(path: Path): string {
  const own = typeof path.segment === 'number' ? `[${path.segment}]` : path.segment;
  if (path.parent === undefined) return own;
  return typeof path.segment === 'number' ? `${segmentText(path.parent)}${own}` : `${segmentText(path.parent)}.${own}`;
}

function validateLogic(value: unknown, node: SchemaNode, path: Path | undefined, errors: FieldError[]): void {
  if (node.allOf.length > 0) {
    const failures = node.allOf.map((branch) => failuresOf(value, branch, path));
    const broken = failures.filter((list) => list.length > 0);
    errors.push(...broken.flat());
    if (broken.length > 0)
      errors.push(logic(path, `must validate all the schemas (allOf)${broken.length === failures.length ? '. None validated' : ''}`));
  }
  if (node.anyOf.length > 0) {
    const failures = node.anyOf.map((branch) => failuresOf(value, branch, path));
    if (failures.every((list) => list.length > 0))
      errors.push(logic(path, 'must validate at least one schema (anyOf)'), ...fewest(failures));
  }
  if (node.oneOf.length > 0) {
    const failures = node.oneOf.map((branch) => failuresOf(value, branch, path));
    const valid = failures.filter((list) => list.length === 0).length;
    if (valid === 0) errors.push(logic(path, 'must validate one and only one schema (oneOf). Found none valid'), ...fewest(failures));
    else if (valid > 1) errors.push(logic(path, `must validate one and only one schema (oneOf). Found ${valid} valid alternatives`));
  }
  if (node.not !== undefined && failuresOf(value, node.not, path).length === 0)
    errors.push(logic(path, 'must not validate the schema (not)'));
}

/** The branch that came closest explains best what is missing. */
const fewest = (failures: readonly (readonly FieldError[])[]): readonly FieldError[] =>
  failures.reduce<readonly FieldError[]>((best, list) => (best.length === 0 || list.length < best.length ? list : best), []);
