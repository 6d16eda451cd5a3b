/** Where cleanup may delete pods: one cluster, at its own pace, unless the settings exclude it. */
import { defaultAlias, type ClusterPods, type Clusters, type PodAccess } from '../../operator/clusters/clusters.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { DeleteRate } from './deleteRate.ts';

export interface Place {
  readonly access: PodAccess;
  readonly rate: DeleteRate;
}

export class Places {
  readonly #clusters: Clusters;
  readonly #policy: () => JobPolicy;
  readonly #clock: Clock;
  readonly #rates = new WeakMap<ClusterPods | Clusters, DeleteRate>();

  constructor(clusters: Clusters, policy: () => JobPolicy, clock: Clock) {
    this.#clusters = clusters;
    this.#policy = policy;
    this.#clock = clock;
  }

  /** Where runs themselves are kept, and pods as well. */
  get ownRate(): DeleteRate {
    return this.#rateOf(this.#clusters);
  }

  of(cluster: ClusterPods): Place {
    return { access: cluster.access, rate: isOwn(cluster) ? this.ownRate : this.#rateOf(cluster) };
  }

  /** The settings say that pods there are not ours to delete. */
  isExcluded({ alias }: ClusterPods): boolean {
    return this.#policy().cleanup.excludeClusters.includes(alias);
  }

  /** All whose pods may be deleted and can be reached now. Several aliases of one cluster are all here. */
  usable(): readonly Place[] {
    return this.#clusters
      .caches()
      .filter((cluster) => !this.isExcluded(cluster) && this.isReady(cluster))
      .map((cluster) => this.of(cluster));
  }

  isReady(cluster: ClusterPods): boolean {
    return isOwn(cluster) || this.#clusters.get(cluster.alias, cluster.namespace).state === 'ready';
  }

  #rateOf(key: ClusterPods | Clusters): DeleteRate {
    let rate = this.#rates.get(key);
    if (rate === undefined) this.#rates.set(key, (rate = new DeleteRate(() => this.#policy().cleanup.deletesPerSecond, this.#clock)));
    return rate;
  }
}

/** The operator's own cluster, where runs are kept. */
export const isOwn = ({ alias, namespace }: ClusterPods): boolean => alias === defaultAlias && namespace === '';
