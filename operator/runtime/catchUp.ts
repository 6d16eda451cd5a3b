/**
 * Makes a warm cache at least as new as this moment, as a replica needs that has just won the lease: what the previous leader wrote
 * last may still be on its way through the watch. First one cheap consistent read tells the version to reach; a watch that has news
 * anyway gets there in no time. A quiet watch would not say so for a minute, so after a short wait one consistent list is merged in,
 * object by object: nothing goes back to an older version, and what the list no longer has is gone.
 */
import type { ListQuery } from '../kube/client.ts';
import { isGone } from '../kube/errors.ts';
import type { KubeList, KubeObject } from '../kube/objects.ts';
import { formatKey, keyOf } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';
import type { Clock } from './clock.ts';
import { sleep } from './clock.ts';
import { withKind } from './eventRecorder.ts';
import { compareVersions } from './resourceVersion.ts';

export interface CatchUpOptions<T extends KubeObject> {
  readonly client: { list(type: ResourceType<T>, query?: ListQuery): Promise<KubeList<T>> };
  readonly type: ResourceType<T>;
  /** The same as the cache's. */
  readonly scope?: Pick<ListQuery, 'namespace' | 'labelSelector' | 'fieldSelector'>;
  /** See Store. */
  readonly store: { list(): readonly T[]; record(object: T): void; recordDeleted(object: T): void };
  /** Up to where the watch has come; undefined while it is not known. */
  readonly seenVersion: () => string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long the watch may take to get there by itself. Default 250 ms. */
  readonly patienceMs?: number;
  /** Objects a page. Default 500. */
  readonly pageSize?: number;
}

/** How the cache came to be new enough. */
export type CaughtUp = 'watch' | 'list';

const lookEveryMs = 25;
const maxRestarts = 5;

/** Rejects with the signal's reason, or with the error of a read that failed. */
export async function catchUp<T extends KubeObject>(options: CatchUpOptions<T>): Promise<CaughtUp> {
  const { client, type, scope = {}, clock, signal, seenVersion, patienceMs = 250 } = options;
  const probe = await client.list(type, { ...scope, limit: 1, signal });
  const wanted = probe.metadata.resourceVersion;
  for (let waitedMs = 0; ; waitedMs += lookEveryMs) {
    if ((compareVersions(seenVersion(), wanted) ?? -1) >= 0) return 'watch';
    if (waitedMs >= patienceMs) break;
    await sleep(clock, lookEveryMs, signal);
  }
  await mergeList(options);
  return 'list';
}

async function mergeList<T extends KubeObject>(options: CatchUpOptions<T>): Promise<void> {
  for (let restarts = 0; ; restarts++) {
    try {
      await mergeOnce(options);
      return;
    } catch (error) {
      // The list's snapshot was compacted away between two pages.
      if (!isGone(error) || restarts === maxRestarts) throw error;
    }
  }
}

async function mergeOnce<T extends KubeObject>(options: CatchUpOptions<T>): Promise<void> {
  const { client, type, scope = {}, store, signal, pageSize = 500 } = options;
  const listed = new Set<string>();
  let version: string | undefined;
  let token: string | undefined;
  do {
    const page = await client.list(type, { ...scope, limit: pageSize, signal, ...(token === undefined ? {} : { continue: token }) });
    for (const item of page.items) {
      listed.add(formatKey(keyOf(item)));
      store.record(withKind(type, item));
    }
    version ??= page.metadata.resourceVersion;
    token = page.metadata.continue === '' ? undefined : page.metadata.continue;
  } while (token !== undefined);
  for (const object of store.list()) {
    if (listed.has(formatKey(keyOf(object)))) continue;
    // Newer than the list: created since.
    if ((compareVersions(object.metadata.resourceVersion, version) ?? -1) <= 0) store.recordDeleted(object);
  }
}
