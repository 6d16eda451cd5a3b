/**
 * Watches. An event is turned into text once and handed to every watcher; each watcher collects the lines of one turn of the event loop
 * and writes them together. A watcher that does not read is cut off rather than buffered without bound.
 */
import type { ServerResponse } from 'node:http';
import { apiVersionOf } from '../../operator/kube/resource.ts';
import type { Storage, StorageEvent, StoredObject } from '../storage/storage.ts';
import { encodeObject } from './encode.ts';
import { expired } from './failure.ts';
import type { ObjectService } from './objectService.ts';
import type { ResourceInfo } from './resourceInfo.ts';
import type { Predicate } from './selectors.ts';

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface WatchRequest {
  readonly info: ResourceInfo;
  readonly namespace: string | undefined;
  readonly predicate: Predicate | undefined;
  /** Undefined or 0: what exists comes first. */
  readonly revision: number | undefined;
  readonly bookmarks: boolean;
  readonly sendInitialEvents: boolean;
  readonly timeoutMs: number;
  readonly encode?: (object: StoredObject) => string;
}

const maxBufferedBytes = 64 * 1024 * 1024;

/** The last state an event object had, with the revision at which it left the watcher's view. */
const leaving = new WeakMap<StorageEvent, StoredObject>();

function lastState(event: StorageEvent): StoredObject {
  let object = leaving.get(event);
  if (object === undefined) {
    const state = event.previous ?? event.object;
    object = { ...state, metadata: { ...state.metadata, resourceVersion: String(event.revision) } };
    leaving.set(event, object);
  }
  return object;
}

export class WatchHub {
  readonly #storage: Storage;
  readonly #service: ObjectService;
  readonly #bookmarkIntervalMs: number;
  /** How to end each watch, and what it is of. */
  readonly #open = new Map<() => void, string>();

  constructor(storage: Storage, service: ObjectService, bookmarkIntervalMs: number) {
    this.#storage = storage;
    this.#service = service;
    this.#bookmarkIntervalMs = bookmarkIntervalMs;
  }

  start(request: WatchRequest, response: ServerResponse): void {
    const { info } = request;
    const encode = request.encode ?? ((object: StoredObject) => encodeObject(info, object));
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    response.flushHeaders();
    let lines = '';
    let scheduled = false;
    const flush = (): void => {
      scheduled = false;
      if (lines !== '' && !response.writableEnded) response.write(lines);
      lines = '';
      if (response.writableLength > maxBufferedBytes) response.destroy();
    };
    const push = (line: string): void => {
      lines += line;
      if (scheduled) return;
      scheduled = true;
      setImmediate(flush);
    };
    const send = (type: EventType, object: StoredObject): void => push(`{"type":"${type}","object":${encode(object)}}\n`);
    const bookmark = (initialEnd: boolean): void => {
      const annotations = initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
      const metadata = { resourceVersion: String(this.#storage.revision), creationTimestamp: null, ...annotations };
      push(`${JSON.stringify({ type: 'BOOKMARK', object: { kind: info.kind, apiVersion: apiVersionOf(info), metadata } })}\n`);
    };

    const behind = request.revision === undefined || request.revision === 0 ? undefined : request.revision;
    const past = behind === undefined ? [] : this.#storage.eventsSince(info.bucket, behind);
    if (past === undefined) {
      const { status } = expired(`too old resource version: ${String(behind)} (${this.#storage.oldestRevision(info.bucket)})`);
      response.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
      return;
    }
    if (behind === undefined || request.sendInitialEvents) this.#sendExisting(request, send);
    else for (const event of past) this.#forward(request, event, send);
    if (request.sendInitialEvents && request.bookmarks) bookmark(true);

    const unsubscribe = this.#storage.subscribe(info.bucket, (event) => {
      if (event.revision > (behind ?? 0)) this.#forward(request, event, send);
    });
    const ticker = request.bookmarks ? setInterval(() => bookmark(false), this.#bookmarkIntervalMs) : undefined;
    const stop = (): void => {
      unsubscribe();
      clearInterval(ticker);
      clearTimeout(timer);
      this.#open.delete(end);
    };
    const end = (): void => {
      stop();
      // The last known revision spares the client a relist.
      if (request.bookmarks) bookmark(false);
      flush();
      response.end();
    };
    const timer = setTimeout(end, request.timeoutMs);
    this.#open.set(end, info.bucket);
    response.on('close', stop);
  }

  get count(): number {
    return this.#open.size;
  }

  closeAll(): void {
    for (const end of [...this.#open.keys()]) end();
  }

  /** Ends the watches of a kind. */
  close(bucket: string): void {
    for (const [end, of] of [...this.#open]) if (of === bucket) end();
  }

  #sendExisting(request: WatchRequest, send: (type: EventType, object: StoredObject) => void): void {
    for (const stored of this.#storage.list(request.info.bucket, request.namespace)) {
      const object = this.#service.present(request.info, stored);
      if (request.predicate === undefined || request.predicate(object)) send('ADDED', object);
    }
  }

  #forward(request: WatchRequest, event: StorageEvent, send: (type: EventType, object: StoredObject) => void): void {
    const { info, namespace, predicate } = request;
    if (namespace !== undefined && event.object.metadata.namespace !== namespace) return;
    const object = this.#service.present(info, event.object);
    if (predicate === undefined) {
      send(event.type, object);
      return;
    }
    const matched = event.previous !== undefined && predicate(this.#service.present(info, event.previous));
    const matches = event.type !== 'DELETED' && predicate(object);
    if (matches) send(matched ? 'MODIFIED' : 'ADDED', object);
    else if (matched) send('DELETED', event.type === 'DELETED' ? object : this.#service.present(info, lastState(event)));
  }
}
