/** One BuildCluster: its object, the credentials it names, and the connection that they lead to while they do. */
import { createHash } from 'node:crypto';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { ClusterAccess } from '../kube/kubeConfig.ts';
import { asError } from '../runtime/errors.ts';
import type { ListWatcher } from '../runtime/reflector.ts';
import { ClusterConnection, type ConnectionDeps, type Health } from './clusterConnection.ts';
import type { ClusterFigures } from './clusterMetrics.ts';
import type { ClusterLookup, ClusterPods } from './clusters.ts';
import { CredentialWatch, type CredentialProblem, type Credentials } from './credentials.ts';
import { Nudge } from './nudge.ts';

export interface MemberDeps extends ConnectionDeps {
  readonly client: ListWatcher;
  readonly podNamespaceOf: (tenant: string) => string | undefined;
  readonly podsCame: (pods: ClusterPods) => void;
  readonly podsWent: (pods: ClusterPods) => void;
  readonly isPrimary: () => boolean;
  readonly clientFailed: () => void;
}

/** What is known of a BuildCluster, for its status. */
export interface MemberReport {
  readonly state: 'connecting' | 'ready' | 'unavailable';
  readonly reason: Health['reason'] | CredentialProblem;
  readonly message: string;
  readonly health?: Health;
  /** The BuildCluster that has this alias already. */
  readonly aliasOf?: string;
  /** Other aliases of the same cluster. */
  readonly twins?: readonly string[];
}

interface Link {
  readonly connection: ClusterConnection;
  readonly pods: ClusterPods;
  readonly scope: string | undefined;
  readonly ended: Promise<void>;
}

export class ClusterMember {
  readonly #deps: MemberDeps;
  readonly #stop = new AbortController();
  readonly #looks = new Nudge();
  #cluster: BuildCluster;
  #watch: { readonly credentials: CredentialWatch; readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  #link: Link | undefined;
  /** What was there before and is still being closed. */
  readonly #closing = new Set<Promise<void>>();

  constructor(cluster: BuildCluster, deps: MemberDeps) {
    this.#cluster = cluster;
    this.#deps = deps;
  }

  get cluster(): BuildCluster {
    return this.#cluster;
  }

  get pods(): ClusterPods | undefined {
    return this.#link?.pods;
  }

  /** The only namespace whose pods are seen. */
  get scope(): string | undefined {
    return this.#cluster.spec.namespace ?? this.#deps.podNamespaceOf(this.#cluster.metadata.namespace ?? '');
  }

  /** The same for two connections to one cluster; undefined while it is not known. */
  get identity(): string | undefined {
    const health = this.#link?.connection.health;
    if (health?.lastContactMs === undefined) return undefined;
    const access = this.#access;
    return health.clusterUID ?? (access === undefined ? undefined : fingerprint(access));
  }

  lookup(): ClusterLookup {
    const { alias, namespace, paused } = this.#cluster.spec;
    const { state, message } = this.report();
    const link = this.#link;
    if (state !== 'ready' || link === undefined) return { state: 'unavailable', message: `Build cluster "${alias}": ${message}` };
    return {
      state: 'ready',
      access: link.connection.access,
      ...(namespace === undefined ? {} : { podNamespace: namespace }),
      ...(paused === true ? { paused } : {}),
    };
  }

  report(): MemberReport {
    const credentials = this.#watch?.credentials.current ?? reading;
    if (credentials.state === 'unusable') return { ...credentials, state: 'unavailable' };
    const health = this.#link?.connection.health;
    if (health === undefined) return { state: 'connecting', reason: 'Connecting', message: 'Its kubeconfig is being read.' };
    const { state, reason, message } = health;
    return { state, reason, message, health };
  }

  figures(): Omit<ClusterFigures, 'namespace' | 'alias'> {
    const health = this.#link?.connection.health;
    return {
      isUp: this.report().state === 'ready',
      isOpen: health !== undefined && health.breaker !== 'closed',
      isPaused: this.#cluster.spec.paused === true,
      callsUnderWay: health?.callsUnderWay ?? 0,
      podsSeen: this.#link?.pods.store.size ?? 0,
    };
  }

  /** Its object has changed. */
  update(cluster: BuildCluster): void {
    const before = this.#cluster.spec;
    this.#cluster = cluster;
    const { name, key } = cluster.spec.kubeconfigSecretRef;
    if (before.kubeconfigSecretRef.name !== name || before.kubeconfigSecretRef.key !== key) this.#follow();
    else if (this.#link !== undefined && this.#link.scope !== this.scope && this.#access !== undefined) this.#connect(this.#access);
  }

  /** Runs until the signal aborts or `close`, and until all connections are closed. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.close();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    else this.#follow();
    await new Promise<void>((resolve) => {
      if (this.#stop.signal.aborted) resolve();
      else this.#stop.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    signal.removeEventListener('abort', stop);
    this.#watch?.stop.abort();
    await this.#watch?.ended;
    this.#disconnect();
    await Promise.all(this.#closing);
  }

  close(): void {
    this.#stop.abort();
    this.#looks.fire();
  }

  recheck(): void {
    this.#link?.connection.recheck();
  }

  /** Resolves when it is known whether the cluster can be used. Rejects with the signal's reason. */
  async looked(signal: AbortSignal): Promise<void> {
    while (this.report().state === 'connecting' && !this.#stop.signal.aborted) {
      const link = this.#link;
      if (link === undefined) await this.#looks.wait(signal);
      else await Promise.race([link.connection.looked(signal), link.ended]);
    }
  }

  get #access(): ClusterAccess | undefined {
    const credentials = this.#watch?.credentials.current;
    return credentials?.state === 'read' ? credentials.access : undefined;
  }

  /** Follows the Secret that the object names now. */
  #follow(): void {
    this.#watch?.stop.abort();
    const { client, clock, logger } = this.#deps;
    const stop = new AbortController();
    const credentials = new CredentialWatch({
      client,
      clock,
      logger,
      namespace: this.#cluster.metadata.namespace ?? '',
      ...this.#cluster.spec.kubeconfigSecretRef,
      changed: (news) => {
        if (!stop.signal.aborted) this.#take(news);
      },
    });
    const ended = credentials.run(stop.signal).catch((error: unknown) => {
      logger.error('The watch of a kubeconfig has a defect and was closed', { error: asError(error) });
    });
    this.#watch = { credentials, stop, ended };
  }

  #take(news: Credentials): void {
    if (news.state === 'read') {
      const link = this.#link;
      if (link?.connection.leadsTo(news.access) === true) link.connection.renew(news.access);
      else this.#connect(news.access);
    } else if (news.state === 'unusable') {
      if (news.reason === 'KubeconfigInvalid') this.#deps.clientFailed();
      this.#deps.logger.warn(news.message, { reason: news.reason });
      this.#disconnect();
    }
    this.#looks.fire();
    this.#deps.changed();
  }

  #connect(access: ClusterAccess): void {
    this.#disconnect();
    const { scope } = this;
    const connection = new ClusterConnection(access, scope, this.#deps);
    const ended = connection.run(this.#stop.signal).catch((error: unknown) => {
      this.#deps.logger.error('The connection to the build cluster has a defect and was closed', { error: asError(error) });
    });
    const { metadata, spec } = this.#cluster;
    const pods: ClusterPods = {
      alias: spec.alias,
      namespace: metadata.namespace ?? '',
      store: connection.store,
      access: connection.access,
      isPrimary: this.#deps.isPrimary,
    };
    this.#link = { connection, pods, scope, ended };
    this.#deps.podsCame(pods);
  }

  #disconnect(): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#link = undefined;
    link.connection.close();
    this.#closing.add(link.ended);
    void link.ended.finally(() => this.#closing.delete(link.ended));
    this.#deps.podsWent(link.pods);
  }
}

const reading: Credentials = { state: 'reading' };

/** For a cluster that does not tell its identity: where it is, and which CA vouches for it. */
const fingerprint = ({ origin, basePath, tls }: ClusterAccess): string =>
  createHash('sha256')
    .update(JSON.stringify([origin, basePath, tls.ca ?? '']))
    .digest('hex');
