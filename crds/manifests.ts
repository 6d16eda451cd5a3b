/**
 * Reads files of Kubernetes objects, YAML or JSON, one or many documents, and keeps where each field stands. Aliases are limited and
 * duplicate keys are errors. Words that kubectl reads as booleans, because it follows YAML 1.1, are errors unless they are quoted.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit, type Document, type Node, type Pair } from 'yaml';
import { isArray, isJsonObject, type JsonObject } from './json.ts';

export interface Position {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export type Segments = readonly (string | number)[];

/** One object of a file. */
export interface Manifest {
  readonly value: JsonObject;
  /** Where a field of the object stands; for a field that is missing, the nearest thing around it. */
  readonly locate: (segments: Segments) => Position;
}

export interface ManifestProblem extends Position {
  readonly message: string;
}

export interface ParsedFile {
  readonly manifests: readonly Manifest[];
  readonly problems: readonly ManifestProblem[];
}

/** As many uses of aliases as a hand-written file could need; a bomb needs millions. */
const maxAliasCount = 100;
const maxProblems = 100;

/** What YAML 1.1 reads as true or false when it is not quoted, and YAML 1.2 as text. */
const yaml11Boolean = /^(y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF)$/;

interface Source {
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
}

/** All objects of a text; objects inside a List count as objects of their own. Never throws. */
export function parseManifests(text: string): ParsedFile {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true, merge: true, prettyErrors: false });
  const manifests: Manifest[] = [];
  const problems: ManifestProblem[] = [];
  for (const document of 'empty' in documents ? [] : documents) {
    const source = { document, lines };
    problems.push(...syntaxProblems(source));
    if (document.errors.length > 0) continue;
    problems.push(...booleanProblems(source));
    manifests.push(...objectsOf(source, problems));
  }
  return { manifests, problems: problems.slice(0, maxProblems) };
}

const positionAt = (lines: LineCounter, offset: number): Position => {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
};

const syntaxProblems = ({ document, lines }: Source): readonly ManifestProblem[] =>
  document.errors.map((error) => ({ ...positionAt(lines, error.pos[0]), message: error.message.replace(/\s+/g, ' ').trim() }));

function booleanProblems({ document, lines }: Source): readonly ManifestProblem[] {
  const problems: ManifestProblem[] = [];
  visit(document, {
    Scalar(_key, node) {
      if (node.type !== 'PLAIN' || typeof node.value !== 'string' || !yaml11Boolean.test(node.value)) return;
      const meaning = /^[yYoO]([eE]|[nN]$|$)/.test(node.value) ? 'true' : 'false';
      problems.push({
        ...positionAt(lines, node.range?.[0] ?? 0),
        message: `write "${node.value}" in quotes: kubectl reads the bare word as ${meaning}`,
      });
    },
  });
  return problems;
}

function objectsOf(source: Source, problems: ManifestProblem[]): readonly Manifest[] {
  const start = positionAt(source.lines, source.document.contents?.range[0] ?? source.document.range[0]);
  let value: unknown;
  try {
    value = source.document.toJS({ maxAliasCount });
  } catch (error) {
    problems.push({ ...start, message: error instanceof Error ? error.message : String(error) });
    return [];
  }
  if (value === null || value === undefined) return [];
  if (!isJsonObject(value)) {
    problems.push({ ...start, message: 'the document is not an object; a manifest begins with apiVersion and kind' });
    return [];
  }
  return walkLists(value, [], source, problems);
}

/** The items of a List, at any depth; anything else is itself. */
function walkLists(value: JsonObject, at: Segments, source: Source, problems: ManifestProblem[]): readonly Manifest[] {
  const isList = typeof value.kind === 'string' && value.kind.endsWith('List') && isArray(value.items);
  if (!isList) return [{ value, locate: (segments) => locate(source, [...at, ...segments]) }];
  return (value.items as readonly unknown[]).flatMap((item, index) => {
    const here = [...at, 'items', index];
    if (isJsonObject(item)) return walkLists(item, here, source, problems);
    problems.push({ ...locate(source, here), message: 'the item of the list is not an object' });
    return [];
  });
}

function locate({ document, lines }: Source, segments: Segments): Position {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const segment of segments) {
    const next = step(isAlias(node) ? node.resolve(document) : node, segment);
    if (next === undefined) break;
    offset = next.offset ?? offset;
    node = next.node;
  }
  return positionAt(lines, offset);
}

function step(node: unknown, segment: string | number): { readonly node: unknown; readonly offset: number | undefined } | undefined {
  if (isMap(node)) {
    const pair = node.items.find((candidate: Pair) => isScalar(candidate.key) && String(candidate.key.value) === String(segment));
    return pair === undefined ? undefined : { node: pair.value, offset: offsetOf(pair.key) };
  }
  if (!isSeq(node) || typeof segment !== 'number') return undefined;
  const item = node.items[segment];
  return item === undefined ? undefined : { node: item, offset: offsetOf(item) };
}

const offsetOf = (node: unknown): number | undefined => (node as Node | null)?.range?.[0];
