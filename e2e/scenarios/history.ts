/**
 * Everything that happened to runs, pods and schedules while a file of stories ran, without a gap: every change that the API server told,
 * in its order, also of objects that are gone. The invariants are checked against this, because the cluster itself forgets.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { periodics, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { label } from '../../operator/jobs/labels.ts';
import { runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import { pods, type Pod } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { isGone, TransportError } from '../../operator/kube/errors.ts';
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

export interface RecorderOptions {
  /**
   * An API server that crashed has forgotten what it had not told yet. With this, objects are listed again then, and what became of them in
   * between is left out: intermediate states may be missing, and a pod that was not seen to come counts from the list on.
   */
  readonly bridgesGaps?: boolean;
}

/** Watches until close(). A change that was missed would make the invariants worthless, so a watch that cannot go on fails loudly. */
export class Recorder implements History {
  runs: Change<ProwJob>[] = [];
  pods: Change<Pod>[] = [];
  periodics: Change<Periodic>[] = [];
  /** How often changes may have been missed. Stays 0 without `bridgesGaps`. */
  gaps = 0;
  readonly #client: KubeClient;
  readonly #bridgesGaps: boolean;
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>[] = [];
  #failure: unknown;

  constructor(client: KubeClient, { bridgesGaps = false }: RecorderOptions = {}) {
    this.#client = client;
    this.#bridgesGaps = bridgesGaps;
  }

  /** Resolves when everything from now on will be seen. */
  async start(): Promise<void> {
    await Promise.all([
      this.#record(prowJobs, () => this.runs),
      this.#record(pods, () => this.pods, `${label.createdByProw}=true`),
      this.#record(periodics, () => this.periodics),
    ]);
  }

  /** Lets go of all that happened in these namespaces, and to the pods of their runs. */
  forget(namespaces: readonly string[]): void {
    const { runs, pods: ofPods, periodics: ofPeriodics } = historyOf(this, namespaces);
    this.runs = without(this.runs, runs);
    this.pods = without(this.pods, ofPods);
    this.periodics = without(this.periodics, ofPeriodics);
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

  async #record<T extends KubeObject>(type: ResourceType<T>, into: () => Change<T>[], labelSelector?: string): Promise<void> {
    const selector = labelSelector === undefined ? {} : { labelSelector };
    const list = await this.#client.list(type, selector);
    for (const object of list.items) into().push({ type: 'ADDED', version: versionOf(object), object });
    const watching = this.#watch(type, into, selector, list.metadata.resourceVersion ?? '0');
    this.#watching.push(
      watching.catch((error: unknown) => {
        if (!this.#stop.signal.aborted) this.#failure = error;
      }),
    );
  }

  async #watch<T extends KubeObject>(type: ResourceType<T>, into: () => Change<T>[], selector: Selector, from: string): Promise<void> {
    const { signal } = this.#stop;
    let resourceVersion = from;
    while (!signal.aborted) {
      try {
        for await (const event of this.#client.watch(type, { ...selector, resourceVersion, allowWatchBookmarks: true, signal })) {
          if (event.type === 'ERROR') throw new GapError(`the watch of ${type.plural} ended: ${JSON.stringify(event.object)}`);
          resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
          if (event.type !== 'BOOKMARK') into().push({ type: event.type, version: versionOf(event.object), object: event.object });
        }
      } catch (error) {
        if (this.#bridgesGaps && (error instanceof GapError || isGone(error))) {
          resourceVersion = (await this.#bridge(type, into, selector)) ?? resourceVersion;
          continue;
        }
        // A broken connection loses nothing: the next watch goes on where this one ended.
        if (!(error instanceof TransportError)) throw error;
        await this.#breathe();
      }
    }
  }

  /** Makes up what must have happened from what is there now. Undefined: the API server does not answer yet. */
  async #bridge<T extends KubeObject>(type: ResourceType<T>, into: () => Change<T>[], selector: Selector): Promise<string | undefined> {
    const list = await this.#client.list(type, selector).catch((error: unknown) => {
      if (error instanceof TransportError) return undefined;
      throw error;
    });
    if (list === undefined) {
      await this.#breathe();
      return undefined;
    }
    this.gaps += 1;
    const version = list.metadata.resourceVersion ?? '0';
    for (const change of missedChanges(type, into(), list.items, BigInt(version))) into().push(change);
    return version;
  }

  async #breathe(): Promise<void> {
    await wait(200, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}

interface Selector {
  readonly labelSelector?: string;
}

/** The API server has no more changes from where we were. */
class GapError extends Error {}

/** First what has gone, then what has changed, in the order of its last change. */
function missedChanges<T extends KubeObject>(
  { kind }: ResourceType<T>,
  known: readonly Change<T>[],
  items: readonly T[],
  version: bigint,
): readonly Change<T>[] {
  const now = new Map(items.map((object) => [object.metadata.uid, object]));
  const before = [...byUid(known).values()].flatMap((changes) => changes.slice(-1)).filter(({ type }) => type !== 'DELETED');
  const versions = new Map(before.map(({ object }) => [object.metadata.uid, object.metadata.resourceVersion]));
  const gone = before
    .filter(({ object }) => !now.has(object.metadata.uid))
    .map(({ object }) => ({ type: 'DELETED', version, object }) as const);
  const changed = items
    .filter(({ metadata }) => versions.get(metadata.uid) !== metadata.resourceVersion)
    // Nobody saw when a pod came: only that it is there.
    .map((object) => {
      const type = versions.has(object.metadata.uid) || kind === 'Pod' ? 'MODIFIED' : 'ADDED';
      return { type, version: versionOf(object), object } as const;
    })
    .sort((a, b) => (a.version < b.version ? -1 : 1));
  return [...gone, ...changed];
}

function without<T>(all: readonly T[], dropped: readonly T[]): T[] {
  const drop = new Set(dropped);
  return all.filter((each) => !drop.has(each));
}

function present<T extends KubeObject>(changes: readonly Change<T>[], namespace: string, name: string): T | undefined {
  const last = changes.findLast(({ object: { metadata } }) => metadata.name === name && metadata.namespace === namespace);
  return last === undefined || last.type === 'DELETED' ? undefined : last.object;
}
