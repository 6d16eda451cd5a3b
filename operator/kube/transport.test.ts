import { afterEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../../sandbox/tls.ts';
import { pods } from './builtin.ts';
import { KubeClient } from './client.ts';
import type { ClusterAccess } from './kubeConfig.ts';
import { FakeServer, reply, sendEvent } from './testing/fakeServer.ts';
import { until } from './testing/until.ts';
import { UndiciTransport } from './transport.ts';
import type { AccessSource, Exchange, TransportOptions } from './transport.ts';

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function aServer(...args: Parameters<typeof FakeServer.start>): Promise<FakeServer> {
  const server = await FakeServer.start(...args);
  cleanups.push(() => server.close());
  return server;
}

function aTransport(source: AccessSource, options: TransportOptions = {}): UndiciTransport {
  const transport = new UndiciTransport(source, options);
  cleanups.push(() => transport.close());
  return transport;
}

const accessTo = (server: FakeServer, more: Partial<ClusterAccess> = {}): ClusterAccess => ({
  origin: server.origin,
  basePath: '',
  headers: {},
  tls: {},
  ...more,
});
const get = { method: 'GET', path: '/api' } as const;

describe('calls', () => {
  it('share connections', async () => {
    const server = await aServer((_request, response) => reply(response, {}));
    const transport = aTransport(server.access);
    for (let n = 0; n < 20; n += 1) await transport.call(get);
    expect(server.received).toHaveLength(20);
    // A second one may be opened while the first is being put back.
    expect(server.connections).toBeLessThanOrEqual(2);
  });

  it('use no more connections than allowed, and all get through', async () => {
    const server = await aServer((_request, response) => reply(response, {}));
    const transport = aTransport(server.access, { connections: 3 });
    await Promise.all(Array.from({ length: 30 }, () => transport.call(get)));
    expect(server.connections).toBeLessThanOrEqual(3);
  });

  it('send the credentials, the prefix of the server and a user agent', async () => {
    const server = await aServer((_request, response) => reply(response, {}));
    await aTransport({
      access: () => Promise.resolve(accessTo(server, { basePath: '/k8s/c-1', headers: { authorization: 'Bearer t' } })),
    }).call(get);
    expect(server.received[0]).toMatchObject({
      headers: { authorization: 'Bearer t', 'user-agent': 'prow-operator', accept: 'application/json' },
    });
    expect(server.received[0]?.url.pathname).toBe('/k8s/c-1/api');
  });

  it('end at their deadline, with or without a beginning of an answer', async () => {
    const server = await aServer((request, response) => {
      if (request.url.pathname === '/half') response.write('{');
    });
    const transport = aTransport(server.access);
    for (const path of ['/none', '/half']) {
      await expect(transport.call({ method: 'GET', path, timeoutMs: 40 })).rejects.toMatchObject({
        name: 'TransportError',
        code: 'timeout',
        message: `GET ${path}: no answer within 40 ms`,
      });
    }
  });

  it('end with the reason of their signal, before and during the call', async () => {
    const server = await aServer(() => undefined);
    const transport = aTransport(server.access);
    await expect(transport.call({ ...get, signal: AbortSignal.abort(new Error('too late')) })).rejects.toThrow('too late');
    expect(server.received).toHaveLength(0);
    const stop = new AbortController();
    const call = transport.call({ ...get, signal: stop.signal });
    await server.gets('request', 1);
    stop.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
  });

  it('say what broke', async () => {
    const server = await aServer(() => server.reset());
    const transport = aTransport(server.access);
    await expect(transport.call(get)).rejects.toMatchObject({ name: 'TransportError', code: 'reset' });
    await server.close();
    await expect(transport.call(get)).rejects.toMatchObject({ name: 'TransportError', code: 'connect' });
  });

  it('are not sent when beforeSend throws, and the error stays what it is', async () => {
    const server = await aServer((_request, response) => reply(response, {}));
    const refusal = Object.assign(new Error('fenced'), { code: 'NotLeader' });
    const beforeSend = (): never => {
      throw refusal;
    };
    await expect(aTransport(server.access).call({ ...get, beforeSend })).rejects.toBe(refusal);
    expect(server.received).toHaveLength(0);
  });

  it('are not sent when beforeSend throws by the time a connection is free', async () => {
    const held: (() => void)[] = [];
    const server = await aServer((_request, response) => void held.push(() => reply(response, {})));
    const transport = aTransport(server.access, { connections: 1 });
    const refusal = Object.assign(new Error('fenced'), { code: 'NotLeader' });
    let isFenced = false;
    const beforeSend = (): void => {
      if (isFenced) throw refusal;
    };
    const first = transport.call({ ...get, path: '/first', beforeSend });
    await until('the first call', () => held.length === 1);
    const second = transport.call({ ...get, path: '/second', beforeSend });
    const third = transport.call({ ...get, path: '/third' });
    const refused = expect(second).rejects.toBe(refusal);
    isFenced = true;
    held[0]?.();
    await first;
    await refused;
    await until('the third call', () => held.length === 2);
    held[1]?.();
    await third;
    expect(server.received.map(({ url }) => url.pathname)).toEqual(['/first', '/third']);
  });

  it('are observed, failed ones too', async () => {
    const server = await aServer((request, response) => (request.url.pathname === '/bad' ? server.reset() : reply(response, {}, 404)));
    const seen: Exchange[] = [];
    const transport = aTransport(server.access, { observe: (exchange) => seen.push(exchange) });
    await transport.call(get);
    await expect(transport.call({ method: 'POST', path: '/bad', body: '{}' })).rejects.toThrow();
    await transport.open({ method: 'GET', path: '/w', idleTimeoutMs: 1000 });
    expect(seen.map(({ method, code }) => `${method} ${code}`)).toEqual(['GET 404', 'POST <error>', 'WATCH 404']);
  });
});

describe('watches', () => {
  it('never take a connection away from calls', async () => {
    const server = await aServer((request, response) =>
      request.url.pathname === '/watch' ? sendEvent(response, 'X', {}) : reply(response, {}),
    );
    const transport = aTransport(server.access, { connections: 1 });
    for (let n = 0; n < 10; n += 1) await transport.open({ method: 'GET', path: '/watch', idleTimeoutMs: 60_000 });
    await expect(transport.call({ ...get, timeoutMs: 5000 })).resolves.toMatchObject({ status: 200 });
  });
});

describe('credentials', () => {
  it('are read once for many calls', async () => {
    const server = await aServer((_request, response) => reply(response, {}));
    let reads = 0;
    const transport = aTransport({ access: () => Promise.resolve(accessTo(server, { headers: { x: String((reads += 1)) } })) });
    await Promise.all([transport.call(get), transport.call(get), transport.call(get)]);
    await transport.call(get);
    expect(reads).toBe(1);
  });

  it('are read again when they are old, and after a 401, on the same connections', async () => {
    let status = 200;
    const server = await aServer((_request, response) => reply(response, {}, status));
    let reads = 0;
    const source = { access: () => Promise.resolve(accessTo(server, { headers: { authorization: `Bearer ${(reads += 1)}` } })) };
    const old = aTransport(source, { refreshMs: 0, connections: 1 });
    await old.call(get);
    await old.call(get);
    expect(server.received.map((request) => request.headers.authorization)).toEqual(['Bearer 1', 'Bearer 2']);
    expect(server.connections).toBe(1);
    const young = aTransport(source);
    status = 401;
    await young.call(get);
    status = 200;
    await young.call(get);
    await young.call(get);
    expect(server.received.slice(2).map((request) => request.headers.authorization)).toEqual(['Bearer 3', 'Bearer 4', 'Bearer 4']);
  });

  it('that cannot be read fail the call, and the next call tries again', async () => {
    const server = await aServer((_request, response) => reply(response, {}));
    let broken = true;
    const transport = aTransport({
      access: () => (broken ? Promise.reject(new Error('exec plugin failed')) : Promise.resolve(accessTo(server))),
    });
    await expect(transport.call(get)).rejects.toMatchObject({
      code: 'connect',
      message: 'GET /api: credentials cannot be read: exec plugin failed',
    });
    broken = false;
    await expect(transport.call(get)).resolves.toMatchObject({ status: 200 });
  });

  it('that cannot be read again stay in use, until the server refuses them', async () => {
    let status = 200;
    const server = await aServer((_request, response) => reply(response, {}, status));
    let reads = 0;
    const access = (): Promise<ClusterAccess> =>
      (reads += 1) === 1 ? Promise.resolve(accessTo(server)) : Promise.reject(new Error('disk is gone'));
    const transport = aTransport({ access }, { refreshMs: 0 });
    await transport.call(get);
    await transport.call(get);
    status = 401;
    await expect(transport.call(get)).resolves.toMatchObject({ status: 401 });
    await expect(transport.call(get)).rejects.toThrow('credentials cannot be read: disk is gone');
    expect(server.received).toHaveLength(3);
  });

  it('that never come do not outlast the deadline', async () => {
    const transport = aTransport({ access: () => new Promise(() => undefined) });
    await expect(transport.call({ ...get, timeoutMs: 30 })).rejects.toMatchObject({ code: 'timeout' });
  });
});

describe('TLS', () => {
  it('trusts the CA it is given and nothing else, and moves to new connections when the CA changes', async () => {
    const [ours, theirs] = [await createAuthority(), await createAuthority()];
    const server = await aServer((_request, response) => reply(response, {}), {
      tls: { cert: ours.server.certPem, key: ours.server.keyPem },
    });
    let ca = theirs.caPem;
    const transport = aTransport({ access: () => Promise.resolve(accessTo(server, { tls: { ca } })) }, { refreshMs: 0, connections: 1 });
    await expect(transport.call(get)).rejects.toMatchObject({ name: 'TransportError', code: 'connect' });
    ca = ours.caPem;
    await transport.call(get);
    await transport.call(get);
    const before = server.connections;
    ca = `${ours.caPem}${theirs.caPem}`;
    await transport.call(get);
    expect(server.connections).toBe(before + 1);
    await until('the old connection to close', () => server.openSockets === 1);
  });

  it('presents the client certificate', async () => {
    const authority = await createAuthority();
    const { certPem: cert, keyPem: key } = authority.server;
    const server = await aServer(
      (_request, response) =>
        reply(response, {
          peer: (response.socket as unknown as { getPeerCertificate(): { subject: { CN: string } } }).getPeerCertificate().subject.CN,
        }),
      {
        tls: { cert, key, ca: authority.caPem, requestCert: true, rejectUnauthorized: false },
      },
    );
    const answer = await aTransport({ access: () => Promise.resolve(accessTo(server, { tls: { ca: authority.caPem, cert, key } })) }).call(
      get,
    );
    expect(answer.body).toContain('prow-operator sandbox');
  });
});

describe('close', () => {
  it('lets a running call end, cuts watches, and refuses new calls', async () => {
    let finish: (() => void) | undefined;
    const server = await aServer((request, response) => {
      if (request.url.searchParams.has('watch')) sendEvent(response, 'ADDED', { metadata: { name: 'a', resourceVersion: '1' } });
      else finish = () => reply(response, { done: true });
    });
    const transport = new UndiciTransport(server.access);
    const client = new KubeClient({ transport });
    const watch = client.watch(pods, { resourceVersion: '1', signal: new AbortController().signal });
    await watch.next();
    const next = watch.next();
    const call = transport.call(get);
    await until('the call', () => finish !== undefined);
    const closed = client.close();
    await expect(next).rejects.toMatchObject({ name: 'TransportError', code: 'closed' });
    finish?.();
    await expect(call).resolves.toMatchObject({ body: '{"done":true}' });
    await closed;
    await expect(transport.call(get)).rejects.toMatchObject({ code: 'closed' });
    await until('all connections to close', () => server.openSockets === 0);
  });
});
