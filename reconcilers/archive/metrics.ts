/** What became of results, and how much of them there was. */
import type { Metrics } from '../../operator/runtime/metrics.ts';

const results = ['uploaded', 'failed', 'given_up'] as const;

export interface ArchiveMetrics {
  /** failed counts each try, the others each run. */
  ended(result: (typeof results)[number]): void;
  bytes(count: number): void;
  incomplete(): void;
}

export function archiveMetrics(metrics: Metrics): ArchiveMetrics {
  const uploads = metrics.counter<'result'>({
    name: 'archive_uploads_total',
    help: 'Runs whose results were written (uploaded) or will never be (given_up), and tries that failed (failed).',
    labels: ['result'],
    zero: results.map((result) => ({ result })),
  });
  const bytes = metrics.counter({ name: 'archive_log_bytes_total', help: 'Bytes of logs that were written to the archive.' });
  const incomplete = metrics.counter({
    name: 'archive_logs_incomplete_total',
    help: 'Runs whose log in the archive lacks something: its middle, because it was too long, or what the pod took along when it went.',
  });
  return {
    ended: (result) => uploads.inc({ result }),
    bytes: (count) => bytes.inc(count),
    incomplete: () => incomplete.inc(),
  };
}
