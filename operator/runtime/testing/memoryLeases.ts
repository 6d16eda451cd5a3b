/** Leases as an API server keeps them (versions, conflicts), with faults that can be set for each client. */
import type { Lease } from '../../kube/builtin.ts';
import { ApiError, TransportError } from '../../kube/errors.ts';
import type { Clock, Timer } from '../clock.ts';
import { sleep } from '../clock.ts';
import type { LeaseClient } from '../leaderElector.ts';

const refuse = (code: number, reason: string): ApiError => new ApiError('lease', { reason, message: reason }, code);

export class MemoryLeases {
  lease: Lease | undefined;
  writes = 0;
  #version = 0;
  readonly #faults = new Map<string, () => Promise<void>>();

  clientOf(id: string): LeaseClient {
    const reach = async <V>(answer: () => V): Promise<V> => {
      await this.#faults.get(id)?.();
      return answer();
    };
    return {
      get: () =>
        reach(() => {
          if (this.lease === undefined) throw refuse(404, 'NotFound');
          return this.lease;
        }),
      create: (_type, object) =>
        reach(() => {
          if (this.lease !== undefined) throw refuse(409, 'AlreadyExists');
          return this.put(object);
        }),
      replace: (_type, object) =>
        reach(() => {
          if (object.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) throw refuse(409, 'Conflict');
          return this.put(object);
        }),
    };
  }

  put(object: Lease): Lease {
    this.writes++;
    this.lease = { ...object, metadata: { ...object.metadata, uid: 'uid', resourceVersion: `${++this.#version}` } };
    return this.lease;
  }

  /** Somebody else writes the spec. */
  overwrite(spec: NonNullable<Lease['spec']>): void {
    if (this.lease !== undefined) this.put({ ...this.lease, spec });
  }

  /** Calls fail. */
  cut(id: string): void {
    this.#faults.set(id, () => Promise.reject(new TransportError('connect', 'cut')));
  }

  /** Calls never end, not even when their signal aborts. */
  hang(id: string): void {
    this.#faults.set(id, () => new Promise(() => undefined));
  }

  /** Calls take so long. */
  delay(id: string, clock: Clock, ms: number): void {
    this.#faults.set(id, () => sleep(clock, ms));
  }

  heal(id: string): void {
    this.#faults.delete(id);
  }
}

/** A clock whose wall time is off, and whose monotonic time can leap without any timer firing, as after a frozen process wakes. */
export class SkewedClock implements Clock {
  readonly #clock: Clock;
  readonly #skewMs: number;
  #skippedMs = 0;

  constructor(clock: Clock, skewMs: number) {
    this.#clock = clock;
    this.#skewMs = skewMs;
  }

  now(): number {
    return this.#clock.now() + this.#skewMs;
  }

  monotonic(): number {
    return this.#clock.monotonic() + this.#skippedMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    return this.#clock.after(delayMs, fn);
  }

  skipMonotonic(ms: number): void {
    this.#skippedMs += ms;
  }
}
