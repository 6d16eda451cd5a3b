/**
 * The contract between the framework and a reconciler. A reconciler is told only which object to look at, never what happened to it.
 */
import type { ObjectKey } from '../kube/objects.ts';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

/**
 * What a pass asks for. `{}`: nothing, the next change wakes it. `requeueAfterMs`: look again then, even if nothing changes
 * (0 = at once, behind the others). A throw: look again with backoff, or as the error's `retry` says.
 */
export interface Result {
  readonly requeueAfterMs?: number;
}

export interface ReconcileContext {
  /** Aborts when the pass has had its time or the process stops. Goes into every call. */
  readonly signal: AbortSignal;
  /** Carries controller, key and reconcileId. */
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface Reconciler {
  /** Idempotent: called any number of times for any reason, never twice at once for one key. */
  reconcile(key: ObjectKey, ctx: ReconcileContext): Promise<Result>;
}
