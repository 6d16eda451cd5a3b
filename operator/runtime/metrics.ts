/**
 * A typed door to prom-client with a registry of its own. Asking twice for one name gives the same metric, so parts that share a
 * metric need not know of each other. Every series that is known beforehand is set to 0 at once: an alert can rely on it.
 */
import { getHeapStatistics } from 'node:v8';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Metric } from 'prom-client';

export interface MetricSpec<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
  /** Label values that are known beforehand: each becomes a series with the value 0. */
  readonly zero?: readonly Readonly<Record<L, string>>[];
}

export interface HistogramSpec<L extends string> extends MetricSpec<L> {
  /** Upper bounds in the metric's unit, rising. */
  readonly buckets?: readonly number[];
}

/** Seconds: from a millisecond to about a minute. */
export const durationBuckets: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

type Kind = 'counter' | 'gauge' | 'histogram';

export class Metrics {
  readonly registry = new Registry();
  readonly #known = new Map<string, { readonly kind: Kind; readonly labels: string; readonly metric: Metric }>();
  readonly #beforeScrape = new Set<() => void>();
  /** A figure that cannot be computed must not take the others away. */
  readonly #failures = this.counter({
    name: 'metrics_collection_failures_total',
    help: 'Figures that could not be computed for a scrape.',
  });

  /** `labels`: put on every series, so that it can be told from those of another registry. */
  constructor(labels: Readonly<Record<string, string>> = {}) {
    this.registry.setDefaultLabels(labels);
  }

  counter<L extends string = never>(spec: MetricSpec<L>): Counter<L> {
    const counter = this.#once('counter', spec, () => new Counter<L>({ ...this.#base(spec) }));
    for (const labels of spec.zero ?? []) counter.inc(labels, 0);
    return counter;
  }

  gauge<L extends string = never>(spec: MetricSpec<L>): Gauge<L> {
    const gauge = this.#once('gauge', spec, () => new Gauge<L>({ ...this.#base(spec) }));
    for (const labels of spec.zero ?? []) gauge.inc(labels, 0);
    return gauge;
  }

  histogram<L extends string = never>(spec: HistogramSpec<L>): Histogram<L> {
    const buckets = [...(spec.buckets ?? durationBuckets)];
    const histogram = this.#once('histogram', spec, () => new Histogram<L>({ ...this.#base(spec), buckets }));
    for (const labels of spec.zero ?? []) histogram.zero(labels);
    return histogram;
  }

  /** Runs fn before each scrape, for figures that are cheaper to compute when asked. Returns how to stop that. */
  beforeScrape(fn: () => void): () => void {
    this.#beforeScrape.add(fn);
    return () => {
      this.#beforeScrape.delete(fn);
    };
  }

  /** Adds Node's own figures: CPU, memory, garbage collection, event-loop lag. Once per process is enough. */
  collectProcess(): this {
    collectDefaultMetrics({ register: this.registry });
    const limit = this.gauge({ name: 'nodejs_heap_size_limit_bytes', help: 'The heap that Node lets the process have.' });
    limit.set(getHeapStatistics().heap_size_limit);
    return this;
  }

  /** The exposition text and its content type. */
  async render(): Promise<{ readonly contentType: string; readonly body: string }> {
    this.#collect();
    return { contentType: this.registry.contentType, body: await this.registry.metrics() };
  }

  /** One series' value; undefined when there is no such series. A histogram gives its count under `<name>_count`. */
  async value(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
    this.#collect();
    const all = await this.registry.getMetricsAsJSON();
    const wanted = Object.entries(labels);
    for (const { values } of all as unknown as readonly { readonly values: readonly Sample[] }[]) {
      const hit = values.find((sample) => (sample.metricName ?? '') === name && wanted.every(([k, v]) => sample.labels[k] === v));
      if (hit !== undefined) return hit.value;
    }
    const metric = all.find((candidate) => candidate.name === name) as { readonly values: readonly Sample[] } | undefined;
    return metric?.values.find((sample) => wanted.every(([k, v]) => sample.labels[k] === v))?.value;
  }

  #collect(): void {
    for (const fn of this.#beforeScrape) {
      try {
        fn();
      } catch {
        this.#failures.inc();
      }
    }
  }

  #base<L extends string>(spec: MetricSpec<L>): { name: string; help: string; labelNames: L[]; registers: Registry[] } {
    return { name: spec.name, help: spec.help, labelNames: [...(spec.labels ?? [])], registers: [this.registry] };
  }

  #once<L extends string, M extends Metric<L>>(kind: Kind, spec: MetricSpec<L>, make: () => M): M {
    const labels = [...(spec.labels ?? [])].sort().join(',');
    const known = this.#known.get(spec.name);
    if (known === undefined) {
      const metric = make();
      this.#known.set(spec.name, { kind, labels, metric: metric });
      return metric;
    }
    if (known.kind !== kind || known.labels !== labels) {
      throw new Error(
        `Metric ${spec.name} is a ${known.kind} with labels [${known.labels}]; it cannot also be a ${kind} with labels [${labels}]`,
      );
    }
    return known.metric as unknown as M;
  }
}

interface Sample {
  readonly value: number;
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
}
