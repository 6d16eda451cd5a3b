/** A model server with one global version, our own writes with responses that come in any order, and a watch that lags. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../kube/objects.ts';
import { formatKey, keyOf } from '../kube/objects.ts';
import { Store } from './store.ts';
import type { StoreEvent } from './store.ts';

type Action =
  /** We or somebody else creates the object, or updates it when it exists. */
  | { readonly do: 'write' | 'foreignWrite' | 'delete' | 'foreignDelete'; readonly name: string }
  /** One of the responses on their way arrives. */
  | { readonly do: 'respond'; readonly which: number }
  | { readonly do: 'watch'; readonly events: number }
  /** The list is read on the server now, and reaches the store later. Meanwhile no watch runs. */
  | { readonly do: 'beginList' | 'endList' };

class World {
  /** What subscribers threw: a store swallows it, a test must not. */
  readonly failures: unknown[] = [];
  readonly store = new Store<KubeObject>({ onError: (error) => this.failures.push(error) });
  readonly #objects = new Map<string, KubeObject>();
  readonly #history: StoreEvent<KubeObject>[] = [];
  readonly #responses: (() => void)[] = [];
  #seen = 0;
  #list: { readonly items: KubeObject[]; readonly at: number } | undefined;

  constructor() {
    this.store.replace([], '0');
  }

  perform(action: Action): void {
    switch (action.do) {
      case 'write':
      case 'foreignWrite': {
        const object = this.#write(action.name);
        if (action.do === 'write') this.#responses.push(() => this.store.record(object));
        break;
      }
      case 'delete':
      case 'foreignDelete': {
        const known = this.store.get({ namespace: 'ns', name: action.name });
        this.#delete(action.name);
        if (action.do === 'delete' && known !== undefined) this.#responses.push(() => this.store.recordDeleted(known));
        break;
      }
      case 'respond':
        for (const respond of this.#responses.splice(action.which % Math.max(1, this.#responses.length), 1)) respond();
        break;
      case 'watch':
        if (this.#list === undefined) this.#watch(action.events);
        break;
      case 'beginList':
        this.#list = { items: [...this.#objects.values()], at: this.#history.length };
        break;
      case 'endList':
        if (this.#list === undefined) break;
        this.store.replace(this.#list.items, String(this.#list.at));
        this.#seen = this.#list.at;
        this.#list = undefined;
        break;
    }
  }

  settle(): void {
    this.perform({ do: 'endList' });
    while (this.#responses.length > 0) this.perform({ do: 'respond', which: 0 });
    this.#watch(Infinity);
  }

  contents(objects: Iterable<KubeObject> = this.#objects.values()): string[] {
    return [...objects].map((object) => `${object.metadata.name} ${object.metadata.uid} ${object.metadata.resourceVersion}`).sort();
  }

  #watch(events: number): void {
    for (const event of this.#history.slice(this.#seen, this.#seen + events)) this.store.apply(event);
    this.#seen = Math.min(this.#history.length, this.#seen + events);
  }

  #write(name: string): KubeObject {
    const resourceVersion = String(this.#history.length + 1);
    const before = this.#objects.get(name);
    const object = { metadata: { namespace: 'ns', name, uid: before?.metadata.uid ?? `uid-${resourceVersion}`, resourceVersion } };
    this.#objects.set(name, object);
    this.#history.push({ type: before === undefined ? 'ADDED' : 'MODIFIED', object });
    return object;
  }

  #delete(name: string): void {
    const before = this.#objects.get(name);
    if (before === undefined) return;
    this.#objects.delete(name);
    this.#history.push({
      type: 'DELETED',
      object: { metadata: { ...before.metadata, resourceVersion: String(this.#history.length + 1) } },
    });
  }
}

const name = fc.constantFrom('a', 'b');
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('write' as const, 'foreignWrite' as const, 'delete' as const, 'foreignDelete' as const),
      name,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('respond' as const), which: fc.nat(5) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('watch' as const), events: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('beginList' as const, 'endList' as const) }) },
);

describe('a store between its own writes and a lagging watch', () => {
  it('never shows an object older than it has shown before, never one that it saw deleted, and ends up equal to the server', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const world = new World();
        const newest = new Map<string, number>();
        const dead = new Set<string | undefined>();
        const check = (): void => {
          for (const object of world.store.list()) {
            const version = Number(object.metadata.resourceVersion);
            const key = formatKey(keyOf(object));
            expect(version).toBeGreaterThanOrEqual(newest.get(key) ?? 0);
            expect(dead).not.toContain(object.metadata.uid);
            newest.set(key, version);
          }
        };
        world.store.subscribe((change) => {
          if (change.type === 'deleted') dead.add(change.object.metadata.uid);
          check();
        });
        for (const each of actions) {
          world.perform(each);
          check();
        }
        world.settle();
        expect(world.failures).toEqual([]);
        expect(world.contents(world.store.list())).toEqual(world.contents());
      }),
      { numRuns: 3000 },
    );
  });

  it('tells each object added once, updated forwards, and deleted once', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const world = new World();
        const living = new Map<string | undefined, number>();
        world.store.subscribe(({ type, object }) => {
          const { uid, resourceVersion } = object.metadata;
          expect(living.has(uid)).toBe(type !== 'added');
          if (type === 'deleted') living.delete(uid);
          else {
            expect(Number(resourceVersion)).toBeGreaterThan(living.get(uid) ?? 0);
            living.set(uid, Number(resourceVersion));
          }
        });
        for (const each of actions) world.perform(each);
        world.settle();
        expect(world.failures).toEqual([]);
        expect([...living.keys()].sort()).toEqual(
          world.store
            .list()
            .map((object) => object.metadata.uid)
            .sort(),
        );
      }),
      { numRuns: 1000 },
    );
  });
});
