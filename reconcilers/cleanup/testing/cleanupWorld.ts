/**
 * Clusters in memory for tests of cleanup: they answer deletions and patches of pods as an API server does, with finalizers, grace and nodes
 * that are silent. Every call is on record.
 */
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../../crds/v1/periodicBackfill.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import {
  defaultAlias,
  type ClusterChange,
  type ClusterLookup,
  type ClusterPods,
  type Clusters,
} from '../../../operator/clusters/clusters.ts';
import { podIndexers } from '../../../operator/jobs/podOwner.ts';
import { defaultPolicy, type JobPolicy } from '../../../operator/jobs/policy.ts';
import { runIndexers } from '../../../operator/jobs/runIndex.ts';
import { stamp } from '../../../operator/jobs/times.ts';
import type { Pod } from '../../../operator/kube/builtin.ts';
import type { DeleteOptions } from '../../../operator/kube/client.ts';
import { ApiError } from '../../../operator/kube/errors.ts';
import { keyOf, type KubeObject, type ObjectKey } from '../../../operator/kube/objects.ts';
import type { Patch } from '../../../operator/kube/patch.ts';
import type { Controller } from '../../../operator/runtime/controller.ts';
import { silentLogger } from '../../../operator/runtime/logger.ts';
import { Metrics } from '../../../operator/runtime/metrics.ts';
import { Store } from '../../../operator/runtime/store.ts';
import { FakeClock } from '../../../operator/runtime/testing/fakeClock.ts';
import { cleanupControllers } from '../controller.ts';

export const hourMs = 3_600_000;
export const startMs = Date.UTC(2026, 5, 1);
/** The constants of upstream's own tests, where they have a counterpart. */
export const worldPolicy: JobPolicy = {
  ...defaultPolicy,
  cleanup: { ...defaultPolicy.cleanup, prowJobTTLMs: 48 * hourMs, podTTLMs: hourMs / 2 },
};

export const notFound = (): ApiError => new ApiError('DELETE', { reason: 'NotFound', message: 'gone' }, 404);
const conflict = (): ApiError => new ApiError('PATCH', { reason: 'Conflict', message: 'another version' }, 409);

/** The grace of a pod that runs. */
const graceSeconds = 30;

/** One cluster where pods are. */
export class PodCluster implements ClusterPods {
  readonly alias: string;
  readonly namespace: string;
  readonly store = new Store<Pod>({ indexers: podIndexers });
  /** Names of pods whose node does not answer. */
  readonly silent = new Set<string>();
  primary = true;
  state: 'ready' | 'unavailable' = 'ready';
  readonly #world: Pick<CleanupWorld, 'calls' | 'clock' | 'next' | 'failure'>;

  constructor(alias: string, namespace: string, world: Pick<CleanupWorld, 'calls' | 'clock' | 'next' | 'failure'>) {
    this.alias = alias;
    this.namespace = namespace;
    this.#world = world;
  }

  readonly access = {
    pods: this.store,
    client: { get: () => Promise.reject(new Error('unused')) },
    writer: {
      create: () => Promise.reject(new Error('unused')),
      delete: (key: ObjectKey, options: DeleteOptions = {}) => this.#delete(key, options),
      patch: (key: ObjectKey, patch: Patch) => this.#patch(key, patch),
    },
  };

  isPrimary = (): boolean => this.primary;

  put(pod: Pod): Pod {
    const present = this.store.get(keyOf(pod));
    const object = { ...pod, metadata: { ...pod.metadata, resourceVersion: this.#world.next() } };
    this.store.apply({ type: present === undefined ? 'ADDED' : 'MODIFIED', object });
    return object;
  }

  async #delete(key: ObjectKey, { uid, gracePeriodSeconds }: DeleteOptions): Promise<void> {
    await Promise.resolve();
    const where = this.alias === defaultAlias ? '' : `${this.alias}/`;
    this.#world.failure();
    const pod = this.store.get(key);
    if (pod === undefined) throw notFound();
    if (uid === undefined || uid !== pod.metadata.uid) throw conflict();
    this.#world.calls.push(`${gracePeriodSeconds === 0 ? 'force ' : ''}pod ${where}${key.name}`);
    const isEnding = this.silent.has(key.name) && !['Succeeded', 'Failed'].includes(pod.status?.phase ?? '') && gracePeriodSeconds !== 0;
    const hasFinalizers = (pod.metadata.finalizers ?? []).length > 0;
    if (!isEnding && !hasFinalizers) {
      this.store.recordDeleted(pod);
      return;
    }
    const grace = isEnding ? graceSeconds : 0;
    const deletionTimestamp = pod.metadata.deletionTimestamp ?? stamp(this.#world.clock.now() + grace * 1000);
    this.put({ ...pod, metadata: { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: grace } });
  }

  async #patch(key: ObjectKey, { body }: Patch): Promise<void> {
    await Promise.resolve();
    const { metadata } = body as { readonly metadata: Pick<Pod['metadata'], 'uid' | 'resourceVersion' | 'finalizers'> };
    const pod = this.store.get(key);
    if (pod === undefined) throw notFound();
    if (metadata.uid !== pod.metadata.uid || metadata.resourceVersion !== pod.metadata.resourceVersion) throw conflict();
    this.#world.calls.push(`release ${key.name}`);
    const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
    if (deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0 && metadata.finalizers?.length === 0)
      this.store.recordDeleted(pod);
    else this.put({ ...pod, metadata: { ...pod.metadata, finalizers: metadata.finalizers ?? [] } });
  }
}

export class CleanupWorld implements Clusters {
  readonly clock = new FakeClock(startMs);
  readonly metrics = new Metrics();
  readonly jobs = new Store<ProwJob>({ indexers: runIndexers });
  readonly periodics = new Store<Periodic>();
  readonly backfills = new Store<PeriodicBackfill>();
  /** "pod x", "force pod x", "pod alias/x", "release x" (of a finalizer) and "run x", in the order of the calls that went through. */
  readonly calls: string[] = [];
  /** Names of runs that were read live. */
  readonly reads: string[] = [];
  /** Events, in their order. */
  readonly told: string[] = [];
  /** Runs the API has and the cache has not. */
  readonly onlyLive = new Map<string, ProwJob>();
  /** The next deletion fails with it. */
  failDelete: Error | undefined;
  policy: JobPolicy = worldPolicy;
  readonly own: PodCluster;
  readonly others: PodCluster[] = [];
  readonly settingsChanged: () => void;
  readonly controllers: readonly Controller[];
  readonly #subscribers = new Set<(change: ClusterChange) => void>();
  readonly #stop = new AbortController();
  #version = 1;

  /** `others`: aliases of build clusters of the namespace ci. */
  constructor(others: readonly string[] = []) {
    this.own = new PodCluster(defaultAlias, '', this);
    this.others.push(...others.map((alias) => new PodCluster(alias, 'ci', this)));
    const get = (_type: unknown, { namespace, name }: ObjectKey): Promise<never> => {
      this.reads.push(name);
      const run = this.onlyLive.get(`${namespace}/${name}`) ?? this.jobs.get({ namespace, name });
      return run === undefined ? Promise.reject(notFound()) : Promise.resolve(run as never);
    };
    const { controllers, cleanElsewhere, settingsChanged } = cleanupControllers({
      jobs: this.jobs,
      writer: { delete: (key, options) => this.#deleteRun(key, options) },
      client: { get },
      periodics: this.periodics,
      backfills: this.backfills,
      clusters: this,
      policy: () => this.policy,
      events: { event: (regarding, type, reason, note) => this.told.push(`${type} ${reason} ${regarding.metadata.name}: ${note}`) },
      isLeading: () => true,
      metrics: this.metrics,
      clock: this.clock,
      logger: silentLogger,
    });
    this.controllers = controllers;
    this.settingsChanged = settingsChanged;
    for (const controller of controllers) void controller.run(this.#stop.signal);
    void cleanElsewhere(this.#stop.signal);
  }

  get(alias: string, namespace: string): ClusterLookup {
    const found = [this.own, ...this.others].find((each) => each.alias === alias && (each === this.own || each.namespace === namespace));
    if (found === undefined) return { state: 'unknown', message: 'nobody declares it' };
    return found.state === 'ready' ? { state: 'ready', access: found.access } : { state: 'unavailable', message: 'it is away' };
  }

  limitOf = (): number => 0;

  caches = (): readonly ClusterPods[] => [this.own, ...this.others];

  subscribe(fn: (change: ClusterChange) => void): () => void {
    this.#subscribers.add(fn);
    return () => this.#subscribers.delete(fn);
  }

  next = (): string => String(this.#version++);

  /** Throws what the test wants the next deletion to answer. */
  failure = (): void => {
    const error = this.failDelete;
    this.failDelete = undefined;
    if (error !== undefined) throw error;
  };

  /** Puts the object as it is now into its cache, whether or not it was there. */
  put<T extends KubeObject>(store: Store<T>, object: T): T {
    const known = { ...object, metadata: { ...object.metadata, resourceVersion: this.next() } };
    store.apply({ type: store.get(keyOf(object)) === undefined ? 'ADDED' : 'MODIFIED', object: known });
    return known;
  }

  remove<T extends KubeObject>(store: Store<T>, object: T): void {
    store.apply({ type: 'DELETED', object: { ...object, metadata: { ...object.metadata, resourceVersion: this.next() } } });
  }

  /** Lets time pass and everything come to rest. Returns all calls so far. */
  async pass(ms = 0): Promise<readonly string[]> {
    await this.clock.advance(ms);
    for (const controller of this.controllers) await controller.idle();
    await this.clock.advance(0);
    return this.calls;
  }

  stop = (): void => this.#stop.abort();

  async #deleteRun(key: ObjectKey, { uid }: DeleteOptions = {}): Promise<void> {
    await Promise.resolve();
    this.failure();
    const run = this.jobs.get(key);
    if (run === undefined) throw notFound();
    if (uid === undefined || uid !== run.metadata.uid) throw conflict();
    this.calls.push(`run ${key.name}`);
    if ((run.metadata.finalizers ?? []).length === 0) this.jobs.recordDeleted(run);
    else this.put(this.jobs, { ...run, metadata: { ...run.metadata, deletionTimestamp: stamp(this.clock.now()) } });
  }
}
