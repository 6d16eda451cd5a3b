/** Label and field selectors, parsed once per request into a predicate. A malformed one is a 400 with the reason. */
import { badRequest } from './failure.ts';
import type { StoredObject } from '../storage/storage.ts';

export type Predicate = (object: StoredObject) => boolean;

interface Requirement {
  readonly key: string;
  readonly operator: '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | '>' | '<';
  readonly values: readonly string[];
}

const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const labelKey = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
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

export function parseLabelSelector(text: string): Predicate | undefined {
  if (text.trim() === '') return undefined;
  const requirements = splitTerms(text).map((term) => {
    const requirement = parseRequirement(term);
    if (requirement === undefined)
      throw badRequest(`unable to parse requirement: found '${term.trim()}', expected: an identifier, '!', '=', 'in' or 'notin'`);
    if (!labelKey.test(requirement.key))
      throw badRequest(
        `unable to parse requirement: <nil>: Invalid value: "${requirement.key}": name part must consist of alphanumeric characters, '-', '_' or '.'`,
      );
    const bad = requirement.values.find((value) => !labelValue.test(value) || value.length > 63);
    if (bad !== undefined)
      throw badRequest(
        `unable to parse requirement: values[0][${requirement.key}]: Invalid value: "${bad}": a valid label must consist of alphanumeric characters, '-', '_' or '.'`,
      );
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

/** @param supported paths that this resource can be selected by, besides metadata.name and metadata.namespace */
export function parseFieldSelector(text: string, supported: readonly string[]): Predicate | undefined {
  if (text.trim() === '') return undefined;
  const terms = text.split(',').filter((term) => term !== '');
  const requirements = terms.map((term) => {
    const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(term);
    if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    const path = match[1] ?? '';
    if (path !== 'metadata.name' && path !== 'metadata.namespace' && !supported.includes(path)) {
      throw badRequest(`field label not supported: ${path}`);
    }
    return { path, negated: match[2] === '!=', value: match[3] ?? '' };
  });
  return (object) => requirements.every((r) => (fieldText(object, r.path) === r.value) !== r.negated);
}
