/**
 * Results in a directory: for a sandbox, or a volume that several read. An object is written beside its place and renamed, so a reader sees all of
 * it or nothing. Conditional writes hold within one process; only one replica of the operator writes.
 */
import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { isSafeSegment } from '../../crds/storageLocation.ts';
import { longestText, storeCall, StoreError, type BlobOptions, type BlobSource, type BlobStore, type BlobText } from './blobStore.ts';

export class DirectoryStore implements BlobStore {
  readonly url: string;
  readonly #root: string;
  /** One after the other: compare and write belong together. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(root: string) {
    this.#root = root;
    this.url = `file://${root}`;
  }

  put(key: string, text: string, { signal }: BlobOptions): Promise<void> {
    return storeCall(this.url, `write ${key}`, signal, () => this.#write(key, [Buffer.from(text)], signal, rename));
  }

  upload(key: string, source: BlobSource, { signal }: BlobOptions): Promise<void> {
    return storeCall(this.url, `write ${key}`, signal, () => this.#write(key, source.open(), signal, rename));
  }

  putIf(key: string, text: string, tag: string | undefined, options: BlobOptions): Promise<boolean> {
    const attempt = this.#writing.then(() => this.#putIf(key, text, tag, options));
    this.#writing = attempt.catch(() => undefined);
    return attempt;
  }

  get(key: string, signal: AbortSignal): Promise<BlobText | undefined> {
    return storeCall(this.url, `read ${key}`, signal, async () => {
      const found = await this.stat(key, signal);
      if (found === undefined) return undefined;
      if (found.size > longestText) throw new Error(`is longer than ${longestText} bytes`);
      const text = await readFile(this.#file(key), 'utf8');
      return { text, tag: tagOf(text) };
    });
  }

  stat(key: string, signal: AbortSignal): Promise<{ readonly size: number } | undefined> {
    return storeCall(this.url, `look at ${key}`, signal, async () => {
      try {
        return { size: (await stat(this.#file(key))).size };
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #putIf(key: string, text: string, tag: string | undefined, options: BlobOptions): Promise<boolean> {
    return storeCall(this.url, `write ${key}`, options.signal, async () => {
      if (tag !== undefined) {
        if ((await this.get(key, options.signal))?.tag !== tag) return false;
        await this.#write(key, [Buffer.from(text)], options.signal, rename);
        return true;
      }
      try {
        await this.#write(key, [Buffer.from(text)], options.signal, link);
        return true;
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false;
        throw error;
      }
    });
  }

  async #write(
    key: string,
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    place: (from: string, to: string) => Promise<void>,
  ): Promise<void> {
    const file = this.#file(key);
    const partial = path.join(path.dirname(file), `.${randomUUID()}.partial`);
    await mkdir(path.dirname(file), { recursive: true });
    try {
      const handle = await open(partial, 'wx');
      try {
        for await (const chunk of chunks) {
          signal.throwIfAborted();
          await handle.appendFile(chunk);
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
      await place(partial, file);
    } finally {
      await rm(partial, { force: true });
    }
  }

  #file(key: string): string {
    const segments = key.split('/');
    if (!segments.every(isSafeSegment))
      throw new StoreError(this.url, `name ${JSON.stringify(key)}`, new Error('leads out of the directory'));
    return path.join(this.#root, ...segments);
  }
}

const tagOf = (text: string): string => createHash('sha256').update(text).digest('hex');

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown } | null)?.code;
