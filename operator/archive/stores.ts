/** Opens the store of a location, once for each bucket. What a store needs is loaded with the first one of its kind. */
import { bucketUrl, type StorageLocation } from '../../crds/storageLocation.ts';
import { StoreError, type BlobStore } from './blobStore.ts';
import { DirectoryStore } from './directoryStore.ts';

/** How buckets are reached; directories need nothing. */
export interface StoreAccess {
  readonly endpoint?: string;
  readonly region?: string;
  readonly forcePathStyle: boolean;
}

/** Opens the store of one location. */
export type StoreFactory = (location: StorageLocation, access: StoreAccess) => Promise<BlobStore>;

export class Stores {
  readonly #access: () => StoreAccess;
  readonly #openStore: StoreFactory;
  readonly #open = new Map<string, Promise<BlobStore>>();

  /** `access` is asked when a store is opened. */
  constructor(access: () => StoreAccess, factory: StoreFactory = openStore) {
    this.#access = access;
    this.#openStore = factory;
  }

  /** Rejects with a StoreError when the store cannot be opened; the next call tries again. */
  get(location: StorageLocation): Promise<BlobStore> {
    const access = this.#access();
    const id = JSON.stringify([bucketUrl(location), access.endpoint, access.region, access.forcePathStyle]);
    const known = this.#open.get(id);
    if (known !== undefined) return known;
    const opening = this.#openStore(location, access).catch((error: unknown) => {
      throw error instanceof StoreError ? error : new StoreError(bucketUrl(location), 'open', error);
    });
    this.#open.set(id, opening);
    opening.catch(() => this.#open.delete(id));
    return opening;
  }

  async close(): Promise<void> {
    const stores = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    for (const store of stores) if (store.status === 'fulfilled') await store.value.close();
  }
}

async function openStore({ scheme, bucket }: StorageLocation, { endpoint, region, forcePathStyle }: StoreAccess): Promise<BlobStore> {
  const at = endpoint === undefined ? {} : { endpoint };
  switch (scheme) {
    case 'file':
      return new DirectoryStore(bucket);
    case 's3': {
      const { openS3Store } = await import('./s3Store.ts');
      return openS3Store({ bucket, forcePathStyle, ...at, ...(region === undefined ? {} : { region }) });
    }
    case 'gs': {
      const { openGcsStore } = await import('./gcsStore.ts');
      return openGcsStore({ bucket, ...at });
    }
  }
}
