/**
 * What the log says of stores that fail. While one does, every run fails there, again and again: that is said once, with the first, and once when
 * results are written again; everything between is for debugging only. A run that fails alone is told of once as well. Not more than one entry
 * is kept for each store, and for each run that was named.
 */
import { StoreError } from '../../operator/archive/blobStore.ts';
import { messageOf } from '../../operator/runtime/errors.ts';
import type { Logger } from '../../operator/runtime/logger.ts';

interface FailedTry {
  /** As bucketUrl has it. */
  readonly store: string;
  readonly runUid: string;
  readonly error: unknown;
  /** Says which run it is. */
  readonly logger: Logger;
}

export class StoreNews {
  readonly #failing = new Set<string>();
  /** Run → what was said with its name. It must not be said again when other runs have shown that the store works. */
  readonly #told = new Map<string, string>();

  failed({ store, runUid, error, logger }: FailedTry): void {
    const message = messageOf(error);
    const isOfStore = error instanceof StoreError;
    const isKnown = this.#told.get(runUid) === message || (isOfStore && this.#failing.has(store));
    if (isKnown) return;
    this.#told.set(runUid, message);
    if (isOfStore) this.#failing.add(store);
    if (isOfStore) logger.warn('A store of results fails; runs wait for it, and it is tried again and again', { store, error: message });
    else logger.warn('The results of a run cannot be written', { store, error: message });
  }

  /** All results of a run have been written. */
  worked(store: string, logger: Logger): void {
    if (this.#failing.delete(store)) logger.info('A store of results works again', { store });
  }

  /** Nothing more will be tried for this run. */
  forget(runUid: string): void {
    this.#told.delete(runUid);
  }
}
