/**
 * An HTTPS proxy in front of an API server that misbehaves on demand: it refuses, resets, delays, stays silent, answers with an error or
 * with nonsense, applies a write and hides the answer, and maims watches event by event. It has a certificate of its own, so clients reach
 * it with the kubeconfig it writes. What it does by chance follows from its seed, from the request and from how often that was asked, not
 * from what else happens beside. Requests are remembered, so a test can tell what was asked, and when somebody stopped asking.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import { realClock, type Clock } from '../../operator/runtime/clock.ts';
import { kubeconfigText } from '../../sandbox/kubeconfigFile.ts';
import { createAuthority, type Authority } from '../../sandbox/tls.ts';
import { isWatch, sendStatus, type Fault, type Rule, type Seen, type StreamFault } from './faults.ts';
import { MangledStream } from './mangledStream.ts';
import { hashOf, seeded } from './seeded.ts';

export type { Fault, Rule, Seen, StreamFault } from './faults.ts';

export interface Backend {
  readonly url: string;
  readonly caPem: string;
  /** Without it the certificate has to do. */
  readonly token?: string;
  readonly certPem?: string;
  readonly keyPem?: string;
}

/** The API server that a kubeconfig leads to, with its credentials. */
export async function backendOf(kubeconfig: string): Promise<Backend> {
  const { origin, basePath, headers, tls } = await PooledKubeConfig.load({ path: kubeconfig }).access();
  const token = headers.authorization?.replace(/^Bearer /, '');
  return {
    url: origin + basePath,
    caPem: tls.ca ?? '',
    ...(token === undefined ? {} : { token }),
    ...(tls.cert === undefined || tls.key === undefined ? {} : { certPem: tls.cert, keyPem: tls.key }),
  };
}

export interface FaultProxyOptions {
  readonly backend: Backend;
  readonly seed?: number;
  /** Answers of each list that are kept for the fault staleList. Default 0: it cannot be used. */
  readonly keepLists?: number;
  /** Requests that `seen` remembers. Default: all of them. */
  readonly remember?: number;
  /** Delays and silences are in its time. Default: real time. */
  readonly clock?: Pick<Clock, 'after'>;
}

/** A list, whole in one page, as it was answered. */
interface KeptAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly seen: Seen;
  readonly random: () => number;
}

/** What becomes of an answer of the backend. Default: it is passed on. */
type Deliver = (answer: IncomingMessage, outgoing: ServerResponse) => void;

export class FaultProxy {
  readonly seen: Seen[] = [];
  readonly #backend: Backend;
  readonly #authority: Authority;
  readonly #seed: number;
  readonly #agent: Agent;
  readonly #keepLists: number;
  readonly #remember: number;
  readonly #clock: Pick<Clock, 'after'>;
  /** How often each request was asked; those that share a place share the count, so that it stays small. */
  readonly #turns = new Uint32Array(turnPlaces);
  readonly #lists = new Map<string, KeptAnswer[]>();
  /** What has to be told when the faults are over. */
  readonly #afflicted = new Set<{ heal(): void }>();
  readonly #sockets = new Set<Socket>();
  readonly #tokens = new Set<string>();
  #rules: readonly Rule[] = [];
  #hits = 0;
  #server: Server | undefined;
  #port = 0;
  #underWay = 0;
  #mostUnderWay = 0;
  #heldBack = 0;

  private constructor(
    { backend, seed = 1, keepLists = 0, remember = Infinity, clock = realClock }: FaultProxyOptions,
    authority: Authority,
  ) {
    const { certPem: cert, keyPem: key } = backend;
    this.#backend = backend;
    this.#authority = authority;
    this.#seed = seed;
    this.#keepLists = keepLists;
    this.#remember = remember;
    this.#clock = clock;
    this.#agent = new Agent({ ca: backend.caPem, keepAlive: true, ...(cert === undefined ? {} : { cert, key }) });
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

  /**
   * No faults any more, and those under way end: streams go on with what was kept back from them, and what would stay silent for ever
   * breaks, as it does in the end when a network mends.
   */
  heal(): void {
    this.#rules = [];
    for (const each of [...this.#afflicted]) each.heal();
    this.#afflicted.clear();
  }

  /** Requests that a fault has befallen. */
  get hits(): number {
    return this.#hits;
  }

  /** Short requests that are under way now, without those that a fault keeps waiting. */
  get underWay(): number {
    return this.#underWay - this.#heldBack;
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
    const server = createServer({ cert: certPem, key: keyPem }, (incoming, outgoing) => this.#serve(incoming, outgoing));
    // Before the handshake: one that is cut short in the middle of it would come through afterwards, and stay.
    server.on('connection', (socket: Socket) => this.#keep(socket));
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

  #serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method = 'GET', url = '/' } = incoming;
    const seen = { method, url };
    this.seen.push(seen);
    if (this.seen.length > this.#remember) this.seen.shift();
    if (!url.includes('watch=true') && !url.includes('follow=true')) {
      this.#underWay += 1;
      this.#mostUnderWay = Math.max(this.#mostUnderWay, this.#underWay);
      outgoing.on('close', () => (this.#underWay -= 1));
    }
    const random = this.#chanceOf(seen);
    const fault = this.#rules.find(({ matches, probability = 1 }) => (matches?.(seen) ?? true) && random() < probability)?.fault;
    if (fault === undefined) this.#forward(incoming, outgoing);
    else this.#misbehave(fault, { incoming, outgoing, seen, random });
  }

  /** Numbers that depend on the seed, on the request and on how often it came, and not on what came beside it. */
  #chanceOf(seen: Seen): () => number {
    const [path = ''] = seen.url.split('?');
    const key = hashOf(`${seen.method} ${path} ${isWatch(seen)}`);
    const place = key % turnPlaces;
    const turn = (this.#turns[place] ?? 0) + 1;
    this.#turns[place] = turn;
    return seeded(hashOf(`${this.#seed} ${key} ${turn}`));
  }

  /** Faults that keep the request from the backend; the others let it through. */
  #misbehave(fault: Fault, exchange: Exchange): void {
    this.#hits += 1;
    const { incoming, outgoing } = exchange;
    switch (fault.kind) {
      case 'reset':
        incoming.socket.destroy();
        return;
      case 'delay':
        this.#holdBack(outgoing, fault.delayMs, () => this.#forward(incoming, outgoing));
        return;
      case 'silence':
        incoming.resume();
        this.#keepSilent(outgoing, fault.forMs);
        return;
      case 'status':
        incoming.resume();
        sendStatus(outgoing, fault.code, fault.retryAfterSeconds);
        return;
      case 'garble':
        incoming.resume();
        outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{"hello": ["w\u00f6rld", ');
        return;
      case 'staleList':
        this.#answerFromThePast(fault.answersAgo, exchange);
        return;
      default:
        this.#forward(incoming, outgoing, this.#deliveryOf(fault, exchange));
    }
  }

  /** What a fault makes of the answer, when everything was done. */
  #deliveryOf(
    fault: Exclude<Fault, { kind: 'reset' | 'delay' | 'silence' | 'status' | 'garble' | 'staleList' }>,
    exchange: Exchange,
  ): Deliver {
    const { incoming, seen, random } = exchange;
    switch (fault.kind) {
      case 'resetAfter':
        return whenComplete(() => incoming.socket.destroy());
      case 'silenceAfter':
        return whenComplete((outgoing) => this.#keepSilent(outgoing, fault.forMs));
      case 'statusAfter':
        return whenComplete((outgoing) => sendStatus(outgoing, fault.code));
      case 'slowAnswer':
        return (answer, outgoing) => this.#holdBack(outgoing, fault.delayMs, () => passOn(answer, outgoing));
      case 'halfAnswer':
        // A watch has no end whose half could be told: without this it would be silent for ever, also when the proxy is healed.
        return isWatch(seen) ? this.#mangle({ kind: 'truncate', afterEvents: 0 }, random) : breakHalfWay;
      case 'stream':
        return isWatch(seen) ? this.#mangle(fault.stream, random) : passOn;
    }
  }

  #mangle(fault: StreamFault, random: () => number): Deliver {
    return (answer, outgoing) => {
      if (answer.statusCode !== 200) {
        passOn(answer, outgoing);
        return;
      }
      outgoing.writeHead(200, answer.headers);
      outgoing.flushHeaders();
      this.#afflict(new MangledStream(answer, { outgoing, fault, random, clock: this.#clock }), outgoing);
    };
  }

  #afflict(sufferer: { heal(): void }, outgoing: ServerResponse): void {
    this.#afflicted.add(sufferer);
    outgoing.on('close', () => this.#afflicted.delete(sufferer));
  }

  #keepSilent(outgoing: ServerResponse, forMs: number | undefined): void {
    this.#holdBack(outgoing, forMs, () => outgoing.destroy());
  }

  /** Lets the exchange wait for so long, or until the proxy is healed; then goes on with it, if anybody still waits for it. */
  #holdBack(outgoing: ServerResponse, forMs: number | undefined, goOn: () => void): void {
    if (outgoing.destroyed) return;
    this.#heldBack += 1;
    let isHeld = true;
    const letGo = (): void => {
      if (!isHeld) return;
      isHeld = false;
      this.#heldBack -= 1;
      timer?.cancel();
      this.#afflicted.delete(sufferer);
      if (!outgoing.destroyed) goOn();
    };
    const sufferer = { heal: letGo };
    const timer = forMs === undefined ? undefined : this.#clock.after(forMs, letGo);
    this.#afflict(sufferer, outgoing);
    outgoing.on('close', letGo);
  }

  /** The answer of this list that was given so many answers ago, or the oldest that is kept; the first is always true. */
  #answerFromThePast(answersAgo: number, { incoming, outgoing, seen }: Exchange): void {
    const kept = isWatch(seen) ? undefined : this.#lists.get(seen.url);
    const past = kept?.at(-answersAgo) ?? kept?.[0];
    if (past === undefined) {
      this.#forward(incoming, outgoing);
      return;
    }
    incoming.resume();
    outgoing.writeHead(200, past.headers).end(past.body);
  }

  #keepList(url: string, answer: IncomingMessage): void {
    if (this.#keepLists === 0 || answer.statusCode !== 200 || !/[?&]limit=/.test(url) || url.includes('continue=')) return;
    const parts: Buffer[] = [];
    answer.on('data', (part: Buffer) => parts.push(part));
    answer.on('end', () => {
      const body = Buffer.concat(parts);
      // The next pages of an answer from the past would be of another list.
      if (body.includes('"continue":"')) return;
      const kept = [...(this.#lists.get(url) ?? []), { headers: answer.headers, body }];
      this.#lists.set(url, kept.slice(-this.#keepLists));
    });
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse, deliver: Deliver = passOn): void {
    const given = incoming.headers.authorization?.replace(/^Bearer /, '') ?? '';
    if (!this.#tokens.has(given)) {
      incoming.resume();
      sendStatus(outgoing, 401);
      return;
    }
    const { url, token } = this.#backend;
    const { authorization: _own, 'accept-encoding': _encodings, host: _here, ...rest } = incoming.headers;
    const headers = { ...rest, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    const onward = request(`${url}${incoming.url ?? ''}`, { method: incoming.method, headers, agent: this.#agent }, (answer) => {
      answer.on('error', () => outgoing.destroy());
      if (incoming.method === 'GET') this.#keepList(incoming.url ?? '', answer);
      deliver(answer, outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }
}

/** Places for counts of requests. */
const turnPlaces = 4096;

function passOn(answer: IncomingMessage, outgoing: ServerResponse): void {
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  outgoing.flushHeaders();
  answer.pipe(outgoing);
}

/** Swallows the answer; when all of it has come, something else is done. */
const whenComplete =
  (act: (outgoing: ServerResponse) => void): Deliver =>
  (answer, outgoing) => {
    answer.resume();
    answer.on('end', () => act(outgoing));
  };

function breakHalfWay(answer: IncomingMessage, outgoing: ServerResponse): void {
  const parts: Buffer[] = [];
  answer.on('data', (part: Buffer) => parts.push(part));
  answer.on('end', () => {
    const body = Buffer.concat(parts);
    outgoing.writeHead(answer.statusCode ?? 502, { 'content-type': 'application/json', 'content-length': body.length });
    outgoing.write(body.subarray(0, Math.floor(body.length / 2)), () => outgoing.destroy());
  });
}
