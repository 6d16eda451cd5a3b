/** What is counted about schedules. Labels are closed sets, never names of objects. */
import { missReasons, skipReasons, type SlotDecision } from '../../operator/jobs/periodicPlan.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { Outcome } from './steps/carryOut.ts';

const lagBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86_400];

export interface PeriodicMeter {
  /** Runs that this pass created. */
  started(outcome: Outcome, nowMs: number): void;
  /** Slots that are written down as dealt with. */
  settled(decisions: readonly SlotDecision[]): void;
}

export function createPeriodicMeter(metrics: Metrics): PeriodicMeter {
  const started = metrics.counter({
    name: 'prow_periodic_runs_started_total',
    help: 'Runs created for Periodics, by what caused them: a slot of the schedule, or a start by hand.',
    labels: ['cause'],
    zero: [{ cause: 'slot' }, { cause: 'manual' }],
  });
  const skipped = metrics.counter({
    name: 'prow_periodic_slots_skipped_total',
    help: 'Slots that started no run because spec or an earlier run said so.',
    labels: ['reason'],
    zero: skipReasons.map((reason) => ({ reason })),
  });
  const missed = metrics.counter({
    name: 'prow_periodic_slots_missed_total',
    help: 'Slots that should have started a run and did not.',
    labels: ['reason'],
    zero: missReasons.map((reason) => ({ reason })),
  });
  const lag = metrics.histogram({
    name: 'prow_periodic_schedule_lag_seconds',
    help: 'From a slot to the creation of its run.',
    buckets: lagBuckets,
  });
  return {
    started(outcome, nowMs) {
      for (const { cause, created } of outcome.started) {
        if (!created) continue;
        started.inc({ cause: cause.kind });
        if (cause.kind === 'slot') lag.observe(Math.max(0, nowMs - cause.slotMs) / 1000);
      }
    },
    settled(decisions) {
      for (const decision of decisions) {
        if (decision.outcome === 'skip') skipped.inc({ reason: decision.reason });
        if (decision.outcome === 'miss') missed.inc({ reason: decision.reason });
      }
    },
  };
}
