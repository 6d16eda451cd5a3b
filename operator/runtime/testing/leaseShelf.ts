/** Many leases by name, and processes that can be frozen as by SIGSTOP: their timers do not fire and answers do not reach them. */
import type { Clock, Timer } from '../clock.ts';
import type { LeaseClient } from '../leaderElector.ts';
import { MemoryLeases } from './memoryLeases.ts';

export class LeaseShelf {
  readonly #leases = new Map<string, MemoryLeases>();
  readonly #cut = new Set<string>();
  /** How long a request is on its way, and its answer again. */
  latencyMs = 0;

  at(name: string): MemoryLeases {
    let found = this.#leases.get(name);
    if (found === undefined) this.#leases.set(name, (found = new MemoryLeases()));
    return found;
  }

  /** Who has the lease; empty when nobody has. */
  holderOf(name: string): string {
    return this.at(name).lease?.spec?.holderIdentity ?? '';
  }

  /** The calls of this process fail. */
  cut(id: string): void {
    this.#cut.add(id);
  }

  heal(id: string): void {
    this.#cut.delete(id);
  }

  clientOf(id: string, ice: Ice): LeaseClient {
    const of = (name: string): LeaseClient => {
      const leases = this.at(name);
      if (this.#cut.has(id)) leases.cut(id);
      else leases.heal(id);
      return leases.clientOf(id);
    };
    const travel = async (): Promise<void> => {
      if (this.latencyMs > 0) await new Promise<void>((resolve) => ice.after(this.latencyMs, resolve));
    };
    const through = async <V>(ask: () => Promise<V>): Promise<V> => {
      await travel();
      try {
        return await ask();
      } finally {
        await travel();
        await ice.thawed();
      }
    };
    return {
      get: (type, key, options) => through(() => of(key.name).get(type, key, options)),
      create: (type, object, options) => through(() => of(object.metadata.name).create(type, object, options)),
      replace: (type, object, options) => through(() => of(object.metadata.name).replace(type, object, options)),
    };
  }
}

/** Freezes one process; time goes on. */
export class Ice implements Clock {
  readonly #clock: Clock;
  #frozen = false;
  #waiting: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  after(delayMs: number, fn: () => void): Timer {
    let isCancelled = false;
    const fire = (): void => {
      if (isCancelled) return;
      if (this.#frozen) this.#waiting.push(fire);
      else fn();
    };
    const timer = this.#clock.after(delayMs, fire);
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    this.#frozen = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) each();
  }

  async thawed(): Promise<void> {
    if (!this.#frozen) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
