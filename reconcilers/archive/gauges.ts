/** Results that are not safe yet, counted when somebody asks. */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { LogKeeper } from '../../operator/archive/logKeeper.ts';
import type { Spool } from '../../operator/archive/spool.ts';
import { mayCleanUp, type HoldPolicy } from '../../operator/jobs/archiveHold.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { timeMs } from '../../operator/jobs/times.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';

export interface ArchiveGaugesOptions {
  readonly metrics: Metrics;
  readonly jobs: Pick<StoreReader<ProwJob>, 'list'>;
  readonly policy: () => HoldPolicy;
  readonly keeper: Pick<LogKeeper, 'follows'>;
  readonly spool: Pick<Spool, 'usedBytes'>;
  readonly clock: Clock;
  /** Only the leader shows figures: sums over replicas would count everything twice. */
  readonly isLeading: () => boolean;
}

export function showArchiveGauges({ metrics, jobs, policy, keeper, spool, clock, isLeading }: ArchiveGaugesOptions): void {
  const backlog = metrics.gauge({
    name: 'archive_backlog_runs',
    help: 'Finished runs whose results are not in the archive yet, and which cleanup therefore keeps. Leader only.',
  });
  const oldest = metrics.gauge({
    name: 'archive_backlog_oldest_seconds',
    help: 'How long ago the oldest of these runs ended. 0 when there is none. Leader only.',
  });
  const follows = metrics.gauge({ name: 'archive_followed_containers', help: 'Containers whose log is being followed.' });
  const bytes = metrics.gauge({ name: 'archive_spool_bytes', help: 'Bytes of logs on disk that are on their way to the archive.' });
  metrics.beforeScrape(() => {
    const nowMs = clock.now();
    const rules = policy();
    const waiting =
      isLeading() && rules.archive !== undefined ? jobs.list().filter((run) => isComplete(run) && !mayCleanUp(run, rules, nowMs)) : [];
    const ages = waiting.map((run) => nowMs - (timeMs(run.status?.completionTime) ?? nowMs));
    backlog.set(waiting.length);
    oldest.set(ages.reduce((most, age) => Math.max(most, age), 0) / 1000);
    follows.set(keeper.follows);
    bytes.set(spool.usedBytes);
  });
}
