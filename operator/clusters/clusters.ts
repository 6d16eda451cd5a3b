/**
 * Where pods run, by alias. The operator's own cluster is "default"; every other alias is declared by a BuildCluster and belongs to the
 * namespace of that object. This file is the contract that reconcilers see, and the clusters of a process that has only its own.
 */
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { Pod } from '../kube/builtin.ts';
import type { CallOptions, DeleteOptions, KubeClient } from '../kube/client.ts';
import type { KubeObject, ObjectKey } from '../kube/objects.ts';
import type { Patch } from '../kube/patch.ts';
import type { ResourceType } from '../kube/resource.ts';
import type { Store, StoreReader } from '../runtime/store.ts';

export interface PodWriter {
  /** The response is in the cache when the promise resolves. */
  create(pod: Pod, options?: CallOptions): Promise<unknown>;
  delete(key: ObjectKey, options?: DeleteOptions): Promise<unknown>;
  patch(key: ObjectKey, patch: Patch, options?: CallOptions): Promise<unknown>;
}

export interface PodGetter {
  get<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, options?: CallOptions): Promise<T>;
}

/** Long streams of logs, and lists of Events. Not counted against the budget of short calls. */
export type PodEvidence = Pick<KubeClient, 'logs' | 'list'>;

/**
 * What a reconciler may do with the pods of one cluster. Calls to a build cluster are short: one that is slow or away is answered with
 * ClusterUnavailableError, in time or at once.
 */
export interface PodAccess {
  /** Pods with the label created-by-prow=true; needs the index "run" (podIndexers of operator/jobs). */
  readonly pods: StoreReader<Pod>;
  readonly writer: PodWriter;
  /** For reads that must be live. */
  readonly client: PodGetter;
  /** What pods printed and what was told about them. Absent: logs of this cluster are not kept. */
  readonly evidence?: PodEvidence;
}

export type ClusterLookup =
  | {
      readonly state: 'ready';
      readonly access: PodAccess;
      /** Where pods go there, whatever the settings and the run say. */
      readonly podNamespace?: string;
      /** No further run starts there; those under way go on. */
      readonly paused?: boolean;
    }
  /** For now. Nothing may be concluded from not seeing a pod. */
  | { readonly state: 'unavailable'; readonly message: string }
  /** Nobody declares it. */
  | { readonly state: 'unknown'; readonly message: string };

/** The pods of one cluster as they are cached. */
export interface ClusterPods {
  readonly alias: string;
  /** Of the tenant; empty for the operator's own cluster. */
  readonly namespace: string;
  readonly store: Store<Pod>;
  readonly access: PodAccess;
  /** False while another alias of the same cluster shows the same pods. */
  isPrimary(): boolean;
}

export type ClusterChange =
  /** Its cache is there (and may still be empty), or its pods are out of sight for good. */
  | { readonly type: 'added' | 'removed'; readonly pods: ClusterPods }
  /** It came, went, was paused, or can be used (no longer). */
  | { readonly type: 'changed'; readonly alias: string; readonly namespace: string };

export interface Clusters {
  /** `namespace` is the tenant's: aliases other than default are its own. */
  get(alias: string, namespace: string): ClusterLookup;
  /** How many runs may have a pod there at once; 0 = no limit. */
  limitOf(alias: string, namespace: string): number;
  /** The caches that exist now. */
  caches(): readonly ClusterPods[];
  /** Every change from now on. Returns how to end it. */
  subscribe(fn: (change: ClusterChange) => void): () => void;
}

export const defaultAlias = 'default';

/** The access to the operator's own cluster. */
export interface LocalAccess extends PodAccess {
  readonly pods: Store<Pod>;
}

export const localPods = (access: LocalAccess): ClusterPods => ({
  alias: defaultAlias,
  namespace: '',
  store: access.pods,
  access,
  isPrimary: () => true,
});

/** Only the operator's own cluster can be reached; what is declared beside it is known and never available. */
export class LocalClusters implements Clusters {
  readonly #access: LocalAccess;
  readonly #declared: Pick<StoreReader<BuildCluster>, 'list'> | undefined;

  constructor(access: LocalAccess, declared?: Pick<StoreReader<BuildCluster>, 'list'>) {
    this.#access = access;
    this.#declared = declared;
  }

  get(alias: string, namespace: string): ClusterLookup {
    if (alias === defaultAlias) return { state: 'ready', access: this.#access };
    const declared = this.#declared?.list(namespace).some((cluster) => cluster.spec.alias === alias) ?? false;
    if (declared)
      return { state: 'unavailable', message: `Build cluster "${alias}" is declared, but this process uses only its own cluster.` };
    return { state: 'unknown', message: unknownAlias(alias, namespace) };
  }

  limitOf(): number {
    return 0;
  }

  caches(): readonly ClusterPods[] {
    return [localPods(this.#access)];
  }

  subscribe(): () => void {
    return () => undefined;
  }
}

export const unknownAlias = (alias: string, namespace: string): string =>
  `No BuildCluster in namespace ${namespace} has the alias "${alias}" (spec.cluster).`;
