/**
 * Time as a dependency. Everything that waits or stamps takes a Clock, so that tests own the time and none of them sleeps.
 * This is the only file of the framework that may call Date.now or setTimeout.
 */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since the epoch. May jump: use it for stamps, never for durations. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. */
  monotonic(): number;
  /** Runs fn once after delayMs (below zero counts as zero). Does not keep the process alive. */
  after(delayMs: number, fn: () => void): Timer;
}

/** Node cannot wait longer than this in one timer. */
const longestTimerMs = 2 ** 31 - 1;

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, fn) {
    let handle: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(Math.max(0, leftMs), longestTimerMs);
      handle = setTimeout(() => (leftMs > longestTimerMs ? arm(leftMs - stepMs) : fn()), stepMs);
    };
    arm(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after delayMs, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** RFC 3339 in UTC with whole seconds, as metav1.Time is written. */
export const formatTime = (ms: number): string => `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;

/** RFC 3339 in UTC with microseconds, as metav1.MicroTime is written. */
export const formatMicroTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');
