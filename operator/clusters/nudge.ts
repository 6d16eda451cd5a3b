/** A bell: whoever waits is woken by the next ring, or by time if it is given one. A ring that nobody waits for is remembered once. */
import type { Clock } from '../runtime/clock.ts';

export class Nudge {
  readonly #waiting = new Set<() => void>();
  #rung = false;

  fire(): void {
    if (this.#waiting.size === 0) this.#rung = true;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves at the next ring, at once for a remembered one, or after afterMs. Rejects with the signal's reason. */
  wait(signal: AbortSignal, limit?: { readonly clock: Clock; readonly afterMs: number }): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (this.#rung) {
      this.#rung = false;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const end = (): void => {
        timer?.cancel();
        signal.removeEventListener('abort', onAbort);
        this.#waiting.delete(wake);
      };
      const wake = (): void => {
        end();
        resolve();
      };
      const onAbort = (): void => {
        end();
        reject(signal.reason as Error);
      };
      const timer = limit?.clock.after(limit.afterMs, wake);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(wake);
    });
  }
}
