import { describe, expect, it } from 'vitest';
import { MemoryStorage } from './memoryStorage.ts';
import type { StorageEvent } from './storage.ts';

const bucket = 'things';
const thing = (name: string, value = 0, namespace = 'a') => ({ metadata: { name, namespace }, value });
const names = (objects: readonly { metadata: { name: string } }[] | undefined) => objects?.map((object) => object.metadata.name);

describe('MemoryStorage', () => {
  it('gives every write of every bucket the next revision', () => {
    const storage = new MemoryStorage();
    const first = storage.write(bucket, thing('x'));
    const second = storage.write('others', thing('y'));
    expect(Number(second.metadata.resourceVersion)).toBe(Number(first.metadata.resourceVersion) + 1);
    expect(storage.revision).toBe(Number(second.metadata.resourceVersion));
  });

  it('hands out objects that cannot be changed', () => {
    const storage = new MemoryStorage();
    const stored = storage.write(bucket, Object.assign(thing('x'), { deep: { list: [{ a: 1 }] } }));
    expect(Object.isFrozen((stored.deep as { list: object[] }).list[0])).toBe(true);
  });

  it('lists by namespace, then name, whatever the order of the writes', () => {
    const storage = new MemoryStorage();
    for (const [name, namespace] of [
      ['b', 'z'],
      ['b', 'a'],
      ['a', 'z'],
      ['a', 'a'],
    ] as const) {
      storage.write(bucket, thing(name, 0, namespace));
    }
    expect(storage.list(bucket).map((object) => `${object.metadata.namespace ?? ''}/${object.metadata.name}`)).toEqual([
      'a/a',
      'a/b',
      'z/a',
      'z/b',
    ]);
    expect(names(storage.list(bucket, 'z'))).toEqual(['a', 'b']);
  });

  it('sees its own writes in a list that was asked for before', () => {
    const storage = new MemoryStorage();
    storage.write(bucket, thing('a'));
    expect(names(storage.list(bucket))).toEqual(['a']);
    storage.write(bucket, thing('b'));
    storage.write(bucket, thing('a', 7));
    expect(storage.list(bucket).map((object) => object.value)).toEqual([7, 0]);
    storage.remove(bucket, { namespace: 'a', name: 'a' });
    expect(names(storage.list(bucket))).toEqual(['b']);
  });

  it('shows the list of a past revision: updates, creations and deletions undone', () => {
    const storage = new MemoryStorage();
    storage.write(bucket, thing('kept', 1));
    storage.write(bucket, thing('deleted', 1));
    const { revision } = storage;
    storage.write(bucket, thing('kept', 2));
    storage.remove(bucket, { namespace: 'a', name: 'deleted' });
    storage.write(bucket, thing('new'));
    const past = storage.listAt(bucket, revision);
    expect(names(past)).toEqual(['deleted', 'kept']);
    expect(past?.[1]?.value).toBe(1);
  });

  it('returns the events after a revision, with what was there before', () => {
    const storage = new MemoryStorage();
    storage.write(bucket, thing('x', 1));
    const { revision } = storage;
    storage.write(bucket, thing('x', 2));
    storage.remove(bucket, { namespace: 'a', name: 'x' });
    const events = storage.eventsSince(bucket, revision) ?? [];
    expect(events.map((event) => [event.type, event.previous?.value])).toEqual([
      ['MODIFIED', 1],
      ['DELETED', 2],
    ]);
    expect(events[1]?.object.metadata.resourceVersion).toBe(String(storage.revision));
  });

  it('keeps a bounded history and says when a revision is before it', () => {
    const storage = new MemoryStorage({ historySize: 4 });
    const { revision } = storage;
    for (let i = 0; i < 10; i++) storage.write(bucket, thing('x', i));
    expect(storage.eventsSince(bucket, revision)).toBeUndefined();
    expect(storage.listAt(bucket, revision)).toBeUndefined();
    expect(storage.eventsSince(bucket, storage.revision - 4)).toHaveLength(4);
  });

  it('forgets everything on compaction, but not what is stored', () => {
    const storage = new MemoryStorage();
    storage.write(bucket, thing('x'));
    const before = storage.revision - 1;
    storage.compact();
    expect(storage.eventsSince(bucket, before)).toBeUndefined();
    expect(storage.eventsSince(bucket, storage.revision)).toEqual([]);
    expect(names(storage.list(bucket))).toEqual(['x']);
  });

  it('tells subscribers of their bucket, or of all, until they leave', () => {
    const storage = new MemoryStorage();
    const mine: StorageEvent[] = [];
    const all: StorageEvent[] = [];
    const leave = storage.subscribe(bucket, (event) => mine.push(event));
    storage.subscribe(undefined, (event) => all.push(event));
    storage.write(bucket, thing('x'));
    storage.write('others', thing('y'));
    leave();
    storage.write(bucket, thing('z'));
    expect(mine.map((event) => event.object.metadata.name)).toEqual(['x']);
    expect(all.map((event) => event.object.metadata.name)).toEqual(['x', 'y', 'z']);
  });
});
