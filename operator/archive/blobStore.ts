/**
 * Where results are kept, as far as the archive needs it: whole objects that appear at once or not at all, large ones from a source that can be
 * read again, and writes that depend on what is there. The stores differ only in how they say it to their servers.
 */

export interface BlobOptions {
  readonly contentType: string;
  /** Kept with the object where the store can. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Aborting it ends the call with the signal's reason; nothing half-written stays. */
  readonly signal: AbortSignal;
}

/** Bytes of a known number, which can be read from the start as often as an upload needs it. */
export interface BlobSource {
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface BlobText {
  readonly text: string;
  /** Names this very content, for putIf. */
  readonly tag: string;
}

/** Keys are paths without a leading "/". All methods throw StoreError. */
export interface BlobStore {
  /** For messages: `s3://bucket`. */
  readonly url: string;
  /** Writes or overwrites. */
  put(key: string, text: string, options: BlobOptions): Promise<void>;
  /** Writes or overwrites, with memory that does not grow with the size. */
  upload(key: string, source: BlobSource, options: BlobOptions): Promise<void>;
  /** Writes when the object still has this tag, or without a tag when there is none. False when that is not so. */
  putIf(key: string, text: string, tag: string | undefined, options: BlobOptions): Promise<boolean>;
  /** A small object; undefined when there is none. */
  get(key: string, signal: AbortSignal): Promise<BlobText | undefined>;
  /** Undefined when there is none. */
  stat(key: string, signal: AbortSignal): Promise<{ readonly size: number } | undefined>;
  close(): Promise<void>;
}

/** A store did not do what it was asked. The message names store, object and what the server said, and nothing that differs each time. */
export class StoreError extends Error {
  readonly code = 'ArchiveStore';
  override readonly name = 'StoreError';

  constructor(url: string, what: string, cause: unknown) {
    super(`${url}: ${what}: ${reasonOf(cause)}`, { cause });
  }
}

/** Servers put the code into the name, and networks into the code. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as { readonly code?: unknown };
  const first = cause.message.split('\n')[0] ?? '';
  const shown = typeof code === 'string' || typeof code === 'number' ? String(code) : '';
  // A file system writes its code into the message as well.
  const parts = [cause.name === 'Error' ? '' : cause.name, first.startsWith(`${shown}: `) ? '' : shown, first];
  return [...new Set(parts.filter((part) => part !== ''))].join(': ').slice(0, 500);
}

/** The reason of the signal comes before whatever a library makes of it. */
export async function storeCall<T>(url: string, what: string, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  try {
    return await call();
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof StoreError ? error : new StoreError(url, what, error);
  }
}

/** What is written and compared as text is never longer. */
export const longestText = 1024 * 1024;
