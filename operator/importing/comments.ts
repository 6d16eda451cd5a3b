/**
 * Which comment belongs to which key or item. By line and indentation, as a person reads it: a comment on a line of its own explains what
 * comes next, unless it is indented deeper than that; then it closes the block above. A comment behind something explains that.
 */
import type { CST, LineCounter } from 'yaml';
import type { Remarks } from './tree.ts';

/** Something that a comment can belong to: a pair of a map, or an item of a list. */
export interface Anchor {
  readonly owner: object;
  readonly offset: number;
  /** From 1: of the key, or of the dash. */
  readonly column: number;
}

interface Comment {
  readonly offset: number;
  readonly text: string;
}

/** What the tokens of a document know and its nodes do not. */
export interface Tokens {
  readonly comments: readonly Comment[];
  /** Offsets of the dashes of each list, by the offset at which the list begins. */
  readonly dashes: ReadonlyMap<number, readonly number[]>;
}

interface AnyToken {
  readonly type?: string;
  readonly offset?: number;
  readonly source?: string;
  readonly items?: readonly AnyToken[];
  readonly start?: readonly AnyToken[];
  readonly [field: string]: unknown;
}

const parts = ['start', 'props', 'items', 'key', 'sep', 'value', 'end'] as const;

export function readTokens(tokens: readonly CST.Token[]): Tokens {
  const comments: Comment[] = [];
  const dashes = new Map<number, readonly number[]>();
  const read = (value: unknown): void => {
    if (Array.isArray(value)) {
      for (const item of value) read(item);
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    const token = value as AnyToken;
    if (token.type === 'comment') comments.push({ offset: token.offset ?? 0, text: (token.source ?? '').replace(/^#/, '') });
    if (token.type === 'block-seq') dashes.set(token.offset ?? 0, (token.items ?? []).flatMap(dashOf));
    for (const part of parts) read(token[part]);
  };
  read(tokens);
  return { comments: comments.sort((a, b) => a.offset - b.offset), dashes };
}

const dashOf = ({ start }: AnyToken): readonly number[] =>
  (start ?? []).flatMap(({ type, offset }) => (type === 'seq-item-ind' && offset !== undefined ? [offset] : []));

type Mutable = { -readonly [Side in keyof Remarks]: string[] };

/** The remarks of each owner. `anchors` must be in the order of the text. */
export function attribute(
  comments: readonly Comment[],
  anchors: readonly Anchor[],
  text: string,
  lines: LineCounter,
): ReadonlyMap<object, Remarks> {
  const remarks = new Map<object, Mutable>();
  const add = (anchor: Anchor | undefined, side: keyof Remarks, comment: string): void => {
    if (anchor === undefined) return;
    const own = remarks.get(anchor.owner) ?? { before: [], beside: [], after: [] };
    remarks.set(anchor.owner, own);
    own[side].push(comment.trimEnd());
  };
  let next = 0;
  for (const comment of comments) {
    while (next < anchors.length && (anchors[next]?.offset ?? 0) < comment.offset) next++;
    const { line, col } = lines.linePos(comment.offset);
    const lineStart = lines.lineStarts[line - 1] ?? 0;
    if (text.slice(lineStart, comment.offset).trim() !== '') add(anchors[next - 1], 'beside', comment.text);
    else if (col <= (anchors[next]?.column ?? 0)) add(anchors[next], 'before', comment.text);
    else add(closed(anchors, next, col), 'after', comment.text);
  }
  return remarks;
}

/** The last anchor before `next` that is not indented deeper than the comment. */
function closed(anchors: readonly Anchor[], next: number, column: number): Anchor | undefined {
  for (let index = next - 1; index >= 0; index--) {
    const anchor = anchors[index];
    if (anchor !== undefined && anchor.column <= column) return anchor;
  }
  return undefined;
}
