import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { StoreError } from './blobStore.ts';
import { DirectoryStore } from './directoryStore.ts';
import { storeContract } from './testing/storeContract.ts';

const temporary = (): Promise<string> => mkdtemp(path.join(tmpdir(), 'prow-archive-'));
const { signal } = new AbortController();
const text = { contentType: 'text/plain', signal };

storeContract('a directory', async () => {
  const dir = await temporary();
  return {
    store: new DirectoryStore(dir),
    read: (key) => readFile(path.join(dir, key)),
    close: () => rm(dir, { recursive: true }),
  };
});

it('leaves no partial file behind', async () => {
  const dir = await temporary();
  onTestFinished(() => rm(dir, { recursive: true }));
  const store = new DirectoryStore(dir);
  await store.put('a/b', '1', text);
  await store.putIf('a/b', '2', undefined, text);
  expect(await readdir(path.join(dir, 'a'))).toEqual(['b']);
});

it.each(['../x', 'a/../../x', '/x', 'a//b', './x', 'a/\u0000'])('refuses the key %j', async (key) => {
  await expect(new DirectoryStore('/nowhere').put(key, '', text)).rejects.toThrow('leads out of the directory');
});

it('names directory, object and reason when it cannot write', async () => {
  const dir = await temporary();
  onTestFinished(() => rm(dir, { recursive: true }));
  await writeFile(path.join(dir, 'file'), '');
  const failure = new DirectoryStore(dir).put('file/x', '', text);
  await expect(failure).rejects.toThrow(StoreError);
  // The code once: the message of a file system begins with it.
  await expect(failure).rejects.toThrow(/write file\/x: (ENOTDIR|EEXIST): [a-z]/);
});
