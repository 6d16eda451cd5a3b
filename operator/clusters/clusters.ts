/**
 * Where pods run, by alias. The operator's own cluster is "default". Connections to other clusters are not made yet: a BuildCluster
 * that exists is known but unavailable, so its runs wait and nobody else's do; an alias nobody declared is unknown.
 */
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { Pod } from '../kube/builtin.ts';
import type { CallOptions, DeleteOptions } from '../kube/client.ts';
import type { KubeObject, ObjectKey } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';
import type { StoreReader } from '../runtime/store.ts';

export interface PodWriter {
  /** The response is in the cache when the promise resolves. */
  create(pod: Pod, options?: CallOptions): Promise<unknown>;
  delete(key: ObjectKey, options?: DeleteOptions): Promise<unknown>;
}

export interface PodGetter {
  get<T extends KubeObject>(type: ResourceType<T>, key: ObjectKey, options?: CallOptions): Promise<T>;
}

/** What a reconciler may do with the pods of one cluster. */
export interface PodAccess {
  /** Pods with the label created-by-prow=true; needs the index "run" (podIndexers of operator/jobs). */
  readonly pods: StoreReader<Pod>;
  readonly writer: PodWriter;
  /** For reads that must be live. */
  readonly client: PodGetter;
}

export type ClusterLookup =
  | { readonly state: 'ready'; readonly access: PodAccess }
  | { readonly state: 'unavailable'; readonly message: string }
  | { readonly state: 'unknown'; readonly message: string };

export interface Clusters {
  /** `namespace` is the tenant's: aliases other than default are its own. */
  get(alias: string, namespace: string): ClusterLookup;
}

export const defaultAlias = 'default';

/** Only the operator's own cluster can be reached. */
export class LocalClusters implements Clusters {
  readonly #access: PodAccess;
  readonly #declared: Pick<StoreReader<BuildCluster>, 'list'> | undefined;

  constructor(access: PodAccess, declared?: Pick<StoreReader<BuildCluster>, 'list'>) {
    this.#access = access;
    this.#declared = declared;
  }

  get(alias: string, namespace: string): ClusterLookup {
    if (alias === defaultAlias) return { state: 'ready', access: this.#access };
    const declared = this.#declared?.list(namespace).some((cluster) => cluster.spec.alias === alias) ?? false;
    if (declared)
      return {
        state: 'unavailable',
        message: `Build cluster "${alias}" is declared, but this operator does not connect to other clusters yet.`,
      };
    return { state: 'unknown', message: `No BuildCluster in namespace ${namespace} has the alias "${alias}" (spec.cluster).` };
  }
}
