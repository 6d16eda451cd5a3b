/**
 * How long to wait after the nth failure in a row: a random time up to a limit that doubles ("full jitter"), so that many clients
 * that failed together do not come back together. Never below half the first limit, or luck could make it a hot loop.
 */
export interface BackoffOptions {
  /** Limit of the first wait. */
  readonly baseMs: number;
  /** The limit never grows beyond this. */
  readonly maxMs: number;
}

/** failures counts from 1; random is in [0, 1). */
export function fullJitterMs({ baseMs, maxMs }: BackoffOptions, failures: number, random: number): number {
  const limitMs = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));
  return Math.max(baseMs / 2, random * limitMs);
}
