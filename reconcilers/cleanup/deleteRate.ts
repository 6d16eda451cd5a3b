/**
 * How fast one API server is asked to delete. After an outage, or when a time to live was shortened, tens of thousands of objects are due at
 * once; they go one after the other, in the order of the queue, and others have room beside them.
 */
import { sleep, type Clock } from '../../operator/runtime/clock.ts';

export class DeleteRate {
  readonly #perSecond: () => number;
  readonly #clock: Clock;
  /** When the next deletion would be due if they were evenly spaced. */
  #nextMs = -Infinity;

  /** `perSecond` is asked each time, so that a changed setting holds at once; 0 = no limit. So many may go at once, too. */
  constructor(perSecond: () => number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
  }

  /** Resolves when one more deletion may be asked for; rejects when the signal aborts. */
  async take(signal: AbortSignal): Promise<void> {
    const rate = this.#perSecond();
    if (rate <= 0) return;
    const intervalMs = 1000 / rate;
    const nowMs = this.#clock.monotonic();
    // What was idle has saved up one second.
    const turnMs = Math.max(this.#nextMs, nowMs - (Math.max(1, rate) - 1) * intervalMs);
    this.#nextMs = turnMs + intervalMs;
    if (turnMs > nowMs) await sleep(this.#clock, turnMs - nowMs, signal);
  }

  /** Nothing had to be deleted after all: the turn is for whoever comes next. */
  giveBack(): void {
    const rate = this.#perSecond();
    if (rate > 0) this.#nextMs -= 1000 / rate;
  }
}
