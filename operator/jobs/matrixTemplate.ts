/**
 * A template with placeholders, read once and then filled in for each combination. What holds no placeholder is shared between all
 * results, so a thousand of them cost little more than one. A text that is one placeholder and nothing else becomes a number or a truth
 * value where the schema of a Periodic, or a pod, wants one.
 */
import { isArray, isJsonObject, ownField, type JsonObject } from '../../crds/json.ts';
import { nearest } from '../../crds/nearest.ts';
import { periodicSpecSchema } from '../../crds/v1/periodic.ts';
import type { Combination, MatrixFault } from './matrixCombinations.ts';
import { podFieldType, type WantedType } from './matrixPodFields.ts';
import { parseText, type TextPart } from './matrixText.ts';

/** `size` is about how many characters the result holds that it does not share with others. */
type Rendered = { readonly ok: true; readonly value: unknown; readonly size: number } | { readonly ok: false; readonly fault: MatrixFault };

export interface CompiledTemplate {
  /** What is wrong with it for every combination. */
  readonly faults: readonly MatrixFault[];
  /** The names that its placeholders use. */
  readonly used: ReadonlySet<string>;
  /** With the values of one combination. Fails when it has no value for a name. */
  fill(combination: Combination): Rendered;
}

type Node =
  | { readonly kind: 'constant'; readonly value: unknown }
  | { readonly kind: 'text'; readonly parts: readonly TextPart[]; readonly path: string; readonly wanted: WantedType }
  | { readonly kind: 'list'; readonly items: readonly Node[] }
  | { readonly kind: 'object'; readonly fields: readonly (readonly [string, Node])[] };

/** Where a value stands: how it is called, and what is known of it. */
interface Place {
  readonly path: string;
  readonly depth: number;
  readonly schema: JsonObject | undefined;
  /** The nearest field around it. */
  readonly field: string;
  readonly wanted: WantedType;
}

const maxDepth = 64;
/** All texts of one result together: an object of the API is not larger. */
const maxCharacters = 1_000_000;
/** What a value costs beside its text. */
const bytesOfNode = 32;
const podSpecPath = 'spec.template.spec.jobTemplate.spec.pod_spec';

/** `path` is where the template stands in the set; `names` are all that some combination has. */
export function compileTemplate(template: JsonObject, names: ReadonlySet<string>): CompiledTemplate {
  const compiler = new Compiler(names);
  const root: Place = {
    path: 'spec.template',
    depth: 0,
    schema: { properties: { spec: periodicSpecSchema as unknown as JsonObject } },
    field: '',
    wanted: 'string',
  };
  const node = compiler.compile(template, root);
  return { faults: compiler.faults, used: compiler.used, fill: (combination) => fill(node, combination) };
}

class Compiler {
  readonly faults: MatrixFault[] = [];
  readonly used = new Set<string>();
  readonly #names: ReadonlySet<string>;

  constructor(names: ReadonlySet<string>) {
    this.#names = names;
  }

  compile(value: unknown, place: Place): Node {
    if (typeof value === 'string') return this.#text(value, place);
    if (typeof value !== 'object' || value === null) return { kind: 'constant', value };
    if (place.depth >= maxDepth) return this.#fault(place.path, `is nested deeper than ${maxDepth} levels`);
    return isArray(value) ? this.#list(value, place) : this.#object(value as JsonObject, place);
  }

  #list(value: readonly unknown[], place: Place): Node {
    const items = value.map((item, index) => this.compile(item, itemOf(place, index)));
    if (items.every((item) => item.kind === 'constant')) return { kind: 'constant', value: items.map((item) => item.value) };
    return { kind: 'list', items };
  }

  /** A field that is null is left out: it says the same, and a merge patch cannot write it. */
  #object(value: JsonObject, place: Place): Node {
    const fields = Object.entries(value)
      .filter(([, item]) => item !== null)
      .map(([field, item]) => [field, this.compile(item, fieldOf(place, field))] as const);
    const constants = fields.flatMap(([field, node]) => (node.kind === 'constant' ? [[field, node.value] as const] : []));
    if (constants.length === fields.length) return { kind: 'constant', value: Object.fromEntries(constants) };
    return { kind: 'object', fields };
  }

  #text(text: string, { path, wanted }: Place): Node {
    const parsed = parseText(text);
    if (!parsed.ok) return this.#fault(path, parsed.message);
    const used = parsed.parts.filter((part) => typeof part !== 'string').map(({ name }) => name);
    for (const name of used) {
      this.used.add(name);
      if (!this.#names.has(name)) this.#fault(path, unknownName(name, [...this.#names].sort()));
    }
    if (used.length > 0) return { kind: 'text', parts: parsed.parts, path, wanted };
    return { kind: 'constant', value: parsed.parts.filter((part) => typeof part === 'string').join('') };
  }

  #fault(path: string, message: string): Node {
    this.faults.push({ path, message });
    return { kind: 'constant', value: undefined };
  }
}

function unknownName(name: string, names: readonly string[]): string {
  const guess = nearest(name, names);
  const known = guess === undefined ? `there are ${names.join(', ')}.` : `did you mean \${${guess}}?`;
  return `\${${name}} is no name of matrix or include: ${known} Write $\${${name}} where the text is to hold it as it is`;
}

function fieldOf(place: Place, field: string): Place {
  const path = `${place.path}.${field}`;
  const properties = place.schema === undefined ? undefined : ownField(place.schema, 'properties');
  const found = isJsonObject(properties) ? ownField(properties, field) : ownField(place.schema ?? {}, 'additionalProperties');
  const schema = isJsonObject(found) ? found : undefined;
  const wanted = path.startsWith(`${podSpecPath}.`) ? podFieldType(place.field, field) : typeOf(schema);
  return { path, depth: place.depth + 1, schema, field, wanted };
}

function itemOf(place: Place, index: number): Place {
  const items = place.schema === undefined ? undefined : ownField(place.schema, 'items');
  const schema = isJsonObject(items) ? items : undefined;
  return { ...place, path: `${place.path}[${index}]`, depth: place.depth + 1, schema, wanted: typeOf(schema) };
}

function typeOf(schema: JsonObject | undefined): WantedType {
  if (schema?.['x-kubernetes-int-or-string'] === true) return 'integer or string';
  const type = schema?.type;
  return type === 'integer' || type === 'number' || type === 'boolean' ? type : 'string';
}

/** Ends the filling of one result; caught where it began. */
class FillError extends Error {
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

function fill(node: Node, combination: Combination): Rendered {
  let size = 0;
  const render = (part: Node): unknown => {
    switch (part.kind) {
      case 'constant':
        return part.value;
      case 'list':
        return part.items.map(render);
      case 'object':
        return Object.fromEntries(part.fields.map(([field, value]) => [field, render(value)]));
      case 'text': {
        const text = renderText(part, combination);
        size += text.length + bytesOfNode;
        if (size > maxCharacters) throw new FillError(part.path, `the Periodic would hold more than ${maxCharacters} characters`);
        return part.parts.length === 1 ? converted(text, part.wanted) : text;
      }
    }
  };
  try {
    return { ok: true, value: render(node), size };
  } catch (error) {
    if (!(error instanceof FillError)) throw error;
    return { ok: false, fault: { path: error.path, message: error.message } };
  }
}

function renderText({ parts, path }: Extract<Node, { kind: 'text' }>, combination: Combination): string {
  let text = '';
  for (const part of parts) {
    const value = typeof part === 'string' ? part : combination.get(part.name);
    if (value === undefined && typeof part !== 'string') throw new FillError(path, `this combination has no value for \${${part.name}}`);
    text += value ?? '';
    if (text.length > maxCharacters) throw new FillError(path, `would be longer than ${maxCharacters} characters`);
  }
  return text;
}

const integerText = /^-?(0|[1-9]\d{0,14})$/;
const numberText = /^-?(0|[1-9]\d{0,14})(\.\d{1,15})?$/;

/** A text that does not look like what is wanted stays text, which the schema then refuses with its own words. */
function converted(text: string, wanted: WantedType): unknown {
  switch (wanted) {
    case 'integer':
    case 'integer or string':
      return integerText.test(text) ? Number(text) : text;
    case 'number':
      return numberText.test(text) ? Number(text) : text;
    case 'boolean':
      return text === 'true' || text === 'false' ? text === 'true' : text;
    case 'string':
      return text;
  }
}
