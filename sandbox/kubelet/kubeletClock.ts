/** Time as the kubelet needs it; operator/runtime's Clock and its fake fit. The sandbox stands below the framework and cannot import it. */
export interface KubeletClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs fn once after delayMs. Does not keep the process alive. */
  after(delayMs: number, fn: () => void): { cancel(): void };
}

export const systemClock: KubeletClock = {
  now: () => Date.now(),
  after(delayMs, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(0, delayMs), 2 ** 31 - 1));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** RFC 3339 in UTC with whole seconds, as metav1.Time is written. */
export const stamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** Resolves after delayMs, or at once when the signal aborts; never rejects. */
export function pause(clock: KubeletClock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const finish = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = clock.after(delayMs, finish);
    signal.addEventListener('abort', finish, { once: true });
  });
}
