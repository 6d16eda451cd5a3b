/**
 * Whether every limit held at every instant: the unfinished pods of a job, a queue, a cluster, a namespace and in all are counted anew
 * from what the API server told, change by change. Nothing here asks the operator, or uses how it counts.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { label } from '../../operator/jobs/labels.ts';
import { isPodFinished } from '../../operator/jobs/podShape.ts';
import type { ProwJobPolicy } from '../../operator/jobs/policy.ts';
import { byUid, type History } from './history.ts';

/** What the settings said while the history was made. Zero is no limit, as in the settings; of a queue it is none, and below zero no limit. */
export type Limits = Pick<
  ProwJobPolicy,
  'maxConcurrency' | 'maxConcurrencyPerNamespace' | 'namespaceLimits' | 'queueCapacities' | 'defaultClusterMaxConcurrency'
> & {
  /** spec.maxConcurrency of BuildClusters, by "namespace/alias". */
  readonly clusters?: ReadonlyMap<string, number>;
};

export const noLimits: Limits = {
  maxConcurrency: 0,
  maxConcurrencyPerNamespace: 0,
  namespaceLimits: new Map(),
  queueCapacities: new Map(),
  defaultClusterMaxConcurrency: 0,
};

/** Pods that are counted together. */
interface Crowd {
  readonly name: string;
  /** Infinity without one. */
  readonly limit: number;
}

/**
 * The instants that matter are those at which a pod comes: nothing else makes a crowd larger. A history that lacks pods of others counts
 * too little, never too much.
 */
export function overTheLimits({ runs, pods }: History, limits: Limits): string[] {
  const crowdsOf = new Map(
    [...byUid(runs)].flatMap(([uid, [first]]) => (first === undefined ? [] : [[uid, crowds(first.object, limits)]])),
  );
  const unfinished = new Map<string, Set<string>>();
  const broken = new Set<string>();
  for (const { type, object } of pods) {
    const uid = object.metadata.uid ?? '';
    const isLive = type !== 'DELETED' && !isPodFinished(object);
    for (const { name, limit } of crowdsOf.get(object.metadata.labels?.[label.runUid] ?? '') ?? []) {
      const now = unfinished.get(name) ?? new Set<string>();
      unfinished.set(name, now);
      const comes = isLive && !now.has(uid);
      if (isLive) now.add(uid);
      else now.delete(uid);
      if (comes && now.size > limit) broken.add(`${name} had ${now.size} unfinished pods; its limit is ${limit}`);
    }
  }
  return [...broken];
}

function crowds({ metadata, spec }: ProwJob, limits: Limits): readonly Crowd[] {
  const { namespace = '' } = metadata;
  const { job, job_queue_name: queue = '', cluster = 'default' } = spec;
  const alias = cluster === '' ? 'default' : cluster;
  const ofCluster = alias === 'default' ? limits.defaultClusterMaxConcurrency : (limits.clusters?.get(`${namespace}/${alias}`) ?? 0);
  const ofNamespace = limits.namespaceLimits.get(namespace) ?? limits.maxConcurrencyPerNamespace;
  const ofQueue = limits.queueCapacities.get(queue) ?? 0;
  return [
    { name: `job ${namespace}/${job}`, limit: unlessZero(spec.max_concurrency ?? 0) },
    ...(queue === '' ? [] : [{ name: `queue ${queue}`, limit: ofQueue < 0 ? Infinity : ofQueue }]),
    { name: alias === 'default' ? 'cluster default' : `cluster ${namespace}/${alias}`, limit: unlessZero(ofCluster) },
    { name: `namespace ${namespace}`, limit: unlessZero(ofNamespace) },
    { name: 'the installation', limit: unlessZero(limits.maxConcurrency) },
  ];
}

const unlessZero = (limit: number): number => (limit === 0 ? Infinity : limit);
