/**
 * Real time, in which who waits can be woken early: what is measured by the monotonic clock leaps ahead, the time of day stays what it is for
 * the API server too. A pause before another attempt is over then, and a cache is old, while no deadline of an object comes nearer. Where
 * nothing is created any more, the time of day may leap, too.
 */
import { realClock, type Clock, type Timer } from '../../operator/runtime/clock.ts';

interface Pending {
  readonly dueMs: number;
  readonly fn: () => void;
  timer: Timer;
}

export class LeapingClock implements Clock {
  readonly #clock: Clock;
  readonly #pending = new Set<Pending>();
  #leaptMs = 0;
  #dayLeaptMs = 0;

  constructor(clock: Clock = realClock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now() + this.#dayLeaptMs;
  }

  monotonic(): number {
    return this.#clock.monotonic() + this.#leaptMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    const waitMs = Math.max(0, delayMs);
    const pending: Pending = { dueMs: this.monotonic() + waitMs, fn, timer: this.#clock.after(waitMs, () => this.#fire(pending)) };
    this.#pending.add(pending);
    return {
      cancel: () => {
        pending.timer.cancel();
        this.#pending.delete(pending);
      },
    };
  }

  /** Wakes all who wait for no longer than this, in their order; the others wait for so much less. */
  leap(ms: number, { withDay = false }: { readonly withDay?: boolean } = {}): void {
    this.#leaptMs += ms;
    if (withDay) this.#dayLeaptMs += ms;
    const nowMs = this.monotonic();
    for (const pending of [...this.#pending].sort((a, b) => a.dueMs - b.dueMs)) {
      // Who was woken before may have called it off.
      if (!this.#pending.has(pending)) continue;
      pending.timer.cancel();
      if (pending.dueMs <= nowMs) this.#fire(pending);
      else pending.timer = this.#clock.after(pending.dueMs - nowMs, () => this.#fire(pending));
    }
  }

  #fire(pending: Pending): void {
    this.#pending.delete(pending);
    pending.fn();
  }
}
