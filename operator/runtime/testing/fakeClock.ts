/** A clock that stands still until a test moves it. Timers fire in order of their due time, then of their creation. */
import type { Clock, Timer } from '../clock.ts';

interface Pending {
  readonly dueMs: number;
  readonly fn: () => void;
}

export class FakeClock implements Clock {
  #nowMs: number;
  #monotonicMs = 0;
  readonly #pending = new Set<Pending>();

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, fn: () => void): Timer {
    const pending: Pending = { dueMs: this.#monotonicMs + Math.max(0, delayMs), fn };
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  /** How many timers wait; a test of a shutdown wants 0. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  /** Milliseconds until the next timer, or undefined when none waits. */
  get untilNext(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.dueMs - this.#monotonicMs;
  }

  /** Moves time forward, firing every timer that falls due on the way and letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await settle();
    for (let next = this.#next(); next !== undefined && next.dueMs <= endMs; next = this.#next()) {
      this.#moveTo(next.dueMs);
      this.#pending.delete(next);
      next.fn();
      await settle();
    }
    this.#moveTo(endMs);
    await settle();
  }

  /** Moves only the wall clock, as an administrator or a bad NTP server does. */
  jump(ms: number): void {
    this.#nowMs += ms;
  }

  #moveTo(monotonicMs: number): void {
    this.#nowMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }

  #next(): Pending | undefined {
    let first: Pending | undefined;
    for (const pending of this.#pending) if (first === undefined || pending.dueMs < first.dueMs) first = pending;
    return first;
  }
}

/** Lets everything that is ready run: promise callbacks and one turn of the event loop. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
