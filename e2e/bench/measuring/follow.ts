/**
 * A list and then its changes for as long as anybody wants them, with nothing kept: the least that a client can do to see what happens. A watch
 * that ends is resumed; one that cannot be resumed begins with a list again, so an object may be told of more than once.
 */
import type { KubeClient } from '../../../operator/kube/client.ts';
import { ApiError, TransportError } from '../../../operator/kube/errors.ts';
import type { KubeObject } from '../../../operator/kube/objects.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';

export interface Scope {
  readonly namespace?: string;
  readonly labelSelector?: string;
}

export type OnChange<T> = (object: T, change: 'ADDED' | 'MODIFIED' | 'DELETED') => void;

const pageSize = 500;

/** Resolves after the list; every change from then on is told. Ends with the signal. */
export async function follow<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType<T>,
  scope: Scope,
  signal: AbortSignal,
  onChange: OnChange<T>,
): Promise<void> {
  const list = (): Promise<string> => listAll(client, type, scope, (object) => onChange(object, 'ADDED'));
  const from = await list();
  void (async () => {
    let resourceVersion = from;
    for (;;) {
      try {
        for await (const { type: change, object } of client.watch(type, { ...scope, resourceVersion, allowWatchBookmarks: true, signal })) {
          if (change === 'ERROR') throw new ApiError('watch', object, object.code ?? 0);
          resourceVersion = object.metadata.resourceVersion ?? resourceVersion;
          if (change !== 'BOOKMARK') onChange(object, change);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError) resourceVersion = await list();
        else if (!(error instanceof TransportError)) throw error;
      }
    }
  })();
}

/** Reads a list page by page. Resolves with its resourceVersion. */
export async function listAll<T extends KubeObject>(
  client: KubeClient,
  type: ResourceType<T>,
  scope: Scope,
  onObject: (object: T) => void,
): Promise<string> {
  let page: string | undefined;
  for (;;) {
    const { items, metadata } = await client.list(type, { ...scope, limit: pageSize, ...(page === undefined ? {} : { continue: page }) });
    for (const item of items) onObject(item);
    page = metadata.continue;
    if (page === undefined || page === '') return metadata.resourceVersion ?? '';
  }
}
