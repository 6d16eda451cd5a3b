/**
 * Bytes of a watch to events. Lines are cut on bytes, not on text, so a character or a line may be split anywhere between chunks.
 * A line that is not an event ends the stream with an error: a watch that skips what it cannot read would lose objects silently.
 */
import { TransportError } from './errors.ts';
import type { KubeObject, WatchEvent } from './objects.ts';

/** An API object is at most about 3 MB as JSON (etcd takes 1.5 MB); a longer line is not an event. */
export const longestLineBytes = 16 * 1024 * 1024;

const newline = 0x0a;
const carriageReturn = 0x0d;

/** Cuts a byte stream into lines. One per stream. */
export class LineSplitter {
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  readonly #longest: number;

  constructor(longest = longestLineBytes) {
    this.#longest = longest;
  }

  /** The lines completed by this chunk, without the line end; empty ones are left out. Throws TransportError when a line is too long. */
  push(chunk: Uint8Array): string[] {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lines: string[] = [];
    let start = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      const line = this.#rest.length === 0 ? lineOf(bytes, start, end) : this.#complete(bytes.subarray(start, end));
      if (line !== '') lines.push(line);
      start = end + 1;
    }
    if (start < bytes.length) this.#keep(bytes.subarray(start));
    return lines;
  }

  /** Bytes of a line that has not ended. Not 0 at the end of a stream means that it was cut. */
  get pendingBytes(): number {
    return this.#restBytes;
  }

  #keep(part: Uint8Array): void {
    this.#restBytes += part.length;
    if (this.#restBytes > this.#longest) {
      throw new TransportError('malformed', `watch: a line is longer than ${this.#longest} bytes, so this is not a watch of API objects`);
    }
    this.#rest.push(part);
  }

  #complete(part: Uint8Array): string {
    this.#keep(part);
    const bytes = Buffer.concat(this.#rest, this.#restBytes);
    this.#rest = [];
    this.#restBytes = 0;
    return lineOf(bytes, 0, bytes.length);
  }
}

const lineOf = (bytes: Buffer, start: number, end: number): string =>
  bytes.toString('utf8', start, end > start && bytes[end - 1] === carriageReturn ? end - 1 : end);

interface LooseEvent {
  readonly type?: unknown;
  readonly object?: { readonly metadata?: { readonly name?: unknown; readonly resourceVersion?: unknown } | null } | null;
}

/** One line to one event. Throws TransportError when the line is not JSON or not an event with an object that has a name and a resourceVersion. */
export function parseEvent<T extends KubeObject>(line: string): WatchEvent<T> {
  let event: LooseEvent | null;
  try {
    event = JSON.parse(line) as LooseEvent | null;
  } catch (error) {
    throw new TransportError('malformed', `watch: a line is not JSON: ${quote(line)}`, error);
  }
  if (!isEvent(event)) throw new TransportError('malformed', `watch: a line is not an event: ${quote(line)}`);
  return event as WatchEvent<T>;
}

function isEvent(event: LooseEvent | null): boolean {
  const object = event?.object;
  if (event === null || typeof object !== 'object' || object === null) return false;
  if (event.type === 'ERROR') return true;
  if (typeof object.metadata?.resourceVersion !== 'string') return false;
  if (event.type === 'BOOKMARK') return true;
  return typeof object.metadata.name === 'string' && (event.type === 'ADDED' || event.type === 'MODIFIED' || event.type === 'DELETED');
}

const quote = (line: string): string => JSON.stringify(line.length > 120 ? `${line.slice(0, 120)}…` : line);
