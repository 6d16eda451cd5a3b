/** The controller's figures under controller-runtime's names. */
import type { Verdict } from './errors.ts';
import type { Metrics } from './metrics.ts';

/** How a pass ended that did not throw. */
export type Outcome = 'success' | 'requeue' | 'requeue_after';

export interface ControllerMeter {
  started(): void;
  ended(seconds: number): void;
  concluded(outcome: Outcome): void;
  failed(verdict: Verdict): void;
  panicked(): void;
  stuck(change: 1 | -1): void;
}

const results: readonly (Outcome | 'error')[] = ['success', 'error', 'requeue', 'requeue_after'];

/** Seconds; controller-runtime's bounds, thinned out. */
const buckets: readonly number[] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createControllerMeter(metrics: Metrics, controller: string, workers: number): ControllerMeter {
  const labels = ['controller'] as const;
  const zero = [{ controller }];
  const of = { controller };
  const spec = (metric: string, help: string): { name: string; help: string; labels: typeof labels; zero: typeof zero } => ({
    name: `controller_runtime_${metric}`,
    help,
    labels,
    zero,
  });
  const total = metrics.counter({
    name: 'controller_runtime_reconcile_total',
    help: 'Passes by how they ended',
    labels: ['controller', 'result'],
    zero: results.map((result) => ({ controller, result })),
  });
  const errors = metrics.counter(spec('reconcile_errors_total', 'Passes that threw')).labels(of);
  const terminal = metrics.counter(spec('terminal_reconcile_errors_total', 'Passes that threw an error that is not retried')).labels(of);
  const panics = metrics.counter(spec('reconcile_panics_total', 'Passes or key mappings that threw something nobody foresaw')).labels(of);
  const time = metrics.histogram({ ...spec('reconcile_time_seconds', 'How long a pass takes'), buckets }).labels(of);
  const active = metrics.gauge(spec('active_workers', 'Passes in progress')).labels(of);
  const stuck = metrics.gauge(spec('stuck_passes', 'Passes that go on although their signal has aborted')).labels(of);
  metrics.gauge(spec('max_concurrent_reconciles', 'Workers')).labels(of).set(workers);
  return {
    started: () => active.inc(),
    ended: (seconds) => {
      active.dec();
      time.observe(seconds);
    },
    concluded: (result) => total.inc({ controller, result }),
    failed: (verdict) => {
      total.inc({ controller, result: 'error' });
      errors.inc();
      if (verdict.retry === 'never') terminal.inc();
      if (verdict.class === 'unexpected') panics.inc();
    },
    panicked: () => panics.inc(),
    stuck: (change) => stuck.inc(change),
  };
}
