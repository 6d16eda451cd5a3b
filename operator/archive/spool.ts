/**
 * Logs on their way: each container's log is written to disk while it is followed, and read from there when the run has ended. A log that is
 * longer than allowed, or that finds the spool full, keeps its beginning and its end; a line between them says how much is left out. What an
 * earlier process left is removed; nothing here has to survive one, for the kubelet still has what it has.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { BlobSource } from './blobStore.ts';

export interface SpoolLimits {
  /** Of one log. */
  readonly logBytes: number;
  /** Of all logs together. */
  readonly totalBytes: number;
}

/** The end of a log that is kept beyond its limit: between one and two of these. */
const longestTail = 8 * 1024 * 1024;
const dirName = /^prow-spool-(\d{1,10})-/;

export class Spool {
  readonly #parent: () => string;
  readonly #limits: () => SpoolLimits;
  #dir: Promise<string> | undefined;
  #usedBytes = 0;
  #next = 0;

  /** `parent` is asked with the first log, `limits` for each. */
  constructor(parent: () => string, limits: () => SpoolLimits) {
    this.#parent = parent;
    this.#limits = limits;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  create(): SpoolLog {
    const { logBytes, totalBytes } = this.#limits();
    const tailBytes = Math.max(1, Math.min(longestTail, Math.floor(logBytes / 4)));
    this.#next += 1;
    const name = `log-${this.#next}`;
    return new SpoolLog({
      file: async (part) => path.join(await this.#ready(), `${name}.${part}`),
      headBytes: Math.max(0, logBytes - 2 * tailBytes),
      tailBytes,
      room: () => Math.max(0, totalBytes - this.#usedBytes),
      use: (bytes) => {
        this.#usedBytes += bytes;
      },
    });
  }

  /** Removes everything. Logs that are still open fail from now on. */
  async close(): Promise<void> {
    const dir = await this.#dir?.catch(() => undefined);
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }

  #ready(): Promise<string> {
    this.#dir ??= this.#open().catch((error: unknown) => {
      this.#dir = undefined;
      throw error;
    });
    return this.#dir;
  }

  async #open(): Promise<string> {
    const parent = this.#parent();
    await mkdir(parent, { recursive: true });
    for (const name of await readdir(parent)) {
      const pid = Number(dirName.exec(name)?.[1] ?? Number.NaN);
      if (!Number.isNaN(pid) && !isOther(pid)) await rm(path.join(parent, name), { recursive: true, force: true });
    }
    const dir = path.join(parent, `prow-spool-${process.pid}-${randomUUID()}`);
    await mkdir(dir);
    return dir;
  }
}

/** Whether another process that lives has this number. In a container ours is always the same. */
function isOther(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

interface SpoolLogOptions {
  readonly file: (part: string) => Promise<string>;
  readonly headBytes: number;
  readonly tailBytes: number;
  readonly room: () => number;
  readonly use: (bytes: number) => void;
}

interface Segment {
  readonly file: string;
  readonly handle: FileHandle;
  bytes: number;
}

/** One log. Calls of append follow each other; the caller waits for each. */
export class SpoolLog {
  readonly #options: SpoolLogOptions;
  #head: Segment | undefined;
  #headIsFull = false;
  /** The older and the newer half of what is kept of the end. */
  #tail: Segment[] = [];
  #segments = 0;
  #leftOutBytes = 0;
  #sealed = false;
  #discarded = false;

  constructor(options: SpoolLogOptions) {
    this.#options = options;
  }

  /** Bytes of the log that were given up. */
  get leftOutBytes(): number {
    return this.#leftOutBytes;
  }

  get keptBytes(): number {
    return (this.#head?.bytes ?? 0) + this.#tail.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.#discarded || this.#sealed) throw new Error(`the spooled log was ${this.#discarded ? 'discarded' : 'sealed'}`);
    let rest = bytes;
    if (!this.#headIsFull) {
      const { headBytes, room } = this.#options;
      const taken = rest.subarray(0, Math.min(headBytes - (this.#head?.bytes ?? 0), room()));
      if (taken.length < rest.length) this.#headIsFull = true;
      if (taken.length > 0) await this.#write((this.#head ??= await this.#segment()), taken);
      rest = rest.subarray(taken.length);
    }
    if (rest.length > 0) await this.#appendTail(rest);
  }

  /** What was kept, for one or more uploads. Nothing may be appended meanwhile. */
  source(): BlobSource {
    const marker = Buffer.from(
      this.#leftOutBytes === 0 ? '' : `\n[prow-operator] ${this.#leftOutBytes} bytes of this log are left out here.\n`,
    );
    const [head, tail] = [this.#head, [...this.#tail]];
    return {
      size: this.keptBytes + marker.length,
      open: async function* () {
        if (head !== undefined) yield* readSegment(head);
        if (marker.length > 0) yield marker;
        for (const segment of tail) yield* readSegment(segment);
      },
    };
  }

  /** Nothing will be appended any more: a log that waits for its upload holds no file open. */
  async seal(): Promise<void> {
    this.#sealed = true;
    for (const { handle } of this.#allSegments()) await handle.close();
  }

  async discard(): Promise<void> {
    this.#discarded = true;
    for (const segment of this.#allSegments()) await this.#drop(segment);
    this.#head = undefined;
    this.#tail = [];
  }

  #allSegments(): readonly Segment[] {
    return [...(this.#head === undefined ? [] : [this.#head]), ...this.#tail];
  }

  async #appendTail(bytes: Uint8Array): Promise<void> {
    const { tailBytes } = this.#options;
    for (let start = 0; start < bytes.length;) {
      let current = this.#tail.at(-1);
      if (current === undefined || current.bytes >= tailBytes) current = await this.#nextTail();
      const piece = bytes.subarray(start, start + tailBytes - current.bytes);
      await this.#write(current, piece);
      start += piece.length;
    }
  }

  async #nextTail(): Promise<Segment> {
    const segment = await this.#segment();
    this.#tail.push(segment);
    const [oldest] = this.#tail;
    if (this.#tail.length > 2 && oldest !== undefined) {
      this.#tail.shift();
      this.#leftOutBytes += oldest.bytes;
      await this.#drop(oldest);
    }
    return segment;
  }

  async #segment(): Promise<Segment> {
    this.#segments += 1;
    const file = await this.#options.file(String(this.#segments));
    return { file, handle: await open(file, 'wx'), bytes: 0 };
  }

  async #write(segment: Segment, bytes: Uint8Array): Promise<void> {
    await segment.handle.writeFile(bytes);
    segment.bytes += bytes.length;
    this.#options.use(bytes.length);
  }

  async #drop(segment: Segment): Promise<void> {
    this.#options.use(-segment.bytes);
    if (!this.#sealed) await segment.handle.close();
    await rm(segment.file, { force: true });
  }
}

async function* readSegment({ file, bytes }: Segment): AsyncGenerator<Uint8Array> {
  if (bytes === 0) return;
  for await (const chunk of createReadStream(file, { end: bytes - 1 }) as AsyncIterable<Buffer>) yield chunk;
}
