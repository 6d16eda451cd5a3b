/**
 * Which run a pod belongs to, and whether it may be believed. A name alone proves nothing: an earlier run may have had the same one,
 * and anybody may take one. The run's uid on the pod decides; pods of upstream's plank, which have none, are known by their label.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { annotation, label } from './labels.ts';
import type { PodShape } from './podShape.ts';
import type { JobPolicy } from './policy.ts';

/** own: this run made it. former: an earlier run of the same name did. stranger: somebody else's. */
export type PodOwner = 'own' | 'former' | 'stranger';

/** "namespace/name" of the run that a pod names; upstream's pods lie in the namespace of their run or are found there. */
export function runKeyOfPod({ metadata }: PodShape): string {
  const named = metadata.annotations?.[annotation.run];
  if (named?.includes('/') === true) return named;
  return `${metadata.namespace ?? ''}/${metadata.labels?.[label.id] ?? metadata.name}`;
}

/** For the cache of pods: byIndex('run', 'namespace/name'). */
export const podIndexers = { run: (pod: PodShape): readonly string[] => [runKeyOfPod(pod)] };

export const runKeyOf = ({ metadata }: ProwJob): string => `${metadata.namespace ?? ''}/${metadata.name}`;

export function ownerOf(pod: PodShape, run: ProwJob): PodOwner {
  const labels = pod.metadata.labels ?? {};
  if (labels[label.createdByProw] !== 'true') return 'stranger';
  const uid = labels[label.runUid];
  if (uid === undefined) return labels[label.id] === run.metadata.name ? 'own' : 'stranger';
  if (uid === run.metadata.uid) return 'own';
  return runKeyOfPod(pod) === runKeyOf(run) ? 'former' : 'stranger';
}

/**
 * Whether pods of this run may lie in this namespace: where the settings allow it now, or where an attempt was sent when they did. A pod
 * that claims a run from anywhere else is not believed.
 */
export function mayHostPod(run: ProwJob, namespace: string, policy: Pick<JobPolicy, 'podNamespace' | 'tenants'>): boolean {
  const own = run.metadata.namespace ?? '';
  if (run.status?.attempts?.some((attempt) => attempt.pod_namespace === namespace) === true) return true;
  return namespace === own || namespace === policy.podNamespace || (policy.tenants.get(own)?.includes(namespace) ?? false);
}

/** The build id a pod was made with: its label, or upstream's older place for it. */
export function buildIdOfPod(pod: PodShape): string | undefined {
  const fromLabel = pod.metadata.labels?.[label.buildId];
  if (fromLabel !== undefined && fromLabel !== '') return fromLabel;
  return pod.spec.containers[0]?.env?.find((variable) => variable.name === 'BUILD_ID')?.value;
}
