/** The S3 store against a real S3 server. */
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreError, type BlobStore } from '../../operator/archive/blobStore.ts';
import { openS3Store } from '../../operator/archive/s3Store.ts';
import { noise, storeContract } from '../../operator/archive/testing/storeContract.ts';
import { Minio, minioMissing } from './minio.ts';

const missing = minioMissing();
const bucket = 'results';
const { signal } = new AbortController();
const text = { contentType: 'text/plain', signal };

describe.skipIf(missing !== undefined)(`S3${missing === undefined ? '' : ` (${missing})`}`, () => {
  let minio: Minio;
  let store: BlobStore;
  beforeAll(async () => {
    Object.assign(process.env, Minio.credentials);
    minio = await Minio.start(bucket);
    store = await openS3Store({ bucket, endpoint: minio.endpoint, forcePathStyle: true });
  });
  afterAll(async () => {
    await store.close();
    await minio.stop();
  });

  storeContract('S3', async () => {
    await Promise.resolve();
    return {
      store,
      read: async (Key) =>
        Buffer.from((await (await minio.client.send(new GetObjectCommand({ Bucket: bucket, Key }))).Body?.transformToByteArray()) ?? []),
      close: () => Promise.resolve(),
    };
  });

  it('says what the objects are', async () => {
    await store.put('typed.json', '{}', { contentType: 'application/json', metadata: { link: 's3://results/x' }, signal });
    await store.upload('typed.txt', noise(9_000_000), { ...text, metadata: { link: 'y' } });
    const head = async (Key: string): Promise<unknown> => {
      const { ContentType, Metadata } = await minio.client.send(new HeadObjectCommand({ Bucket: bucket, Key }));
      return { ContentType, Metadata };
    };
    expect(await head('typed.json')).toEqual({ ContentType: 'application/json', Metadata: { link: 's3://results/x' } });
    expect(await head('typed.txt')).toEqual({ ContentType: 'text/plain', Metadata: { link: 'y' } });
  });

  it('aborts what a crash left of an upload of the same object, and nothing else', async () => {
    for (const Key of ['left/over', 'left/over/too']) {
      const { UploadId } = await minio.client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }));
      await minio.client.send(new UploadPartCommand({ Bucket: bucket, Key, UploadId, PartNumber: 1, Body: 'x' }));
    }
    expect(await countOf('left/over')).toBe(1);
    await store.upload('left/over', noise(9_000_000), text);
    expect(await countOf('left/over')).toBe(0);
    expect(await countOf('left/over/too')).toBe(1);
  });

  // The server lists uploads of one key only.
  const countOf = async (key: string): Promise<number> =>
    (await minio.client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: key }))).Uploads?.filter(({ Key }) => Key === key)
      .length ?? 0;

  it('leaves no parts of an upload that failed', async () => {
    const broken = {
      size: 20_000_000,
      open: async function* () {
        let sent = 0;
        for await (const chunk of noise(20_000_000).open()) {
          if ((sent += chunk.length) > 17_000_000) throw new Error('the disk broke');
          yield chunk;
        }
      },
    };
    await expect(store.upload('left-broken', broken, text)).rejects.toThrow('the disk broke');
    expect(await countOf('left-broken')).toBe(0);
  });

  it('names bucket, object and what the server said', async () => {
    const none = await openS3Store({ bucket: 'no-such-bucket', endpoint: minio.endpoint, forcePathStyle: true });
    await expect(none.put('x', '', text)).rejects.toThrow(StoreError);
    await expect(none.put('x', '', text)).rejects.toThrow(
      's3://no-such-bucket: write x: NoSuchBucket: The specified bucket does not exist',
    );
    await expect(none.putIf('x', '', undefined, text)).rejects.toThrow('NoSuchBucket');
    await expect(none.get('x', signal)).rejects.toThrow('NoSuchBucket');
    await none.close();
  });
});
