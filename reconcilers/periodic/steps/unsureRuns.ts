/**
 * Runs that were to be created and got no answer: they may exist although no cache shows them yet. What follows from their absence (another
 * run may start, a slot is skipped) must not be decided before the API server was asked. A process that starts anew need not know: it lists.
 */
import { prowJobs } from '../../../crds/resources.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import { ApiError, TransportError, isNotFound } from '../../../operator/kube/errors.ts';
import { formatKey, type ObjectKey } from '../../../operator/kube/objects.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';
import type { StoreReader } from '../../../operator/runtime/store.ts';

export interface UnsureRunsDeps {
  readonly runs: Pick<StoreReader<ProwJob>, 'get' | 'lastDeleted'>;
  readonly runWriter: { noticed(run: ProwJob): void };
  readonly api: { get(type: ResourceType<ProwJob>, key: ObjectKey, options?: { readonly signal?: AbortSignal }): Promise<ProwJob> };
}

/** A write that failed so may have been carried out: nobody answered, or a server or gateway that had lost patience. */
export const mayHaveHappened = (error: unknown): boolean =>
  error instanceof TransportError || (error instanceof ApiError && error.code >= 500);

export class UnsureRuns {
  /** Names, by the Periodic. */
  readonly #names = new Map<string, Set<string>>();

  /** To be told of each creation that failed. One that was refused in so many words did not happen. */
  failed(periodic: ObjectKey, name: string, error: unknown): void {
    if (!mayHaveHappened(error)) return;
    const key = formatKey(periodic);
    this.#names.set(key, (this.#names.get(key) ?? new Set()).add(name));
  }

  forget(periodic: ObjectKey): void {
    this.#names.delete(formatKey(periodic));
  }

  /** Afterwards the cache shows every run of this Periodic that exists. Throws while the API server cannot be asked. */
  async clear(periodic: ObjectKey, { runs, runWriter, api }: UnsureRunsDeps, signal: AbortSignal): Promise<void> {
    const names = this.#names.get(formatKey(periodic));
    if (names === undefined) return;
    for (const name of names) {
      const key = { namespace: periodic.namespace, name };
      if (runs.get(key) === undefined && runs.lastDeleted(key) === undefined) {
        const run = await api.get(prowJobs, key, { signal }).catch(unlessGone);
        if (run !== undefined) runWriter.noticed(run);
      }
      names.delete(name);
    }
    this.forget(periodic);
  }
}

function unlessGone(error: unknown): undefined {
  if (isNotFound(error)) return undefined;
  throw error;
}
