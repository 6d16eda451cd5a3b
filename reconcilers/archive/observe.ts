/** Sees to it that the logs of a run are followed. Both controllers of the archive begin with this, so neither depends on the other. */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { LogKeeper } from '../../operator/archive/logKeeper.ts';
import type { Clusters, PodAccess } from '../../operator/clusters/clusters.ts';
import { isArchiveSettled } from '../../operator/jobs/archiveHold.ts';
import { ownerOf, mayHostPod, runKeyOf } from '../../operator/jobs/podOwner.ts';
import { isPodFinished } from '../../operator/jobs/podShape.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { clusterOf, isOurs } from '../../operator/jobs/runState.ts';
import type { ReconcileContext, Reconciler, Result } from '../../operator/runtime/reconciler.ts';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';

export interface ObserveDeps {
  readonly jobs: Pick<StoreReader<ProwJob>, 'get'>;
  readonly clusters: Clusters;
  readonly keeper: LogKeeper;
  readonly policy: () => JobPolicy;
}

/** What the caches show of the pods of a run. */
export interface Sight {
  /** The cluster of its pods, when it can be asked. */
  readonly access: PodAccess | undefined;
  /** A pod of it can still print something. */
  readonly hasLivePod: boolean;
}

export function observe(run: ProwJob, { clusters, keeper, policy }: ObserveDeps): Sight {
  const uid = run.metadata.uid ?? '';
  const accessNow = (): PodAccess | undefined => {
    const lookup = clusters.get(clusterOf(run), run.metadata.namespace ?? '');
    return lookup.state === 'ready' ? lookup.access : undefined;
  };
  const access = accessNow();
  const rules = policy();
  const pods = (access?.pods.byIndex('run', runKeyOf(run)) ?? []).filter(
    (pod) => ownerOf(pod, run) === 'own' && mayHostPod(run, pod.metadata.namespace ?? '', rules),
  );
  if (rules.archive !== undefined && isOurs(run) && !isArchiveSettled(run)) for (const pod of pods) keeper.keep(uid, pod, accessNow);
  keeper.wake(uid);
  return { access, hasLivePod: pods.some((pod) => !isPodFinished(pod)) };
}

/** Begins to follow logs at once, however many uploads are under way. */
export class LogFollowing implements Reconciler {
  readonly #deps: ObserveDeps;

  constructor(deps: ObserveDeps) {
    this.#deps = deps;
  }

  reconcile(key: ObjectKey, _ctx: ReconcileContext): Promise<Result> {
    const run = this.#deps.jobs.get(key);
    if (run !== undefined) observe(run, this.#deps);
    return Promise.resolve({});
  }
}
