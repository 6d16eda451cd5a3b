/**
 * What can go wrong between us and an API server, as two classes: ApiError when a server answered, TransportError when none did.
 * The predicates look at the Status reason and the code, never at message text, so callers need not know how servers word things.
 */
import type { ApiStatus } from './objects.ts';

/** An API server answered, and the answer was no. `status` is the Status it sent, or one made up from a body that was none. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status, or the code of an ERROR event inside a watch. */
  readonly code: number;
  /** Status reason such as NotFound; empty when the server gave none. */
  readonly reason: string;
  readonly status: ApiStatus;
  /** How long the server asked us to wait. */
  readonly retryAfterMs?: number;

  constructor(what: string, status: ApiStatus, code: number, retryAfterMs?: number) {
    super(`${what}: ${describe(status, code)}`);
    this.code = code;
    this.reason = status.reason ?? '';
    this.status = status;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Why no usable answer came. connect: no connection or no credentials; reset: the connection broke; timeout: nothing came in time;
 * malformed: the bytes were not what the protocol promises; closed: our own transport has been shut down.
 */
export type TransportErrorCode = 'connect' | 'reset' | 'timeout' | 'malformed' | 'closed';

/** No usable HTTP answer. A write may or may not have happened. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
  readonly code: TransportErrorCode;

  constructor(code: TransportErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

function describe(status: ApiStatus, code: number): string {
  const reason = status.reason === undefined || status.reason === '' ? '' : ` ${status.reason}`;
  const message = status.message === undefined || status.message === '' ? '' : `: ${status.message}`;
  return `${code}${reason}${message}`;
}

const is = (error: unknown, code: number, ...reasons: readonly string[]): boolean =>
  error instanceof ApiError && (reasons.includes(error.reason) || (error.code === code && error.reason === ''));

export const isNotFound = (error: unknown): boolean => is(error, 404, 'NotFound');
/** The object is not what the caller read: a failed precondition or a newer resourceVersion. */
export const isConflict = (error: unknown): boolean => is(error, 409, 'Conflict');
export const isAlreadyExists = (error: unknown): boolean => error instanceof ApiError && error.reason === 'AlreadyExists';
/** The resourceVersion or continue token is too old: list again. */
export const isGone = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === 410 || ['Gone', 'Expired'].includes(error.reason));
export const isTooManyRequests = (error: unknown): boolean => is(error, 429, 'TooManyRequests');
export const isUnauthorized = (error: unknown): boolean => is(error, 401, 'Unauthorized');
export const isForbidden = (error: unknown): boolean => is(error, 403, 'Forbidden');
export const isInvalid = (error: unknown): boolean => is(error, 422, 'Invalid');

/** The server's storage is behind the resourceVersion we hold, as after a restore from a backup: what we hold has no future. */
export const isFromTheFuture = (error: unknown): boolean =>
  error instanceof ApiError && (error.status.details?.causes ?? []).some((cause) => cause.reason === 'ResourceVersionTooLarge');
