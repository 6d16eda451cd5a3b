/**
 * How many calls may be under way at once: to one cluster, and to all build clusters together. Workers are shared, so a cluster that
 * answers slowly may hold some of them and never all. Who finds no slot waits a moment if the cluster is quick, and not at all if it is
 * slow.
 */
import type { Clock } from '../runtime/clock.ts';

/** The slots of all clusters together. */
export class SharedBudget {
  readonly limit: number;
  readonly #members = new Set<CallBudget>();
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get isFull(): boolean {
    return this.#used >= this.limit;
  }

  join(member: CallBudget): void {
    this.#members.add(member);
  }

  leave(member: CallBudget): void {
    this.#members.delete(member);
  }

  take(): void {
    this.#used += 1;
  }

  give(): void {
    this.#used -= 1;
    for (const member of this.#members) member.admitWaiting();
  }
}

export interface CallBudgetOptions {
  readonly clock: Clock;
  readonly limit: number;
  readonly shared: SharedBudget;
  /** How long a call waits for a slot, and how long one may hold it before the cluster counts as slow. Default 250 ms. */
  readonly patienceMs?: number;
}

interface Waiting {
  readonly admit: () => void;
}

export class CallBudget {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #shared: SharedBudget;
  readonly #patienceMs: number;
  /** When each call under way began. The oldest is first. */
  readonly #begun = new Map<symbol, number>();
  readonly #waiting = new Set<Waiting>();

  constructor({ clock, limit, shared, patienceMs = 250 }: CallBudgetOptions) {
    this.#clock = clock;
    this.#limit = limit;
    this.#shared = shared;
    this.#patienceMs = patienceMs;
    shared.join(this);
  }

  /** Calls under way. */
  get used(): number {
    return this.#begun.size;
  }

  /** Returns what gives the slot back, or undefined when there is none to be had soon. */
  async enter(): Promise<(() => void) | undefined> {
    if (this.#hasRoom && this.#waiting.size === 0) return this.#take();
    if (this.#isSlow) return undefined;
    return new Promise((resolve) => {
      const waiting: Waiting = {
        admit: () => {
          timer.cancel();
          this.#waiting.delete(waiting);
          resolve(this.#take());
        },
      };
      const timer = this.#clock.after(this.#patienceMs, () => {
        this.#waiting.delete(waiting);
        resolve(undefined);
      });
      this.#waiting.add(waiting);
    });
  }

  /** Lets in who waits, as far as there is room. */
  admitWaiting(): void {
    for (const waiting of [...this.#waiting]) {
      if (!this.#hasRoom) return;
      waiting.admit();
    }
  }

  /** Nobody calls this cluster any more. Calls under way give back what they hold. */
  close(): void {
    this.#shared.leave(this);
  }

  get #hasRoom(): boolean {
    return this.#begun.size < this.#limit && !this.#shared.isFull;
  }

  get #isSlow(): boolean {
    for (const begunMs of this.#begun.values()) return this.#clock.monotonic() - begunMs >= this.#patienceMs;
    return false;
  }

  #take(): () => void {
    const id = Symbol('call');
    this.#begun.set(id, this.#clock.monotonic());
    this.#shared.take();
    return () => {
      if (!this.#begun.delete(id)) return;
      this.#shared.give();
    };
  }
}
