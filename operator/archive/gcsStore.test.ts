/** The GCS store against a small server that answers as the API's documentation says. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreError, type BlobStore } from './blobStore.ts';
import { openGcsStore } from './gcsStore.ts';
import { FakeGcs } from './testing/fakeGcs.ts';
import { noise, storeContract } from './testing/storeContract.ts';

const { signal } = new AbortController();

describe('Google Cloud Storage', () => {
  let gcs: FakeGcs;
  let store: BlobStore;
  beforeAll(async () => {
    gcs = await FakeGcs.start('results');
    store = await openGcsStore({ bucket: 'results', endpoint: gcs.url });
  });
  afterAll(async () => {
    await store.close();
    await gcs.close();
  });

  storeContract('GCS', async () => {
    await Promise.resolve();
    return { store, read: (key) => Promise.resolve(gcs.objects.get(key)?.body ?? Buffer.alloc(0)), close: () => Promise.resolve() };
  });

  it('says what the objects are', async () => {
    await store.put('typed.json', '{}', { contentType: 'application/json', metadata: { link: 'gs://results/x' }, signal });
    await store.upload('typed.txt', noise(9_000_000), { contentType: 'text/plain', signal });
    expect(gcs.objects.get('typed.json')).toMatchObject({ contentType: 'application/json', metadata: { link: 'gs://results/x' } });
    expect(gcs.objects.get('typed.txt')).toMatchObject({ contentType: 'text/plain' });
  });

  it('names bucket, object and what the server said', async () => {
    const none = await openGcsStore({ bucket: 'no-such', endpoint: gcs.url });
    await expect(none.put('x', '', { contentType: 'text/plain', signal })).rejects.toThrow(StoreError);
    await expect(none.put('x', '', { contentType: 'text/plain', signal })).rejects.toThrow(
      'gs://no-such: write x: 404: The specified bucket does not exist.',
    );
  });
});
