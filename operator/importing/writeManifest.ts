/**
 * A manifest as YAML text, with the comments of the configuration it came from. Written so that readers of YAML 1.1 (kubectl) and of
 * YAML 1.2 see the same: every word that either would take for something else than text is in quotes.
 */
import { Document, isMap, Pair, Scalar, YAMLMap, YAMLSeq, type Node } from 'yaml';
import type { ListTree, MapTree, Remarks, Tree } from './tree.ts';

/** `heading`: comments above everything. The text ends with a line break and has no `---`. */
export function writeManifest(tree: Tree, heading: readonly string[]): string {
  const document = new Document(undefined, { compat: 'yaml-1.1', aliasDuplicateObjects: false });
  const contents = nodeOf(tree);
  document.contents = contents;
  const [first] = isMap<Scalar>(contents) ? contents.items : [];
  if (first !== undefined && heading.length > 0) first.key.commentBefore = asComment(heading);
  // A line of text is never broken up: what a job was given on one line stays there.
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

const none: readonly string[] = [];

/** Blank lines of a comment keep their mark, so that they stay part of it. */
const asComment = (lines: readonly string[]): string => lines.map((line) => (line === '' ? ' ' : line)).join('\n');

function nodeOf(tree: Tree): Node {
  if (tree.kind === 'scalar') return scalarNode(tree.value, tree.remarks);
  return tree.kind === 'map' ? mapNode(tree) : listNode(tree);
}

function mapNode({ entries }: MapTree): YAMLMap {
  const node = new YAMLMap();
  let closing = none;
  for (const [key, { value }] of entries) {
    const keyNode = new Scalar(key);
    closing = explain(keyNode, value, closing);
    node.items.push(new Pair(keyNode, nodeOf(value)));
  }
  return closed(node, closing);
}

function listNode({ items }: ListTree): YAMLSeq {
  const node = new YAMLSeq();
  let closing = none;
  for (const item of items) {
    const itemNode = nodeOf(item);
    closing = explain(itemNode, item, closing);
    node.items.push(itemNode);
  }
  return closed(node, closing);
}

/** Sets the comment above a key or an item. What closed the one before stands there too; what closes this one is returned. */
function explain(target: Node, { remarks, kind }: Tree, closing: readonly string[]): readonly string[] {
  const before = [...closing, ...(remarks?.before ?? none), ...(kind === 'scalar' ? none : (remarks?.beside ?? none))];
  if (before.length > 0) target.commentBefore = asComment(before);
  return remarks?.after ?? none;
}

function closed<T extends YAMLMap | YAMLSeq>(node: T, closing: readonly string[]): T {
  if (closing.length > 0 && node.items.length > 0) node.comment = asComment(closing);
  if (node.items.length === 0) node.flow = true;
  return node;
}

function scalarNode(value: unknown, remarks: Remarks | undefined): Scalar {
  const node = new Scalar(value);
  if (typeof value === 'string' && value.includes('\n')) node.type = isPlainBlock(value) ? Scalar.BLOCK_LITERAL : Scalar.QUOTE_DOUBLE;
  const beside = remarks?.beside ?? none;
  if (beside.length > 0) node.comment = beside.join(';');
  return node;
}

/** Lines that begin with a tab, and a first line that begins with a space, are read differently by different parsers. */
const isPlainBlock = (text: string): boolean => !/^[ \t\n]|\n *\t|\r/.test(text);
