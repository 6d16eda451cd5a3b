/**
 * An HTTPS proxy in front of an API server that misbehaves on demand: it refuses, resets, delays, stays silent, answers with an error or
 * with nonsense. It has a certificate of its own, so clients reach it with the kubeconfig it writes. What it does by chance follows from
 * its seed. Requests are remembered, so a test can tell what was asked, and when somebody stopped asking.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { kubeconfigText } from '../../sandbox/kubeconfigFile.ts';
import { createAuthority, type Authority } from '../../sandbox/tls.ts';

export interface Backend {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
}

export type Fault =
  /** The request is read, then the connection breaks. Nothing was done. */
  | { readonly kind: 'reset' }
  /** Everything was done, then the connection breaks before the answer. */
  | { readonly kind: 'resetAfter' }
  /** The answer comes so much later. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** The connection stays open and nothing comes. */
  | { readonly kind: 'silence' }
  | { readonly kind: 'status'; readonly code: number; readonly retryAfterSeconds?: number }
  /** 200 and a body that no Kubernetes API sends. */
  | { readonly kind: 'garble' };

export interface Rule {
  readonly fault: Fault;
  /** Default: every request. */
  readonly matches?: (request: Seen) => boolean;
  /** In [0, 1]. Default 1. */
  readonly probability?: number;
}

export interface Seen {
  readonly method: string;
  readonly url: string;
}

export interface FaultProxyOptions {
  readonly backend: Backend;
  readonly seed?: number;
}

export class FaultProxy {
  readonly seen: Seen[] = [];
  readonly #backend: Backend;
  readonly #authority: Authority;
  readonly #random: () => number;
  readonly #agent: Agent;
  readonly #sockets = new Set<Socket>();
  readonly #tokens = new Set<string>();
  #rules: readonly Rule[] = [];
  #server: Server | undefined;
  #port = 0;
  #underWay = 0;
  #mostUnderWay = 0;

  private constructor({ backend, seed = 1 }: FaultProxyOptions, authority: Authority) {
    this.#backend = backend;
    this.#authority = authority;
    this.#random = seeded(seed);
    this.#agent = new Agent({ ca: backend.caPem, keepAlive: true });
  }

  static async open(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options, await createAuthority());
    await proxy.listen();
    return proxy;
  }

  /** A kubeconfig that leads here, with a token that is accepted until all are revoked. */
  kubeconfig(token: string): string {
    this.#tokens.add(token);
    return kubeconfigText({ url: `https://127.0.0.1:${this.#port}`, caPem: this.#authority.caPem, token });
  }

  /** No token that was given out is accepted any more. */
  revokeAll(): void {
    this.#tokens.clear();
  }

  /** What happens to requests from now on; the first rule that fits decides. Requests under way are left alone. */
  inject(...rules: readonly Rule[]): void {
    this.#rules = rules;
  }

  /** Short requests that were under way at once, at most, since this was last asked. */
  takeMostUnderWay(): number {
    const most = this.#mostUnderWay;
    this.#mostUnderWay = this.#underWay;
    return most;
  }

  /** Breaks every connection, those of watches too. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Nobody listens any more: connections are refused. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    this.cut();
    await closed;
  }

  /** Listens, again on the same port. */
  async listen(): Promise<void> {
    if (this.#server !== undefined) return;
    const { certPem, keyPem } = this.#authority.server;
    const server = createServer({ cert: certPem, key: keyPem }, (incoming, outgoing) => void this.#serve(incoming, outgoing));
    server.on('secureConnection', (socket) => this.#keep(socket));
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    await this.refuse();
    this.#agent.destroy();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = incoming;
    const seen = { method, url };
    this.seen.push(seen);
    if (!url.includes('watch=true') && !url.includes('follow=true')) {
      this.#underWay += 1;
      this.#mostUnderWay = Math.max(this.#mostUnderWay, this.#underWay);
      outgoing.on('close', () => (this.#underWay -= 1));
    }
    const fault = this.#rules.find(({ matches, probability = 1 }) => (matches?.(seen) ?? true) && this.#random() < probability)?.fault;
    if (fault === undefined) this.#forward(incoming, outgoing);
    else await this.#misbehave(fault, incoming, outgoing);
  }

  async #misbehave(fault: Fault, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    switch (fault.kind) {
      case 'reset':
        incoming.socket.destroy();
        return;
      case 'resetAfter':
        this.#forward(incoming, outgoing, () => incoming.socket.destroy());
        return;
      case 'delay':
        await pause(fault.delayMs, undefined, { ref: false });
        if (!outgoing.destroyed) this.#forward(incoming, outgoing);
        return;
      case 'silence':
        incoming.resume();
        return;
      case 'status':
        incoming.resume();
        sendStatus(outgoing, fault.code, fault.retryAfterSeconds);
        return;
      case 'garble':
        incoming.resume();
        outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{"hello": ["w\u00f6rld", ');
    }
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse, instead?: () => void): void {
    const given = incoming.headers.authorization?.replace(/^Bearer /, '') ?? '';
    if (!this.#tokens.has(given)) {
      incoming.resume();
      sendStatus(outgoing, 401);
      return;
    }
    const { url, token } = this.#backend;
    const headers = { ...incoming.headers, authorization: `Bearer ${token}` };
    const onward = request(`${url}${incoming.url ?? ''}`, { method: incoming.method, headers, agent: this.#agent }, (answer) => {
      if (instead !== undefined) {
        answer.resume();
        answer.on('end', instead);
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }
}

const reasons: ReadonlyMap<number, string> = new Map([
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [409, 'Conflict'],
  [410, 'Expired'],
  [429, 'TooManyRequests'],
  [500, 'InternalError'],
  [503, 'ServiceUnavailable'],
]);

function sendStatus(outgoing: ServerResponse, code: number, retryAfterSeconds?: number): void {
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'injected',
    reason: reasons.get(code),
    code,
  };
  const retry = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  outgoing.writeHead(code, { 'content-type': 'application/json', ...retry }).end(JSON.stringify(status));
}

/** Numbers in [0, 1) that follow from the seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
