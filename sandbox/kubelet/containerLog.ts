/**
 * The log of one run of one container: lines with a time and a stream in numbered segment files. Only the newest segments are kept, so a
 * container that prints for ever does not fill the disk. Readers follow without polling: the writer wakes them.
 * One line on disk: `<RFC 3339 time> stdout|stderr F|P <bytes>`; P is a piece of a line longer than 16 KiB.
 */
import { createReadStream } from 'node:fs';
import { appendFile, mkdir, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';

export type LogStream = 'stdout' | 'stderr';

export interface LogLimits {
  readonly segmentBytes: number;
  readonly segments: number;
}

const defaultLimits: LogLimits = { segmentBytes: 5 * 1024 * 1024, segments: 3 };
const longestPiece = 16 * 1024;
const newline = 0x0a;

/** Where a reader is. */
interface Position {
  segment: number;
  offset: number;
}

export class ContainerLog {
  readonly #dir: string;
  readonly #limits: LogLimits;
  readonly #nowMs: () => number;
  /** The unfinished line of each stream. */
  readonly #partial = new Map<LogStream, Buffer>();
  readonly #wake = new Set<() => void>();
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #flushing: Promise<void> | undefined;
  #first = 0;
  #segment = 0;
  /** Bytes of the current segment that are on disk. */
  #size = 0;
  #closed = false;
  #failure: Error | undefined;

  constructor(dir: string, nowMs: () => number, limits: LogLimits = defaultLimits) {
    this.#dir = dir;
    this.#nowMs = nowMs;
    this.#limits = limits;
  }

  /** A log that an earlier process wrote; undefined when there is none. */
  static async reopen(dir: string): Promise<ContainerLog | undefined> {
    const names = await readdir(dir).catch(() => []);
    const numbers = names.map((name) => Number(path.parse(name).name)).sort((a, b) => a - b);
    const [first, last] = [numbers[0], numbers.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const log = new ContainerLog(dir, () => 0);
    log.#first = first;
    log.#segment = last;
    log.#size = (await stat(log.#file(last))).size;
    log.#closed = true;
    return log;
  }

  /** Bytes that wait to be written; a producer pauses when they are many. */
  get backlogBytes(): number {
    return this.#queuedBytes;
  }

  /** Takes a chunk as it came from the pipe. Resolves when everything so far is on disk. */
  write(stream: LogStream, chunk: Buffer): Promise<void> {
    const head = Buffer.from(`${new Date(this.#nowMs()).toISOString()} ${stream} `);
    let rest = Buffer.concat([this.#partial.get(stream) ?? Buffer.alloc(0), chunk]);
    for (let end = rest.indexOf(newline); end >= 0 || rest.length >= longestPiece; end = rest.indexOf(newline)) {
      const full = end >= 0 && end <= longestPiece;
      const cut = full ? end : longestPiece;
      this.#enqueue(head, full, rest.subarray(0, cut));
      rest = rest.subarray(full ? cut + 1 : cut);
    }
    this.#partial.set(stream, rest);
    return this.#flush();
  }

  /** Writes what has no newline yet and ends the log: followers finish. */
  async end(): Promise<void> {
    for (const [stream, rest] of this.#partial) {
      if (rest.length > 0) this.#enqueue(Buffer.from(`${new Date(this.#nowMs()).toISOString()} ${stream} `), true, rest);
    }
    this.#partial.clear();
    await this.#flush();
    this.#closed = true;
    this.#wakeAll();
  }

  /** The raw lines kept, oldest first; with follow until the log has ended or the signal aborts. Throws when the disk failed. */
  async *lines(options: { readonly follow?: boolean; readonly signal?: AbortSignal } = {}): AsyncGenerator<Buffer> {
    const position: Position = { segment: this.#first, offset: 0 };
    while (options.signal?.aborted !== true) {
      const ended = this.#closed;
      yield* this.#readFrom(position);
      if (this.#failure !== undefined) throw this.#failure;
      if (ended || options.follow !== true) return;
      if (this.#caughtUp(position) && !this.#closed) await this.#changed(options.signal);
    }
  }

  #caughtUp(position: Position): boolean {
    return position.segment === this.#segment && position.offset >= this.#size;
  }

  async *#readFrom(position: Position): AsyncGenerator<Buffer> {
    for (;;) {
      if (position.segment < this.#first) Object.assign(position, { segment: this.#first, offset: 0 });
      const current = position.segment === this.#segment;
      const end = current ? this.#size : Infinity;
      if (position.offset < end) yield* this.#readSegment(position, end);
      if (current) return;
      position.segment++;
      position.offset = 0;
    }
  }

  /** Whole lines only are on disk up to `end`, so a line never straddles two reads of a segment. */
  async *#readSegment(position: Position, end: number): AsyncGenerator<Buffer> {
    let rest: Buffer = Buffer.alloc(0);
    try {
      const range = { start: position.offset, ...(end === Infinity ? {} : { end: end - 1 }) };
      for await (const chunk of createReadStream(this.#file(position.segment), range) as AsyncIterable<Buffer>) {
        rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
        for (let at = rest.indexOf(newline); at >= 0; at = rest.indexOf(newline)) {
          position.offset += at + 1;
          yield rest.subarray(0, at);
          rest = rest.subarray(at + 1);
        }
      }
    } catch (error) {
      // A slow reader lost its segment to rotation: it goes on with the oldest one left.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  #changed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wake.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#wake.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
      if (signal?.aborted === true) wake();
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#wake]) wake();
  }

  #enqueue(head: Buffer, full: boolean, piece: Buffer): void {
    const line = Buffer.concat([head, Buffer.from(full ? 'F ' : 'P '), piece, Buffer.from('\n')]);
    this.#queue.push(line);
    this.#queuedBytes += line.length;
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#drain().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  async #drain(): Promise<void> {
    try {
      await mkdir(this.#dir, { recursive: true });
      while (this.#queue.length > 0) {
        const bytes = Buffer.concat(this.#queue);
        this.#queue = [];
        if (this.#size > 0 && this.#size + bytes.length > this.#limits.segmentBytes) await this.#rotate();
        await appendFile(this.#file(this.#segment), bytes);
        this.#size += bytes.length;
        this.#queuedBytes -= bytes.length;
        this.#wakeAll();
      }
    } catch (error) {
      // The container must not stop because its log cannot be kept; readers are told.
      this.#failure = error as Error;
      this.#queue = [];
      this.#queuedBytes = 0;
    }
  }

  async #rotate(): Promise<void> {
    this.#segment++;
    this.#size = 0;
    while (this.#segment - this.#first >= this.#limits.segments) await rm(this.#file(this.#first++), { force: true });
  }

  #file(segment: number): string {
    return path.join(this.#dir, `${segment}.log`);
  }
}
