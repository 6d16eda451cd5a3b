/**
 * The typed Kubernetes client: one method per verb, plain JSON in and out. An answer that is not 2xx becomes an ApiError, in one
 * place; no answer is a TransportError. It never retries: a work queue above it does, with backoff and in view of the whole object.
 */
import { pods } from './builtin.ts';
import { ApiError, TransportError } from './errors.ts';
import type { ApiStatus, KubeList, KubeObject, ObjectKey, WatchEvent } from './objects.ts';
import type { Patch } from './patch.ts';
import { collectionPath, objectPath, withQuery } from './paths.ts';
import type { QueryValue } from './paths.ts';
import type { ResourceType } from './resource.ts';
import type { HttpAnswer, HttpRequest, Transport } from './transport.ts';
import { LineSplitter, parseEvent } from './watchStream.ts';

export interface CallOptions {
  /** Aborting it makes the call throw the signal's reason. */
  readonly signal?: AbortSignal;
  /** For the whole call. Default: the transport's, 30 s. */
  readonly timeoutMs?: number;
}

export interface ListQuery extends CallOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  /** Without it the list is as new as the moment of the call (a consistent read). */
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan';
}

export interface WatchQuery {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Required: a watch without it replays everything and cannot be resumed. */
  readonly resourceVersion: string;
  /** When the server shall end the watch. */
  readonly timeoutSeconds?: number;
  readonly allowWatchBookmarks?: boolean;
  /** The longest silence; should be longer than timeoutSeconds. Default 5 min. */
  readonly idleTimeoutMs?: number;
  readonly signal: AbortSignal;
}

export interface LogQuery {
  readonly container: string;
  /** Go on until the container ends. */
  readonly follow?: boolean;
  /** Each line begins with its time, RFC 3339 with nanoseconds, and a space. */
  readonly timestamps?: boolean;
  /** RFC 3339; kubelets cut it to whole seconds. */
  readonly sinceTime?: string;
  /** The longest silence; a test may be silent for long. Default 15 min. */
  readonly idleTimeoutMs?: number;
  readonly signal: AbortSignal;
}

export interface WriteOptions extends CallOptions {
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
}

export interface PatchOptions extends WriteOptions {
  readonly subresource?: 'status';
  /** Only for an ApplyPatch: take fields from other managers. */
  readonly force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  /** Precondition: this very object, not a later one of the same name. Otherwise Conflict. */
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

export interface RawRequest extends CallOptions {
  readonly method: HttpRequest['method'];
  /** Encoded path and query. */
  readonly path: string;
  readonly body?: unknown;
  /** Default application/json. */
  readonly contentType?: string;
  readonly accept?: string;
}

export interface KubeClientOptions {
  readonly transport: Transport;
  /** Throws when this process may not write, as when it is not the leader any more. Runs right before a write is sent. */
  readonly beforeWrite?: () => void;
}

const defaultIdleTimeoutMs = 300_000;
const logIdleTimeoutMs = 900_000;

export class KubeClient {
  readonly #transport: Transport;
  readonly #beforeWrite: () => void;

  constructor(options: KubeClientOptions) {
    this.#transport = options.transport;
    this.#beforeWrite = options.beforeWrite ?? (() => undefined);
  }

  async get<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, options: CallOptions = {}): Promise<T> {
    return (await this.#json({ method: 'GET', path: objectPath(type, key), ...callOptions(options) })) as T;
  }

  async list<T extends KubeObject>(type: ResourceType<T>, query: ListQuery = {}): Promise<KubeList<T>> {
    const { signal, timeoutMs, namespace, ...rest } = query;
    const path = withQuery(collectionPath(type, namespace), rest);
    const list = (await this.#json({ method: 'GET', path, ...callOptions({ signal, timeoutMs }) })) as Partial<KubeList<T>>;
    // A nil slice in Go is null on the wire.
    const items = (list.items as readonly T[] | null | undefined) ?? [];
    if (!Array.isArray(items)) throw new TransportError('malformed', `GET ${path}: the answer is not a list`);
    return { ...list, metadata: list.metadata ?? {}, items };
  }

  /** The namespace comes from the object's metadata; a name may be left to the server with generateName. */
  async create<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const path = withQuery(collectionPath(type, namespaceOf(type, object)), writeQuery(options));
    return (await this.#write({ method: 'POST', path, ...callOptions(options) }, 'application/json', object)) as T;
  }

  /** Needs metadata.resourceVersion, or the server takes it as an unconditional update. */
  async replace<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    options: WriteOptions & { readonly subresource?: 'status' } = {},
  ): Promise<T> {
    const key = { namespace: object.metadata.namespace ?? '', name: object.metadata.name };
    const path = withQuery(objectPath(type, key, options.subresource), writeQuery(options));
    return (await this.#write({ method: 'PUT', path, ...callOptions(options) }, 'application/json', object)) as T;
  }

  async patch<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, patch: Patch, options: PatchOptions = {}): Promise<T> {
    const query = { ...writeQuery(options), ...(options.force === undefined ? {} : { force: options.force }) };
    const path = withQuery(objectPath(type, key, options.subresource), query);
    return (await this.#write({ method: 'PATCH', path, ...callOptions(options) }, patch.contentType, patch.body)) as T;
  }

  /** Asks for the deletion; the object may live on for its grace period or its finalizers. */
  async delete<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, options: DeleteOptions = {}): Promise<void> {
    await this.remove(type, key, options);
  }

  /** As delete, but tells what is left: the object while it still exists, or undefined when the server says that it is gone. */
  async remove<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, options: DeleteOptions = {}): Promise<T | undefined> {
    const { uid, resourceVersion, gracePeriodSeconds, propagationPolicy } = options;
    const preconditions = uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion };
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds, propagationPolicy, preconditions };
    const answer = await this.#write({ method: 'DELETE', path: objectPath(type, key), ...callOptions(options) }, 'application/json', body);
    return (answer as KubeObject).kind === 'Status' ? undefined : (answer as T);
  }

  /**
   * The changes after query.resourceVersion, in order. Ends when the server ends it. Throws ApiError when the server refuses, and
   * TransportError when the stream breaks, is silent for too long, or holds something that is no event. ERROR events are passed on.
   */
  async *watch<T extends KubeObject>(type: ResourceType<T>, query: WatchQuery): AsyncGenerator<WatchEvent<T>, void> {
    const { signal, idleTimeoutMs, namespace, ...rest } = query;
    const path = withQuery(collectionPath(type, namespace), { watch: true, ...rest });
    const stream = await this.#transport.open({ method: 'GET', path, signal, idleTimeoutMs: idleTimeoutMs ?? defaultIdleTimeoutMs });
    if (stream.status < 200 || stream.status > 299) throw apiError(`WATCH ${path}`, { ...stream, body: await stream.text() });
    const splitter = new LineSplitter();
    for await (const chunk of stream.chunks) {
      for (const line of splitter.push(chunk)) yield parseEvent<T>(line);
    }
    if (splitter.pendingBytes > 0) throw new TransportError('reset', `WATCH ${path}: the stream ended in the middle of a line`);
  }

  /**
   * The log of a container, as bytes. Ends when the server ends it, with follow when the container has ended or the kubelet lets go. Throws
   * ApiError when the server refuses (400 while the container waits to start), and TransportError when the stream breaks.
   */
  async *logs(pod: ObjectKey, query: LogQuery): AsyncGenerator<Uint8Array, void> {
    const { signal, idleTimeoutMs = logIdleTimeoutMs, ...rest } = query;
    const path = withQuery(objectPath(pods, pod, 'log'), rest);
    // An API server may send no header before the first byte of the log.
    const stream = await this.#transport.open({ method: 'GET', path, signal, idleTimeoutMs, headersTimeoutMs: idleTimeoutMs });
    if (stream.status < 200 || stream.status > 299) throw apiError(`LOG ${path}`, { ...stream, body: await stream.text() });
    yield* stream.chunks;
  }

  /** A GET whose answer is text: logs, /version, /healthz. */
  async text(path: string, options: CallOptions = {}): Promise<string> {
    return (await this.#send({ method: 'GET', path, headers: { accept: '*/*' }, ...callOptions(options) })).body;
  }

  /** Any call that the methods above do not cover; the answer is parsed JSON. Everything but GET counts as a write. */
  async raw(request: RawRequest): Promise<unknown> {
    const { method, path, body, contentType, accept } = request;
    const call = { method, path, ...callOptions(request), ...(accept === undefined ? {} : { headers: { accept } }) };
    return method === 'GET' ? this.#json(call) : this.#write(call, contentType ?? 'application/json', body);
  }

  /** Lets running calls end, cuts the watches, closes the connections. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  #write(request: HttpRequest, contentType: string, body: unknown): Promise<unknown> {
    const headers = { ...request.headers, 'content-type': contentType };
    return this.#json({ ...request, headers, body: JSON.stringify(body), beforeSend: this.#beforeWrite });
  }

  async #json(request: HttpRequest): Promise<unknown> {
    const answer = await this.#send(request);
    let parsed: unknown;
    try {
      parsed = JSON.parse(answer.body);
    } catch (error) {
      throw new TransportError('malformed', `${request.method} ${request.path}: the answer is not JSON`, error);
    }
    if (typeof parsed !== 'object' || parsed === null)
      throw new TransportError('malformed', `${request.method} ${request.path}: the answer is not an object`);
    return parsed;
  }

  async #send(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#transport.call(request);
    if (answer.status < 200 || answer.status > 299) throw apiError(`${request.method} ${request.path}`, answer);
    return answer;
  }
}

const callOptions = ({
  signal,
  timeoutMs,
}: {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}): CallOptions => ({
  ...(signal === undefined ? {} : { signal }),
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
});

const writeQuery = ({ dryRun, fieldManager }: WriteOptions): Record<string, QueryValue> => ({
  dryRun: dryRun === true ? 'All' : undefined,
  fieldManager,
});

function namespaceOf(type: ResourceType, object: KubeObject): string | undefined {
  if (!type.namespaced) return undefined;
  const namespace = object.metadata.namespace ?? '';
  if (namespace === '') throw new TypeError(`create ${type.kind} "${object.metadata.name}": metadata.namespace is missing`);
  return namespace;
}

/** An answer that is not 2xx as an error, whether it carries a Status or the HTML of some proxy. */
function apiError(what: string, answer: Pick<HttpAnswer, 'status' | 'headers' | 'body'>): ApiError {
  const status = parseStatus(answer.body) ?? { status: 'Failure', code: answer.status, message: answer.body.trim().slice(0, 300) };
  return new ApiError(what, status, answer.status, retryAfterMs(answer, status));
}

function parseStatus(body: string): ApiStatus | undefined {
  if (!body.trimStart().startsWith('{')) return undefined;
  try {
    const parsed = JSON.parse(body) as ApiStatus;
    return parsed.kind === 'Status' ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Seconds, or a date, which is compared with the server's own clock. */
function retryAfterMs(answer: Pick<HttpAnswer, 'headers'>, status: ApiStatus): number | undefined {
  const header = answer.headers['retry-after'];
  if (typeof header === 'string' && /^\d+$/.test(header.trim())) return Number(header) * 1000;
  if (typeof header === 'string' && typeof answer.headers.date === 'string') {
    const waitMs = Date.parse(header) - Date.parse(answer.headers.date);
    if (!Number.isNaN(waitMs)) return Math.max(0, waitMs);
  }
  const seconds = status.details?.retryAfterSeconds;
  return seconds === undefined || seconds <= 0 ? undefined : seconds * 1000;
}
