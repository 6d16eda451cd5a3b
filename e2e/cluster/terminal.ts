/** What the person at the terminal sees: one line for each step with the time it took, and a sign of life while a step takes long. */
import { setTimeout as pause } from 'node:timers/promises';
import { ClusterError } from './errors.ts';

const signOfLifeMs = 15_000;

export const say = (text: string): void => void process.stderr.write(`cluster: ${text}\n`);

const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

/** Does something, and says what and how long it took. While it lasts, says every 15 seconds what is being waited for. */
export async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  const alive = setInterval(() => say(`  still: ${what} (${seconds(startedMs)})`), signOfLifeMs);
  try {
    const result = await work();
    say(`${what}: ${seconds(startedMs)}`);
    return result;
  } finally {
    clearInterval(alive);
  }
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly everyMs?: number;
  /** Looked at between tries; a text ends the wait with it. */
  readonly failed?: () => string | undefined;
}

/** Tries until the function answers true. Throws after timeoutMs, naming what never came and what the last try said. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean, options: WaitOptions): Promise<void> {
  const deadlineMs = performance.now() + options.timeoutMs;
  let last = '';
  for (;;) {
    try {
      if (await isSo()) return;
    } catch (error) {
      last = error instanceof Error ? `\nLast try: ${error.message}` : '';
    }
    const failure = options.failed?.();
    if (failure !== undefined) throw new ClusterError(failure);
    if (performance.now() > deadlineMs) throw new ClusterError(`${what}: not within ${options.timeoutMs / 1000} s.${last}`);
    await pause(options.everyMs ?? 100);
  }
}
