/** Figures of the build clusters. Labels are bounded: beyond a hundred clusters the rest share one name. */
import type { Metrics } from '../runtime/metrics.ts';
import { LiveSeries, Tally } from '../runtime/liveSeries.ts';
import type { ClusterProblem } from './errors.ts';

type ClusterLabels = 'job_namespace' | 'cluster';

export interface ClusterFigures {
  readonly namespace: string;
  readonly alias: string;
  readonly isUp: boolean;
  readonly isOpen: boolean;
  /** Somebody wants nothing to start there. */
  readonly isPaused: boolean;
  readonly callsUnderWay: number;
  readonly podsSeen: number;
}

export interface ClusterMeter {
  callFailed(namespace: string, alias: string, problem: ClusterProblem): void;
  /** A kubeconfig from which no connection could be made. */
  clientFailed(alias: string): void;
}

const mostNames = 100;
const others = '(others)';

/** `figures` is asked at each scrape; it gives none on a replica that does not lead. */
export function clusterMetrics(metrics: Metrics, figures: () => readonly ClusterFigures[]): ClusterMeter {
  const labels = ['job_namespace', 'cluster'] as const;
  const gauge = (name: string, help: string, of: Gauge['of']): Gauge => ({
    of,
    series: new LiveSeries(metrics.gauge({ name, help, labels })),
  });
  const gauges: readonly Gauge[] = [
    gauge(
      'prow_build_cluster_up',
      '1 while runs can go to the build cluster, 0 while they wait for it. Of those that share a name: to all of them. Leader only.',
      (all) => Number(all.every(({ isUp }) => isUp)),
    ),
    gauge(
      'prow_build_cluster_breaker_open',
      '1 while calls to the build cluster are not sent because it did not answer well. Leader only.',
      (all) => Number(all.some(({ isOpen }) => isOpen)),
    ),
    gauge('prow_build_cluster_paused', '1 while spec.paused keeps runs from starting on the build cluster. Leader only.', (all) =>
      Number(all.every(({ isPaused }) => isPaused)),
    ),
    gauge('prow_build_cluster_calls_in_flight', 'Calls of reconcilers to the build cluster that are under way. Leader only.', (all) =>
      sum(all.map(({ callsUnderWay }) => callsUnderWay)),
    ),
    gauge('prow_build_cluster_pods', 'Pods of runs in the cache of the build cluster. Leader only.', (all) =>
      sum(all.map(({ podsSeen }) => podsSeen)),
    ),
  ];
  const failures = metrics.counter({
    name: 'prow_build_cluster_call_failures_total',
    help: 'Calls to a build cluster that brought no usable answer, by what was wrong.',
    labels: ['job_namespace', 'cluster', 'problem'],
  });
  const clients = metrics.counter({
    name: 'kubernetes_failed_client_creations',
    help: 'Kubeconfigs of build clusters from which no client could be made.',
    labels: ['cluster'],
  });
  const named = boundedNames();
  metrics.beforeScrape(() => {
    const byName = Map.groupBy(figures(), ({ namespace, alias }) => named(namespace, alias));
    for (const { series, of } of gauges) {
      const tally = new Tally<ClusterLabels>();
      for (const [at, all] of byName) tally.add(at, of(all));
      series.show(tally);
    }
  });
  return {
    callFailed: (namespace, alias, problem) => failures.inc({ ...named(namespace, alias), problem }),
    clientFailed: (alias) => clients.inc({ cluster: named('', alias).cluster }),
  };
}

interface Gauge {
  readonly series: LiveSeries<ClusterLabels>;
  /** Of the clusters that share a name: one, or the rest. */
  readonly of: (all: readonly ClusterFigures[]) => number;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The first names keep their own series. */
function boundedNames(): (namespace: string, alias: string) => Readonly<Record<ClusterLabels, string>> {
  const known = new Map<string, Readonly<Record<ClusterLabels, string>>>();
  const rest = { job_namespace: others, cluster: others };
  return (namespace, alias) => {
    const key = `${namespace}/${alias}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    if (known.size >= mostNames) return rest;
    const name = { job_namespace: namespace, cluster: alias };
    known.set(key, name);
    return name;
  };
}
