/** A store and the reflector that keeps it: what a controller watches and reads. */
import type { KubeObject } from '../kube/objects.ts';
import { formatKey, keyOf } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';
import { catchUp } from './catchUp.ts';
import { messageOf } from './errors.ts';
import { keptOnly } from './keptOnly.ts';
import { Reflector } from './reflector.ts';
import type { ReflectorOptions } from './reflector.ts';
import type { ReflectorState } from './reflectorState.ts';
import { Store } from './store.ts';
import type { StoreOptions } from './store.ts';
import type { TombstoneOptions } from './tombstones.ts';

export interface InformerOptions<T extends KubeObject> extends Omit<ReflectorOptions<T>, 'store'> {
  readonly indexers?: NonNullable<StoreOptions<T>['indexers']>;
  /** See StoreOptions. Default 2, the object and its parts: the cheap half of the protection. Tests may ask for Infinity. */
  readonly freezeLevels?: number;
  /** How many deleted objects are remembered, and how long. See StoreOptions. */
  readonly tombstones?: Pick<TombstoneOptions, 'most' | 'keepMs'>;
  /** Keeps only what reconcilers read. Default: dropManagedFields. Must return a new object or the same one. */
  readonly transform?: (object: T) => T;
  /** What makes an object unusable, however it came to be stored; it is told by name in the log and not cached. Default: nothing. */
  readonly problemOf?: (object: T) => string | undefined;
  /** Objects for which this is false are not cached. Default: all are. */
  readonly keep?: (object: T) => boolean;
}

export class Informer<T extends KubeObject> {
  readonly type: ResourceType<T>;
  readonly store: Store<T>;
  readonly #options: InformerOptions<T>;
  readonly #reflector: Reflector<T>;

  constructor(options: InformerOptions<T>) {
    const { indexers, transform, freezeLevels = 2, keep, problemOf, tombstones, ...rest } = options;
    const logger = rest.logger.child({ resource: rest.type.plural });
    const client =
      keep === undefined
        ? rest.client
        : keptOnly(
            rest.client,
            (object) => keep(object as T),
            (key) => this.store.get(key) !== undefined,
          );
    this.type = rest.type;
    this.#options = { ...options, client };
    this.store = new Store<T>({
      ...(indexers === undefined ? {} : { indexers }),
      transform: transform ?? dropManagedFields,
      freezeLevels,
      tombstones: { ...tombstones, nowMs: () => rest.clock.monotonic() },
      problemOf: (object) => {
        const problem = problemOf?.(object);
        if (problem !== undefined) {
          logger.warn('An object cannot be used as it is stored, and is left alone until it is mended', {
            object: formatKey(keyOf(object)),
            problem,
          });
        }
        return problem;
      },
      onError: (error, what) => {
        rest.metrics?.handlerFailed();
        logger.error(`a ${what} threw and was skipped`, { err: messageOf(error), stack: error instanceof Error ? error.stack : undefined });
      },
    });
    this.#reflector = new Reflector<T>({ ...rest, client, logger, store: this.store });
  }

  /** Where the reflector stands; for health pages. */
  get state(): ReflectorState {
    return this.#reflector.state;
  }

  /** Lists and watches until the signal aborts. Once. */
  run(signal: AbortSignal): Promise<void> {
    return this.#reflector.run(signal);
  }

  /**
   * Resolves when the store is at least as new as a consistent read that began after this call, or after the (monotonic) moment that is given.
   * For a replica that has just won: a list that it began since then is new enough.
   */
  async catchUp(signal: AbortSignal, sinceMs = Infinity): Promise<void> {
    if (this.#reflector.listedFromMs >= sinceMs) return;
    const { client, type, clock, namespace, labelSelector, fieldSelector } = this.#options;
    const scope = {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
    const seenVersion = (): string | undefined => (this.state.phase === 'watching' ? this.state.resourceVersion : undefined);
    await catchUp({
      client: { list: (of, query = {}) => client.list(of, query) },
      type,
      scope,
      store: this.store,
      seenVersion,
      clock,
      signal,
    });
  }

  /** Resolves when the store holds a complete list; rejects with the signal's reason when it aborts first. */
  async synced(signal?: AbortSignal): Promise<void> {
    if (signal === undefined || this.store.hasSynced) return this.store.whenSynced;
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.store.whenSynced, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}

/** managedFields are half of a typical object and nobody here reads them. */
export function dropManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata.managedFields === undefined) return object;
  const { managedFields: _dropped, ...metadata } = object.metadata;
  return { ...object, metadata };
}
