/**
 * Reads one file of Prow's configuration as Prow does: YAML 1.1 as its library understands it, the first document only, the last of equal keys,
 * anchors and merge keys resolved. What Prow passes over without a word is remarked upon here. Nothing is thrown: a file that cannot be
 * read has problems and no root.
 */
import {
  Composer,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  Parser,
  type Document,
  type Node,
  type Pair,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { attribute, readTokens, type Anchor, type Tokens } from './comments.ts';
import { asGoText, readPlainScalar } from './goScalars.ts';
import type { Entry, MapTree, Place, Remarks, Tree } from './tree.ts';

export interface ConfigFile {
  readonly file: string;
  readonly text: string;
}

/** Something in the text that Prow reads in another way than a person would. */
export interface ReadingRemark {
  readonly kind: 'leftOut' | 'note';
  readonly place: Place;
  /** Such as periodics[3].spec.containers[0].image. */
  readonly path: string;
  readonly reason: string;
}

export interface ConfigProblem extends Place {
  readonly message: string;
}

export interface ReadConfig {
  readonly file: string;
  /** Undefined when the file is empty, or has problems. */
  readonly root: MapTree | undefined;
  readonly problems: readonly ConfigProblem[];
  readonly remarks: readonly ReadingRemark[];
}

/** So many values may come out of a file once its aliases are followed: ten times what the largest known configuration has. */
const maxValues = 2_000_000;

class ConfigError extends Error {
  readonly code = 'CONFIG_UNREADABLE';
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

export function readConfig({ file, text }: ConfigFile): ReadConfig {
  const lines = new LineCounter();
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  const composer = new Composer({ schema: 'failsafe', merge: false, uniqueKeys: false, lineCounter: lines });
  const [first, second] = [...composer.compose(tokens)];
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const failed = (message: string, offset: number): ReadConfig => ({
    file,
    root: undefined,
    problems: [{ ...placeAt(offset), message }],
    remarks: [],
  });
  const [error] = first?.errors ?? [];
  if (error !== undefined) return failed(error.message.replace(/\s+/g, ' ').trim(), error.pos[0]);
  const reader = new DocumentReader(first?.contents === null ? undefined : first, { placeAt, tokens: readTokens(tokens), text, lines });
  try {
    const root = reader.read();
    if (second?.contents != null) {
      const reason = 'Prow reads only the first document of a file; put this one into a file of its own';
      reader.remarks.push({ kind: 'leftOut', place: placeAt(second.contents.range[0]), path: '', reason });
    }
    if (root !== undefined && root.kind !== 'map') return failed('the file does not begin with keys such as periodics or presets', 0);
    return { file, root, problems: [], remarks: reader.remarks };
  } catch (problem) {
    if (!(problem instanceof ConfigError)) throw problem;
    return failed(problem.message, problem.offset);
  }
}

interface Source {
  readonly placeAt: (offset: number) => Place;
  readonly tokens: Tokens;
  readonly text: string;
  readonly lines: LineCounter;
}

const offsetOf = (node: unknown): number => (node as Node | null | undefined)?.range?.[0] ?? 0;

class DocumentReader {
  readonly #document: Document.Parsed | undefined;
  readonly #source: Source;
  readonly #read = new Map<unknown, Tree>();
  readonly #sizes = new Map<Tree, number>();
  readonly #open = new Set<unknown>();
  #comments: ReadonlyMap<object, Remarks> = new Map();
  readonly remarks: ReadingRemark[] = [];

  constructor(document: Document.Parsed | undefined, source: Source) {
    this.#document = document;
    this.#source = source;
  }

  read(): Tree | undefined {
    if (this.#document === undefined) return undefined;
    const { tokens, text, lines } = this.#source;
    const [, , end] = this.#document.range;
    const own = tokens.comments.filter(({ offset }) => offset < end);
    this.#comments = attribute(own, this.#anchors(this.#document.contents), text, lines);
    const root = this.#tree(this.#document.contents, '');
    return root.kind === 'scalar' && root.value === null ? undefined : root;
  }

  /** Keys and items in the order of the text. */
  #anchors(node: unknown): readonly Anchor[] {
    const anchors: Anchor[] = [];
    const add = (owner: object, offset: number): void => {
      anchors.push({ owner, offset, column: this.#source.placeAt(offset).column });
    };
    const walk = (at: unknown): void => {
      if (isMap(at)) {
        for (const pair of at.items) {
          add(pair, offsetOf(pair.key));
          walk(pair.value);
        }
      } else if (isSeq(at)) {
        const dashes = at.flow === true ? [] : (this.#source.tokens.dashes.get(offsetOf(at)) ?? []);
        for (const [index, item] of at.items.entries()) {
          if (typeof item === 'object' && item !== null) add(item, dashes[index] ?? offsetOf(item));
          walk(item);
        }
      }
    };
    walk(node);
    return anchors;
  }

  #tree(node: unknown, path: string): Tree {
    const known = this.#read.get(node);
    if (known !== undefined) return known;
    if (this.#open.has(node)) throw new ConfigError('an anchor contains itself', offsetOf(node));
    this.#open.add(node);
    const tree = this.#build(node, path);
    this.#open.delete(node);
    this.#read.set(node, tree);
    this.#limit(tree, offsetOf(node));
    return tree;
  }

  #build(node: unknown, path: string): Tree {
    const place = this.#source.placeAt(offsetOf(node));
    if (isAlias(node)) {
      const target = this.#document === undefined ? undefined : node.resolve(this.#document);
      if (target === undefined) throw new ConfigError(`the anchor ${node.source} is not defined`, offsetOf(node));
      return { ...this.#tree(target, path), place };
    }
    if (isMap(node)) return this.#map(node, path, place);
    if (isSeq(node)) return this.#list(node, path, place);
    return isScalar(node) ? { kind: 'scalar', place, ...scalarOf(node) } : { kind: 'scalar', value: null, place };
  }

  #list(node: YAMLSeq, path: string, place: Place): Tree {
    const items = node.items.map((item, index) => this.#explained(this.#tree(item, `${path}[${index}]`), item));
    return { kind: 'list', items, place };
  }

  #map(node: YAMLMap, path: string, place: Place): Tree {
    const entries = new Map<string, Entry>();
    const written = new Set<string>();
    for (const pair of node.items) {
      if (isMergeKey(pair)) {
        this.#merge(entries, pair.value, path, written);
        continue;
      }
      const keyPlace = this.#source.placeAt(offsetOf(pair.key));
      const key = this.#key(pair);
      const own = path === '' ? key : `${path}.${key}`;
      if (written.has(key)) {
        const reason = 'is given twice; Prow takes the last one, and so does this';
        this.remarks.push({ kind: 'leftOut', place: entries.get(key)?.place ?? keyPlace, path: own, reason });
      }
      written.add(key);
      entries.set(key, { place: keyPlace, value: this.#explained(this.#tree(pair.value, own), pair) });
    }
    return { kind: 'map', entries, place };
  }

  #key({ key }: Pair): string {
    if (!isScalar(key)) throw new ConfigError('a key must be a word or a number', offsetOf(key));
    const { value, isFloat } = scalarOf(key);
    if (value === null) throw new ConfigError('a key must not be empty', offsetOf(key));
    return asGoText(value, isFloat === true);
  }

  /** The first of several maps wins over the others, and all of them win over keys written before, but not over keys written after. */
  #merge(entries: Map<string, Entry>, from: unknown, path: string, written: ReadonlySet<string>): void {
    const source = this.#tree(from, path);
    const maps = source.kind === 'list' ? [...source.items].reverse() : [source];
    for (const map of maps) {
      if (map.kind !== 'map') throw new ConfigError('<< needs a map, or a list of maps', offsetOf(from));
      for (const [key, entry] of map.entries) {
        const before = entries.get(key);
        if (before !== undefined && written.has(key)) {
          const reason = `the << below it has the same key, and Prow takes that one (line ${entry.place.line}); write << first to keep this one`;
          this.remarks.push({ kind: 'note', place: before.place, path: path === '' ? key : `${path}.${key}`, reason });
        }
        entries.set(key, entry);
      }
    }
  }

  #explained(tree: Tree, owner: unknown): Tree {
    const remarks = this.#comments.get(owner as object);
    if (remarks === undefined) return tree;
    const explained = { ...tree, remarks };
    this.#sizes.set(explained, this.#sizes.get(tree) ?? 1);
    return explained;
  }

  #limit(tree: Tree, offset: number): void {
    const inner = tree.kind === 'map' ? [...tree.entries.values()].map(({ value }) => value) : tree.kind === 'list' ? tree.items : [];
    const size = inner.reduce((sum, part) => sum + (this.#sizes.get(part) ?? 1), 1);
    this.#sizes.set(tree, size);
    if (size > maxValues) throw new ConfigError(`the aliases of the file make more than ${maxValues} values of it`, offset);
  }
}

const isMergeKey = ({ key }: Pair): boolean => isScalar(key) && key.type === 'PLAIN' && key.value === '<<';

/** Tags by which a scalar in quotes is no text after all. */
const valueTags: ReadonlySet<string> = new Set(['int', 'float', 'bool', 'null'].map((name) => `tag:yaml.org,2002:${name}`));

function scalarOf(node: Scalar): Pick<Extract<Tree, { kind: 'scalar' }>, 'value' | 'isFloat'> {
  const text = typeof node.value === 'string' ? node.value : '';
  const isPlain = node.type === undefined || node.type === 'PLAIN';
  const isText = node.tag === undefined ? !isPlain : !valueTags.has(node.tag);
  if (isText) return { value: text };
  const { value, isFloat } = readPlainScalar(text);
  return isFloat ? { value, isFloat } : { value };
}
