/**
 * Finds fields that a rule selects and the schema does not have, as the API server does when it compiles the rule. Only chains that
 * start at self or oldSelf are followed; what a macro binds is left to evaluation.
 */
import type { ASTNode } from '@marcbachmann/cel-js';
import { isArray, isJsonObject, type JsonObject } from '../json.ts';
import { escapeName } from './celValues.ts';

/** A field that no object can have. */
class UndefinedFieldError extends Error {
  readonly code = 'CEL_UNDEFINED_FIELD';
  override readonly name = 'UndefinedFieldError';
}

const isAst = (node: unknown): node is ASTNode => typeof node === 'object' && node !== null && 'op' in node && 'args' in node;

/** @throws an error that names the first field that is not in the schema */
export function checkFields(node: unknown, schema: JsonObject): void {
  if (isArray(node)) {
    for (const item of node) checkFields(item, schema);
    return;
  }
  if (!isAst(node)) return;
  if (node.op === '.' && resolve(node, schema) !== undefined) return;
  checkFields(node.args, schema);
}

/** The schema of a chain of selections; undefined: it does not start at self, or nothing is known of it. */
function resolve(node: ASTNode, schema: JsonObject): JsonObject | undefined {
  if (node.op === 'id') return node.args === 'self' || node.args === 'oldSelf' ? schema : undefined;
  if (node.op !== '.') return undefined;
  const [base, field] = node.args;
  const object = resolve(base, schema);
  if (object?.type !== 'object' || object.additionalProperties !== undefined) return undefined;
  const properties = isJsonObject(object.properties) ? object.properties : {};
  const found = Object.entries(properties).find(([name]) => escapeName(name) === field);
  if (found !== undefined) return isJsonObject(found[1]) ? found[1] : undefined;
  if (base.op === 'id' && isRootField(field)) return undefined;
  throw new UndefinedFieldError(`undefined field '${field}'`);
}

/** What every object and embedded resource has, whether or not the schema says so. */
const isRootField = (field: string): boolean => field === 'apiVersion' || field === 'kind' || field === 'metadata';
