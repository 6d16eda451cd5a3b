/**
 * The engine behind a CustomResourceDefinition: pruning, defaulting and validation against any structural OpenAPI v3 schema, with CEL
 * rules, in the words of kube-apiserver. The sandbox serves custom resources with it, and `validate` checks files with it, so both
 * refuse what a cluster refuses. A schema is compiled once; the functions are pure and never change their input.
 * Not here: rules of object metadata, and the CEL libraries that structural/celRules.ts names.
 */
import { isJsonObject } from './json.ts';
import { validateRules } from './structural/celValidation.ts';
import { defaultValue } from './structural/defaulting.ts';
import { invalid, type FieldError } from './structural/fieldErrors.ts';
import { validateListTypes } from './structural/lists.ts';
import { validateValue } from './structural/openApiValidation.ts';
import { pruneValue, type PrunedField } from './structural/pruning.ts';
import { compileSchema, SchemaError, type SchemaNode } from './structural/schemaNode.ts';

export { formatFieldError, type FieldError, type FieldErrorType } from './structural/fieldErrors.ts';
export { SchemaError } from './structural/schemaNode.ts';

const blocking: ReadonlySet<string> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

/** The last error of an object whose rules could not be looked at. */
export const rulesNotChecked: FieldError = {
  path: '<nil>',
  type: 'FieldValueInvalid',
  message:
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
  segments: [],
};

export class StructuralSchema {
  readonly #root: SchemaNode;

  /**
   * @param openAPIV3Schema as in spec.versions[].schema of a CustomResourceDefinition
   * @throws SchemaError that names every problem: not structural, a default that does not fit, a rule that does not compile
   */
  constructor(openAPIV3Schema: unknown) {
    this.#root = compileSchema(openAPIV3Schema);
    const problems = [...defaultProblems(this.#root)];
    if (problems.length > 0) throw new SchemaError(problems);
  }

  /** The object without the fields that the schema does not name, and the paths of those fields. */
  prune<T>(object: T): { readonly object: T; readonly pruned: readonly string[] } {
    const { object: result, fields } = this.pruneFields(object);
    return { object: result, pruned: fields.map((field) => field.path) };
  }

  /** As prune, with the way to each field in pieces. */
  pruneFields<T>(object: T): { readonly object: T; readonly fields: readonly PrunedField[] } {
    const fields: PrunedField[] = [];
    return { object: pruneValue(object, this.#root, fields) as T, fields };
  }

  /** The object with the defaults of the schema, and without nulls that the schema does not allow. */
  applyDefaults<T>(object: T): T {
    return defaultValue(object, this.#root) as T;
  }

  /**
   * What is wrong with the object. With `old` this is an update: transition rules run, and what did not change is not held against it.
   * Rules run only when the object is sound enough for them; a last error says when they did not.
   */
  validate(object: unknown, old?: unknown): readonly FieldError[] {
    const errors: FieldError[] = [];
    validateValue(object, old, this.#root, undefined, errors);
    validateListTypes(object, this.#root, undefined, errors);
    if (errors.some((error) => blocking.has(error.type))) {
      if (this.#root.rulesInside) errors.push(rulesNotChecked);
      return errors;
    }
    validateRules(object, old, this.#root, undefined, errors);
    return errors;
  }
}

/** Defaults must be pruned and valid themselves, or every read would produce a broken object. */
function* defaultProblems(node: SchemaNode): Generator<FieldError> {
  if (node.hasDefault) {
    const errors: FieldError[] = [];
    validateValue(defaultValue(node.defaultValue, node), undefined, node, undefined, errors);
    const pruned: PrunedField[] = [];
    if (isJsonObject(node.defaultValue)) pruneValue(node.defaultValue, node, pruned);
    yield* errors;
    yield* pruned.map((field) => invalid(undefined, node.defaultValue, `default has the unknown field ${field.path}`));
  }
  for (const below of [...node.properties.values(), node.items, node.additional])
    if (typeof below === 'object') yield* defaultProblems(below);
}
