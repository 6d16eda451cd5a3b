/**
 * HTTP to one API server: a pool of connections that is kept for as long as CA and client certificate stay the same, and a second
 * pool for watches, so that long streams never take a connection away from calls. Every call has a deadline and ends with an
 * answer, a TransportError, or the caller's abort reason. Nothing is retried here: the caller knows whether a call may be repeated.
 */
import { Agent, ProxyAgent } from 'undici';
import type { Dispatcher } from 'undici';
import { TransportError } from './errors.ts';
import type { TransportErrorCode } from './errors.ts';
import type { ClusterAccess, TlsMaterial } from './kubeConfig.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Encoded path and query, from /api or /apis on. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
  /** For the whole call, body included. */
  readonly timeoutMs?: number;
  /**
   * Its throw cancels the call. Runs when the call is made, and again right before the bytes leave: a call may wait for a connection, and
   * a process that was frozen meanwhile must not send what it might send before.
   */
  readonly beforeSend?: () => void;
}

export interface HttpAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface StreamRequest extends HttpRequest {
  /** The longest silence, before the headers and between two chunks, before the stream counts as dead. */
  readonly idleTimeoutMs: number;
  /** The longest silence before the headers. Default: the transport's time for a call, or idleTimeoutMs where that is less. */
  readonly headersTimeoutMs?: number;
}

export interface HttpStream {
  readonly status: number;
  readonly headers: HttpAnswer['headers'];
  /** Throws TransportError when the stream breaks. Leaving the loop early closes the connection. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** The rest of the body as text, for the answers that are no stream. */
  text(): Promise<string>;
}

/** What KubeClient needs. The real one is UndiciTransport; a test may bring its own. */
export interface Transport {
  call(request: HttpRequest): Promise<HttpAnswer>;
  open(request: StreamRequest): Promise<HttpStream>;
  /** Lets running calls end, then closes every connection. Watches are cut. */
  close(): Promise<void>;
}

/** One finished exchange. `code` is the HTTP status, or "<error>" when none came, as client-go has it. */
export interface Exchange {
  readonly method: string;
  readonly code: string;
  /** Until the end of the body; for a watch until its headers. */
  readonly durationMs: number;
  /** The server's own time, when it answered with success and told. Of calls only. */
  readonly date?: string | undefined;
}

/** Where the transport reads its credentials: a PooledKubeConfig, or anything like it. */
export interface AccessSource {
  access(): Promise<ClusterAccess>;
  usePool?(pool: () => Promise<Dispatcher>): void;
}

export interface TransportOptions {
  /** Connections for calls. */
  readonly connections?: number;
  /** Deadline of a call that names none. */
  readonly timeoutMs?: number;
  /** How long tokens and certificates may be used before they are read again. */
  readonly refreshMs?: number;
  readonly userAgent?: string;
  readonly observe?: (exchange: Exchange) => void;
}

interface Pools {
  readonly access: ClusterAccess;
  readonly calls: Dispatcher;
  readonly watches: Dispatcher;
  readonly fingerprint: string;
  readonly readAtMs: number;
}

const defaults = { connections: 64, timeoutMs: 30_000, refreshMs: 10_000, userAgent: 'prow-operator' };

export class UndiciTransport implements Transport {
  readonly #source: AccessSource;
  readonly #options: Required<Omit<TransportOptions, 'observe'>>;
  readonly #observe: (exchange: Exchange) => void;
  #pools: Pools | undefined;
  #reading: Promise<Pools> | undefined;
  #closed = false;
  /** Aborts the watches on close. */
  readonly #stop = new AbortController();
  /** Closing pools that were replaced; close() waits for them. */
  readonly #retired = new Set<Promise<void>>();

  constructor(source: AccessSource, options: TransportOptions = {}) {
    const { observe, ...rest } = options;
    this.#source = source;
    this.#options = { ...defaults, ...rest };
    this.#observe = observe ?? (() => undefined);
    source.usePool?.(async () => (await this.#ready()).calls);
  }

  async call(request: HttpRequest): Promise<HttpAnswer> {
    const startMs = performance.now();
    const deadline = new Deadline(request.signal, request.timeoutMs ?? this.#options.timeoutMs);
    let code = '<error>';
    let date: string | undefined;
    try {
      const pools = this.#fresh() ?? (await deadline.race(this.#ready()));
      request.beforeSend?.();
      const answer = await pools.calls.request({ ...this.#target(pools.access, request), signal: deadline.signal, ...lastWord(request) });
      const body = await answer.body.text();
      code = String(answer.statusCode);
      if (answer.statusCode === 401) this.#forget();
      if (answer.statusCode < 300 && typeof answer.headers.date === 'string') date = answer.headers.date;
      return { status: answer.statusCode, headers: answer.headers, body };
    } catch (error) {
      throw deadline.explain(error, request);
    } finally {
      deadline.clear();
      this.#observe({ method: request.method, code, durationMs: performance.now() - startMs, date });
    }
  }

  async open(request: StreamRequest): Promise<HttpStream> {
    const startMs = performance.now();
    const watch = new Deadline(request.signal, undefined, this.#stop.signal);
    let code = '<error>';
    try {
      const pools = this.#fresh() ?? (await watch.race(this.#ready()));
      const answer = await pools.watches.request({
        ...this.#target(pools.access, request),
        signal: watch.signal,
        headersTimeout: request.headersTimeoutMs ?? Math.min(request.idleTimeoutMs, this.#options.timeoutMs),
        bodyTimeout: request.idleTimeoutMs,
      });
      code = String(answer.statusCode);
      if (answer.statusCode === 401) this.#forget();
      const chunks = readChunks(answer.body, watch, request);
      return { status: answer.statusCode, headers: answer.headers, chunks, text: () => readText(chunks) };
    } catch (error) {
      watch.clear();
      throw watch.explain(error, request);
    } finally {
      this.#observe({ method: 'WATCH', code, durationMs: performance.now() - startMs });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stop.abort(new TransportError('closed', 'the transport was closed'));
    if (this.#pools !== undefined) this.#retire(this.#pools);
    this.#pools = undefined;
    await Promise.all(this.#retired);
  }

  #target(access: ClusterAccess, request: HttpRequest): Dispatcher.RequestOptions {
    return {
      origin: access.origin,
      path: access.basePath + request.path,
      method: request.method,
      headers: { accept: 'application/json', 'user-agent': this.#options.userAgent, ...access.headers, ...request.headers },
      ...(request.body === undefined ? {} : { body: request.body }),
    };
  }

  #fresh(): Pools | undefined {
    if (this.#closed) throw new TransportError('closed', 'the transport was closed');
    const pools = this.#pools;
    return pools !== undefined && performance.now() - pools.readAtMs < this.#options.refreshMs ? pools : undefined;
  }

  /** After a 401 the next call reads the credentials again instead of waiting for the refresh. */
  #forget(): void {
    if (this.#pools !== undefined) this.#pools = { ...this.#pools, readAtMs: -Infinity };
  }

  #ready(): Promise<Pools> {
    const fresh = this.#fresh();
    if (fresh !== undefined) return Promise.resolve(fresh);
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<Pools> {
    let access: ClusterAccess;
    try {
      access = await this.#source.access();
    } catch (error) {
      // What worked a moment ago mostly still does; what the server has refused does not.
      const last = this.#pools;
      if (last !== undefined && Number.isFinite(last.readAtMs)) return (this.#pools = { ...last, readAtMs: performance.now() });
      throw new TransportError('connect', `credentials cannot be read: ${messageOf(error)}`, error);
    }
    if (this.#closed) throw new TransportError('closed', 'the transport was closed');
    const fingerprint = JSON.stringify([access.origin, access.proxyUrl, access.tls]);
    const before = this.#pools;
    const readAtMs = performance.now();
    if (before?.fingerprint === fingerprint) {
      this.#pools = { ...before, access, readAtMs };
    } else {
      this.#pools = {
        access,
        fingerprint,
        readAtMs,
        calls: newPool(access, this.#options.connections),
        watches: newPool(access, undefined),
      };
      if (before !== undefined) this.#retire(before);
    }
    return this.#pools;
  }

  #retire(pools: Pools): void {
    const closing = Promise.allSettled([pools.calls.close(), pools.watches.close()]).then(() => {
      this.#retired.delete(closing);
    });
    this.#retired.add(closing);
  }
}

const beforeSendKey: unique symbol = Symbol('beforeSend');

type Dispatched = Dispatcher.DispatchOptions & { readonly [beforeSendKey]?: () => void };

const lastWord = ({ beforeSend }: HttpRequest): object => (beforeSend === undefined ? {} : { [beforeSendKey]: beforeSend });

/** Asks beforeSend when a connection takes the request up. What it throws becomes the error of the call. */
const askBeforeSend: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) => {
  const beforeSend = (options as Dispatched)[beforeSendKey];
  if (beforeSend !== undefined) {
    const begin = handler.onRequestStart?.bind(handler);
    // The handler is this call's own.
    handler.onRequestStart = (...args) => {
      begin?.(...args);
      beforeSend();
    };
  }
  return dispatch(options, handler);
};

function newPool(access: ClusterAccess, connections: number | undefined): Dispatcher {
  // A dead peer is found by TCP probes: the first after 15 s, then each second, ten in all (libuv's figures).
  const connect = { keepAlive: true, keepAliveInitialDelay: 15_000, timeout: 10_000 };
  const options = {
    // HTTP/2 sessions lost calls when a server dropped the connection; HTTP/1.1 connections did not.
    allowH2: false,
    connections: connections ?? null,
    pipelining: 1,
    // Below the 90 s after which API servers and load balancers drop an idle connection.
    keepAliveTimeout: 60_000,
    headersTimeout: 30_000,
    bodyTimeout: 30_000,
  };
  if (access.proxyUrl === undefined) return new Agent({ ...options, connect: { ...connect, ...access.tls } }).compose(askBeforeSend);
  if (!/^https?:\/\//.test(access.proxyUrl)) {
    throw new TransportError(
      'connect',
      `kubeconfig: proxy-url: only http:// and https:// are supported, not ${JSON.stringify(access.proxyUrl)}`,
    );
  }
  return new ProxyAgent({ ...options, uri: access.proxyUrl, connect, requestTls: access.tls as TlsMaterial & object }).compose(
    askBeforeSend,
  );
}

async function* readChunks(body: AsyncIterable<Uint8Array>, watch: Deadline, request: StreamRequest): AsyncGenerator<Uint8Array, void> {
  try {
    yield* body;
  } catch (error) {
    throw watch.explain(error, request);
  } finally {
    watch.clear();
  }
}

async function readText(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString('utf8');
}

/** The caller's signal, an optional time limit and an optional second signal as one, with the reason kept apart from undici's errors. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #other: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onAbort = (event: Event): void => this.#controller.abort((event.target as AbortSignal).reason);

  constructor(caller: AbortSignal | undefined, timeoutMs: number | undefined, other?: AbortSignal) {
    this.#caller = caller;
    this.#other = other;
    for (const signal of [caller, other]) {
      if (signal?.aborted === true) this.#controller.abort(signal.reason);
      else signal?.addEventListener('abort', this.#onAbort, { once: true });
    }
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => this.#controller.abort(new TransportError('timeout', `no answer within ${timeoutMs} ms`)), timeoutMs);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The promise, or the abort, whichever is first. */
  race<T>(promise: Promise<T>): Promise<T> {
    if (this.signal.aborted) return Promise.reject(this.signal.reason as Error);
    return new Promise((resolve, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason as Error), { once: true });
      promise.then(resolve, reject);
    });
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener('abort', this.#onAbort);
    this.#other?.removeEventListener('abort', this.#onAbort);
  }

  /** What the caller gets for an error of a call under this deadline. */
  explain(error: unknown, request: HttpRequest): unknown {
    const what = `${request.method} ${request.path}`;
    if (this.signal.aborted) {
      const reason: unknown = this.signal.reason;
      return reason instanceof TransportError ? new TransportError(reason.code, `${what}: ${reason.message}`) : reason;
    }
    if (error instanceof TransportError) return new TransportError(error.code, `${what}: ${error.message}`, error.cause);
    return codeOf(error) === undefined ? error : new TransportError(codeOf(error) ?? 'reset', `${what}: ${messageOf(error)}`, error);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const networkCodes: ReadonlyMap<string, TransportErrorCode> = new Map([
  ['UND_ERR_HEADERS_TIMEOUT', 'timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'connect'],
  ['ECONNREFUSED', 'connect'],
  ['ENOTFOUND', 'connect'],
  ['EAI_AGAIN', 'connect'],
  ['EHOSTUNREACH', 'connect'],
  ['ENETUNREACH', 'connect'],
  ['UND_ERR_DESTROYED', 'closed'],
  ['UND_ERR_CLOSED', 'closed'],
  ['ECONNRESET', 'reset'],
  ['EPIPE', 'reset'],
  ['ETIMEDOUT', 'reset'],
]);

/** Undefined for an error that is not about the network: a beforeSend that refused, or a mistake of ours. */
function codeOf(error: unknown): TransportErrorCode | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string') return undefined;
  const known = networkCodes.get(code);
  if (known !== undefined) return known;
  if (code.startsWith('HPE_')) return 'malformed';
  if (code.startsWith('UND_ERR_')) return 'reset';
  return isTlsCode(code) ? 'connect' : undefined;
}

/** OpenSSL's and Node's names for a certificate that is not accepted. */
const isTlsCode = (code: string): boolean => /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO)/.test(code);
