/**
 * Events for people (kubectl describe), in events.k8s.io/v1. Repeats of one event become a count on the first, written at most so
 * often. Recording never waits, never throws and never fails a pass: what cannot be kept or sent is dropped and counted.
 */
import type { Event, ObjectReference } from '../kube/builtin.ts';
import { events } from '../kube/builtin.ts';
import { ApiError, TransportError, isNotFound } from '../kube/errors.ts';
import type { KubeObject, ObjectKey } from '../kube/objects.ts';
import { mergePatch } from '../kube/patch.ts';
import type { MergePatch } from '../kube/patch.ts';
import type { ResourceType } from '../kube/resource.ts';
import { apiVersionOf } from '../kube/resource.ts';
import type { Clock, Timer } from './clock.ts';
import { formatMicroTime, sleep } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';

export type EventType = 'Normal' | 'Warning';

/** The two calls of KubeClient that the recorder needs. */
export interface EventClient {
  create(type: ResourceType<Event>, object: Event, options?: { readonly timeoutMs?: number }): Promise<unknown>;
  patch(type: ResourceType<Event>, key: ObjectKey, patch: MergePatch, options?: { readonly timeoutMs?: number }): Promise<unknown>;
}

export interface EventRecorderOptions {
  readonly client: EventClient;
  /** reportingController, e.g. "example.io/controller". */
  readonly controller: string;
  /** reportingInstance: this process, e.g. the pod's name. */
  readonly instance: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Events that may wait to be sent. Default 1,000. */
  readonly maxQueue?: number;
  /** Repeats that are remembered. Default 4,096. */
  readonly maxSeries?: number;
  /** A count is written at most this often. Default 30 s. */
  readonly seriesIntervalMs?: number;
  /** A repeat after so long a silence is a new event. Default 6 min. */
  readonly seriesEndMs?: number;
}

/** What the recorder remembers of one event. */
interface Series {
  readonly id: string;
  /** The event as created; replaced when the API server has forgotten it. */
  event: Event;
  count: number;
  lastMs: number;
  lastWallMs: number;
  /** The count the API server knows. */
  sentCount: number;
  /** In the send queue, or waiting for the timer that puts it there. */
  queued: boolean;
  timer: Timer | undefined;
}

type DropReason = 'queue_full' | 'rejected' | 'unreachable' | 'invalid';
const dropReasons: readonly DropReason[] = ['queue_full', 'rejected', 'unreachable', 'invalid'];

const callTimeoutMs = 5_000;
const attempts = 3;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #clock: Clock;
  readonly #maxQueue: number;
  readonly #maxSeries: number;
  readonly #intervalMs: number;
  readonly #endMs: number;
  /** Least recently used first. */
  readonly #series = new Map<string, Series>();
  readonly #queue: Series[] = [];
  readonly #emitted;
  readonly #dropped;
  #sending: Promise<void> | undefined;
  #sequence = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#maxQueue = options.maxQueue ?? 1_000;
    this.#maxSeries = options.maxSeries ?? 4_096;
    this.#intervalMs = options.seriesIntervalMs ?? 30_000;
    this.#endMs = options.seriesEndMs ?? 360_000;
    this.#emitted = options.metrics.counter({
      name: 'events_emitted_total',
      help: 'Events recorded, repeats included',
      labels: ['type'],
      zero: [{ type: 'Normal' }, { type: 'Warning' }],
    });
    this.#dropped = options.metrics.counter({
      name: 'events_dropped_total',
      help: 'Events that were not written',
      labels: ['reason'],
      zero: dropReasons.map((reason) => ({ reason })),
    });
  }

  /**
   * Tells of something that happened to an object. `reason` is PascalCase and stable, `note` a sentence (cut at 1,024 bytes),
   * `action` what was done about it (default: the reason). Objects from a list need their kind: see withKind.
   */
  event(regarding: KubeObject, type: EventType, reason: string, note: string, action: string = reason): void {
    const reference = referenceTo(regarding);
    if (reference === undefined) {
      this.#drop('invalid', `${reason} regarding ${regarding.metadata.name}: the object has no apiVersion and kind`);
      return;
    }
    this.#emitted.inc({ type });
    const id = JSON.stringify([reference.kind, reference.namespace, reference.name, reference.uid, type, reason, action, note]);
    const nowMs = this.#clock.monotonic();
    const known = this.#series.get(id);
    if (known !== undefined && nowMs - known.lastMs < this.#endMs) this.#repeat(known, nowMs);
    else this.#start(id, this.#newEvent(reference, { type, reason, note, action }), nowMs);
  }

  /** Sends everything that waits, counts included, and resolves when that is done or has failed. */
  async flush(): Promise<void> {
    for (const series of this.#series.values()) {
      if (series.timer === undefined) continue;
      series.timer.cancel();
      series.timer = undefined;
      this.#queue.push(series);
    }
    this.#send();
    await this.#sending;
  }

  #start(id: string, event: Event, nowMs: number): void {
    const series: Series = {
      id,
      event,
      count: 1,
      lastMs: nowMs,
      lastWallMs: this.#clock.now(),
      sentCount: 0,
      queued: false,
      timer: undefined,
    };
    if (!this.#enqueue(series)) return;
    this.#series.get(id)?.timer?.cancel();
    this.#series.delete(id);
    this.#series.set(id, series);
    this.#evict(nowMs);
  }

  #repeat(series: Series, nowMs: number): void {
    series.count++;
    series.lastMs = nowMs;
    series.lastWallMs = this.#clock.now();
    this.#series.delete(series.id);
    this.#series.set(series.id, series);
    if (series.queued) return;
    series.queued = true;
    series.timer = this.#clock.after(this.#intervalMs, () => {
      series.timer = undefined;
      series.queued = false;
      if (this.#enqueue(series)) return;
      series.sentCount = series.count;
    });
  }

  /** Lets go what will not be repeated any more, and the least recent ones when there are too many. */
  #evict(nowMs: number): void {
    for (const oldest of this.#series.values()) {
      if (this.#series.size <= this.#maxSeries && nowMs - oldest.lastMs < this.#endMs) return;
      this.#series.delete(oldest.id);
      if (oldest.timer === undefined) continue;
      oldest.timer.cancel();
      oldest.timer = undefined;
      oldest.queued = false;
      this.#enqueue(oldest);
    }
  }

  #enqueue(series: Series): boolean {
    if (this.#queue.length >= this.#maxQueue) {
      this.#drop('queue_full', `${series.event.reason ?? ''} regarding ${series.event.regarding?.name ?? ''}: too many events wait`);
      return false;
    }
    series.queued = true;
    this.#queue.push(series);
    this.#send();
    return true;
  }

  #send(): void {
    if (this.#sending !== undefined || this.#queue.length === 0) return;
    this.#sending = this.#sendAll().finally(() => {
      this.#sending = undefined;
      this.#send();
    });
  }

  async #sendAll(): Promise<void> {
    for (let series = this.#queue.shift(); series !== undefined; series = this.#queue.shift()) {
      const target = series.count;
      series.queued = false;
      if (target > series.sentCount) await this.#deliver(series, target);
    }
  }

  async #deliver(series: Series, target: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#write(series, target);
        series.sentCount = target;
        return;
      } catch (error) {
        const again = isPassing(error) && attempt < attempts;
        if (!again) {
          series.sentCount = target;
          this.#drop(error instanceof ApiError ? 'rejected' : 'unreachable', messageOf(error));
          return;
        }
        await sleep(this.#clock, retryDelayMs(error, attempt));
      }
    }
  }

  async #write(series: Series, count: number): Promise<void> {
    const { client } = this.#options;
    const call = { timeoutMs: callTimeoutMs };
    const { event } = series;
    if (series.sentCount === 0) {
      await client.create(events, count === 1 ? event : { ...event, series: this.#seriesField(series, count) }, call);
      return;
    }
    const key = { namespace: event.metadata.namespace ?? '', name: event.metadata.name };
    try {
      await client.patch(events, key, mergePatch({ series: this.#seriesField(series, count) }), call);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      // Events live for an hour; a series that goes on after that starts over under a new name.
      series.event = { ...event, metadata: { ...event.metadata, name: this.#nameFor(event.regarding?.name ?? '') } };
      await client.create(events, { ...series.event, series: this.#seriesField(series, count) }, call);
    }
  }

  #seriesField(series: Series, count: number): NonNullable<Event['series']> {
    return { count, lastObservedTime: formatMicroTime(series.lastWallMs) };
  }

  #newEvent(regarding: ObjectReference, what: { type: EventType; reason: string; note: string; action: string }): Event {
    const namespace = regarding.namespace === undefined || regarding.namespace === '' ? 'default' : regarding.namespace;
    return {
      apiVersion: apiVersionOf(events),
      kind: events.kind,
      metadata: { namespace, name: this.#nameFor(regarding.name ?? '') },
      eventTime: formatMicroTime(this.#clock.now()),
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance.slice(0, 128),
      regarding,
      type: what.type,
      reason: what.reason.slice(0, 128),
      note: cut(what.note, 1_024),
      action: what.action.slice(0, 128),
    };
  }

  /** Unique in the namespace: time, a sequence and the sender. */
  #nameFor(object: string): string {
    const sender = hash(this.#options.instance);
    const suffix = `${Math.floor(this.#clock.now() * 1000).toString(16)}${(this.#sequence++ % 0x1000).toString(16).padStart(3, '0')}${sender}`;
    return `${object.slice(0, 252 - suffix.length).replace(/[^a-z0-9]+$/, '')}.${suffix}`;
  }

  #drop(reason: DropReason, what: string): void {
    this.#dropped.inc({ reason });
    this.#options.logger.debug('An event was dropped', { reason, what });
  }
}

/** The object with the kind of its type: objects that come out of a list carry none. */
export const withKind = <T extends KubeObject>(type: ResourceType<T>, object: T): T =>
  object.kind === undefined || object.apiVersion === undefined ? { ...object, apiVersion: apiVersionOf(type), kind: type.kind } : object;

function referenceTo(object: KubeObject): ObjectReference | undefined {
  const { apiVersion, kind, metadata } = object;
  if (apiVersion === undefined || kind === undefined) return undefined;
  return {
    apiVersion,
    kind,
    name: metadata.name,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
    ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
    ...(metadata.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
  };
}

/** Worth another try: the server was away or busy. */
const isPassing = (error: unknown): boolean =>
  error instanceof TransportError || (error instanceof ApiError && (error.code >= 500 || error.code === 429));

const retryDelayMs = (error: unknown, attempt: number): number =>
  error instanceof ApiError && error.retryAfterMs !== undefined ? Math.min(error.retryAfterMs, 10_000) : 200 * 4 ** (attempt - 1);

function cut(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const head = Buffer.from(text).subarray(0, maxBytes - 3);
  // The cut may fall inside a character: its rest decodes to U+FFFD.
  return `${head.toString('utf8').replace(/\uFFFD$/, '')}…`;
}

/** Eight hexadecimal digits (FNV-1a): tells replicas apart, no more. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return value.toString(16).padStart(8, '0');
}
