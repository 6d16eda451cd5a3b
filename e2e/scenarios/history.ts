/**
 * Everything that happened to runs, pods and schedules while a file of stories ran, without a gap: every change that the API server told,
 * in its order, also of objects that are gone. The invariants are checked against this, because the cluster itself forgets.
 */
import { periodics, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { label } from '../../operator/jobs/labels.ts';
import { runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import { pods, type Pod } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { TransportError } from '../../operator/kube/errors.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';

/** One change. Versions are those of the API server: they order changes of all kinds, because all are kept in one store. */
export interface Change<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly version: bigint;
  readonly object: T;
}

export interface History {
  readonly runs: readonly Change<ProwJob>[];
  readonly pods: readonly Change<Pod>[];
  readonly periodics: readonly Change<Periodic>[];
}

const versionOf = (object: KubeObject): bigint => BigInt(object.metadata.resourceVersion ?? '0');

/** What happened to the objects of these namespaces, and to pods of their runs wherever they are. */
export function historyOf(all: History, namespaces: readonly string[]): History {
  const here = new Set(namespaces);
  const isHere = ({ object }: Change<KubeObject>): boolean => here.has(object.metadata.namespace ?? '');
  return {
    runs: all.runs.filter(isHere),
    periodics: all.periodics.filter(isHere),
    pods: all.pods.filter((change) => isHere(change) || here.has(runKeyOfPod(change.object).split('/')[0] ?? '')),
  };
}

/** The changes of each object, by its uid. */
export function byUid<T extends KubeObject>(changes: readonly Change<T>[]): ReadonlyMap<string, readonly Change<T>[]> {
  return Map.groupBy(changes, ({ object }) => object.metadata.uid ?? '');
}

/** The objects as they were last seen; those that were deleted too. */
export const lastStates = <T extends KubeObject>(changes: readonly Change<T>[]): readonly T[] =>
  [...byUid(changes).values()].flatMap((each) => each.slice(-1).map(({ object }) => object));

/** Watches until close(). A change that was missed would make the invariants worthless, so a watch that cannot go on fails loudly. */
export class Recorder implements History {
  readonly runs: Change<ProwJob>[] = [];
  readonly pods: Change<Pod>[] = [];
  readonly periodics: Change<Periodic>[] = [];
  readonly #client: KubeClient;
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>[] = [];
  #failure: unknown;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** Resolves when everything from now on will be seen. */
  async start(): Promise<void> {
    await Promise.all([
      this.#record(prowJobs, this.runs),
      this.#record(pods, this.pods, `${label.createdByProw}=true`),
      this.#record(periodics, this.periodics),
    ]);
  }

  /** Throws when changes may have been missed. */
  check(): void {
    if (this.#failure !== undefined) throw new Error('the record of what happened has a gap', { cause: this.#failure });
  }

  /** The object as it was last seen; undefined when there is none, or it has been deleted. */
  run(namespace: string, name: string): ProwJob | undefined {
    return present(this.runs, namespace, name);
  }

  pod(namespace: string, name: string): Pod | undefined {
    return present(this.pods, namespace, name);
  }

  periodic(namespace: string, name: string): Periodic | undefined {
    return present(this.periodics, namespace, name);
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('the stories are over'));
    await Promise.all(this.#watching);
  }

  async #record<T extends KubeObject>(type: ResourceType<T>, into: Change<T>[], labelSelector?: string): Promise<void> {
    const selector = labelSelector === undefined ? {} : { labelSelector };
    const list = await this.#client.list(type, selector);
    for (const object of list.items) into.push({ type: 'ADDED', version: versionOf(object), object });
    const watching = this.#watch(type, into, selector, list.metadata.resourceVersion ?? '0');
    this.#watching.push(
      watching.catch((error: unknown) => {
        if (!this.#stop.signal.aborted) this.#failure = error;
      }),
    );
  }

  async #watch<T extends KubeObject>(
    type: ResourceType<T>,
    into: Change<T>[],
    selector: { readonly labelSelector?: string },
    from: string,
  ): Promise<void> {
    const { signal } = this.#stop;
    let resourceVersion = from;
    while (!signal.aborted) {
      try {
        for await (const event of this.#client.watch(type, { ...selector, resourceVersion, allowWatchBookmarks: true, signal })) {
          if (event.type === 'ERROR') throw new Error(`the watch of ${type.plural} ended: ${JSON.stringify(event.object)}`);
          resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
          if (event.type !== 'BOOKMARK') into.push({ type: event.type, version: versionOf(event.object), object: event.object });
        }
      } catch (error) {
        // A broken connection loses nothing: the next watch goes on where this one ended.
        if (!(error instanceof TransportError)) throw error;
      }
    }
  }
}

function present<T extends KubeObject>(changes: readonly Change<T>[], namespace: string, name: string): T | undefined {
  const last = changes.findLast(({ object: { metadata } }) => metadata.name === name && metadata.namespace === namespace);
  return last === undefined || last.type === 'DELETED' ? undefined : last.object;
}
