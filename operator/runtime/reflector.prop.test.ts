/** A model API server in memory that changes, forgets old versions and fails at random, and a reflector that must follow it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configMaps } from '../kube/builtin.ts';
import type { ConfigMap } from '../kube/builtin.ts';
import type { ListQuery, WatchQuery } from '../kube/client.ts';
import { ApiError, TransportError } from '../kube/errors.ts';
import type { KubeList, KubeObject, WatchEvent } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';
import { silentLogger } from './logger.ts';
import { Reflector } from './reflector.ts';
import type { ListWatcher } from './reflector.ts';
import { Store } from './store.ts';
import { FakeClock, settle } from './testing/fakeClock.ts';

type Fault = 'none' | 'close' | 'reset' | 'expired' | 'expiredEvent' | 'serverEvent' | 'forbidden' | 'malformed' | 'bookmark';

type Action =
  | { readonly do: 'put' | 'delete'; readonly name: string }
  /** What happens to the running watch, or else to the next call. */
  | { readonly do: 'fault'; readonly fault: Fault }
  /** The server forgets all versions before now. */
  | { readonly do: 'compact' }
  | { readonly do: 'wait'; readonly ms: number };

class ModelServer implements ListWatcher {
  readonly objects = new Map<string, ConfigMap>();
  readonly history: WatchEvent<ConfigMap>[] = [];
  readonly calls: ('list' | number)[] = [];
  #faults: Fault[] = [];
  #compacted = 0;
  #wake = Promise.withResolvers<void>();

  get version(): number {
    return 1 + this.history.length;
  }

  perform(action: Action): void {
    if (action.do === 'put') this.#put(action.name);
    else if (action.do === 'delete') this.#delete(action.name);
    else if (action.do === 'fault') this.#faults.push(action.fault);
    else if (action.do === 'compact') this.#compacted = this.version;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  heal(): void {
    this.#faults = [];
  }

  list<T extends KubeObject>(_type: ResourceType<T>, query: ListQuery): Promise<KubeList<T>> {
    // One object: only the version is asked for.
    if (query.continue === undefined && query.limit !== 1) this.calls.push('list');
    const fault = this.#faults.shift() ?? 'none';
    const failure = failureFor(fault);
    if (failure !== undefined) return Promise.reject(failure);
    const snapshot = query.continue === undefined ? this.#snapshot() : (JSON.parse(query.continue) as Snapshot);
    if (snapshot.version < this.#compacted) return Promise.reject(new ApiError('list', { code: 410, reason: 'Expired' }, 410));
    const items = snapshot.left.slice(0, 2) as unknown as T[];
    const left = snapshot.left.slice(2);
    const more = left.length === 0 ? {} : { continue: JSON.stringify({ version: snapshot.version, left }) };
    return Promise.resolve({ metadata: { resourceVersion: String(snapshot.version), ...more }, items });
  }

  async *watch<T extends KubeObject>(_type: ResourceType<T>, query: WatchQuery): AsyncGenerator<WatchEvent<T>, void> {
    let version = Number(query.resourceVersion);
    this.calls.push(version);
    if (version < this.#compacted) throw new ApiError('watch', { code: 410, reason: 'Expired' }, 410);
    const stopped = new Promise<void>((resolve) => query.signal.addEventListener('abort', () => resolve(), { once: true }));
    while (!query.signal.aborted) {
      for (; version < this.version; version += 1) yield this.history[version - 1] as unknown as WatchEvent<T>;
      const fault = this.#faults.shift();
      if (fault === undefined) await Promise.race([this.#wake.promise, stopped]);
      else if (fault === 'close') return;
      else if (fault === 'bookmark') yield { type: 'BOOKMARK', object: { metadata: { resourceVersion: String(version) } } };
      else if (fault === 'expiredEvent') yield { type: 'ERROR', object: { code: 410, reason: 'Expired' } };
      else if (fault === 'serverEvent') yield { type: 'ERROR', object: { code: 500, reason: 'InternalError' } };
      else if (fault !== 'none') throw failureFor(fault) ?? new Error('unreachable');
    }
  }

  contents(objects: Iterable<ConfigMap> = this.objects.values()): string[] {
    return [...objects].map((object) => `${object.metadata.name} ${object.metadata.uid} ${object.metadata.resourceVersion}`).sort();
  }

  #snapshot(): Snapshot {
    return { version: this.version, left: [...this.objects.values()] };
  }

  #put(name: string): void {
    const resourceVersion = String(this.version + 1);
    const before = this.objects.get(name);
    const object = { metadata: { namespace: 'ns', name, uid: before?.metadata.uid ?? `uid-${resourceVersion}`, resourceVersion } };
    this.objects.set(name, object);
    this.history.push({ type: before === undefined ? 'ADDED' : 'MODIFIED', object });
  }

  #delete(name: string): void {
    const before = this.objects.get(name);
    if (before === undefined) return;
    this.objects.delete(name);
    this.history.push({ type: 'DELETED', object: { metadata: { ...before.metadata, resourceVersion: String(this.version + 1) } } });
  }
}

interface Snapshot {
  readonly version: number;
  readonly left: readonly ConfigMap[];
}

function failureFor(fault: Fault): Error | undefined {
  if (fault === 'reset') return new TransportError('reset', 'reset');
  if (fault === 'malformed') return new TransportError('malformed', 'malformed');
  if (fault === 'expired') return new ApiError('call', { code: 410, reason: 'Expired' }, 410);
  return fault === 'forbidden' ? new ApiError('call', { code: 403, reason: 'Forbidden' }, 403) : undefined;
}

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('put' as const, 'put' as const, 'delete' as const),
      name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      fault: fc.constantFrom<Fault>(
        'close',
        'reset',
        'expired',
        'expiredEvent',
        'serverEvent',
        'forbidden',
        'malformed',
        'bookmark',
        'none',
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 50, 500, 5000) }) },
);

describe('a reflector and a server that fails at random', () => {
  it('ends up with what the server has, never watches from nowhere, and never goes back but by a list', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const clock = new FakeClock();
        const server = new ModelServer();
        const store = new Store<ConfigMap>();
        const stop = new AbortController();
        const running = new Reflector({ client: server, type: configMaps, store, clock, logger: silentLogger, random: () => 0.5 }).run(
          stop.signal,
        );
        for (const each of actions) {
          server.perform(each);
          await (each.do === 'wait' ? clock.advance(each.ms) : settle());
        }
        server.heal();
        await clock.advance(60_000);
        expect(store.hasSynced).toBe(true);
        expect(server.contents(store.list())).toEqual(server.contents());
        stop.abort(new Error('end'));
        await running;
        expect(clock.pendingTimers).toBe(0);
        let least = Number.NaN;
        for (const call of server.calls) {
          if (call === 'list') least = 0;
          else {
            expect(call).toBeGreaterThanOrEqual(least);
            least = call;
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
