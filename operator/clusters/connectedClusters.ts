/**
 * All clusters where pods run: the operator's own, and one connection for each BuildCluster, which comes, changes and goes with its
 * object and its Secret. No cluster waits for another. To the manager it is a cache like any other, so that a replica that has just won
 * looks at every cluster anew before its controllers start; one that does not answer by then is simply not usable yet.
 */
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import { namespaces, type Pod } from '../kube/builtin.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ObjectKey } from '../kube/objects.ts';
import { formatKey, keyOf } from '../kube/objects.ts';
import type { AccessSource, Transport, TransportOptions } from '../kube/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { asError } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Indexers } from '../runtime/storeIndexes.ts';
import type { Store } from '../runtime/store.ts';
import { SharedBudget } from './callBudget.ts';
import { clusterMetrics, type ClusterFigures, type ClusterMeter } from './clusterMetrics.ts';
import {
  defaultAlias,
  localPods,
  unknownAlias,
  type ClusterChange,
  type ClusterLookup,
  type ClusterPods,
  type Clusters,
  type LocalAccess,
} from './clusters.ts';
import { ClusterMember, type MemberReport } from './clusterMember.ts';

export interface ConnectedClustersOptions {
  readonly local: LocalAccess;
  readonly declared: { readonly store: Store<BuildCluster>; synced(signal?: AbortSignal): Promise<void> };
  /** The operator's own cluster, where BuildClusters and Secrets are. */
  readonly client: Pick<KubeClient, 'get' | 'list' | 'watch'>;
  /** Throws when this process may not write. */
  readonly beforeWrite?: () => void;
  /** Only the leader shows figures. */
  readonly isLeading: () => boolean;
  /** The one namespace where pods of this tenant can be in a cluster that names none; undefined when there may be several. */
  readonly podNamespaceOf: (tenant: string) => string | undefined;
  readonly podSelector: string;
  readonly podIndexers: Indexers<Pod>;
  /** Pods for which this is false belong to runs that another process looks after. */
  readonly keepPod?: (pod: Pod) => boolean;
  /** How many workers wait for answers of clusters; build clusters together never hold all of them. */
  readonly workers: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** For one call. Default 10 s. */
  readonly callTimeoutMs?: number;
  readonly connect?: (source: AccessSource, options: TransportOptions) => Transport;
  readonly random?: () => number;
}

/** How long a replica that has just started, or just won, waits for clusters that do not answer. */
const firstLookMs = 2_000;
/** Runs of a BuildCluster that was removed wait so long for it to come back, as when an object is replaced. */
const removedGraceMs = 300_000;

export class ConnectedClusters implements Clusters {
  /** For the manager. */
  readonly type = { plural: 'pods of build clusters', group: '' } as const;
  readonly store = { hasSynced: false };
  readonly #options: ConnectedClustersOptions;
  readonly #local: ClusterPods;
  readonly #shared: SharedBudget;
  readonly #meter: ClusterMeter;
  readonly #members = new Map<string, ClusterMember>();
  /** Tenant → alias → who has it. */
  readonly #aliases = new Map<string, Map<string, ClusterMember>>();
  /** "tenant/alias" of BuildClusters that were removed a moment ago. */
  readonly #removed = new Map<string, { cancel(): void }>();
  readonly #subscribers = new Set<(change: ClusterChange) => void>();
  readonly #running = new Set<Promise<void>>();
  #localUID: string | undefined;
  #signal: AbortSignal | undefined;

  constructor(options: ConnectedClustersOptions) {
    this.#options = options;
    this.#local = localPods(options.local);
    this.#shared = new SharedBudget(Math.max(1, Math.floor(options.workers * 0.75)));
    this.#meter = clusterMetrics(options.metrics, () => (options.isLeading() ? this.#figures() : []));
  }

  get(alias: string, namespace: string): ClusterLookup {
    if (alias === defaultAlias) return { state: 'ready', access: this.#local.access };
    const member = this.#aliases.get(namespace)?.get(alias);
    if (member !== undefined) return member.lookup();
    if (this.#removed.has(`${namespace}/${alias}`))
      return {
        state: 'unavailable',
        message: `The BuildCluster with the alias "${alias}" was removed; its runs wait five minutes for it.`,
      };
    return { state: 'unknown', message: unknownAlias(alias, namespace) };
  }

  limitOf(alias: string, namespace: string): number {
    return this.#aliases.get(namespace)?.get(alias)?.cluster.spec.maxConcurrency ?? 0;
  }

  caches(): readonly ClusterPods[] {
    return [this.#local, ...[...this.#members.values()].flatMap(({ pods }) => (pods === undefined ? [] : [pods]))];
  }

  subscribe(fn: (change: ClusterChange) => void): () => void {
    const own = (change: ClusterChange): void => fn(change);
    this.#subscribers.add(own);
    return () => {
      this.#subscribers.delete(own);
    };
  }

  /** What is known of a BuildCluster; undefined before it was seen. */
  report(key: ObjectKey): MemberReport | undefined {
    const member = this.#members.get(formatKey(key));
    if (member === undefined) return undefined;
    const { namespace, alias } = placeOf(member.cluster);
    const holder = this.#aliases.get(namespace)?.get(alias);
    return {
      ...member.report(),
      ...(holder === undefined || holder === member ? {} : { aliasOf: holder.cluster.metadata.name }),
      ...this.#twinsOf(member),
    };
  }

  /** Follows the BuildClusters until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    const { declared } = this.#options;
    const end = declared.store.subscribe(({ type, object }) => this.#follow(type === 'deleted' ? undefined : object, keyOf(object)));
    for (const cluster of declared.store.list()) this.#follow(cluster, keyOf(cluster));
    // A replica that follows is ready as well once it has looked, although nobody waits for it there.
    const look = this.synced(signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    await Promise.all([look, aborted(signal)]);
    end();
    for (const member of this.#members.values()) member.close();
    for (const timer of this.#removed.values()) timer.cancel();
    await Promise.all(this.#running);
  }

  async synced(signal?: AbortSignal): Promise<void> {
    const until = signal ?? new AbortController().signal;
    await this.#options.declared.synced(until);
    await this.#looked(until);
    this.store.hasSynced = true;
  }

  /** What was cached may be older than the last writes of the previous leader. */
  async catchUp(signal: AbortSignal): Promise<void> {
    for (const member of this.#members.values()) member.recheck();
    await this.#looked(signal);
  }

  /** To be called when podNamespaceOf may answer differently: clusters without a namespace of their own are looked at anew. */
  settingsChanged(): void {
    for (const member of this.#members.values()) member.update(member.cluster);
  }

  /** Waits for the first look at every cluster, but not for ever. */
  async #looked(signal: AbortSignal): Promise<void> {
    const enough = new AbortController();
    const timer = this.#options.clock.after(firstLookMs, () => enough.abort());
    const limit = AbortSignal.any([signal, enough.signal]);
    await Promise.all([...this.#members.values()].map((member) => member.looked(limit).catch(() => undefined)));
    timer.cancel();
    signal.throwIfAborted();
  }

  #follow(cluster: BuildCluster | undefined, key: ObjectKey): void {
    const id = formatKey(key);
    const member = this.#members.get(id);
    if (cluster === undefined || cluster.metadata.deletionTimestamp !== undefined) {
      if (member !== undefined) this.#remove(id, member);
      return;
    }
    if (member === undefined) this.#add(id, cluster);
    else if (member.cluster.metadata.uid === cluster.metadata.uid) this.#update(member, cluster);
    else {
      this.#remove(id, member);
      this.#add(id, cluster);
    }
  }

  #add(id: string, cluster: BuildCluster): void {
    const place = placeOf(cluster);
    this.#removed.get(`${place.namespace}/${place.alias}`)?.cancel();
    this.#removed.delete(`${place.namespace}/${place.alias}`);
    const { clock, workers, callTimeoutMs = 10_000 } = this.#options;
    const member: ClusterMember = new ClusterMember(cluster, {
      ...this.#options,
      logger: this.#options.logger.child({ buildCluster: id }),
      shared: this.#shared,
      calls: Math.max(1, Math.floor(workers / 2)),
      callTimeoutMs,
      changed: () => this.#emit({ type: 'changed', ...placeOf(member.cluster) }),
      podsCame: (pods) => this.#emit({ type: 'added', pods }),
      podsWent: (pods) => this.#emit({ type: 'removed', pods }),
      isPrimary: () => this.#isPrimary(member),
      callFailed: (problem) => this.#meter.callFailed(place.namespace, place.alias, problem),
      clientFailed: () => this.#meter.clientFailed(place.alias),
      clock,
    });
    this.#members.set(id, member);
    this.#claim(place.namespace);
    this.#keep(member);
    if (this.#localUID === undefined) void this.#readLocalUID();
    this.#emit({ type: 'changed', ...place });
  }

  #update(member: ClusterMember, cluster: BuildCluster): void {
    const before = placeOf(member.cluster);
    const wasPaused = member.cluster.spec.paused;
    const wasLimit = member.cluster.spec.maxConcurrency;
    member.update(cluster);
    const after = placeOf(cluster);
    if (before.alias !== after.alias) {
      this.#claim(after.namespace);
      this.#emit({ type: 'changed', ...before });
      this.#emit({ type: 'changed', ...after });
    } else if (wasPaused !== cluster.spec.paused || wasLimit !== cluster.spec.maxConcurrency) this.#emit({ type: 'changed', ...after });
  }

  #remove(id: string, member: ClusterMember): void {
    this.#members.delete(id);
    const place = placeOf(member.cluster);
    this.#claim(place.namespace);
    const name = `${place.namespace}/${place.alias}`;
    this.#removed.get(name)?.cancel();
    if (this.#aliases.get(place.namespace)?.has(place.alias) !== true) {
      const forget = (): void => {
        this.#removed.delete(name);
        this.#emit({ type: 'changed', ...place });
      };
      this.#removed.set(name, this.#options.clock.after(removedGraceMs, forget));
    }
    member.close();
    this.#emit({ type: 'changed', ...place });
  }

  /** Gives each alias of a tenant to the oldest object that names it. */
  #claim(namespace: string): void {
    const aliases = new Map<string, ClusterMember>();
    const members = [...this.#members.values()].filter(({ cluster }) => cluster.metadata.namespace === namespace);
    for (const member of members.sort(byAge)) {
      const { alias } = member.cluster.spec;
      if (!aliases.has(alias)) aliases.set(alias, member);
    }
    this.#aliases.set(namespace, aliases);
    if (aliases.size === 0) this.#aliases.delete(namespace);
  }

  #keep(member: ClusterMember): void {
    const { logger } = this.#options;
    const running = member.run(this.#signal ?? AbortSignal.abort()).catch((error: unknown) => {
      logger.error('The connection to a build cluster ended although nobody asked it to', {
        buildCluster: formatKey(keyOf(member.cluster)),
        error: asError(error),
      });
    });
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** Needed only to notice that a BuildCluster is the operator's own cluster; without the right to read it that stays unnoticed. */
  async #readLocalUID(): Promise<void> {
    this.#localUID = '';
    try {
      const { metadata } = await this.#options.client.get(namespaces, { namespace: '', name: 'kube-system' });
      this.#localUID = metadata.uid ?? '';
    } catch (error) {
      this.#options.logger.debug('The identity of the own cluster cannot be read', { error: asError(error).message });
    }
  }

  /**
   * Other aliases of the same cluster: those of the tenant by name; of those of others only that there are some. An object whose alias is
   * taken has none: it is no duplicate of the holder, nor of anybody.
   */
  #twinsOf(member: ClusterMember): Pick<MemberReport, 'twins'> {
    const { identity } = member;
    if (identity === undefined || !this.#hasAlias(member)) return {};
    const twins: string[] = identity === this.#localUID ? [defaultAlias] : [];
    let hasForeign = false;
    for (const other of this.#members.values()) {
      if (other === member || other.identity !== identity || !this.#hasAlias(other)) continue;
      if (other.cluster.metadata.namespace === member.cluster.metadata.namespace) twins.push(other.cluster.spec.alias);
      else hasForeign = true;
    }
    if (hasForeign) twins.push('(in another namespace)');
    return twins.length === 0 ? {} : { twins: twins.sort() };
  }

  #hasAlias(member: ClusterMember): boolean {
    const { namespace, alias } = placeOf(member.cluster);
    return this.#aliases.get(namespace)?.get(alias) === member;
  }

  #isPrimary(member: ClusterMember): boolean {
    const { identity, scope } = member;
    if (identity === undefined) return true;
    for (const other of this.#members.values()) {
      if (other === member) return true;
      if (other.identity === identity && other.lookup().state === 'ready' && (other.scope === undefined || other.scope === scope))
        return false;
    }
    return true;
  }

  /** Of those that have their alias: a name that is taken is a fault of its object and says nothing of a cluster. */
  #figures(): readonly ClusterFigures[] {
    const holders = [...this.#aliases.values()].flatMap((aliases) => [...aliases.values()]);
    return holders.map((member) => ({ ...placeOf(member.cluster), ...member.figures() }));
  }

  #emit(change: ClusterChange): void {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(change);
      } catch (error) {
        this.#options.logger.error('A subscriber to build clusters threw', { error: asError(error) });
      }
    }
  }
}

const placeOf = ({ metadata, spec }: BuildCluster): { readonly namespace: string; readonly alias: string } => ({
  namespace: metadata.namespace ?? '',
  alias: spec.alias,
});

/** Creation stamps are text that sorts by time; the name decides between equals. */
const byAge = (a: ClusterMember, b: ClusterMember): number => {
  const stamp = ({ cluster: { metadata } }: ClusterMember): string => `${metadata.creationTimestamp ?? ''} ${metadata.name}`;
  return stamp(a) < stamp(b) ? -1 : 1;
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
