/**
 * The part of Kubernetes' JSONPath that printer columns use: fields, quoted and escaped keys, indexes (negative ones too), `[*]`, and
 * filters that compare one field with a literal. Missing keys give no result; a path that cannot be read is a JsonPathError.
 */
export class JsonPathError extends Error {
  readonly code = 'JsonPathInvalid';
  override readonly name = 'JsonPathError';
}

type Step =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'filter'; readonly path: readonly Step[]; readonly negated: boolean; readonly literal: unknown };

const fieldPattern = /^\.?((?:\\.|[^.[\]\\{}\s])+)/;
const indexPattern = /^\[(-?\d+)\]/;
const quotedPattern = /^\[(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)")\]/;
const filterPattern = /^\[\?\(\s*@(\S*?)\s*(==|!=)\s*("[^"]*"|'[^']*'|true|false|-?\d+(?:\.\d+)?)\s*\)\]/;
const allPattern = /^(?:\[\*\]|\.\*)/;

/** Compiles `.spec.job` or `{.spec.job}` into a function that returns every value found, in document order. */
export function compileJsonPath(text: string): (root: unknown) => readonly unknown[] {
  const bare = text.startsWith('{') && text.endsWith('}') ? text.slice(1, -1) : text;
  const steps = parse(bare.startsWith('$') ? bare.slice(1) : bare, text);
  return (root) => evaluate(steps, root);
}

function parse(path: string, whole: string): readonly Step[] {
  const steps: Step[] = [];
  let rest = path === '.' ? '' : path;
  while (rest !== '') {
    const [step, length] = nextStep(rest, whole);
    steps.push(step);
    rest = rest.slice(length);
  }
  return steps;
}

function nextStep(rest: string, whole: string): readonly [Step, number] {
  const all = allPattern.exec(rest);
  if (all !== null) return [{ kind: 'all' }, all[0].length];
  const index = indexPattern.exec(rest);
  if (index !== null) return [{ kind: 'index', index: Number(index[1]) }, index[0].length];
  const quoted = quotedPattern.exec(rest);
  if (quoted !== null) return [{ kind: 'key', key: unescape(quoted[1] ?? quoted[2] ?? '') }, quoted[0].length];
  const filter = filterPattern.exec(rest);
  if (filter !== null) {
    const step: Step = {
      kind: 'filter',
      path: parse(filter[1] ?? '', whole),
      negated: filter[2] === '!=',
      literal: literalOf(filter[3] ?? ''),
    };
    return [step, filter[0].length];
  }
  const field = fieldPattern.exec(rest);
  if (field === null) throw new JsonPathError(`cannot read ${JSON.stringify(whole)} at ${JSON.stringify(rest)}`);
  return [{ kind: 'key', key: unescape(field[1] ?? '') }, field[0].length];
}

const unescape = (text: string): string => text.replaceAll(/\\(.)/g, '$1');

const literalOf = (text: string): unknown => (text.startsWith("'") || text.startsWith('"') ? text.slice(1, -1) : JSON.parse(text));

function evaluate(steps: readonly Step[], root: unknown): readonly unknown[] {
  let found: readonly unknown[] = [root];
  for (const step of steps) found = found.flatMap((value) => follow(step, value));
  return found;
}

function follow(step: Step, value: unknown): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  switch (step.kind) {
    case 'key':
      return Object.hasOwn(value, step.key) ? [(value as Record<string, unknown>)[step.key]] : [];
    case 'index': {
      const element = Array.isArray(value) ? (value.at(step.index) as unknown) : undefined;
      return element === undefined ? [] : [element];
    }
    case 'all':
      return Object.values(value);
    case 'filter':
      return Object.values(value).filter((element) => {
        const [left] = evaluate(step.path, element);
        return left !== undefined && (left === step.literal) !== step.negated;
      });
  }
}
