/** One object as it changes, for as long as somebody reads. Connections that break are made again; only refusals are thrown. */
import type { KubeClient } from '../kube/client.ts';
import { ApiError, TransportError, isGone, isTooManyRequests } from '../kube/errors.ts';
import type { KubeObject, ObjectKey } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';
import { sleep, type Clock } from '../runtime/clock.ts';

const pauseMs = 1_000;
const watchSeconds = 290;

export interface WatchObjectOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly type: ResourceType<T>;
  readonly key: ObjectKey;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * The object now, and then after each change that is seen; undefined when it does not exist, or not any more. Ends when the signal aborts.
 * Throws ApiError for an answer that will not change by asking again, such as 403.
 */
export async function* watchObject<T extends KubeObject>(options: WatchObjectOptions<T>): AsyncGenerator<T | undefined, void> {
  const { clock, signal } = options;
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    try {
      yield* untilItBreaks(options);
    } catch (error) {
      if (isOver()) return;
      if (!passes(error)) throw error;
    }
    await sleep(clock, pauseMs, signal).catch(() => undefined);
  }
}

async function* untilItBreaks<T extends KubeObject>({
  client,
  type,
  key,
  signal,
}: WatchObjectOptions<T>): AsyncGenerator<T | undefined, void> {
  const fieldSelector = `metadata.name=${key.name}`;
  const list = await client.list(type, { namespace: key.namespace, fieldSelector, signal });
  yield list.items[0];
  const resourceVersion = list.metadata.resourceVersion ?? '';
  const query = { namespace: key.namespace, fieldSelector, resourceVersion, timeoutSeconds: watchSeconds, signal };
  for await (const event of client.watch(type, query)) {
    if (event.type === 'ERROR') return;
    if (event.type === 'BOOKMARK') continue;
    yield event.type === 'DELETED' ? undefined : event.object;
  }
}

/** No answer, or one that another time may give otherwise. */
const passes = (error: unknown): boolean =>
  error instanceof TransportError || isGone(error) || isTooManyRequests(error) || (error instanceof ApiError && error.code >= 500);
