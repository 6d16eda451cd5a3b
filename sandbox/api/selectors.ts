/** Label and field selectors, parsed once per request into a predicate. A malformed one is a 400 with the reason. */
import type { StoredObject } from '../storage/storage.ts';
import { badRequest } from './failure.ts';
import { labelKeyFault, labelValueFault } from './objectMeta.ts';

export type Predicate = (object: StoredObject) => boolean;

interface Requirement {
  readonly key: string;
  readonly operator: '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | '>' | '<';
  readonly values: readonly string[];
}

const setForm = /^\s*(\S+)\s+(in|notin)\s*\(([^()]*)\)\s*$/;
const compareForm = /^\s*([^\s=!<>]+)\s*(==|=|!=|>|<)\s*([^\s=!<>]*)\s*$/;
const existsForm = /^\s*(!?)\s*([^\s=!<>()]+)\s*$/;

/** Splits at commas that are not inside parentheses. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')') depth--;
    else if (text[i] === ',' && depth === 0) {
      terms.push(text.slice(start, i));
      start = i + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function parseRequirement(term: string): Requirement | undefined {
  const set = setForm.exec(term);
  if (set !== null)
    return { key: set[1] ?? '', operator: set[2] as 'in' | 'notin', values: (set[3] ?? '').split(',').map((v) => v.trim()) };
  const compare = compareForm.exec(term);
  if (compare !== null) {
    const operator = compare[2] === '==' ? '=' : (compare[2] as '=' | '!=' | '>' | '<');
    return { key: compare[1] ?? '', operator, values: [compare[3] ?? ''] };
  }
  const exists = existsForm.exec(term);
  return exists === null ? undefined : { key: exists[2] ?? '', operator: exists[1] === '!' ? '!' : 'exists', values: [] };
}

function meets(requirement: Requirement, value: string | undefined): boolean {
  switch (requirement.operator) {
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case '=':
    case 'in':
      return value !== undefined && requirement.values.includes(value);
    case '!=':
    case 'notin':
      return value === undefined || !requirement.values.includes(value);
    case '>':
    case '<': {
      const difference = Number(value) - Number(requirement.values[0]);
      return value !== undefined && (requirement.operator === '>' ? difference > 0 : difference < 0);
    }
  }
}

const unparsable = (why: string): Error => badRequest(`unable to parse requirement: ${why}`);

function checkRequirement({ key, operator, values }: Requirement): void {
  const keyFault = labelKeyFault(key);
  if (keyFault !== undefined) throw unparsable(`<nil>: Invalid value: ${JSON.stringify(key)}: ${keyFault}`);
  if ((operator === '>' || operator === '<') && !/^-?\d+$/.test(values[0] ?? ''))
    throw unparsable(`values[0]: Invalid value: ${JSON.stringify(values[0])}: for 'Gt', 'Lt' operators, the value must be an integer`);
  values.forEach((value, i) => {
    const fault = labelValueFault(value);
    if (fault !== undefined) throw unparsable(`values[${i}][${key}]: Invalid value: ${JSON.stringify(value)}: ${fault}`);
  });
}

export function parseLabelSelector(text: string): Predicate | undefined {
  if (text.trim() === '') return undefined;
  const requirements = splitTerms(text).map((term) => {
    const requirement = parseRequirement(term);
    if (requirement === undefined) throw unparsable(`found '${term.trim()}', expected: an identifier, '!', '=', 'in' or 'notin'`);
    checkRequirement(requirement);
    return requirement;
  });
  return (object) => requirements.every((r) => meets(r, object.metadata.labels?.[r.key]));
}

/** The scalar at a dotted path as a field selector compares it: absent is the empty string. */
function fieldText(object: StoredObject, path: string): string {
  let value: unknown = object;
  for (const part of path.split('.'))
    value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** Kinds with selectable fields of their own refuse another one in other words than those without. */
const unknownField = (path: string, own: readonly string[] | undefined): Error =>
  badRequest(
    own === undefined
      ? `${JSON.stringify(path)} is not a known field selector: only "metadata.name", "metadata.namespace"`
      : `field label not supported: ${path}`,
  );

/** @param own paths that this resource can be selected by, besides metadata.name and metadata.namespace; undefined: its kind has no such list */
export function parseFieldSelector(text: string, own: readonly string[] | undefined): Predicate | undefined {
  if (text.trim() === '') return undefined;
  const terms = text.split(',').filter((term) => term !== '');
  const requirements = terms.map((term) => {
    const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(term);
    if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    const path = match[1] ?? '';
    if (path !== 'metadata.name' && path !== 'metadata.namespace' && own?.includes(path) !== true) throw unknownField(path, own);
    return { path, negated: match[2] === '!=', value: match[3] ?? '' };
  });
  return (object) => requirements.every((r) => (fieldText(object, r.path) === r.value) !== r.negated);
}
