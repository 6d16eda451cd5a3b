/** What the archive needs of a store, as tests that every store passes. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreError, type BlobSource, type BlobStore } from '../blobStore.ts';

const { signal } = new AbortController();
const text = { contentType: 'text/plain', signal };

/** Bytes that can be computed again, in pieces of an odd size. */
export function noise(size: number): BlobSource {
  return {
    size,
    // eslint-disable-next-line @typescript-eslint/require-await -- an async iterable by contract
    open: async function* () {
      const piece = 65_537;
      for (let at = 0; at < size; at += piece) {
        yield Buffer.alloc(Math.min(piece, size - at), createHash('sha256').update(String(at)).digest());
      }
    },
  };
}

export async function digestOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

export interface StoreUnderTest {
  readonly store: BlobStore;
  /** What a reader of the store sees, past our code. */
  readonly read: (key: string) => Promise<Buffer>;
  readonly close: () => Promise<void>;
}

export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps results`, () => {
    let test: StoreUnderTest;
    beforeAll(async () => {
      test = await open();
    });
    afterAll(() => test.close());

    it('writes, overwrites and reads texts', async () => {
      const { store, read } = test;
      await store.put('logs/a job/1/prowjob.json', '{"é": 1}', { ...text, metadata: { link: 'there' } });
      await store.put('logs/a job/1/prowjob.json', '{"é": 2}', text);
      expect((await store.get('logs/a job/1/prowjob.json', signal))?.text).toBe('{"é": 2}');
      expect((await read('logs/a job/1/prowjob.json')).toString()).toBe('{"é": 2}');
      expect(await store.stat('logs/a job/1/prowjob.json', signal)).toEqual({ size: 9 });
    });

    it('says that an object is not there', async () => {
      expect(await test.store.get('logs/none', signal)).toBeUndefined();
      expect(await test.store.stat('logs/none', signal)).toBeUndefined();
    });

    it('writes only where there is nothing', async () => {
      expect(await test.store.putIf('only/once', 'first', undefined, text)).toBe(true);
      expect(await test.store.putIf('only/once', 'second', undefined, text)).toBe(false);
      expect((await test.store.get('only/once', signal))?.text).toBe('first');
    });

    it('writes only over what was read', async () => {
      await test.store.put('latest', '1', text);
      const before = await test.store.get('latest', signal);
      expect(await test.store.putIf('latest', '2', before?.tag, text)).toBe(true);
      expect(await test.store.putIf('latest', '3', before?.tag, text)).toBe(false);
      expect((await test.store.get('latest', signal))?.text).toBe('2');
    });

    it('lets one of many win who write where there is nothing', async () => {
      const wins = await Promise.all(Array.from({ length: 8 }, (_, index) => test.store.putIf('race', String(index), undefined, text)));
      expect(wins.filter(Boolean)).toHaveLength(1);
      expect((await test.store.get('race', signal))?.text).toBe(String(wins.indexOf(true)));
    });

    it.each([0, 1, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 20_000_000])('uploads %i bytes', async (size) => {
      const { store, read } = test;
      await store.upload(`big/${size}`, noise(size), text);
      await store.upload(`big/${size}`, noise(size), text);
      expect(await store.stat(`big/${size}`, signal)).toEqual({ size });
      const hash = createHash('sha256')
        .update(await read(`big/${size}`))
        .digest('hex');
      expect(hash).toBe(await digestOf(noise(size).open()));
    });

    it('leaves nothing of an upload whose source fails', async () => {
      const broken: BlobSource = {
        size: 20_000_000,
        open: async function* () {
          let sent = 0;
          for await (const chunk of noise(20_000_000).open()) {
            yield chunk;
            sent += chunk.length;
            if (sent > 10_000_000) throw new Error('the disk broke');
          }
        },
      };
      await expect(test.store.upload('broken', broken, text)).rejects.toThrow(StoreError);
      expect(await test.store.stat('broken', signal)).toBeUndefined();
    });

    it('stops with the reason of the signal', async () => {
      const stop = new AbortController();
      const reason = new Error('the lease is lost');
      const endless: BlobSource = {
        size: 100_000_000,
        open: async function* () {
          for await (const chunk of noise(100_000_000).open()) {
            yield chunk;
            stop.abort(reason);
          }
        },
      };
      await expect(test.store.upload('stopped', endless, { ...text, signal: stop.signal })).rejects.toBe(reason);
      expect(await test.store.stat('stopped', signal)).toBeUndefined();
    });
  });
}
