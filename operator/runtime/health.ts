/**
 * The HTTP face of the process: /metrics, /livez, /readyz, /healthz. Live means the event loop turns: the answer itself is the proof,
 * with the loop's measured delay beside it. Ready means every check passes, and a check that fails is named. How much work waits is
 * no matter of readiness: taking a busy process out of service helps nobody.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from './errors.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

/** Undefined when all is well, else what is missing, in a few words. */
export type Check = () => string | undefined;

export interface HealthServerOptions {
  /** Default 0: any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. In a pod: 0.0.0.0. */
  readonly host?: string;
  readonly metrics: Pick<Metrics, 'render'>;
  readonly logger: Logger;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const text = (status: number, body: string): Answer => ({ status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` });

export class HealthServer {
  readonly #options: HealthServerOptions;
  readonly #ready = new Map<string, Check>();
  readonly #live = new Map<string, Check>();
  #server: Server | undefined;

  constructor(options: HealthServerOptions) {
    this.#options = options;
  }

  /** Adds a condition of readiness. The same name again replaces it. */
  addReadyCheck(name: string, check: Check): void {
    this.#ready.set(name, check);
  }

  /** Adds a condition of being alive. Only for what a restart would cure. */
  addLiveCheck(name: string, check: Check): void {
    this.#live.set(name, check);
  }

  /** Starts to listen and says where. Rejects when the port is taken. */
  async start(): Promise<{ readonly host: string; readonly port: number; readonly url: string }> {
    const server = createServer((request, response) => void this.#serve(request, response));
    server.headersTimeout = 10_000;
    server.requestTimeout = 10_000;
    const host = this.#options.host ?? '127.0.0.1';
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#options.port ?? 0, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    return { host, port, url: `http://${host.includes(':') ? `[${host}]` : host}:${port}` };
  }

  /** Ends what is being answered and closes the port. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#answer(request).catch((error: unknown) => {
      this.#options.logger.error('A health request failed', { url: request.url, error });
      return text(500, messageOf(error));
    });
    response.writeHead(answer.status, { 'content-type': answer.contentType, 'cache-control': 'no-store' });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'only GET and HEAD');
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    switch (pathname) {
      case '/metrics': {
        const { contentType, body } = await this.#options.metrics.render();
        return { status: 200, contentType, body };
      }
      case '/livez':
      case '/healthz':
        return verdict(this.#live);
      case '/readyz':
        return verdict(this.#ready);
      default:
        return text(404, 'not found; there are /metrics, /livez, /readyz and /healthz');
    }
  }
}

function verdict(checks: ReadonlyMap<string, Check>): Answer {
  const lines: string[] = [];
  let failed = false;
  for (const [name, check] of checks) {
    const missing = run(check);
    failed ||= missing !== undefined;
    lines.push(missing === undefined ? `[+] ${name} ok` : `[-] ${name}: ${missing}`);
  }
  return text(failed ? 503 : 200, [...lines, failed ? 'not ready' : 'ok'].join('\n'));
}

function run(check: Check): string | undefined {
  try {
    return check();
  } catch (error) {
    return messageOf(error);
  }
}
