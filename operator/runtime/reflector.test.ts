/** The reflector against a server that misbehaves, row by row of what stock informers were measured to do. Time is a FakeClock. */
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configMaps } from '../kube/builtin.ts';
import { KubeClient } from '../kube/client.ts';
import type { ConfigMap } from '../kube/builtin.ts';
import type { KubeObject } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';
import { FakeServer, refuse, reply, sendEvent } from '../kube/testing/fakeServer.ts';
import type { Received } from '../kube/testing/fakeServer.ts';
import { until } from '../kube/testing/until.ts';
import { UndiciTransport } from '../kube/transport.ts';
import { Informer } from './informer.ts';
import type { LogFields, Logger } from './logger.ts';
import { Reflector } from './reflector.ts';
import type { ListWatcher, ReflectorMetrics } from './reflector.ts';
import { Store } from './store.ts';
import { FakeClock } from './testing/fakeClock.ts';

const map = (name: string, resourceVersion: number, data = ''): ConfigMap => ({
  metadata: { name, namespace: 'ns', uid: `uid-${name}`, resourceVersion: String(resourceVersion) },
  data: { data },
});

class LogBook implements Logger {
  readonly debugEnabled = true;
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];
  debug = (message: string, fields: LogFields = {}): number => this.lines.push({ level: 'debug', message, fields });
  info = (message: string, fields: LogFields = {}): number => this.lines.push({ level: 'info', message, fields });
  warn = (message: string, fields: LogFields = {}): number => this.lines.push({ level: 'warn', message, fields });
  error = (message: string, fields: LogFields = {}): number => this.lines.push({ level: 'error', message, fields });
  child = (): Logger => this;
}

class Counts implements ReflectorMetrics {
  readonly causes: string[] = [];
  readonly versions: string[] = [];
  lists = 0;
  handlerFailures = 0;
  listed = (): number => (this.lists += 1);
  watchStarted = (): void => undefined;
  watchEnded = (): void => undefined;
  event = (): void => undefined;
  failed = (cause: string): number => this.causes.push(cause);
  resourceVersion = (version: string): number => this.versions.push(version);
  handlerFailed = (): number => (this.handlerFailures += 1);
}

let clock: FakeClock;
let log: LogBook;
let counts: Counts;
let stop: AbortController;
let server: FakeServer;
let client: KubeClient;
let informer: Informer<ConfigMap>;
let running: Promise<void>;
/** What the server does with the nth list (from 1) and the nth watch. */
let onList: (n: number, request: Received, response: ServerResponse) => void;
/** The version that it tells when it is only asked for that. */
let versionNow: number;
let onWatch: (n: number, request: Received, response: ServerResponse) => void;
let idleTimeoutMs: number | undefined;

const listOf = (response: ServerResponse, resourceVersion: number, ...items: ConfigMap[]): void =>
  reply(response, { kind: 'ConfigMapList', metadata: { resourceVersion: String(resourceVersion) }, items });
const silence = (_n: number, _request: Received, response: ServerResponse): void => {
  response.writeHead(200);
  response.flushHeaders();
};
/** The tiny reads that ask for nothing but the version. */
const isProbe = (request: Received): boolean => request.url.searchParams.get('limit') === '1';
const lists = (): readonly Received[] => server.lists.filter((request) => !isProbe(request));
const versionsOf = (requests: readonly Received[]): (string | null)[] =>
  requests.map((request) => request.url.searchParams.get('resourceVersion'));

beforeEach(async () => {
  clock = new FakeClock();
  log = new LogBook();
  counts = new Counts();
  stop = new AbortController();
  idleTimeoutMs = undefined;
  onList = (_n, _request, response) => listOf(response, 10, map('a', 5));
  onWatch = silence;
  versionNow = 1_000;
  let listed = 0;
  let watches = 0;
  server = await FakeServer.start((request, response) => {
    if (request.url.searchParams.get('watch') === 'true') onWatch((watches += 1), request, response);
    else if (isProbe(request)) listOf(response, versionNow);
    else onList((listed += 1), request, response);
  });
  client = new KubeClient({ transport: new UndiciTransport(server.access) });
});

afterEach(async () => {
  stop.abort(new Error('test ended'));
  await running;
  await client.close();
  await server.close();
  expect(clock.pendingTimers).toBe(0);
});

function start(): Informer<ConfigMap> {
  const listWatcher: ListWatcher = {
    list: (type, query) => client.list(type, query),
    watch: <T extends KubeObject>(type: ResourceType<T>, query: Parameters<KubeClient['watch']>[1]) => {
      expect(query.idleTimeoutMs).toBeGreaterThan(query.timeoutSeconds! * 1000);
      return client.watch(type, idleTimeoutMs === undefined ? query : { ...query, idleTimeoutMs });
    },
  };
  informer = new Informer({ client: listWatcher, type: configMaps, clock, logger: log, metrics: counts, random: () => 0.5 });
  running = informer.run(stop.signal);
  return informer;
}

/** Lets the reflector live for this long: each wait it asks for is granted as soon as it asks. */
async function live(ms: number): Promise<void> {
  let leftMs = ms;
  while (leftMs > 0) {
    await until('the reflector to wait', () => informer.state.phase === 'backingOff' && clock.pendingTimers > 0);
    const stepMs = Math.min(leftMs, clock.untilNext ?? 0);
    leftMs -= stepMs;
    await clock.advance(stepMs);
    if (leftMs > 0) await until('the wait to end', () => informer.state.phase !== 'backingOff' || clock.pendingTimers > 0);
  }
}

/** Grants each wait as soon as it is asked for, until it is so. */
const liveUntil = (what: string, isSo: () => boolean): Promise<void> =>
  until(what, () => {
    if (!isSo() && informer.state.phase === 'backingOff' && clock.pendingTimers > 0) void clock.advance(clock.untilNext ?? 0);
    return isSo();
  });

const watching = (): Promise<void> => until('a watch', () => informer.state.phase === 'watching');

describe('what the server does, and what the reflector makes of it', () => {
  it('closes the watch cleanly, one event each time: resumes from the last version, ever more slowly', async () => {
    onWatch = (n, _request, response) => {
      sendEvent(response, 'MODIFIED', map('a', 10 + n, `v${n}`));
      response.end();
    };
    start();
    await live(3000);
    expect(lists()).toHaveLength(1);
    // Waits of 100, 200, 400, 800 and 1600 ms: the sixth watch would be at 3.1 s.
    expect(server.watches).toHaveLength(5);
    expect(versionsOf(server.watches)).toEqual(['10', '11', '12', '13', '14']);
    expect(informer.store.get({ namespace: 'ns', name: 'a' })?.data).toEqual({ data: 'v5' });
    expect(new Set(counts.causes)).toEqual(new Set(['closed']));
  });

  it('closes the watch at once, no event: the same', async () => {
    onWatch = (_n, _request, response) => response.end();
    start();
    await live(3000);
    expect(lists()).toHaveLength(1);
    expect(versionsOf(server.watches)).toEqual(['10', '10', '10', '10', '10']);
  });

  it('closes after a long healthy watch: resumes at once, however often it has failed before', async () => {
    onWatch = (n, _request, response) => {
      if (n <= 3) response.end();
      else silence(n, _request, response);
    };
    start();
    await live(700);
    await server.gets('watches', 4, () => server.watches);
    await watching();
    await clock.advance(290_000);
    server.reset();
    await until('the wait', () => informer.state.phase === 'backingOff');
    expect(informer.state).toMatchObject({ failures: 1 });
    expect(clock.untilNext).toBe(100);
  });

  it('resets the connection mid-stream: resumes from the last version', async () => {
    onWatch = (n, _request, response) => {
      sendEvent(response, 'ADDED', map(`b${n}`, 10 + n));
      if (n === 1) response.write('{"type":"ADDED","obj', () => server.reset());
    };
    start();
    await live(100);
    await until('the second event', () => informer.store.size === 3);
    expect(versionsOf(server.watches)).toEqual(['10', '11']);
    expect(lists()).toHaveLength(1);
    expect(counts.causes).toEqual(['reset']);
  });

  it('ends the stream in the middle of a line: a broken stream, resumed', async () => {
    onWatch = (n, _request, response) => {
      if (n === 1) response.end('{"type":"ADDED","object":{"metad');
      else sendEvent(response, 'ADDED', map('b', 11));
    };
    start();
    await live(100);
    await until('the event', () => informer.store.size === 2);
    expect(counts.causes).toEqual(['reset']);
  });

  it('accepts the watch, then silence: reconnects after the idle time-out, keeps the version', async () => {
    idleTimeoutMs = 30;
    start();
    await live(250);
    expect(lists()).toHaveLength(1);
    expect(versionsOf(server.watches)).toEqual(['10', '10']);
    expect(counts.causes).toEqual(['timeout', 'timeout']);
  });

  it('never sends headers: the same', async () => {
    idleTimeoutMs = 30;
    onWatch = () => undefined;
    start();
    await live(250);
    expect(versionsOf(server.watches)).toEqual(['10', '10']);
    expect(counts.causes).toEqual(['timeout', 'timeout']);
  });

  it('loses an event without a trace: the first watch that ends an hour after the list is followed by another', async () => {
    const open: ServerResponse[] = [];
    onList = (n, request, response) =>
      request.url.searchParams.get('limit') === '1' || n === 1 ? listOf(response, 10, map('a', 5)) : listOf(response, 20, map('b', 12));
    onWatch = (n, request, response) => {
      silence(n, request, response);
      open.push(response);
    };
    start();
    await server.gets('watches', 1, () => server.watches);
    await clock.advance(3_599_000);
    open[0]?.end();
    await liveUntil('the second watch', () => open.length === 2);
    expect(informer.store.list().map((object) => object.metadata.name)).toEqual(['a']);
    await clock.advance(1_000);
    open[1]?.end();
    await liveUntil('the third watch', () => open.length === 3);
    expect(informer.store.list().map((object) => object.metadata.name)).toEqual(['b']);
    expect(versionsOf(server.watches)).toEqual(['10', '10', '20']);
  });

  it('sends an ERROR event 410: lists again, after a wait that grows', async () => {
    onList = (n, _request, response) => listOf(response, 10 * n, map('a', 10 * n, `v${n}`));
    onWatch = (_n, _request, response) => {
      sendEvent(response, 'ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' });
      response.end();
    };
    start();
    await live(3000);
    expect(lists()).toHaveLength(5);
    expect(versionsOf(server.watches)).toEqual(['10', '20', '30', '40', '50']);
    expect(versionsOf(lists())).toEqual([null, null, null, null, null]);
    expect(new Set(counts.causes)).toEqual(new Set(['expired']));
  });

  it('answers a watch with HTTP 410: the same, the wait before the list', async () => {
    onList = (n, _request, response) => listOf(response, 10 * n);
    onWatch = (n, request, response) => (n === 1 ? refuse(response, 410, 'Expired') : silence(n, request, response));
    start();
    await until('the wait', () => informer.state.phase === 'backingOff');
    expect(informer.state).toMatchObject({ then: { do: 'list', page: 1 } });
    expect(lists()).toHaveLength(1);
    await live(100);
    await server.gets('watches', 2, () => server.watches);
    expect(versionsOf(server.watches)).toEqual(['10', '20']);
  });

  it('says that our version is from the future, as after a restore: lists again', async () => {
    onList = (n, _request, response) =>
      n === 1 ? listOf(response, 100, map('a', 90, 'lost')) : listOf(response, 40, map('a', 30, 'restored'));
    onWatch = (n, request, response) =>
      n === 1
        ? reply(
            response,
            { kind: 'Status', code: 504, reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } },
            504,
          )
        : silence(n, request, response);
    start();
    await live(100);
    await server.gets('watches', 2, () => server.watches);
    expect(versionsOf(server.watches)).toEqual(['100', '40']);
    expect(informer.store.get({ namespace: 'ns', name: 'a' })?.data).toEqual({ data: 'restored' });
  });

  it('was away and comes back restored, accepting a watch from a version that it has not reached: lists again', async () => {
    onList = (n, _request, response) =>
      n === 1 ? listOf(response, 100, map('a', 90, 'lost'), map('b', 91)) : listOf(response, 40, map('a', 30, 'restored'));
    start();
    await server.gets('watches', 1, () => server.watches);
    await server.pause();
    await liveUntil('a failure to connect', () => counts.causes.includes('connect'));
    versionNow = 40;
    await server.resume();
    await liveUntil('the restored list', () => informer.store.get({ namespace: 'ns', name: 'a' })?.data?.data === 'restored');
    expect(informer.store.size).toBe(1);
    await server.gets('the watch', 1, () => server.watches.filter((request) => request.url.searchParams.get('resourceVersion') === '40'));
    expect(log.lines.find(({ message }) => message.includes('restored'))).toMatchObject({ level: 'warn', fields: { cause: 'rewound' } });
  });

  it('was away and comes back as it was: one tiny read, and the watch goes on', async () => {
    start();
    await server.gets('watches', 1, () => server.watches);
    await server.pause();
    await liveUntil('a failure to connect', () => counts.causes.includes('connect'));
    await server.resume();
    await liveUntil('another watch', () => server.watches.length === 2);
    expect(versionsOf(server.watches)).toEqual(['10', '10']);
    expect(server.lists.map((request) => request.url.searchParams.get('limit'))).toEqual(['500', '1']);
  });

  it('ends the watch before its time and goes on restored: the same', async () => {
    onList = (n, _request, response) => (n === 1 ? listOf(response, 100, map('a', 90)) : listOf(response, 40, map('a', 30, 'restored')));
    onWatch = (n, request, response) => {
      if (n === 1) versionNow = 40;
      if (n === 1) response.end();
      else silence(n, request, response);
    };
    start();
    await liveUntil('the restored list', () => informer.store.get({ namespace: 'ns', name: 'a' })?.data?.data === 'restored');
    expect(counts.causes).toEqual(['closed', 'rewound']);
  });

  it('ends the watch at its time: no question is asked', async () => {
    onWatch = (n, request, response) => {
      if (n === 1) sendEvent(response, 'BOOKMARK', { kind: 'ConfigMap', metadata: { resourceVersion: '99' } });
      else silence(n, request, response);
      if (n === 1) end = () => response.end();
    };
    let end: (() => void) | undefined;
    start();
    await until('the bookmark', () => counts.versions.includes('99'));
    await clock.advance(300_000);
    end?.();
    await liveUntil('another watch', () => server.watches.length === 2);
    expect(server.lists).toHaveLength(1);
  });

  it('says nothing at all until the watch ends: the version is asked for, and what was restored is listed', async () => {
    onList = (n, _request, response) => (n === 1 ? listOf(response, 100, map('a', 90)) : listOf(response, 40, map('a', 30, 'restored')));
    let end: (() => void) | undefined;
    onWatch = (n, request, response) => {
      silence(n, request, response);
      end ??= () => response.end();
    };
    start();
    await server.gets('watches', 1, () => server.watches);
    await watching();
    await clock.advance(290_000);
    versionNow = 40;
    end?.();
    await liveUntil('the restored list', () => informer.store.get({ namespace: 'ns', name: 'a' })?.data?.data === 'restored');
    expect(counts.causes).toEqual(['closed', 'rewound']);
  });

  it('sends a BOOKMARK that goes back: lists again', async () => {
    onList = (n, _request, response) => (n === 1 ? listOf(response, 100, map('a', 90)) : listOf(response, 40, map('a', 30, 'restored')));
    onWatch = (n, request, response) => {
      if (n === 1) sendEvent(response, 'BOOKMARK', { kind: 'ConfigMap', metadata: { resourceVersion: '40' } });
      else silence(n, request, response);
    };
    start();
    await liveUntil('the restored list', () => informer.store.get({ namespace: 'ns', name: 'a' })?.data?.data === 'restored');
    expect(counts.causes).toEqual(['rewound']);
  });

  it('sends an ERROR event 500: waits, keeps the version, reports', async () => {
    onWatch = (_n, _request, response) =>
      sendEvent(response, 'ERROR', { kind: 'Status', code: 500, reason: 'InternalError', message: 'etcd is sad' });
    start();
    await live(3000);
    expect(lists()).toHaveLength(1);
    expect(versionsOf(server.watches)).toEqual(['10', '10', '10', '10', '10']);
    expect(log.lines.filter((line) => line.level === 'warn' && String(line.fields.err).includes('etcd is sad'))).toHaveLength(5);
  });

  it.each([
    { code: 401, reason: 'Unauthorized', cause: 'forbidden' },
    { code: 403, reason: 'Forbidden', cause: 'forbidden' },
    { code: 404, reason: 'NotFound', cause: 'missing' },
    { code: 429, reason: 'TooManyRequests', cause: 'throttled' },
    { code: 500, reason: 'InternalError', cause: 'server' },
    { code: 503, reason: 'ServiceUnavailable', cause: 'server' },
  ])('answers a watch with HTTP $code: waits, keeps the version, reports', async ({ code, reason, cause }) => {
    onWatch = (_n, _request, response) => refuse(response, code, reason);
    start();
    await live(3000);
    expect(lists()).toHaveLength(1);
    expect(versionsOf(server.watches)).toEqual(['10', '10', '10', '10', '10']);
    expect(new Set(counts.causes)).toEqual(new Set([cause]));
    expect(log.lines.filter((line) => line.level === 'warn')).toHaveLength(5);
  });

  it('asks for patience with Retry-After: gets it, on a watch as on a list', async () => {
    onList = (n, _request, response) => (n === 1 ? refuse(response, 429, 'TooManyRequests', { 'retry-after': '7' }) : listOf(response, 10));
    onWatch = (n, request, response) =>
      n === 1 ? refuse(response, 503, 'ServiceUnavailable', { 'retry-after': '9' }) : silence(n, request, response);
    start();
    await until('the first wait', () => clock.pendingTimers > 0);
    expect(clock.untilNext).toBe(7100);
    await clock.advance(7100);
    await until('the second wait', () => clock.pendingTimers > 0);
    expect(clock.untilNext).toBe(9200);
    expect(counts.causes).toEqual(['throttled', 'server']);
  });

  it('answers a list with 500: retries with a growing wait until it works', async () => {
    onList = (n, _request, response) => (n <= 4 ? refuse(response, 500, 'InternalError') : listOf(response, 10, map('a', 5)));
    start();
    expect(informer.store.hasSynced).toBe(false);
    await live(100 + 200 + 400 + 800);
    await informer.synced();
    expect(lists()).toHaveLength(5);
    expect(informer.store.list()).toHaveLength(1);
  });

  it('is not there at all: retries until it is', async () => {
    await server.close();
    start();
    await live(3000);
    expect(new Set(counts.causes)).toEqual(new Set(['connect']));
    expect(counts.causes.length).toBeLessThanOrEqual(6);
  });

  it('answers a list with HTML: a reported failure, not an empty cluster', async () => {
    onList = (_n, _request, response) => response.end('<html>login</html>');
    start();
    await live(300);
    expect(informer.store.hasSynced).toBe(false);
    expect(counts.causes[0]).toBe('malformed');
  });

  it('sends BOOKMARKs, for we ask for them: a reconnect starts at the bookmark', async () => {
    onWatch = (n, _request, response) => {
      if (n === 1) {
        sendEvent(response, 'BOOKMARK', { kind: 'ConfigMap', metadata: { resourceVersion: '99' } });
        response.end();
      } else silence(n, _request, response);
    };
    start();
    await live(100);
    await server.gets('watches', 2, () => server.watches);
    expect(server.watches[0]?.url.searchParams.get('allowWatchBookmarks')).toBe('true');
    expect(versionsOf(server.watches)).toEqual(['10', '99']);
    expect(informer.store.size).toBe(1);
  });

  it('answers a list with a continue token: asks for the pages, delivers once', async () => {
    const pages = [[map('a', 1), map('b', 2)], [map('c', 3)], [map('d', 4)]];
    onList = (_n, request, response) => {
      const page = Number(request.url.searchParams.get('continue') ?? '0');
      reply(response, { metadata: { resourceVersion: '10', ...(page < 2 ? { continue: String(page + 1) } : {}) }, items: pages[page] });
    };
    const sizes: number[] = [];
    start();
    informer.store.subscribe(() => sizes.push(informer.store.size));
    await informer.synced();
    expect(lists().map((request) => request.url.searchParams.get('limit'))).toEqual(['500', '500', '500']);
    expect(sizes).toEqual([4, 4, 4, 4]);
    expect(counts.lists).toBe(1);
  });

  it('fails in the middle of the pages: the page is asked for again', async () => {
    onList = (n, request, response) => {
      if (request.url.searchParams.get('continue') === null)
        reply(response, { metadata: { resourceVersion: '10', continue: 'two' }, items: [map('a', 1)] });
      else if (n === 2) refuse(response, 500, 'InternalError');
      else listOf(response, 10, map('b', 2));
    };
    start();
    await live(100);
    await informer.synced();
    expect(lists().map((request) => request.url.searchParams.get('continue'))).toEqual([null, 'two', 'two']);
    expect(informer.store.size).toBe(2);
  });

  it('answers 410 in the middle of the pages: starts over, and the first attempt leaves nothing behind', async () => {
    onList = (n, request, response) => {
      if (n === 1) reply(response, { metadata: { resourceVersion: '10', continue: 'two' }, items: [map('gone-meanwhile', 1)] });
      else if (request.url.searchParams.get('continue') !== null) refuse(response, 410, 'Expired');
      else listOf(response, 20, map('b', 2));
    };
    start();
    await live(100);
    await informer.synced();
    expect(lists().map((request) => request.url.searchParams.get('continue'))).toEqual([null, 'two', null]);
    expect(informer.store.list().map((object) => object.metadata.name)).toEqual(['b']);
  });

  it.each([
    { what: 'no JSON', line: 'garbage' },
    { what: 'no object', line: '{"type":"ADDED"}' },
    { what: 'null', line: 'null' },
    { what: 'an unknown type', line: '{"type":"RENAMED","object":{"metadata":{"name":"x","resourceVersion":"12"}}}' },
    { what: 'no resourceVersion', line: '{"type":"ADDED","object":{"metadata":{"name":"x"}}}' },
  ])('sends a malformed line ($what): counted, and treated as a broken stream', async ({ line }) => {
    onWatch = (n, _request, response) => {
      if (n === 1) response.write(`${line}\n`);
      else sendEvent(response, 'ADDED', map('b', 11));
    };
    start();
    await live(100);
    await until('the event', () => informer.store.size === 2);
    expect(counts.causes).toEqual(['malformed']);
    expect(versionsOf(server.watches)).toEqual(['10', '10']);
  });

  it('an added handler throws: logged and counted, the other handlers and later events are served', async () => {
    const heard: string[] = [];
    onWatch = (_n, _request, response) => {
      sendEvent(response, 'ADDED', map('b', 11));
      sendEvent(response, 'ADDED', map('c', 12));
    };
    start();
    informer.store.subscribe(() => {
      throw new Error('handler is broken');
    });
    informer.store.subscribe((change) => heard.push(change.object.metadata.name));
    await until('all', () => heard.length === 3);
    expect(heard).toEqual(['a', 'b', 'c']);
    expect(counts.handlerFailures).toBe(3);
    expect(server.watches).toHaveLength(1);
    expect(log.lines.filter((line) => line.level === 'error' && line.fields.err === 'handler is broken')).toHaveLength(3);
  });

  it('an error with no listener: every failure is logged and counted', async () => {
    onWatch = (_n, _request, response) => refuse(response, 500, 'InternalError');
    start();
    await live(650);
    expect(log.lines.filter((line) => line.level === 'warn')).toHaveLength(3);
    expect(counts.causes).toHaveLength(3);
  });
});

describe('the store behind it', () => {
  it('sees additions, changes and deletions, with kind and apiVersion on all of them and without managedFields', async () => {
    onList = (_n, _request, response) =>
      listOf(response, 10, { ...map('a', 5), metadata: { ...map('a', 5).metadata, managedFields: [{}] } });
    onWatch = (_n, _request, response) => {
      sendEvent(response, 'ADDED', { apiVersion: 'v1', kind: 'ConfigMap', ...map('b', 11) });
      sendEvent(response, 'DELETED', { apiVersion: 'v1', kind: 'ConfigMap', ...map('a', 12) });
    };
    start();
    await informer.synced();
    const listed = informer.store.get({ namespace: 'ns', name: 'a' });
    expect(listed).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
    expect(listed?.metadata).not.toHaveProperty('managedFields');
    await until('the deletion', () => informer.store.get({ namespace: 'ns', name: 'a' }) === undefined);
    expect(informer.store.list().map((object) => object.metadata.name)).toEqual(['b']);
    expect(informer.store.lastDeleted({ namespace: 'ns', name: 'a' })?.metadata.resourceVersion).toBe('12');
  });

  it('survives a list with an item that is no object', async () => {
    onList = (_n, _request, response) => reply(response, { metadata: { resourceVersion: '10' }, items: [null, {}, map('a', 5)] });
    start();
    await informer.synced();
    expect(informer.store.size).toBe(1);
    expect(log.lines.filter((line) => line.level === 'error')).toHaveLength(2);
  });

  it('lists again after a defect in the store itself, instead of ending', async () => {
    let replaced = 0;
    class BrokenStore extends Store<ConfigMap> {
      override replacePrepared(items: readonly ConfigMap[], resourceVersion: string): void {
        replaced += 1;
        if (replaced === 1) throw new TypeError('a bug');
        super.replacePrepared(items, resourceVersion);
      }
    }
    const store = new BrokenStore();
    running = new Reflector({ client, type: configMaps, store, clock, logger: log, metrics: counts, random: () => 0.5 }).run(stop.signal);
    await until('the wait', () => clock.pendingTimers > 0);
    await clock.advance(100);
    await store.whenSynced;
    expect(counts.causes).toEqual(['internal']);
    expect(lists()).toHaveLength(2);
    expect(store.size).toBe(1);
  });

  it('reads nothing more to catch up with a moment before its list', async () => {
    const beforeMs = clock.monotonic();
    await start().synced();
    await informer.catchUp(stop.signal, beforeMs);
    expect(server.lists).toHaveLength(1);
    await clock.advance(1);
    // The watch has not come so far: only another list tells.
    const caughtUp = informer.catchUp(stop.signal, clock.monotonic());
    await until('the probe', () => server.lists.length > 1);
    while (lists().length < 2) await clock.advance(25);
    await caughtUp;
    expect(lists()).toHaveLength(2);
  });

  it('stops at once when told to: in a watch, in a wait, and before the first answer', async () => {
    onList = () => undefined;
    start();
    await server.gets('list', 1);
    const synced = informer.synced(stop.signal);
    stop.abort(new Error('stop'));
    await expect(synced).rejects.toThrow('stop');
    await running;
    expect(counts.causes).toEqual([]);
  });
});
