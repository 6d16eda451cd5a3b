/**
 * Everything one pass over a run reads, taken from the caches at one moment. Nothing is remembered from an earlier pass.
 */
import type { Attempt, ProwJob, ProwJobStatus } from '../../crds/v1/prowJob.ts';
import type { ClusterLookup, Clusters, PodAccess } from '../../operator/clusters/clusters.ts';
import { podNamespaceOf, type PlacePolicy } from '../../operator/jobs/podBuilder.ts';
import { mayHostPod, ownerOf, runKeyOf } from '../../operator/jobs/podOwner.ts';
import { isPodFinished } from '../../operator/jobs/podShape.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { clusterOf, createdMsOf, statusOf } from '../../operator/jobs/runState.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import { stamp } from '../../operator/jobs/times.ts';

export interface Scope {
  readonly run: ProwJob;
  readonly status: ProwJobStatus;
  readonly cluster: ClusterLookup;
  /** As recorded; for a run that upstream's plank started, made up from its pod_name and build_id. */
  readonly attempts: readonly Attempt[];
  /** The pod of the newest attempt, or of a run that has none recorded yet. */
  readonly pod: Pod | undefined;
  /** The last state of that pod, when this process saw it disappear. */
  readonly lastPod: Pod | undefined;
  /** Pods of this run that can still run and that nobody has deleted yet. */
  readonly livePods: readonly Pod[];
  /** The newer run that tests the same, whatever that means for this one. */
  readonly newer?: ProwJob;
}

export function readScope(run: ProwJob, clusters: Pick<Clusters, 'get'>, policy: JobPolicy): Scope {
  const status = statusOf(run);
  const cluster = clusters.get(clusterOf(run), run.metadata.namespace ?? '');
  const attempts = attemptsOf(run, status);
  const base = { run, status, cluster, attempts };
  if (cluster.state !== 'ready') return { ...base, pod: undefined, lastPod: undefined, livePods: [] };
  const place = placeOf(cluster, policy);
  const latest = attempts.at(-1);
  const name = latest?.pod_name ?? run.metadata.name;
  const own = cluster.access.pods
    .byIndex('run', runKeyOf(run))
    .filter((pod) => ownerOf(pod, run) === 'own' && mayHostPod(run, pod.metadata.namespace ?? '', place));
  const pod = own.find(
    ({ metadata }) => metadata.name === name && (metadata.namespace ?? '') === (latest?.pod_namespace ?? metadata.namespace ?? ''),
  );
  const namespace = latest?.pod_namespace ?? podNamespaceOf(run, place);
  const lastPod = pod === undefined && latest !== undefined ? lastPodOf(run, { namespace, name }, cluster.access) : undefined;
  const livePods = own.filter((candidate) => !isPodFinished(candidate) && candidate.metadata.deletionTimestamp === undefined);
  return { ...base, pod, lastPod, livePods };
}

/** Where pods go on this cluster: a build cluster may have a place of its own for them. */
export const placeOf = (cluster: ClusterLookup, policy: PlacePolicy): PlacePolicy =>
  cluster.state === 'ready' && cluster.podNamespace !== undefined ? { podNamespace: cluster.podNamespace, tenants: new Map() } : policy;

function attemptsOf(run: ProwJob, status: ProwJobStatus): readonly Attempt[] {
  if (status.attempts !== undefined && status.attempts.length > 0) return status.attempts;
  if (status.state !== 'pending' || status.pod_name === undefined || status.pod_name === '') return [];
  const started = status.pendingTime ?? stamp(createdMsOf(run));
  return [{ number: 1, pod_name: status.pod_name, build_id: status.build_id ?? '', started }];
}

function lastPodOf(run: ProwJob, key: ObjectKey, access: PodAccess): Pod | undefined {
  const last = access.pods.lastDeleted(key);
  return last !== undefined && ownerOf(last, run) === 'own' ? last : undefined;
}
