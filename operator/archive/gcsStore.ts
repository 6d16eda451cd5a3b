/**
 * Results in Google Cloud Storage. Credentials come from where Google's library looks for them: workload identity, the environment, the
 * instance. Large objects go up as resumable uploads in pieces of 8 MB. This module brings the library along, so it is imported when the first store is opened.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Storage, type Bucket, type File } from '@google-cloud/storage';
import { longestText, storeCall, type BlobOptions, type BlobSource, type BlobStore, type BlobText } from './blobStore.ts';

export interface GcsOptions {
  readonly bucket: string;
  /** Another address of the API, as that of an emulator. */
  readonly endpoint?: string;
}

const chunkBytes = 8 * 1024 * 1024;

export function openGcsStore(options: GcsOptions): Promise<BlobStore> {
  const storage = new Storage({
    ...(options.endpoint === undefined ? {} : { apiEndpoint: options.endpoint }),
    retryOptions: { autoRetry: true, maxRetries: 3, totalTimeout: 120 },
  });
  return Promise.resolve(new GcsStore(storage.bucket(options.bucket), options.bucket));
}

class GcsStore implements BlobStore {
  readonly url: string;
  readonly #bucket: Bucket;

  constructor(bucket: Bucket, name: string) {
    this.#bucket = bucket;
    this.url = `gs://${name}`;
  }

  put(key: string, text: string, options: BlobOptions): Promise<void> {
    return storeCall(this.url, `write ${key}`, options.signal, () => this.#save(this.#bucket.file(key), text, options));
  }

  upload(key: string, source: BlobSource, { contentType, metadata, signal }: BlobOptions): Promise<void> {
    return storeCall(this.url, `write ${key}`, signal, () => {
      const target = this.#bucket.file(key).createWriteStream({
        resumable: source.size > chunkBytes,
        chunkSize: chunkBytes,
        metadata: { contentType, ...(metadata === undefined ? {} : { metadata: { ...metadata } }) },
      });
      return pipeline(Readable.from(source.open(), { objectMode: false }), target, { signal });
    });
  }

  putIf(key: string, text: string, tag: string | undefined, options: BlobOptions): Promise<boolean> {
    return storeCall(this.url, `write ${key}`, options.signal, async () => {
      try {
        // Generation 0 stands for: there is none.
        await this.#save(this.#bucket.file(key), text, options, tag ?? '0');
        return true;
      } catch (error) {
        if (codeOf(error) === 412) return false;
        throw error;
      }
    });
  }

  get(key: string, signal: AbortSignal): Promise<BlobText | undefined> {
    return storeCall(this.url, `read ${key}`, signal, async () => {
      const found = await this.#metadata(key);
      if (found === undefined) return undefined;
      if (Number(found.size) > longestText) throw new Error(`is longer than ${longestText} bytes`);
      const [bytes] = await this.#bucket.file(key, { generation: found.generation }).download();
      return { text: bytes.toString('utf8'), tag: found.generation };
    });
  }

  stat(key: string, signal: AbortSignal): Promise<{ readonly size: number } | undefined> {
    return storeCall(this.url, `look at ${key}`, signal, async () => {
      const found = await this.#metadata(key);
      return found === undefined ? undefined : { size: Number(found.size) };
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #save(file: File, text: string, { contentType, metadata }: BlobOptions, generation?: string): Promise<void> {
    await file.save(text, {
      resumable: false,
      metadata: { contentType, ...(metadata === undefined ? {} : { metadata: { ...metadata } }) },
      ...(generation === undefined ? {} : { preconditionOpts: { ifGenerationMatch: generation } }),
    });
  }

  async #metadata(key: string): Promise<{ readonly size: string; readonly generation: string } | undefined> {
    try {
      const [{ size = 0, generation = '' }] = await this.#bucket.file(key).getMetadata();
      return { size: String(size), generation: String(generation) };
    } catch (error) {
      if (codeOf(error) === 404) return undefined;
      throw error;
    }
  }
}

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown } | null)?.code;
