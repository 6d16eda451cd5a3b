/** How many objects of a kind have the condition Stalled, counted when somebody asks: what they want cannot be done until a person acts. */
import type { Condition } from '../kube/objects.ts';
import { findCondition } from './conditions.ts';
import { LiveSeries, Tally } from './liveSeries.ts';
import type { Metrics } from './metrics.ts';

type Labels = 'kind' | 'object_namespace' | 'reason';

interface WithConditions {
  readonly metadata: { readonly namespace?: string };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** Adds the series of one kind; `list` is called before each scrape. Kinds do not disturb each other. */
export function showStalledObjects(metrics: Metrics, kind: string, list: () => readonly WithConditions[]): void {
  const series = new LiveSeries(
    metrics.gauge<Labels>({
      name: 'operator_stalled_objects',
      help: 'Objects with the condition Stalled: they wait for a person. Leader only.',
      labels: ['kind', 'object_namespace', 'reason'],
    }),
  );
  metrics.beforeScrape(() => {
    const tally = new Tally<Labels>();
    for (const { metadata, status } of list()) {
      const condition = findCondition(status?.conditions, 'Stalled');
      if (condition?.status === 'True') tally.add({ kind, object_namespace: metadata.namespace ?? '', reason: condition.reason });
    }
    series.show(tally);
  });
}
