/**
 * What the limits of an installation leave room for. Read at each decision and never kept, so that a change of the settings or of a
 * BuildCluster holds at once. Pure but for the two sources that it asks.
 */
import type { WaitReason } from '../../crds/v1/prowJob.ts';
import type { ProwJobPolicy } from '../../operator/jobs/policy.ts';

/** Runs that are counted together. The limit of a job is not here: each of its runs may name another. */
export type Place =
  | { readonly kind: 'all' }
  | { readonly kind: 'namespace'; readonly namespace: string }
  /** `namespace` is empty for the operator's own cluster. */
  | { readonly kind: 'cluster'; readonly alias: string; readonly namespace: string }
  | { readonly kind: 'queue'; readonly queue: string };

export type LimitSettings = Pick<
  ProwJobPolicy,
  'maxConcurrency' | 'maxConcurrencyPerNamespace' | 'namespaceLimits' | 'queueCapacities' | 'defaultClusterMaxConcurrency'
>;

export interface ClusterRoom {
  /** How many runs may have a pod there; 0 = no limit. */
  readonly limit: number;
  /** False: nothing starts there now (away, paused, not declared). */
  readonly isOpen: boolean;
}

export interface Limits {
  readonly settings: () => LimitSettings;
  readonly cluster: (alias: string, namespace: string) => ClusterRoom;
}

export interface Obstacle {
  readonly reason: WaitReason;
  readonly message: string;
}

/** How many runs may be there at once; Infinity without a limit. */
export function roomOf(place: Place, limits: Limits): number {
  const settings = limits.settings();
  switch (place.kind) {
    case 'all':
      return orNoLimit(settings.maxConcurrency);
    case 'namespace':
      return orNoLimit(settings.namespaceLimits.get(place.namespace) ?? settings.maxConcurrencyPerNamespace);
    case 'cluster': {
      const { isOpen, limit } = limits.cluster(place.alias, place.namespace);
      return isOpen ? orNoLimit(limit) : 0;
    }
    case 'queue': {
      const capacity = settings.queueCapacities.get(place.queue) ?? 0;
      return capacity < 0 ? Infinity : capacity;
    }
  }
}

const orNoLimit = (limit: number): number => (limit === 0 ? Infinity : limit);

/** Why a run waits for a place that has no room. */
export function obstacleAt(place: Place, limits: Limits): Obstacle {
  const room = roomOf(place, limits);
  switch (place.kind) {
    case 'all':
      return { reason: 'GlobalLimit', message: `All ${room} runs that the operator may have at once are taken.` };
    case 'namespace':
      return { reason: 'NamespaceLimit', message: `Namespace ${place.namespace} has all ${room} runs that it may have at once.` };
    case 'cluster':
      if (!limits.cluster(place.alias, place.namespace).isOpen) {
        return { reason: 'ClusterUnavailable', message: `Nothing starts on build cluster "${place.alias}" now.` };
      }
      return { reason: 'ClusterLimit', message: `Build cluster "${place.alias}" has all ${room} runs that it may have at once.` };
    case 'queue':
      if (!limits.settings().queueCapacities.has(place.queue)) {
        return { reason: 'QueueUnknown', message: `The operator's settings know no queue "${place.queue}" (prowJobs.queueCapacities).` };
      }
      return { reason: 'QueueFull', message: `Queue "${place.queue}" has all ${room} of its runs.` };
  }
}
