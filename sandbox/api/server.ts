/**
 * The HTTPS front: authentication, routing, limits and the form of answers. Every failure leaves as a metav1.Status, and every request
 * is counted as kube-apiserver counts it.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { ApiFailure, badRequest, methodNotAllowed, pathNotFound } from './failure.ts';
import { sendFailure, sendJson, sendText } from './call.ts';
import type { Call } from './call.ts';
import { discovery } from './discovery.ts';
import { openapi } from './openapi.ts';
import { parsePath } from './requestInfo.ts';
import type { Registry } from './registry.ts';
import { RequestMetrics } from './requestMetrics.ts';
import type { ResourceHandlers } from './resourceHandlers.ts';
import type { WatchHub } from './watches.ts';

export interface ServerOptions {
  readonly tls: { readonly certPem: string; readonly keyPem: string };
  readonly token: string;
  readonly registry: Registry;
  readonly handlers: ResourceHandlers;
  readonly watches: WatchHub;
  readonly log: (line: string) => void;
}

const healthPaths = new Set(['/healthz', '/livez', '/readyz']);
/** Open to everybody, as in a cluster with its default roles. */
const publicPaths = new Set([...healthPaths, '/version']);

const maxBodyBytes = 3 * 1024 * 1024;

const version = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.0+sandbox',
  gitCommit: '0000000000000000000000000000000000000000',
  gitTreeState: 'clean',
  buildDate: '2026-01-01T00:00:00Z',
  goVersion: 'none',
  compiler: 'node',
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
};

export class ApiServer {
  readonly #options: ServerOptions;
  readonly #metrics = new RequestMetrics();
  readonly #server: Server;
  readonly #token: Buffer;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#token = Buffer.from(`Bearer ${options.token}`);
    this.#server = createServer({ cert: options.tls.certPem, key: options.tls.keyPem, keepAliveTimeout: 90_000 }, (request, response) => {
      void this.#serve(request, response);
    });
  }

  /** Resolves with the port that is listened on. */
  async listen(port: number, host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve());
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all watches, refuses new connections, and resolves when every connection is closed. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#options.watches.closeAll();
    this.#server.closeIdleConnections();
    // Whatever is still answering gets one turn of the loop to flush.
    setTimeout(() => this.#server.closeAllConnections(), 50);
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'https://sandbox');
    const call: Call = { request, response, path: url.pathname, query: url.searchParams, warnings: [], verb: request.method ?? 'GET' };
    // A client that goes away in the middle of an answer is no fault of ours.
    response.on('error', (error) => this.#options.log(`${call.path}: ${error.message}`));
    response.on('finish', () => this.#metrics.count(call));
    try {
      if (!publicPaths.has(call.path)) this.#authenticate(request);
      await this.#route(call);
    } catch (error) {
      const failure = error instanceof ApiFailure ? error : this.#unexpected(call, error);
      sendFailure(call, failure);
    }
  }

  #authenticate(request: IncomingMessage): void {
    const given = Buffer.from(request.headers.authorization ?? '');
    if (given.length !== this.#token.length || !timingSafeEqual(given, this.#token))
      throw new ApiFailure(401, 'Unauthorized', 'Unauthorized');
  }

  async #route(call: Call): Promise<void> {
    const { path } = call;
    if (healthPaths.has(path)) {
      sendText(call, 'ok');
      return;
    }
    if (path === '/version') {
      sendJson(call, 200, JSON.stringify(version));
      return;
    }
    if (path === '/metrics') {
      sendText(call, this.#metrics.text());
      return;
    }
    const discovered = isDiscovery(path) ? discovery(path, call.request.headers.accept, this.#options.registry.all()) : undefined;
    if (discovered !== undefined) {
      call.response.setHeader('content-type', discovered.contentType);
      sendJson(call, 200, JSON.stringify(discovered.body));
      return;
    }
    if (path.startsWith('/openapi/')) {
      this.#openapi(call);
      return;
    }
    const target = parsePath(this.#options.registry, path);
    if (target === undefined && !/^\/apis?(\/|$)/.test(path)) {
      call.response.statusCode = 404;
      sendText(call, '404 page not found\n');
      return;
    }
    if (target === undefined) throw pathNotFound();
    call.target = target;
    await this.#options.handlers.handle(call, target, await readBody(call));
  }

  #openapi(call: Call): void {
    if (call.request.method !== 'GET') throw methodNotAllowed();
    const document = openapi(call.path, this.#options.registry.all());
    if (document === undefined) throw pathNotFound();
    sendJson(call, 200, JSON.stringify(document));
  }

  #unexpected(call: Call, error: unknown): ApiFailure {
    if (error instanceof URIError) return badRequest(`the path is not valid: ${error.message}`);
    this.#options.log(
      `${call.request.method ?? ''} ${call.path}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    return new ApiFailure(500, 'InternalError', `Internal error occurred: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** /api, /api/v1, /apis, /apis/g and /apis/g/v; anything longer names a resource. */
const isDiscovery = (path: string): boolean => /^\/api(s(\/[^/]+){0,2}|(\/[^/]+)?)\/?$/.test(path);

async function readBody(call: Call): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of call.request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) {
      call.response.setHeader('connection', 'close');
      throw new ApiFailure(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${maxBodyBytes}`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
