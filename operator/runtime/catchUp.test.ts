import { describe, expect, it } from 'vitest';
import { ApiError } from '../kube/errors.ts';
import type { ListQuery } from '../kube/client.ts';
import type { KubeList, KubeObject } from '../kube/objects.ts';
import { catchUp } from './catchUp.ts';
import type { CatchUpOptions } from './catchUp.ts';
import { Store } from './store.ts';
import { FakeClock } from './testing/fakeClock.ts';

const things = { group: 'x.io', version: 'v1', plural: 'things', kind: 'Thing', namespaced: true };
const thing = (name: string, resourceVersion: number): KubeObject => ({
  metadata: { namespace: 'ns', name, uid: name, resourceVersion: `${resourceVersion}` },
});

/** A server that has these objects at this version, and a cache that has seen less. */
function setUp(options: { cached: KubeObject[]; cachedAt: number; served: KubeObject[]; servedAt: number; failPage?: number }) {
  const clock = new FakeClock();
  const store = new Store<KubeObject>();
  store.replace(options.cached, `${options.cachedAt}`);
  const queries: ListQuery[] = [];
  let seen = options.cachedAt;
  let fail = options.failPage;
  const list = (_type: unknown, query: ListQuery = {}): Promise<KubeList<KubeObject>> => {
    queries.push(query);
    if (queries.length === fail) {
      fail = undefined;
      return Promise.reject(new ApiError('list', { reason: 'Expired' }, 410));
    }
    const from = Number(query.continue ?? 0);
    const to = from + (query.limit ?? 500);
    const more = to < options.served.length ? { continue: `${to}` } : {};
    return Promise.resolve({ metadata: { resourceVersion: `${options.servedAt}`, ...more }, items: options.served.slice(from, to) });
  };
  const call = (extra: Partial<CatchUpOptions<KubeObject>> = {}) =>
    catchUp({ client: { list }, type: things, store, seenVersion: () => `${seen}`, clock, signal: new AbortController().signal, ...extra });
  const state = () =>
    store
      .list()
      .map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion!}`)
      .sort();
  return { clock, store, queries, call, state, watchReaches: (version: number) => (seen = version) };
}

describe('catchUp', () => {
  it('costs one tiny read when the watch is there already', async () => {
    const t = setUp({ cached: [thing('a', 5)], cachedAt: 9, served: [thing('a', 5)], servedAt: 9 });
    expect(await t.call()).toBe('watch');
    expect(t.queries).toMatchObject([{ limit: 1 }]);
    expect(t.queries[0]).not.toHaveProperty('resourceVersion');
  });

  it('waits a moment for a watch that is on its way', async () => {
    const t = setUp({ cached: [], cachedAt: 9, served: [], servedAt: 12 });
    const done = t.call();
    await t.clock.advance(100);
    t.watchReaches(12);
    await t.clock.advance(25);
    expect(await done).toBe('watch');
    expect(t.queries).toHaveLength(1);
  });

  it('merges a list when the watch stays silent: adds, updates and deletions', async () => {
    const t = setUp({
      cached: [thing('same', 1), thing('old', 2), thing('deleted', 3)],
      cachedAt: 9,
      served: [thing('same', 1), thing('old', 11), thing('new', 12)],
      servedAt: 20,
    });
    const done = t.call({ pageSize: 2 });
    await t.clock.advance(250);
    expect(await done).toBe('list');
    expect(t.state()).toEqual(['new@12', 'old@11', 'same@1']);
    expect(t.store.get({ namespace: 'ns', name: 'new' })?.kind).toBe('Thing');
    expect(t.queries).toHaveLength(3);
  });

  it('does not undo what the watch brought while the list was under way', async () => {
    const t = setUp({ cached: [thing('a', 5)], cachedAt: 9, served: [thing('a', 5)], servedAt: 20 });
    const done = t.call();
    t.store.apply({ type: 'MODIFIED', object: thing('a', 25) });
    t.store.apply({ type: 'ADDED', object: thing('b', 26) });
    await t.clock.advance(250);
    await done;
    expect(t.state()).toEqual(['a@25', 'b@26']);
  });

  it('takes the late watch events that the list had already told of as no news', async () => {
    const t = setUp({ cached: [thing('gone', 5), thing('a', 6)], cachedAt: 9, served: [thing('a', 12)], servedAt: 20 });
    const done = t.call();
    await t.clock.advance(250);
    await done;
    t.store.apply({ type: 'MODIFIED', object: thing('gone', 10) });
    t.store.apply({ type: 'MODIFIED', object: thing('a', 11) });
    t.store.apply({ type: 'DELETED', object: thing('gone', 13) });
    expect(t.state()).toEqual(['a@12']);
  });

  it('starts the list over when its snapshot expires between pages', async () => {
    const t = setUp({ cached: [], cachedAt: 9, served: [thing('a', 11), thing('b', 12)], servedAt: 20, failPage: 3 });
    const done = t.call({ pageSize: 1 });
    await t.clock.advance(250);
    await done;
    expect(t.state()).toEqual(['a@11', 'b@12']);
  });

  it('ends with its signal', async () => {
    const t = setUp({ cached: [], cachedAt: 9, served: [], servedAt: 20 });
    const stop = new AbortController();
    const done = t.call({ signal: stop.signal });
    const failure = expect(done).rejects.toThrow('enough');
    await t.clock.advance(50);
    stop.abort(new Error('enough'));
    await failure;
    expect(t.clock.pendingTimers).toBe(0);
  });
});
