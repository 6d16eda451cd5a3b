/** What is counted about backfills. Labels are closed sets, never names of objects. */
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { EndedRun } from './scope.ts';
import type { Outcome } from './steps/carryOut.ts';

export interface BackfillMeter {
  /** Runs that this pass created. */
  started(outcome: Outcome): void;
  /** What is written down as dealt with. */
  settled(outcome: Outcome, ended: readonly EndedRun[]): void;
}

export function createBackfillMeter(metrics: Metrics): BackfillMeter {
  const started = metrics.counter({
    name: 'prow_periodic_backfill_runs_started_total',
    help: 'Runs created for PeriodicBackfills.',
    zero: [{}],
  });
  const ended = metrics.counter({
    name: 'prow_periodic_backfill_runs_ended_total',
    help: 'Runs of PeriodicBackfills that ended, by how. A run that was deleted before its end has failed.',
    labels: ['result'],
    zero: [{ result: 'succeeded' }, { result: 'failed' }],
  });
  const excluded = metrics.counter({
    name: 'prow_periodic_backfill_slots_excluded_total',
    help: 'Slots that PeriodicBackfills left out because the Periodic excludes them.',
    zero: [{}],
  });
  return {
    started(outcome) {
      for (const { created } of outcome.started) if (created) started.inc();
    },
    settled(outcome, runs) {
      for (const { succeeded } of runs) ended.inc({ result: succeeded ? 'succeeded' : 'failed' });
      for (const decision of outcome.settled) if (decision.outcome === 'exclude') excluded.inc();
    },
  };
}
