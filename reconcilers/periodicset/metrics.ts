/** What is counted about sets. */
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { Outcome } from './steps/carryOut.ts';

export interface PeriodicSetMeter {
  wrote(outcome: Outcome): void;
}

const operations = ['created', 'updated', 'deleted'] as const;

export function createPeriodicSetMeter(metrics: Metrics): PeriodicSetMeter {
  const writes = metrics.counter({
    name: 'prow_periodic_set_writes_total',
    help: 'Periodics that were created, changed or deleted for PeriodicSets.',
    labels: ['operation'],
    zero: operations.map((operation) => ({ operation })),
  });
  return {
    wrote(outcome) {
      for (const operation of operations) if (outcome[operation] > 0) writes.inc({ operation }, outcome[operation]);
    },
  };
}
