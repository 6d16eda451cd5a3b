/** The queue's figures under the names client-go gave them, so that dashboards made for other controllers work. */
import type { Metrics } from './metrics.ts';

export interface QueueMeter {
  added(): void;
  retried(): void;
  depth(value: number): void;
  started(waitedMs: number): void;
  finished(workedMs: number): void;
  stop(): void;
}

const quiet: QueueMeter = {
  added: () => undefined,
  retried: () => undefined,
  depth: () => undefined,
  started: () => undefined,
  finished: () => undefined,
  stop: () => undefined,
};

/** Seconds; client-go's bounds. */
const buckets: readonly number[] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10];

export function createQueueMeter(
  name: string,
  metrics: Metrics | undefined,
  working: () => { readonly longestMs: number; readonly sumMs: number },
): QueueMeter {
  if (metrics === undefined) return quiet;
  const labels = ['name'] as const;
  const zero = [{ name }];
  const spec = (metric: string, help: string): { name: string; help: string; labels: typeof labels; zero: typeof zero } => ({
    name: `workqueue_${metric}`,
    help,
    labels,
    zero,
  });
  const depth = metrics.gauge(spec('depth', 'Current depth of the work queue')).labels({ name });
  const adds = metrics.counter(spec('adds_total', 'Adds handled by the work queue')).labels({ name });
  const retries = metrics.counter(spec('retries_total', 'Retries handled by the work queue')).labels({ name });
  const waited = metrics
    .histogram({ ...spec('queue_duration_seconds', 'How long an item stays in the work queue before it is asked for'), buckets })
    .labels({ name });
  const worked = metrics
    .histogram({ ...spec('work_duration_seconds', 'How long processing an item from the work queue takes'), buckets })
    .labels({ name });
  const longest = metrics
    .gauge(spec('longest_running_processor_seconds', 'How long the longest running pass of this queue has been going on'))
    .labels({ name });
  const unfinished = metrics
    .gauge(spec('unfinished_work_seconds', 'Work in progress that work_duration has not seen yet; a large value means stuck workers'))
    .labels({ name });
  const stop = metrics.beforeScrape(() => {
    const { longestMs, sumMs } = working();
    longest.set(longestMs / 1000);
    unfinished.set(sumMs / 1000);
  });
  return {
    added: () => adds.inc(),
    retried: () => retries.inc(),
    depth: (value) => depth.set(value),
    started: (waitedMs) => waited.observe(waitedMs / 1000),
    finished: (workedMs) => worked.observe(workedMs / 1000),
    stop,
  };
}
