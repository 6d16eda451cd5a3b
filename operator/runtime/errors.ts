/**
 * What a reconciler throws when it knows what should happen next, and how the framework reads any error it is handed.
 * A message says what was tried on which object and what to do; the code is stable and may be matched, the message may not.
 */
import { ApiError, TransportError, isConflict } from '../kube/errors.ts';

/** backoff: the same key later, ever more seldom. after: at a time the error names. never: not until the object changes. */
export type Retry = 'backoff' | 'after' | 'never';

export interface ReconcileErrorOptions {
  /** PascalCase, stable: metrics, conditions and tests match it. */
  readonly code: string;
  /** Default: backoff. */
  readonly retry?: Retry;
  /** For retry "after". Without it the error backs off. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
  /** The log has it already, from whoever throws: the line of the pass is for debugging only. Default false. */
  readonly isTold?: boolean;
}

/** A failure the reconciler understood. It is logged in one line, without a stack. */
export class ReconcileError extends Error {
  readonly code: string;
  readonly retry: Retry;
  readonly retryAfterMs?: number;
  readonly isTold: boolean;

  constructor(message: string, options: ReconcileErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ReconcileError';
    this.code = options.code;
    this.retry = options.retry ?? 'backoff';
    this.isTold = options.isTold ?? false;
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }
}

/** The lease is not ours (any more): the write was refused before it was sent. */
export class NotLeaderError extends ReconcileError {
  constructor(message = 'This process does not hold the lease: the write was not sent. Another replica will do it.') {
    super(message, { code: 'NotLeader' });
    this.name = 'NotLeaderError';
  }
}

/** The API server shows an older state than it has shown before, as after a restore from a backup: what was seen since never happened. */
export class HistoryLostError extends Error {
  readonly code = 'HistoryLost';

  constructor(what: string, before: string | undefined, now: string | undefined) {
    super(`The API server has gone back to an older state: ${what} was at version ${before ?? '?'} and is at ${now ?? '?'}`);
    this.name = 'HistoryLostError';
  }
}

/** Why the process, or one part of it, is told to end. */
export class StoppedError extends Error {
  readonly code = 'Stopped';

  constructor(message = 'The process is stopping') {
    super(message);
    this.name = 'StoppedError';
  }
}

/** conflict: somebody wrote first, try again. expected: the world said no. unexpected: a defect, wants a stack trace. */
export type ErrorClass = 'conflict' | 'expected' | 'unexpected';

export interface Verdict {
  readonly class: ErrorClass;
  readonly retry: Retry;
  /** Set exactly when retry is "after". */
  readonly retryAfterMs?: number;
}

const backoff = (errorClass: ErrorClass): Verdict => ({ class: errorClass, retry: 'backoff' });

/** How the controller treats what a pass threw. */
export function judge(error: unknown): Verdict {
  if (error instanceof ReconcileError) {
    if (error.retry !== 'after') return { class: 'expected', retry: error.retry };
    return error.retryAfterMs === undefined ? backoff('expected') : { class: 'expected', retry: 'after', retryAfterMs: error.retryAfterMs };
  }
  if (error instanceof ApiError) {
    if (isConflict(error)) return backoff('conflict');
    return error.retryAfterMs === undefined ? backoff('expected') : { class: 'expected', retry: 'after', retryAfterMs: error.retryAfterMs };
  }
  if (error instanceof TransportError || error instanceof StoppedError) return backoff('expected');
  return backoff('unexpected');
}

/** The text of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Anything that was thrown, as an Error. */
export const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
