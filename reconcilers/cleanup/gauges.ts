/** What should be gone and is still there, counted when somebody asks. */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { mayCleanUp } from '../../operator/jobs/archiveHold.ts';
import { runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { podExpiryMs, runExpiryMs } from '../../operator/jobs/retention.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { parseKey } from '../../operator/kube/objects.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';

/** Deletions take a moment; only what is later than this is a backlog. */
export const graceMs = 5 * 60_000;

export interface CleanupGaugesOptions {
  readonly metrics: Metrics;
  readonly jobs: Pick<StoreReader<ProwJob>, 'get' | 'list'>;
  /** The caches of pods that exist now. */
  readonly pods: () => readonly Pick<StoreReader<Pod>, 'list'>[];
  readonly policy: () => JobPolicy;
  /** Whether cleanup keeps a run although its time has come. */
  readonly isKept: (run: ProwJob) => boolean;
  readonly clock: Clock;
  /** Only the leader shows figures: sums over replicas would count everything twice. */
  readonly isLeading: () => boolean;
}

export function showCleanupGauges({ metrics, jobs, pods, policy, isKept, clock, isLeading }: CleanupGaugesOptions): void {
  const overdue = metrics.gauge<'object'>({
    name: 'cleanup_overdue_objects',
    help: 'Runs and pods that should have been deleted more than five minutes ago. Leader only.',
    labels: ['object'],
    zero: [{ object: 'runs' }, { object: 'pods' }],
  });
  metrics.beforeScrape(() => {
    const rules = policy();
    const { cleanup } = rules;
    const latestMs = clock.now() - graceMs;
    // What waits for its results to be safe is counted there.
    const isFree = (run: ProwJob): boolean => mayCleanUp(run, rules, latestMs);
    const runs = isLeading() ? jobs.list() : [];
    const all = isLeading() ? pods().flatMap((store) => store.list()) : [];
    const isDue = (dueMs: number | undefined): boolean => dueMs !== undefined && dueMs < latestMs;
    overdue.set({ object: 'runs' }, runs.filter((run) => isDue(runExpiryMs(run, cleanup)) && isFree(run) && !isKept(run)).length);
    overdue.set(
      { object: 'pods' },
      all.filter((pod) => {
        const run = jobs.get(parseKey(runKeyOfPod(pod)));
        return run !== undefined && isDue(podExpiryMs(run, cleanup)) && isFree(run);
      }).length,
    );
  });
}
