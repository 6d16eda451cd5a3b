import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../kube/objects.ts';
import { Store, freeze, isGone } from './store.ts';
import type { Change, StoreOptions } from './store.ts';
import { compareVersions } from './resourceVersion.ts';
import { Tombstones } from './tombstones.ts';

interface Thing extends KubeObject {
  readonly value?: string;
}

const thing = (
  name: string,
  version: number | string,
  options: { uid?: string; namespace?: string; value?: string; label?: string } = {},
): Thing => ({
  metadata: {
    name,
    namespace: options.namespace ?? 'ns',
    uid: options.uid ?? `uid-${name}`,
    resourceVersion: String(version),
    ...(options.label === undefined ? {} : { labels: { l: options.label } }),
  },
  value: options.value ?? `v${version}`,
});
const key = (name: string, namespace = 'ns'): { namespace: string; name: string } => ({ namespace, name });

function newStore(options: StoreOptions<Thing> = {}): { store: Store<Thing>; heard: string[] } {
  const store = new Store<Thing>({ indexers: { label: (object) => Object.values(object.metadata.labels ?? {}) }, ...options });
  const heard: string[] = [];
  store.subscribe((change) => heard.push(`${change.type} ${change.object.metadata.name} ${change.object.value}`));
  return { store, heard };
}
const added = (object: Thing): { type: 'ADDED'; object: Thing } => ({ type: 'ADDED', object });
const modified = (object: Thing): { type: 'MODIFIED'; object: Thing } => ({ type: 'MODIFIED', object });
const deleted = (object: Thing): { type: 'DELETED'; object: Thing } => ({ type: 'DELETED', object });

it('keeps the object that it holds when a list shows the same version: a large list costs no second copy', () => {
  const store = new Store<KubeObject>();
  const object = (): KubeObject => ({ metadata: { namespace: 'ns', name: 'a', uid: 'uid', resourceVersion: '5' } });
  store.replace([object()], '5');
  const held = store.list()[0];
  expect(store.prepare(object())).toBe(held);
  const other = { metadata: { ...object().metadata, uid: 'another' } };
  expect(store.prepare(other)).toEqual(other);
});

describe('reading', () => {
  it('knows one namespace from another, and what is not there', () => {
    const { store } = newStore();
    store.replace([thing('a', 1), thing('a', 2, { namespace: 'other' }), thing('b', 3)], '3');
    expect(store.get(key('a'))?.value).toBe('v1');
    expect(store.get(key('a', 'other'))?.value).toBe('v2');
    expect(store.get(key('c'))).toBeUndefined();
    expect(store.list()).toHaveLength(3);
    expect(store.list('ns').map((object) => object.metadata.name)).toEqual(['a', 'b']);
    expect(store.list('empty')).toEqual([]);
    expect(store.size).toBe(3);
  });

  it('has not synced before the first list, and has with an empty one', async () => {
    const { store } = newStore();
    store.record(thing('a', 1));
    expect(store.hasSynced).toBe(false);
    store.replace([], '5');
    expect(store.hasSynced).toBe(true);
    await store.whenSynced;
  });

  it('takes names such as __proto__ for what they are', () => {
    const { store } = newStore();
    store.replace([thing('__proto__', 1, { label: 'constructor' })], '1');
    expect(store.get(key('__proto__'))?.value).toBe('v1');
    expect(store.byIndex('label', 'constructor')).toHaveLength(1);
    expect(store.byIndex('label', 'toString')).toEqual([]);
  });

  it('keeps indexes through every kind of change', () => {
    const { store } = newStore();
    store.replace([thing('a', 1, { label: 'x' }), thing('b', 2, { label: 'x' }), thing('c', 3, { label: 'y' })], '3');
    expect(store.byIndex('label', 'x').map((object) => object.metadata.name)).toEqual(['a', 'b']);
    store.apply(modified(thing('a', 4, { label: 'y' })));
    expect(store.byIndex('label', 'x').map((object) => object.metadata.name)).toEqual(['b']);
    expect(
      store
        .byIndex('label', 'y')
        .map((object) => object.metadata.name)
        .sort(),
    ).toEqual(['a', 'c']);
    store.apply(deleted(thing('c', 5, { label: 'y' })));
    store.apply(deleted(thing('b', 6)));
    expect(store.byIndex('label', 'x')).toEqual([]);
    expect(store.byIndex('label', 'y')[0]?.value).toBe('v4');
    expect(() => store.byIndex('lable', 'y')).toThrow('no index "lable"; it has label');
  });

  it('hands out frozen objects', () => {
    const { store } = newStore();
    store.replace([thing('a', 1, { label: 'x' })], '1');
    const object = store.get(key('a'));
    expect(Object.isFrozen(object)).toBe(true);
    expect(Object.isFrozen(object?.metadata.labels)).toBe(true);
  });
});

describe('changes', () => {
  it('tells what changed, with the previous state, and marks the first list', () => {
    const store = new Store<Thing>();
    const changes: Change<Thing>[] = [];
    const end = store.subscribe((change) => changes.push(change));
    store.replace([thing('a', 1)], '1');
    store.apply(modified(thing('a', 2)));
    store.apply(deleted(thing('a', 3)));
    store.replace([thing('b', 4)], '4');
    expect(changes.map(({ type, initial, object, previous }) => [type, initial ?? false, object.value, previous?.value])).toEqual([
      ['added', true, 'v1', undefined],
      ['updated', false, 'v2', 'v1'],
      ['deleted', false, 'v3', undefined],
      ['added', false, 'v4', undefined],
    ]);
    end();
    store.apply(modified(thing('b', 5)));
    expect(changes).toHaveLength(4);
  });

  it('says nothing when a new list brings nothing new', () => {
    const { store, heard } = newStore();
    store.replace([thing('a', 1)], '1');
    heard.length = 0;
    store.replace([thing('a', 1)], '9');
    expect(heard).toEqual([]);
  });

  it('tells deletions that only a new list shows', () => {
    const { store, heard } = newStore();
    store.replace([thing('a', 1), thing('b', 2)], '2');
    heard.length = 0;
    store.replace([thing('b', 2)], '9');
    expect(heard).toEqual(['deleted a v1']);
    expect(store.lastDeleted(key('a'))?.value).toBe('v1');
  });

  it('tells a new object of the same name as a deletion and an addition', () => {
    const { store, heard } = newStore();
    store.replace([thing('a', 1, { uid: 'one' })], '1');
    heard.length = 0;
    store.replace([thing('a', 8, { uid: 'two' })], '9');
    expect(heard).toEqual(['deleted a v1', 'added a v8']);
  });

  it('shows subscribers the whole new list, not half of it', () => {
    const store = new Store<Thing>();
    const sizes: number[] = [];
    store.subscribe(() => sizes.push(store.size));
    store.replace([thing('a', 1), thing('b', 2)], '2');
    expect(sizes).toEqual([2, 2]);
  });

  it.each(['subscriber', 'indexer', 'transform'] as const)('goes on when a %s throws', (what) => {
    const errors: string[] = [];
    const fail = (): never => {
      throw new Error('broken');
    };
    const heard: string[] = [];
    const store = new Store<Thing>({
      indexers: { broken: what === 'indexer' ? fail : () => ['x'] },
      ...(what === 'transform' ? { transform: fail } : {}),
      onError: (_error, where) => errors.push(where),
    });
    if (what === 'subscriber') store.subscribe(fail);
    store.subscribe((change) => heard.push(change.object.metadata.name));
    store.replace([thing('a', 1)], '1');
    expect(heard).toEqual(['a']);
    expect(store.get(key('a'))?.value).toBe('v1');
    expect(errors).toEqual([what]);
  });
});

describe('own writes', () => {
  it('are read at once, and their echo is no change', () => {
    const { store, heard } = newStore();
    store.replace([thing('a', 1)], '1');
    heard.length = 0;
    store.record(thing('a', 5));
    expect(store.get(key('a'))?.value).toBe('v5');
    store.apply(modified(thing('a', 5)));
    expect(heard).toEqual(['updated a v5']);
  });

  it('are not overwritten by older events', () => {
    const { store } = newStore();
    store.replace([thing('a', 1)], '1');
    store.record(thing('a', 9));
    store.apply(modified(thing('a', 8)));
    expect(store.get(key('a'))?.value).toBe('v9');
    store.apply(modified(thing('a', 10)));
    expect(store.get(key('a'))?.value).toBe('v10');
  });

  it('do not overwrite what is newer', () => {
    const { store } = newStore();
    store.replace([thing('a', 12)], '12');
    store.record(thing('a', 9));
    expect(store.get(key('a'))?.value).toBe('v12');
  });

  it('go through the transform', () => {
    const store = new Store<Thing>({ transform: (object) => ({ ...object, value: 'short' }) });
    store.record(thing('a', 1));
    expect(store.get(key('a'))?.value).toBe('short');
  });

  it('survive a list that was under way, but not the next one', () => {
    const { store } = newStore();
    store.replace([], '10');
    store.record(thing('a', 15));
    store.replace([], '12');
    expect(store.get(key('a'))?.value).toBe('v15');
    store.replace([], '12');
    expect(store.get(key('a'))).toBeUndefined();
  });

  it('survive a list that was under way with an older state of the object', () => {
    const { store } = newStore();
    store.replace([thing('a', 9)], '10');
    store.record(thing('a', 15));
    store.replace([thing('a', 9)], '12');
    expect(store.get(key('a'))?.value).toBe('v15');
  });

  it('of an object deleted meanwhile do not bring it back: the watch had shown the deletion', () => {
    const { store } = newStore();
    store.replace([thing('a', 1)], '1');
    store.apply(deleted(thing('a', 7)));
    store.record(thing('a', 6));
    expect(store.get(key('a'))).toBeUndefined();
  });

  it('of an object deleted meanwhile do not bring it back: a list did not have it', () => {
    const { store } = newStore();
    store.replace([], '10');
    store.record(thing('a', 6));
    expect(store.get(key('a'))).toBeUndefined();
    store.observe('20');
    store.record(thing('b', 19));
    expect(store.get(key('b'))).toBeUndefined();
    store.record(thing('c', 21));
    expect(store.get(key('c'))?.value).toBe('v21');
  });

  it('that take away the last finalizer of a deleted object end it', () => {
    const { store, heard } = newStore();
    store.replace([thing('a', 1)], '1');
    const last = thing('a', 5);
    store.record({ ...last, metadata: { ...last.metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 } });
    expect(store.get(key('a'))).toBeUndefined();
    expect(heard.at(-1)).toBe('deleted a v5');
  });
});

describe('own deletions', () => {
  it('count at once, and late events do not resurrect', () => {
    const { store, heard } = newStore();
    store.replace([thing('a', 1)], '1');
    store.recordDeleted(thing('a', 1));
    store.apply(modified(thing('a', 3)));
    store.apply(deleted(thing('a', 4)));
    expect(store.get(key('a'))).toBeUndefined();
    expect(heard).toEqual(['added a v1', 'deleted a v1']);
    expect(store.lastDeleted(key('a'))?.value).toBe('v4');
  });

  it('let a new object of the same name be born', () => {
    const { store } = newStore();
    store.replace([thing('a', 1, { uid: 'one' })], '1');
    store.recordDeleted(thing('a', 1, { uid: 'one' }));
    store.record(thing('a', 5, { uid: 'two' }));
    expect(store.get(key('a'))?.metadata.uid).toBe('two');
    store.apply(deleted(thing('a', 4, { uid: 'one' })));
    expect(store.get(key('a'))?.metadata.uid).toBe('two');
    store.apply(added(thing('a', 5, { uid: 'two' })));
    expect(store.get(key('a'))?.metadata.uid).toBe('two');
  });

  it('of the second object are not undone by late news of the first', () => {
    const { store } = newStore();
    store.replace([thing('a', 1, { uid: 'one' })], '1');
    store.recordDeleted(thing('a', 1, { uid: 'one' }));
    store.record(thing('a', 5, { uid: 'two' }));
    store.recordDeleted(thing('a', 5, { uid: 'two' }));
    store.apply(modified(thing('a', 2, { uid: 'one' })));
    store.apply(deleted(thing('a', 3, { uid: 'one' })));
    store.apply(added(thing('a', 5, { uid: 'two' })));
    expect(store.get(key('a'))).toBeUndefined();
    store.apply(deleted(thing('a', 6, { uid: 'two' })));
    expect(store.get(key('a'))).toBeUndefined();
  });

  it('survive a list that was under way, but not the next one', () => {
    const { store } = newStore();
    store.replace([thing('a', 9)], '10');
    store.recordDeleted(thing('a', 9));
    store.replace([thing('a', 9)], '12');
    expect(store.get(key('a'))).toBeUndefined();
    store.replace([thing('a', 9)], '13');
    expect(store.get(key('a'))?.value).toBe('v9');
  });
});

describe('a list is the truth', () => {
  it('takes older states too, as after a restore from a backup', () => {
    const { store } = newStore();
    store.replace([thing('a', 100), thing('b', 90)], '100');
    store.apply(modified(thing('a', 110)));
    store.replace([thing('a', 50)], '60');
    expect(store.get(key('a'))?.value).toBe('v50');
    expect(store.get(key('b'))).toBeUndefined();
    store.record(thing('c', 61));
    expect(store.get(key('c'))?.value).toBe('v61');
  });
});

describe('a list that is older than what was seen: the server was restored', () => {
  it('brings back what this process had deleted, and its later events count', () => {
    const { store } = newStore();
    store.replace([thing('a', 90), thing('b', 91)], '100');
    store.recordDeleted(thing('a', 90));
    store.apply({ type: 'DELETED', object: thing('b', 105) });
    store.replace([thing('a', 50), thing('b', 51)], '60');
    expect(store.get(key('a'))?.value).toBe('v50');
    store.apply({ type: 'DELETED', object: thing('b', 61) });
    expect(store.get(key('b'))).toBeUndefined();
    store.apply(modified(thing('a', 62)));
    expect(store.get(key('a'))?.value).toBe('v62');
  });

  it('takes away what this process had written since', () => {
    const { store } = newStore();
    store.replace([thing('a', 90)], '100');
    store.record(thing('a', 110));
    store.record(thing('b', 111));
    store.replace([thing('a', 50)], '60');
    expect(store.get(key('a'))?.value).toBe('v50');
    expect(store.get(key('b'))).toBeUndefined();
    store.apply(modified(thing('b', 62)));
    expect(store.get(key('b'))?.value).toBe('v62');
  });
});

describe('an object that cannot be used', () => {
  const bad = (name: string, version: number): Thing => ({ ...thing(name, version), value: 'bad' });
  const fussy = () => newStore({ problemOf: ({ value }) => (value === 'bad' ? 'value is bad' : undefined) });

  it('is not there, and comes when it is mended', () => {
    const { store, heard } = fussy();
    store.replace([thing('a', 1)], '10');
    store.apply({ type: 'ADDED', object: bad('b', 11) });
    expect(store.get(key('b'))).toBeUndefined();
    store.apply(modified(thing('b', 12)));
    expect(store.get(key('b'))?.value).toBe('v12');
    expect(heard).toEqual(['added a v1', 'added b v12']);
  });

  it('goes when it becomes so, and comes back', () => {
    const { store, heard } = fussy();
    store.replace([thing('a', 1)], '10');
    store.apply(modified(bad('a', 11)));
    store.apply(modified(thing('a', 1)));
    expect(store.get(key('a'))).toBeUndefined();
    store.apply(modified(thing('a', 12)));
    store.apply({ type: 'DELETED', object: thing('a', 13) });
    store.apply(modified(thing('a', 12)));
    expect(heard.map((line) => line.split(' ')[0])).toEqual(['added', 'deleted', 'added', 'deleted']);
  });

  it('goes when a list shows it so, and comes back', () => {
    const { store } = fussy();
    store.replace([thing('a', 1)], '10');
    store.replace(
      [bad('a', 11)].filter((item) => store.accepts(item)),
      '12',
    );
    expect(store.get(key('a'))).toBeUndefined();
    store.record(thing('a', 13));
    expect(store.get(key('a'))?.value).toBe('v13');
  });
});

describe('versions that are no integers', () => {
  it('are compared for equality only', () => {
    const { store, heard } = newStore();
    store.replace([thing('a', 'x1')], 'x1');
    store.apply(modified(thing('a', 'x0')));
    store.apply(modified(thing('a', 'x0')));
    expect(heard).toEqual(['added a vx1', 'updated a vx0']);
  });

  it.each([
    { a: '9', b: '10', sign: -1 },
    { a: '10', b: '9', sign: 1 },
    { a: '18446744073709551617', b: '18446744073709551616', sign: 1 },
    { a: '7', b: '7', sign: 0 },
    { a: 'x', b: 'x', sign: 0 },
    { a: 'x', b: '7', sign: undefined },
    { a: '07', b: '7', sign: undefined },
    { a: '', b: '7', sign: undefined },
    { a: undefined, b: '7', sign: undefined },
  ])('compareVersions($a, $b)', ({ a, b, sign }) => {
    const order = compareVersions(a, b);
    expect(order === undefined ? undefined : Math.sign(order)).toBe(sign);
  });
});

describe('the small parts', () => {
  it('Tombstones are bounded, oldest out first', () => {
    const stones = new Tombstones<string>({ most: 2, nowMs: () => 0 });
    for (const name of ['a', 'b', 'a', 'c']) stones.add(name, { object: name, unconfirmed: true });
    expect([stones.get('a')?.object, stones.get('b'), stones.get('c')?.object]).toEqual(['a', undefined, 'c']);
  });

  it('Tombstones are forgotten after a while, the renewed ones later', () => {
    let nowMs = 0;
    const stones = new Tombstones<string>({ keepMs: 100, nowMs: () => nowMs });
    const left = (): readonly string[] => ['a', 'b'].filter((name) => stones.get(name) !== undefined);
    for (const name of ['a', 'b']) stones.add(name, { object: name, unconfirmed: false });
    nowMs = 60;
    stones.add('a', { object: 'a', unconfirmed: true });
    stones.sweep();
    expect(left()).toEqual(['a', 'b']);
    nowMs = 101;
    stones.sweep();
    expect(left()).toEqual(['a']);
    nowMs = 161;
    stones.sweep();
    stones.confirm();
    expect(left()).toEqual([]);
  });

  it('a store that only hears that nothing happened forgets what was deleted long ago, too', () => {
    let nowMs = 0;
    const { store } = newStore({ tombstones: { keepMs: 100, nowMs: () => nowMs } });
    store.replace([thing('a', 1)], '1');
    store.apply(deleted(thing('a', 2)));
    store.observe('3');
    expect(store.lastDeleted(key('a'))?.value).toBe('v2');
    nowMs = 101;
    store.observe('4');
    expect(store.lastDeleted(key('a'))).toBeUndefined();
  });

  it('freeze freezes arrays and what they hold, as deep as it is told', () => {
    const value = freeze({ list: [{ x: 1 }] });
    expect(Object.isFrozen(value.list) && Object.isFrozen(value.list[0])).toBe(true);
    const shallow = freeze({ list: [{ x: 1 }] }, 2);
    expect([shallow, shallow.list, shallow.list[0]].map((each) => Object.isFrozen(each))).toEqual([true, true, false]);
  });

  it('isGone waits for the grace period and the finalizers', () => {
    const metadata = { name: 'a', deletionTimestamp: 'x', deletionGracePeriodSeconds: 0 };
    expect(isGone({ metadata })).toBe(true);
    expect(isGone({ metadata: { ...metadata, deletionGracePeriodSeconds: 30 } })).toBe(false);
    expect(isGone({ metadata: { ...metadata, finalizers: ['x'] } })).toBe(false);
    expect(isGone({ metadata: { name: 'a' } })).toBe(false);
  });
});
