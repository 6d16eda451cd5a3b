/**
 * Events as the scheduler and the kubelet write them (core/v1): a repetition counts up instead of making a new object. Old ones are deleted
 * after an hour, as etcd's lease does in a cluster. An event that cannot be written is dropped: events are best effort. That is logged, except
 * where it is the way of things.
 */
import { randomBytes } from 'node:crypto';
import type { KubeObject, ObjectKey } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { ApiFailure } from '../api/failure.ts';
import type { SandboxApi } from '../storage/storage.ts';
import { stamp } from './kubeletClock.ts';
import type { KubeletClock } from './kubeletClock.ts';

const coreEvents: ResourceType = { group: '', version: 'v1', plural: 'events', kind: 'Event', namespaced: true };
const lifetimeMs = 3_600_000;
/** Beyond this the oldest go early: a burst of pods must not fill the memory. */
const mostKept = 20_000;

export interface EventText {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  /** The container it is about, as `spec.containers{name}`. */
  readonly fieldPath?: string;
}

interface Written {
  readonly key: ObjectKey;
  readonly uid: string;
  readonly identity: string;
  readonly atMs: number;
}

/** The pods of a namespace that is being deleted still end, and nothing new can be written there: nobody misses that. */
const isNamespaceEnding = (error: unknown): boolean =>
  error instanceof ApiFailure && error.status.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating') === true;

export class EventWriter {
  readonly #api: SandboxApi;
  readonly #clock: KubeletClock;
  readonly #host: string;
  readonly #log: (line: string) => void;
  /** Insertion order is the order of age. */
  readonly #written = new Map<string, Written>();

  constructor(options: { api: SandboxApi; clock: KubeletClock; host: string; log: (line: string) => void }) {
    this.#api = options.api;
    this.#clock = options.clock;
    this.#host = options.host;
    this.#log = options.log;
  }

  /** Writes one event about an object. Never throws. */
  emit(component: string, about: KubeObject & { readonly kind?: string }, text: EventText): void {
    try {
      this.#prune();
      const identity = JSON.stringify([component, about.metadata.uid, text]);
      const known = this.#written.get(identity);
      if (known === undefined || !this.#countUp(known)) this.#create(component, about, text, identity);
    } catch (error) {
      if (!isNamespaceEnding(error))
        this.#log(`event ${text.reason} about ${about.metadata.name} was not written: ${(error as Error).message}`);
    }
  }

  #countUp(written: Written): boolean {
    const updated = this.#api.update(coreEvents, written.key, (event) => {
      const count = typeof event.count === 'number' ? event.count : 1;
      return { ...event, count: count + 1, lastTimestamp: stamp(this.#clock.now()) };
    });
    return updated !== undefined;
  }

  #create(component: string, about: KubeObject, text: EventText, identity: string): void {
    const nowMs = this.#clock.now();
    const namespace = about.metadata.namespace ?? 'default';
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${about.metadata.name}.${randomBytes(8).toString('hex')}`, namespace },
      involvedObject: {
        apiVersion: about.apiVersion ?? 'v1',
        kind: about.kind ?? 'Pod',
        ...(about.metadata.namespace === undefined ? {} : { namespace }),
        name: about.metadata.name,
        uid: about.metadata.uid,
        resourceVersion: about.metadata.resourceVersion,
        ...(text.fieldPath === undefined ? {} : { fieldPath: text.fieldPath }),
      },
      type: text.type,
      reason: text.reason,
      message: text.message,
      source: component === 'kubelet' ? { component, host: this.#host } : { component },
      firstTimestamp: stamp(nowMs),
      lastTimestamp: stamp(nowMs),
      count: 1,
      eventTime: null,
      reportingComponent: component,
      reportingInstance: component === 'kubelet' ? this.#host : '',
    };
    const created = this.#api.create(coreEvents, event);
    const key = { namespace, name: created.metadata.name };
    this.#written.set(identity, { key, uid: created.metadata.uid ?? '', identity, atMs: nowMs });
  }

  #prune(): void {
    const before = this.#clock.now() - lifetimeMs;
    for (const written of this.#written.values()) {
      if (written.atMs >= before && this.#written.size < mostKept) return;
      this.#written.delete(written.identity);
      this.#api.remove(coreEvents, written.key, written.uid);
    }
  }
}
