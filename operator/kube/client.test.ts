import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { namespaces, pods } from './builtin.ts';
import type { Pod } from './builtin.ts';
import { KubeClient } from './client.ts';
import {
  ApiError,
  TransportError,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isGone,
  isInvalid,
  isNotFound,
  isTooManyRequests,
  isUnauthorized,
} from './errors.ts';
import type { ResourceType } from './resource.ts';
import { applyPatch, jsonPatch, mergePatch, pointer } from './patch.ts';
import { FakeServer, refuse, reply, sendEvent } from './testing/fakeServer.ts';
import { until } from './testing/until.ts';
import { UndiciTransport } from './transport.ts';

const prowJobs: ResourceType = { group: 'prow.k8s.io', version: 'v1', plural: 'prowjobs', kind: 'ProwJob', namespaced: true };
const pod: Pod = { metadata: { name: 'p', namespace: 'ns', uid: 'u', resourceVersion: '1' }, spec: { containers: [] } };
const key = { namespace: 'ns', name: 'p' };
const anySignal = new AbortController().signal;

let server: FakeServer;
let client: KubeClient;

beforeEach(async () => {
  server = await FakeServer.start((_request, response) => reply(response, pod));
  client = new KubeClient({ transport: new UndiciTransport(server.access) });
});

afterEach(async () => {
  await client.close();
  await server.close();
});

const last = (): { line: string; contentType: string | undefined; body: unknown } => {
  const request = server.received.at(-1)!;
  return {
    line: `${request.method} ${request.url.pathname}${request.url.search}`,
    contentType: request.headers['content-type'],
    body: request.body === '' ? undefined : JSON.parse(request.body),
  };
};

describe('what goes over the wire', () => {
  const rows: readonly { name: string; call: () => Promise<unknown>; line: string; contentType?: string; body?: unknown }[] = [
    { name: 'get', call: () => client.get(pods, key), line: 'GET /api/v1/namespaces/ns/pods/p' },
    { name: 'get of a custom resource', call: () => client.get(prowJobs, key), line: 'GET /apis/prow.k8s.io/v1/namespaces/ns/prowjobs/p' },
    { name: 'get, cluster scope', call: () => client.get(namespaces, { namespace: '', name: 'x' }), line: 'GET /api/v1/namespaces/x' },
    {
      name: 'a name that wants to be a path',
      call: () => client.get(pods, { namespace: 'ns', name: '../../nodes?x=1#' }),
      line: 'GET /api/v1/namespaces/ns/pods/..%2F..%2Fnodes%3Fx%3D1%23',
    },
    { name: 'list everywhere', call: () => client.list(pods), line: 'GET /api/v1/pods' },
    {
      name: 'list',
      call: () => client.list(pods, { namespace: 'ns', labelSelector: 'a=b,c in (d)', limit: 5, continue: 'x&y', resourceVersion: '0' }),
      line: 'GET /api/v1/namespaces/ns/pods?labelSelector=a%3Db%2Cc%20in%20(d)&limit=5&continue=x%26y&resourceVersion=0',
    },
    {
      name: 'create',
      call: () => client.create(pods, pod, { dryRun: true, fieldManager: 'me' }),
      line: 'POST /api/v1/namespaces/ns/pods?dryRun=All&fieldManager=me',
      contentType: 'application/json',
      body: pod,
    },
    {
      name: 'replace status',
      call: () => client.replace(pods, pod, { subresource: 'status' }),
      line: 'PUT /api/v1/namespaces/ns/pods/p/status',
      contentType: 'application/json',
      body: pod,
    },
    {
      name: 'merge patch',
      call: () => client.patch(pods, key, mergePatch({ status: { phase: 'Running' } }), { subresource: 'status' }),
      line: 'PATCH /api/v1/namespaces/ns/pods/p/status',
      contentType: 'application/merge-patch+json',
      body: { status: { phase: 'Running' } },
    },
    {
      name: 'JSON patch',
      call: () => client.patch(pods, key, jsonPatch([{ op: 'remove', path: pointer('metadata', 'annotations', 'a/b~c') }])),
      line: 'PATCH /api/v1/namespaces/ns/pods/p',
      contentType: 'application/json-patch+json',
      body: [{ op: 'remove', path: '/metadata/annotations/a~1b~0c' }],
    },
    {
      name: 'apply',
      call: () => client.patch(pods, key, applyPatch({ apiVersion: 'v1', kind: 'Pod', ...pod }), { fieldManager: 'me', force: true }),
      line: 'PATCH /api/v1/namespaces/ns/pods/p?fieldManager=me&force=true',
      contentType: 'application/apply-patch+yaml',
      body: { apiVersion: 'v1', kind: 'Pod', ...pod },
    },
    {
      name: 'delete with preconditions',
      call: () => client.delete(pods, key, { uid: 'u', gracePeriodSeconds: 0, propagationPolicy: 'Background' }),
      line: 'DELETE /api/v1/namespaces/ns/pods/p',
      contentType: 'application/json',
      body: {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        gracePeriodSeconds: 0,
        propagationPolicy: 'Background',
        preconditions: { uid: 'u' },
      },
    },
    { name: 'text', call: () => client.text('/version'), line: 'GET /version' },
    {
      name: 'raw',
      call: () => client.raw({ method: 'POST', path: '/apis/x', body: { a: 1 } }),
      line: 'POST /apis/x',
      contentType: 'application/json',
      body: { a: 1 },
    },
  ];

  it.each(rows)('$name', async ({ call, line, contentType, body }) => {
    await call();
    expect(last()).toEqual({ line, contentType, body });
  });

  it.each([
    { what: 'an empty name', call: () => client.get(pods, { namespace: 'ns', name: '' }) },
    { what: 'a dot segment', call: () => client.get(pods, { namespace: 'ns', name: '..' }) },
    { what: 'no namespace', call: () => client.get(pods, { namespace: '', name: 'x' }) },
    { what: 'no namespace on create', call: () => client.create(pods, { ...pod, metadata: { name: 'x' } }) },
  ])('refuses $what before sending', async ({ call }) => {
    await expect(call()).rejects.toThrow(TypeError);
    expect(server.received).toHaveLength(0);
  });
});

describe('answers', () => {
  it('parses objects and lists, and takes null items for none', async () => {
    await expect(client.get(pods, key)).resolves.toEqual(pod);
    server.handler = (_request, response) => reply(response, { metadata: { resourceVersion: '3', continue: 'c' }, items: null });
    await expect(client.list(pods)).resolves.toEqual({ metadata: { resourceVersion: '3', continue: 'c' }, items: [] });
  });

  it('tells a deletion that is done from one that has begun', async () => {
    await expect(client.remove(pods, key)).resolves.toEqual(pod);
    server.handler = (_request, response) => reply(response, { kind: 'Status', status: 'Success' });
    await expect(client.remove(pods, key)).resolves.toBeUndefined();
  });

  it.each([
    { code: 404, reason: 'NotFound', is: isNotFound },
    { code: 409, reason: 'Conflict', is: isConflict },
    { code: 409, reason: 'AlreadyExists', is: isAlreadyExists },
    { code: 410, reason: 'Expired', is: isGone },
    { code: 410, reason: 'Gone', is: isGone },
    { code: 429, reason: 'TooManyRequests', is: isTooManyRequests },
    { code: 401, reason: 'Unauthorized', is: isUnauthorized },
    { code: 403, reason: 'Forbidden', is: isForbidden },
    { code: 422, reason: 'Invalid', is: isInvalid },
  ])('$code $reason is recognised, and as nothing else', async ({ code, reason, is }) => {
    server.handler = (_request, response) => refuse(response, code, reason);
    const error: unknown = await client.get(pods, key).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ code, reason, message: `GET /api/v1/namespaces/ns/pods/p: ${code} ${reason}: ${reason} for the test` });
    const all = [isNotFound, isConflict, isAlreadyExists, isGone, isTooManyRequests, isUnauthorized, isForbidden, isInvalid];
    expect(all.filter((predicate) => predicate(error))).toEqual([is]);
  });

  it.each([
    { what: 'seconds', headers: { 'retry-after': '3' }, details: {}, wantMs: 3000 },
    {
      what: 'a date',
      headers: { 'retry-after': 'Thu, 01 Jan 2026 00:00:09 GMT', date: 'Thu, 01 Jan 2026 00:00:04 GMT' },
      details: {},
      wantMs: 5000,
    },
    { what: 'the Status', headers: {}, details: { retryAfterSeconds: 2 }, wantMs: 2000 },
    { what: 'nothing', headers: {}, details: {}, wantMs: undefined },
    { what: 'nonsense', headers: { 'retry-after': 'soon' }, details: {}, wantMs: undefined },
  ])('reads Retry-After from $what', async ({ headers, details, wantMs }) => {
    server.handler = (_request, response) =>
      reply(response, { kind: 'Status', code: 429, reason: 'TooManyRequests', details }, 429, headers);
    const error = (await client.get(pods, key).catch((thrown: unknown) => thrown)) as ApiError;
    expect(error.retryAfterMs).toBe(wantMs);
  });

  it('makes an ApiError of an answer that is no Status', async () => {
    server.handler = (_request, response) => {
      response.statusCode = 502;
      response.end('<html>Bad gateway</html>');
    };
    await expect(client.get(pods, key)).rejects.toMatchObject({
      name: 'ApiError',
      code: 502,
      reason: '',
      message: expect.stringContaining('Bad gateway'),
    });
    server.handler = (_request, response) => {
      response.statusCode = 404;
      response.end('404 page not found\n');
    };
    expect(isNotFound(await client.get(pods, key).catch((thrown: unknown) => thrown))).toBe(true);
  });

  it.each(['<html>', '', 'null', '7'])('makes a TransportError of a 200 with the body %j', async (body) => {
    server.handler = (_request, response) => response.end(body);
    await expect(client.get(pods, key)).rejects.toMatchObject({ name: 'TransportError', code: 'malformed' });
  });

  it('never repeats a call by itself', async () => {
    server.handler = (_request, response) => refuse(response, 503, 'ServiceUnavailable', { 'retry-after': '1' });
    await expect(client.get(pods, key)).rejects.toThrow(ApiError);
    expect(server.received).toHaveLength(1);
  });
});

describe('fencing', () => {
  it('sends no write when beforeWrite throws, and reads all the same', async () => {
    const fenced = new KubeClient({
      transport: new UndiciTransport(server.access),
      beforeWrite: () => {
        throw new Error('not the leader');
      },
    });
    const writes = [
      fenced.create(pods, pod),
      fenced.replace(pods, pod),
      fenced.patch(pods, key, mergePatch({})),
      fenced.delete(pods, key),
      fenced.raw({ method: 'POST', path: '/x', body: {} }),
    ];
    for (const write of writes) await expect(write).rejects.toThrow('not the leader');
    expect(server.received).toHaveLength(0);
    await expect(fenced.get(pods, key)).resolves.toEqual(pod);
    await fenced.close();
  });
});

describe('watch', () => {
  it('yields events in order and ends with the server', async () => {
    server.handler = (_request, response) => {
      sendEvent(response, 'ADDED', pod);
      sendEvent(response, 'ERROR', { code: 410 });
      response.end();
    };
    const types: string[] = [];
    for await (const event of client.watch(pods, { namespace: 'ns', resourceVersion: '7', timeoutSeconds: 3, signal: anySignal }))
      types.push(event.type);
    expect(types).toEqual(['ADDED', 'ERROR']);
    expect(last().line).toBe('GET /api/v1/namespaces/ns/pods?watch=true&resourceVersion=7&timeoutSeconds=3');
  });

  it('throws an ApiError when it is refused', async () => {
    server.handler = (_request, response) => refuse(response, 403, 'Forbidden', { 'retry-after': '4' });
    const first = client.watch(pods, { resourceVersion: '7', signal: anySignal }).next();
    await expect(first).rejects.toMatchObject({ name: 'ApiError', code: 403, retryAfterMs: 4000 });
  });

  it('closes the connection when the reader leaves', async () => {
    server.handler = (_request, response) => sendEvent(response, 'ADDED', pod);
    for await (const event of client.watch(pods, { resourceVersion: '7', signal: anySignal })) {
      expect(event.type).toBe('ADDED');
      break;
    }
    await until('the connection to close', () => server.openSockets === 0);
  });

  it('throws the reason when its signal aborts', async () => {
    const stop = new AbortController();
    server.handler = (_request, response) => sendEvent(response, 'ADDED', pod);
    const watch = client.watch(pods, { resourceVersion: '7', signal: stop.signal });
    await watch.next();
    const next = watch.next();
    stop.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
  });

  it('throws a TransportError on a broken stream', async () => {
    server.handler = (_request, response) => {
      sendEvent(response, 'ADDED', pod);
      response.write('{"ty', () => server.reset());
    };
    const watch = client.watch(pods, { resourceVersion: '7', signal: anySignal });
    await watch.next();
    await expect(watch.next()).rejects.toThrow(TransportError);
  });
});
