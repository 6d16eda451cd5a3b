/** A cache of some of the objects: what it holds, and that what it leaves out moves it on all the same. */
import { describe, expect, it } from 'vitest';
import { configMaps, type ConfigMap } from '../kube/builtin.ts';
import type { WatchEvent } from '../kube/objects.ts';
import { Informer } from './informer.ts';
import { silentLogger } from './logger.ts';
import type { ListWatcher } from './reflector.ts';
import { FakeClock, settle } from './testing/fakeClock.ts';

const object = (name: string, version: number, team: string): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'ns', uid: name, resourceVersion: String(version), labels: { team } },
});

function informerOf(listed: readonly ConfigMap[], events: readonly WatchEvent<ConfigMap>[]): Informer<ConfigMap> {
  const client = {
    list: () => Promise.resolve({ metadata: { resourceVersion: '10' }, items: listed }),
    watch: async function* (_type: unknown, { signal }: { signal?: AbortSignal }) {
      yield* events;
      await new Promise((resolve) => signal?.addEventListener('abort', resolve));
    },
  } as unknown as ListWatcher;
  return new Informer<ConfigMap>({
    client,
    type: configMaps,
    clock: new FakeClock(),
    logger: silentLogger,
    keep: ({ metadata }) => metadata.labels?.team === 'ours',
  });
}

async function namesAfter(listed: readonly ConfigMap[], events: readonly WatchEvent<ConfigMap>[]): Promise<readonly string[]> {
  const stop = new AbortController();
  const informer = informerOf(listed, events);
  const ended = informer.run(stop.signal);
  await settle();
  await settle();
  const last = events.map(({ object: of }) => ('metadata' in of ? of.metadata.resourceVersion : undefined)).at(-1);
  if (last !== undefined) expect(informer.state).toMatchObject({ phase: 'watching', resourceVersion: last });
  stop.abort();
  await ended;
  return informer.store.list().map(({ metadata }) => metadata.name);
}

describe('an informer that keeps some objects', () => {
  it('leaves the others out of its list', async () => {
    expect(await namesAfter([object('a', 1, 'ours'), object('b', 2, 'theirs')], [])).toEqual(['a']);
  });

  it('leaves them out of its watch, and resumes after them', async () => {
    const events = [
      { type: 'ADDED', object: object('c', 11, 'ours') },
      { type: 'ADDED', object: object('d', 12, 'theirs') },
      { type: 'DELETED', object: object('e', 13, 'theirs') },
    ] as const;
    expect(await namesAfter([object('a', 1, 'ours')], events)).toEqual(['a', 'c']);
  });

  it('forgets what no longer belongs here, and learns of what comes to', async () => {
    const events = [
      { type: 'MODIFIED', object: object('a', 11, 'theirs') },
      { type: 'MODIFIED', object: object('b', 12, 'ours') },
    ] as const;
    expect(await namesAfter([object('a', 1, 'ours'), object('b', 2, 'theirs')], events)).toEqual(['b']);
  });

  it('does not take others for its own when it catches up', async () => {
    const stop = new AbortController();
    const informer = informerOf([object('a', 1, 'ours'), object('b', 2, 'theirs')], []);
    const ended = informer.run(stop.signal);
    await settle();
    await informer.catchUp(stop.signal);
    stop.abort();
    await ended;
    expect(informer.store.size).toBe(1);
  });
});
