/** What should be gone and is still there, counted when somebody asks. */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { mayCleanUp } from '../../operator/jobs/archiveHold.ts';
import { runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { podExpiryMs, type RunVerdict } from '../../operator/jobs/retention.ts';
import { timeMs } from '../../operator/jobs/times.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { parseKey, type KubeObject } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';
import type { RunOwners } from './owners.ts';

/** Deletions take a moment; only what is later than this is a backlog. */
export const graceMs = 5 * 60_000;

export interface CleanupGaugesOptions {
  readonly metrics: Metrics;
  readonly jobs: Pick<StoreReader<ProwJob>, 'get' | 'list'>;
  /** The caches of pods that may be deleted. */
  readonly pods: () => readonly Pick<StoreReader<Pod>, 'list'>[];
  readonly policy: () => JobPolicy;
  /** What is to become of a run at that time. */
  readonly judge: (run: ProwJob, nowMs: number) => RunVerdict;
  readonly owners: Pick<RunOwners, 'of'>;
  readonly clock: Clock;
  /** Only the leader shows figures: sums over replicas would count everything twice. */
  readonly isLeading: () => boolean;
}

export function showCleanupGauges(options: CleanupGaugesOptions): void {
  const { metrics, jobs, clock, isLeading, judge } = options;
  const zero = [{ object: 'runs' }, { object: 'pods' }] as const;
  const overdue = metrics.gauge<'object'>({
    name: 'cleanup_overdue_objects',
    help: 'Runs and pods that should have been deleted more than five minutes ago. Leader only.',
    labels: ['object'],
    zero,
  });
  const held = metrics.gauge<'object'>({
    name: 'cleanup_held_objects',
    help: 'Runs and pods that should have been gone for five minutes after their deletion: a finalizer holds them, or their node does not answer. Leader only.',
    labels: ['object'],
    zero,
  });
  metrics.beforeScrape(() => {
    const latestMs = clock.now() - graceMs;
    const runs = isLeading() ? jobs.list() : [];
    const pods = isLeading() ? podsOf(options) : [];
    const isHeld = ({ metadata }: KubeObject): boolean => (timeMs(metadata.deletionTimestamp) ?? Infinity) < latestMs;
    held.set({ object: 'runs' }, runs.filter(isHeld).length);
    held.set({ object: 'pods' }, pods.filter(isHeld).length);
    overdue.set({ object: 'runs' }, runs.filter((run) => judge(run, latestMs).kind === 'delete').length);
    overdue.set({ object: 'pods' }, pods.filter((pod) => isOverdue(pod, latestMs, options)).length);
  });
}

/** Each pod once, although two aliases of one cluster show the same. */
function podsOf({ pods }: CleanupGaugesOptions): readonly Pod[] {
  const [only, ...others] = pods();
  if (only === undefined) return [];
  if (others.length === 0) return only.list();
  return [...new Map([only, ...others].flatMap((store) => store.list()).map((pod) => [pod.metadata.uid, pod])).values()];
}

function isOverdue(pod: Pod, latestMs: number, { jobs, policy, owners }: CleanupGaugesOptions): boolean {
  const run = jobs.get(parseKey(runKeyOfPod(pod)));
  if (run === undefined) return false;
  const rules = policy();
  const dueMs = podExpiryMs(run, rules.cleanup, owners.of(run));
  // What waits for its results to be safe is counted there.
  return dueMs !== undefined && dueMs < latestMs && mayCleanUp(run, rules, latestMs);
}
