/**
 * A small HTTP or HTTPS server on 127.0.0.1 that does what a test tells it, well or badly. It records every request and every
 * connection, so that a test can say how many there may be.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { AccessSource } from '../transport.ts';
import { until } from './until.ts';

export interface Received {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Handler = (request: Received, response: ServerResponse) => void;

export interface FakeServerOptions {
  readonly tls?: {
    readonly key: string;
    readonly cert: string;
    readonly ca?: string;
    readonly requestCert?: boolean;
    readonly rejectUnauthorized?: boolean;
  };
}

export class FakeServer {
  readonly received: Received[] = [];
  /** Connections ever made. */
  connections = 0;
  handler: Handler;
  readonly #server: Server;
  readonly #scheme: string;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  private constructor(server: Server, scheme: string, handler: Handler) {
    this.#server = server;
    this.#scheme = scheme;
    this.handler = handler;
    server.on(scheme === 'https' ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      void this.#receive(request, response);
    });
  }

  static async start(handler: Handler, options: FakeServerOptions = {}): Promise<FakeServer> {
    const server = options.tls === undefined ? createServer() : createTlsServer(options.tls);
    const fake = new FakeServer(server, options.tls === undefined ? 'http' : 'https', handler);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    fake.#port = (server.address() as AddressInfo).port;
    return fake;
  }

  get origin(): string {
    return `${this.#scheme}://127.0.0.1:${this.#port}`;
  }

  /** Credentials for a transport: none. */
  get access(): AccessSource {
    return { access: () => Promise.resolve({ origin: this.origin, basePath: '', headers: {}, tls: {} }) };
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  /** The requests that match. */
  matching(predicate: (request: Received) => boolean): readonly Received[] {
    return this.received.filter(predicate);
  }

  get lists(): readonly Received[] {
    return this.matching((request) => request.method === 'GET' && request.url.searchParams.get('watch') === null);
  }

  get watches(): readonly Received[] {
    return this.matching((request) => request.url.searchParams.get('watch') === 'true');
  }

  async gets(what: string, count: number, which: () => readonly Received[] = () => this.received): Promise<void> {
    await until(`${count} ${what}`, () => which().length >= count);
  }

  /** Breaks every connection with a TCP reset. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Ends every connection and refuses new ones, until it listens again. */
  pause(): Promise<void> {
    return this.close();
  }

  async resume(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part as Buffer);
    } catch (error) {
      response.destroy(error as Error);
      return;
    }
    const received = {
      method: request.method ?? '',
      url: new URL(request.url ?? '/', this.origin),
      headers: request.headers,
      body: Buffer.concat(parts).toString('utf8'),
    };
    this.received.push(received);
    this.handler(received, response);
  }
}

/** Answers with JSON. */
export function reply(response: ServerResponse, body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** Answers with a Status, as an API server refuses. */
export function refuse(response: ServerResponse, code: number, reason: string, headers: Readonly<Record<string, string>> = {}): void {
  reply(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: `${reason} for the test` }, code, headers);
}

/** One line of a watch. */
export function sendEvent(response: ServerResponse, type: string, object: unknown): void {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/json' });
  response.write(`${JSON.stringify({ type, object })}\n`);
}
