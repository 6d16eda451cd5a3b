/**
 * Stands between one operator and the API, and keeps chosen requests back: nobody hears of them until they are let through, late, whoever
 * has sent them and whatever has happened since. So does a process that is stopped between deciding and sending.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { kubeconfigText } from '../../sandbox/kubeconfigFile.ts';

export interface Sent {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
}

export interface LateAnswer extends Sent {
  readonly status: number;
}

interface Backend {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
}

export class LateWrites {
  /** What is kept back. */
  readonly held: Sent[] = [];
  readonly #backend: Backend;
  readonly #agent: Agent;
  readonly #server: Server;
  #forward: (() => Promise<LateAnswer>)[] = [];
  #isHeld: (sent: Sent) => boolean = () => false;

  private constructor(backend: Backend) {
    this.#backend = backend;
    this.#agent = new Agent({ ca: backend.caPem, keepAlive: true });
    this.#server = createServer((incoming, response) => void this.#serve(incoming, response));
  }

  static async open(backend: Backend): Promise<LateWrites> {
    const late = new LateWrites(backend);
    await new Promise<void>((resolve) => late.#server.listen(0, '127.0.0.1', resolve));
    return late;
  }

  /** A kubeconfig that leads here. */
  get kubeconfig(): string {
    const { port } = this.#server.address() as AddressInfo;
    return kubeconfigText({ ...this.#backend, url: `http://127.0.0.1:${port}` });
  }

  /** From now on these are kept back. */
  hold(isHeld: (sent: Sent) => boolean): void {
    this.#isHeld = isHeld;
  }

  /** Lets everything through that was kept back, in its order, and tells what the API answered. */
  async release(): Promise<readonly LateAnswer[]> {
    const answers: LateAnswer[] = [];
    for (const forward of this.#forward.splice(0)) answers.push(await forward());
    return answers;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await closed;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = incoming;
    const sent: Sent = { method, path: url.split('?')[0] ?? '' };
    const isHeld = this.#isHeld(sent);
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    if (!isHeld) {
      this.#call(incoming, body, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        response.flushHeaders();
        answer.pipe(response);
        response.on('close', () => answer.destroy());
      }).on('error', () => response.destroy());
      return;
    }
    this.held.push(sent);
    this.#forward.push(
      () =>
        new Promise((resolve, reject) => {
          this.#call(incoming, body, (answer) => {
            answer.resume();
            answer.on('end', () => resolve({ ...sent, status: answer.statusCode ?? 0 }));
          }).on('error', reject);
        }),
    );
  }

  #call({ method, url = '/', headers }: IncomingMessage, body: Buffer, onAnswer: (answer: IncomingMessage) => void) {
    const { connection: _connection, 'transfer-encoding': _encoding, host: _host, ...rest } = headers;
    const outgoing = request(new URL(url, this.#backend.url), { method, headers: rest, agent: this.#agent }, onAnswer);
    outgoing.end(body);
    return outgoing;
  }
}
