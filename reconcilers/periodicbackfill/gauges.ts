/** What is true of the PeriodicBackfills now, counted when somebody asks. */
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import { isConditionTrue } from '../../operator/runtime/conditions.ts';
import { LiveSeries, Tally } from '../../operator/runtime/liveSeries.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';

const states = ['active', 'suspended', 'stopped', 'stalled', 'complete'] as const;
type State = (typeof states)[number];

/** `list` is called before each scrape; undefined: another process shows the figures. */
export function showBackfillGauges(metrics: Metrics, list: () => readonly PeriodicBackfill[] | undefined): void {
  const series = new LiveSeries(
    metrics.gauge({ name: 'prow_periodic_backfills', help: 'PeriodicBackfills by what they do now. Leader only.', labels: ['state'] }),
  );
  metrics.beforeScrape(() => {
    const all = list();
    const tally = new Tally<'state'>(all === undefined ? [] : states.map((state) => ({ state })));
    for (const backfill of all ?? []) tally.add({ state: stateOf(backfill) });
    series.show(tally);
  });
}

function stateOf({ status }: PeriodicBackfill): State {
  const holds = (type: string): boolean => isConditionTrue(status?.conditions, type);
  if (holds('Complete')) return 'complete';
  if (holds('Stopped')) return 'stopped';
  if (holds('Stalled')) return 'stalled';
  return holds('Suspended') ? 'suspended' : 'active';
}
