/**
 * Results in S3, or in whatever speaks like it. Credentials come from where the AWS SDK looks for them: environment, web identity, mounted files, the
 * instance. Large objects go up in parts of 8 MB, one being read while another is sent; an upload that fails, or that a crash left behind, is
 * aborted, so that its parts are not paid for. This module brings the SDK along, so it is imported when the first store is opened.
 */
import * as sdk from '@aws-sdk/client-s3';
import { longestText, storeCall, type BlobOptions, type BlobSource, type BlobStore, type BlobText } from './blobStore.ts';
import { partsOf } from './parts.ts';

export interface S3Options {
  readonly bucket: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly forcePathStyle?: boolean;
}

/** S3 takes no part below 5 MiB but the last. */
const partBytes = 8 * 1024 * 1024;
/** What servers of one's own expect when nobody says. Without an endpoint the SDK finds the region where it finds the credentials. */
const regionOfEndpoints = 'us-east-1';

export function openS3Store(options: S3Options): Promise<BlobStore> {
  const client = new sdk.S3Client({
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint, region: regionOfEndpoints }),
    ...(options.region === undefined ? {} : { region: options.region }),
    forcePathStyle: options.forcePathStyle ?? false,
    maxAttempts: 4,
    // Older servers that speak S3 know none of the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 120_000 },
  });
  return Promise.resolve(new S3Store(client, options.bucket));
}

class S3Store implements BlobStore {
  readonly url: string;
  readonly #client: sdk.S3Client;
  readonly #bucket: string;

  constructor(client: sdk.S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
    this.url = `s3://${bucket}`;
  }

  async put(key: string, text: string, options: BlobOptions): Promise<void> {
    await this.#call(`write ${key}`, options.signal, () => this.#putObject(key, Buffer.from(text), options));
  }

  async upload(key: string, source: BlobSource, options: BlobOptions): Promise<void> {
    await this.#call(`write ${key}`, options.signal, async () => {
      if (source.size > partBytes) return this.#multipart(key, source, options);
      for await (const body of partsOf(source.open(), Math.max(1, source.size))) return this.#putObject(key, body, options);
      return this.#putObject(key, Buffer.alloc(0), options);
    });
  }

  putIf(key: string, text: string, tag: string | undefined, options: BlobOptions): Promise<boolean> {
    const condition = tag === undefined ? { IfNoneMatch: '*' } : { IfMatch: tag };
    return this.#call(`write ${key}`, options.signal, async () => {
      try {
        await this.#putObject(key, Buffer.from(text), options, condition);
        return true;
      } catch (error) {
        // 409: another conditional write of the same object is under way. 404: the object with that tag is gone.
        if ([404, 409, 412].includes(httpStatusOf(error) ?? 0) && nameOf(error) !== 'NoSuchBucket') return false;
        if (httpStatusOf(error) !== 501) throw error;
        return this.#putAfterLook(key, text, tag, options);
      }
    });
  }

  get(key: string, signal: AbortSignal): Promise<BlobText | undefined> {
    return this.#call(`read ${key}`, signal, async () => {
      try {
        const answer = await this.#client.send(new sdk.GetObjectCommand({ Bucket: this.#bucket, Key: key }), { abortSignal: signal });
        if ((answer.ContentLength ?? 0) > longestText) throw new Error(`is longer than ${longestText} bytes`);
        return { text: (await answer.Body?.transformToString()) ?? '', tag: answer.ETag ?? '' };
      } catch (error) {
        if (nameOf(error) === 'NoSuchKey') return undefined;
        throw error;
      }
    });
  }

  stat(key: string, signal: AbortSignal): Promise<{ readonly size: number } | undefined> {
    return this.#call(`look at ${key}`, signal, async () => {
      try {
        const answer = await this.#client.send(new sdk.HeadObjectCommand({ Bucket: this.#bucket, Key: key }), {
          abortSignal: signal,
        });
        return { size: answer.ContentLength ?? 0 };
      } catch (error) {
        if (httpStatusOf(error) === 404) return undefined;
        throw error;
      }
    });
  }

  close(): Promise<void> {
    this.#client.destroy();
    return Promise.resolve();
  }

  #call<T>(what: string, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    return storeCall(this.url, what, signal, call);
  }

  async #putObject(key: string, body: Buffer, options: BlobOptions, condition: Readonly<Record<string, string>> = {}): Promise<void> {
    const { contentType, metadata, signal } = options;
    const input = { Bucket: this.#bucket, Key: key, Body: body, ContentType: contentType, ...withMetadata(metadata), ...condition };
    await this.#client.send(new sdk.PutObjectCommand(input), { abortSignal: signal });
  }

  /** For servers that know no conditions. There is one writer, so the gap between look and write is harmless. */
  async #putAfterLook(key: string, text: string, tag: string | undefined, options: BlobOptions): Promise<boolean> {
    if ((await this.get(key, options.signal))?.tag !== tag) return false;
    await this.#putObject(key, Buffer.from(text), options);
    return true;
  }

  async #multipart(key: string, source: BlobSource, { contentType, metadata, signal }: BlobOptions): Promise<void> {
    const target = { Bucket: this.#bucket, Key: key };
    await this.#abortLeftOvers(key, signal);
    const create = new sdk.CreateMultipartUploadCommand({ ...target, ContentType: contentType, ...withMetadata(metadata) });
    const { UploadId } = await this.#client.send(create, { abortSignal: signal });
    try {
      const Parts = await this.#sendParts({ ...target, UploadId }, source, signal);
      const complete = new sdk.CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } });
      await this.#client.send(complete, { abortSignal: signal });
    } catch (error) {
      // Best effort: what is left is aborted before the next try.
      await this.#client.send(new sdk.AbortMultipartUploadCommand({ ...target, UploadId })).catch(() => undefined);
      throw error;
    }
  }

  async #sendParts(
    target: { readonly Bucket: string; readonly Key: string; readonly UploadId: string | undefined },
    source: BlobSource,
    signal: AbortSignal,
  ): Promise<{ PartNumber: number; ETag: string | undefined }[]> {
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    let sending: Promise<void> = Promise.resolve();
    const send = async (PartNumber: number, Body: Buffer): Promise<void> => {
      const { ETag } = await this.#client.send(new sdk.UploadPartCommand({ ...target, PartNumber, Body }), { abortSignal: signal });
      parts.push({ PartNumber, ETag });
    };
    let number = 0;
    for await (const body of partsOf(source.open(), partBytes)) {
      await sending;
      number += 1;
      sending = send(number, body);
      // Its failure is thrown by the await above or below, one part later.
      sending.catch(() => undefined);
    }
    await sending;
    return parts;
  }

  async #abortLeftOvers(key: string, signal: AbortSignal): Promise<void> {
    const list = new sdk.ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: key });
    const { Uploads = [] } = await this.#client.send(list, { abortSignal: signal });
    for (const { Key, UploadId } of Uploads) {
      if (Key !== key) continue;
      const abort = new sdk.AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId });
      await this.#client.send(abort, { abortSignal: signal }).catch((error: unknown) => {
        if (nameOf(error) !== 'NoSuchUpload') throw error;
      });
    }
  }
}

const withMetadata = (metadata: BlobOptions['metadata']): { readonly Metadata?: Record<string, string> } =>
  metadata === undefined ? {} : { Metadata: { ...metadata } };

const httpStatusOf = (error: unknown): number | undefined =>
  (error as { readonly $metadata?: { readonly httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode;

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');
