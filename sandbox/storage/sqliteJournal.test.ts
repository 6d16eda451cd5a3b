/** What is kept, and what a directory that cannot be used says. That a killed process loses nothing is in operator/commands/dataDir.test.ts. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryStorage } from './memoryStorage.ts';
import { DataDirError, openSqliteJournal } from './sqliteJournal.ts';
import type { SqliteJournal } from './sqliteJournal.ts';
import type { StorageEvent } from './storage.ts';

const bucket = 'things';
const thing = (name: string, value: unknown = 0, namespace = 'a') => ({ metadata: { name, namespace }, value });
let dir: string;
let journal: SqliteJournal | undefined;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'journal-test-'));
});
afterEach(async () => {
  journal?.close();
  journal = undefined;
  await rm(dir, { recursive: true, force: true });
});

/** The store as the next process finds it. */
async function reopen(): Promise<MemoryStorage> {
  journal?.close();
  journal = await openSqliteJournal(dir);
  return new MemoryStorage({ journal });
}

describe('a store with a journal', () => {
  it('begins with what was kept: objects, byte for byte, and the revision, also that of a deletion', async () => {
    const first = await reopen();
    const written = first.write(bucket, thing('kept', { text: 'ü\u0000\u2028"', number: 2 ** 53, list: [null, 1.5] }));
    const cluster = first.write('others', { metadata: { name: 'of-no-namespace' } });
    first.write(bucket, thing('gone'));
    first.remove(bucket, { namespace: 'a', name: 'gone' });
    const again = await reopen();
    expect(again.list(bucket)).toEqual([written]);
    expect(again.list('others')).toEqual([cluster]);
    expect(again.revision).toBe(first.revision);
    expect(Number(again.write(bucket, thing('next')).metadata.resourceVersion)).toBe(first.revision + 1);
  });

  it('has the last of many states of one object', async () => {
    const first = await reopen();
    for (let i = 0; i < 50; i++) first.write(bucket, thing('x', i));
    expect((await reopen()).list(bucket).map((object) => object.value)).toEqual([49]);
  });

  it('knows nothing of what happened before it began, and all that happens after', async () => {
    const first = await reopen();
    first.write(bucket, thing('x'));
    const { revision } = first;
    first.write(bucket, thing('y'));
    const again = await reopen();
    expect(again.eventsSince(bucket, revision)).toBeUndefined();
    expect(again.listAt(bucket, revision)).toBeUndefined();
    expect(again.eventsSince(bucket, again.revision)).toEqual([]);
    again.write(bucket, thing('z'));
    expect(again.eventsSince(bucket, revision + 1)?.map(({ object }) => object.metadata.name)).toEqual(['z']);
    expect(again.eventsSince('never written', revision)).toBeUndefined();
  });

  it('keeps a write before anybody hears of it, those that subscribers make of it as well', async () => {
    const opened = await openSqliteJournal(dir);
    journal = opened;
    const order: string[] = [];
    const told = (what: string, { object }: StorageEvent): void => void order.push(`${what} ${object.metadata.name}`);
    const recording = {
      revision: opened.revision,
      objects: () => opened.objects(),
      record(event: StorageEvent) {
        opened.record(event);
        told('kept', event);
      },
    };
    const first = new MemoryStorage({ journal: recording });
    first.subscribe(bucket, (event) => {
      told('heard', event);
      if (event.object.metadata.name === 'outer') first.write(bucket, thing('inner'));
    });
    first.write(bucket, thing('outer'));
    expect(order).toEqual(['kept outer', 'heard outer', 'kept inner', 'heard inner']);
    expect((await reopen()).list(bucket).map((object) => object.metadata.name)).toEqual(['inner', 'outer']);
  });

  it('does not make a write that cannot be kept', async () => {
    const first = await reopen();
    first.write(bucket, thing('x', 1));
    const { revision } = first;
    const heard: string[] = [];
    first.subscribe(bucket, ({ object }) => heard.push(object.metadata.name));
    const unkept = { metadata: { name: 'y', namespace: 'a' }, value: 1n };
    expect(() => first.write(bucket, unkept)).toThrow(TypeError);
    expect([first.revision, first.list(bucket).length, heard]).toEqual([revision, 1, []]);
    expect(Number(first.write(bucket, thing('z')).metadata.resourceVersion)).toBe(revision + 1);
    expect((await reopen()).list(bucket).map((object) => object.metadata.name)).toEqual(['x', 'z']);
  });
});

describe('a directory that cannot be used', () => {
  it('is one that another sandbox uses', async () => {
    await reopen();
    const second = openSqliteJournal(dir);
    await expect(second).rejects.toThrow(DataDirError);
    await expect(second).rejects.toThrow(/is in use by another sandbox: stop it, or choose another --data-dir/);
  });

  it('is one whose file is no database', async () => {
    await writeFile(path.join(dir, 'objects.sqlite'), 'x'.repeat(10_000));
    await expect(openSqliteJournal(dir)).rejects.toThrow(/cannot be used: file is not a database. Choose another --data-dir/);
  });

  it('is one of another format', async () => {
    await reopen();
    journal?.close();
    journal = undefined;
    const database = new DatabaseSync(path.join(dir, 'objects.sqlite'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    await expect(openSqliteJournal(dir)).rejects.toThrow(/has format 99, and this version reads 1/);
  });
});

it('opens with twenty thousand objects within seconds', async () => {
  const first = await reopen();
  const filler = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`field-${i}`, { text: 'x'.repeat(40), list: [i, i + 1] }]));
  for (let i = 0; i < 20_000; i++) first.write(bucket, thing(`object-${i}`, filler));
  const started = performance.now();
  const again = await reopen();
  expect(again.list(bucket)).toHaveLength(20_000);
  expect(performance.now() - started).toBeLessThan(10_000);
}, 60_000);
