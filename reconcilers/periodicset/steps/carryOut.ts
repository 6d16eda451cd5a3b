/**
 * Carries a plan out: deletions first, so that a renamed Periodic never runs beside its successor, then changes, then what is new. Each
 * write is safe to repeat. What an API server refuses for good is noted and the rest goes on; at a failure that may pass, no further
 * write is begun and the pass is repeated.
 */
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { DeleteOptions, PatchOptions, WriteOptions } from '../../../operator/kube/client.ts';
import { ApiError, isAlreadyExists, isConflict, isNotFound, isTooManyRequests } from '../../../operator/kube/errors.ts';
import { keyOf, type ObjectKey } from '../../../operator/kube/objects.ts';
import { mergePatch, type Patch } from '../../../operator/kube/patch.ts';
import { messageOf } from '../../../operator/runtime/errors.ts';
import type { ChildUpdate, SetPlan, SetProblem } from '../decide.ts';

export interface PeriodicWriter {
  create(object: Periodic, options?: WriteOptions): Promise<unknown>;
  patch(key: ObjectKey, patch: Patch, options?: PatchOptions): Promise<unknown>;
  delete(key: ObjectKey, options?: DeleteOptions): Promise<void>;
}

export interface Outcome {
  readonly created: number;
  readonly updated: number;
  readonly deleted: number;
  /** What the API server will not have. */
  readonly refusals: readonly SetProblem[];
  /** The first failure that may pass. */
  readonly error?: unknown;
}

/** Writes of one pass under way at once. */
const width = 8;
const longestMessage = 500;

export async function carryOut(writer: PeriodicWriter, plan: SetPlan, signal: AbortSignal): Promise<Outcome> {
  const batch = new Batch();
  const deleted = await batch.run(plan.remove, (periodic) => remove(writer, periodic, signal), nameOf);
  const updated = await batch.run(
    plan.update,
    (update) => change(writer, update, signal),
    ({ live }) => nameOf(live),
  );
  const created = await batch.run(plan.create, (periodic) => writer.create(periodic, { signal }), nameOf);
  const { refusals, error } = batch;
  return { created, updated, deleted, refusals, ...(error === undefined ? {} : { error }) };
}

const nameOf = (periodic: Periodic): string => periodic.metadata.name;

async function remove(writer: PeriodicWriter, periodic: Periodic, signal: AbortSignal): Promise<void> {
  const { uid } = periodic.metadata;
  try {
    await writer.delete(keyOf(periodic), { ...(uid === undefined ? {} : { uid }), propagationPolicy: 'Background', signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** With the resourceVersion, so that what somebody else has just written is read before it is changed. */
function change(writer: PeriodicWriter, { live, patch }: ChildUpdate, signal: AbortSignal): Promise<unknown> {
  const { resourceVersion } = live.metadata;
  const metadata = { ...(patch.metadata as object), ...(resourceVersion === undefined ? {} : { resourceVersion }) };
  return writer.patch(keyOf(live), mergePatch({ ...patch, metadata }), { signal });
}

/** Several stages of writes that end together at the first failure that may pass. */
class Batch {
  readonly refusals: SetProblem[] = [];
  error: unknown;
  #isOver = false;

  /** Returns how many were written. */
  async run<T>(items: readonly T[], write: (item: T) => Promise<unknown>, name: (item: T) => string): Promise<number> {
    let next = 0;
    let written = 0;
    const work = async (): Promise<void> => {
      for (let item = items[next++]; item !== undefined && !this.#isOver; item = items[next++]) {
        if (await this.#attempt(write(item), name(item))) written++;
      }
    };
    await Promise.all(Array.from({ length: Math.min(width, items.length) }, work));
    return written;
  }

  async #attempt(write: Promise<unknown>, name: string): Promise<boolean> {
    try {
      await write;
      return true;
    } catch (error) {
      if (isFinal(error)) this.refusals.push({ name, reason: 'Refused', message: messageOf(error).slice(0, longestMessage) });
      else {
        this.error ??= error;
        // Somebody was faster with this one object; that says nothing about the others.
        if (!isConflict(error) && !isAlreadyExists(error)) this.#isOver = true;
      }
      return false;
    }
  }
}

/** The same write would be refused again. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof ApiError) || isConflict(error) || isAlreadyExists(error) || isNotFound(error) || isTooManyRequests(error))
    return false;
  return error.code >= 400 && error.code < 500 && error.code !== 401 && error.code !== 408;
}
