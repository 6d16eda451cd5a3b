/** What a reflector makes of the errors of the client: one cause for each way to go on. */
import {
  ApiError,
  TransportError,
  isForbidden,
  isFromTheFuture,
  isGone,
  isNotFound,
  isTooManyRequests,
  isUnauthorized,
} from '../kube/errors.ts';
import { HistoryLostError, messageOf } from './errors.ts';
import type { Failure, FailureCause } from './reflectorState.ts';

/** Half an hour of Retry-After would leave a cache blind for as long. */
const longestRetryAfterMs = 300_000;

export function failureOf(error: unknown): Failure {
  const retryAfterMs = error instanceof ApiError ? error.retryAfterMs : undefined;
  return {
    cause: causeOf(error),
    message: messageOf(error),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.min(retryAfterMs, longestRetryAfterMs) }),
  };
}

function causeOf(error: unknown): FailureCause {
  if (error instanceof TransportError) return error.code === 'closed' ? 'reset' : error.code;
  if (error instanceof HistoryLostError) return 'rewound';
  if (!(error instanceof ApiError)) return 'internal';
  // 400: the server does not even read our version or token.
  if (isGone(error) || isFromTheFuture(error) || error.code === 400) return 'expired';
  if (isForbidden(error) || isUnauthorized(error)) return 'forbidden';
  if (isTooManyRequests(error)) return 'throttled';
  return isNotFound(error) ? 'missing' : 'server';
}
