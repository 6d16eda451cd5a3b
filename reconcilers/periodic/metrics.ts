/** What is counted about schedules. Labels are closed sets, never names of objects. */
import { missReasons, skipReasons, startCauses, type SlotDecision } from '../../operator/jobs/periodicDecisions.ts';
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
    help:
      'Runs created for Periodics, by what caused them: a slot at its time (slot), one that waited for a place (queued, replacement) or was ' +
      'made up for (catchup), a repetition of a run that ended badly (retry), or a start by hand (manual).',
    labels: ['cause'],
    zero: [...startCauses, 'manual'].map((cause) => ({ cause })),
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
    help: 'From the start of a slot (the slot and its jitter) to the creation of its run. Slots that waited for a place do not count.',
    buckets: lagBuckets,
  });
  return {
    started(outcome, nowMs) {
      for (const { decision, created } of outcome.started) {
        if (!created) continue;
        started.inc({ cause: decision?.cause ?? 'manual' });
        if (decision?.cause === 'slot' || decision?.cause === 'catchup') lag.observe(Math.max(0, nowMs - decision.dueMs) / 1000);
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
