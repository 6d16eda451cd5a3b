/** Figures of the wire and of the caches, under client-go's names. */
import type { Exchange } from '../kube/transport.ts';
import type { Clock } from './clock.ts';
import { durationBuckets } from './metrics.ts';
import type { Metrics } from './metrics.ts';
import type { ReflectorMetrics } from './reflector.ts';
import type { FailureCause } from './reflectorState.ts';

/** For the transport: counts each exchange with an API server. */
export function createRequestMeter(metrics: Metrics): (exchange: Exchange) => void {
  const total = metrics.counter({
    name: 'rest_client_requests_total',
    help: 'Requests to API servers by answer; <error> when none came',
    labels: ['code', 'method'],
  });
  const duration = metrics.histogram({
    name: 'rest_client_request_duration_seconds',
    help: 'How long a request takes, body included; for a watch until its headers',
    labels: ['method'],
    buckets: durationBuckets,
    zero: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((method) => ({ method })),
  });
  return ({ method, code, durationMs }) => {
    total.inc({ code, method });
    duration.observe({ method }, durationMs / 1000);
  };
}

const eventTypes = ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK'] as const;

/** For an informer; `name` tells the caches apart, e.g. "pods" or "pods@cluster". */
export function createReflectorMeter(metrics: Metrics, name: string, clock: Pick<Clock, 'monotonic'>): ReflectorMetrics {
  const labels = ['name'] as const;
  const zero = [{ name }];
  const spec = (metric: string, help: string): { name: string; help: string; labels: typeof labels; zero: typeof zero } => ({
    name: `reflector_${metric}`,
    help,
    labels,
    zero,
  });
  const lists = metrics.counter(spec('lists_total', 'Complete lists')).labels({ name });
  const listSeconds = metrics.histogram(spec('list_duration_seconds', 'How long a complete list takes')).labels({ name });
  const listItems = metrics.gauge(spec('items_per_list', 'Objects in the last list')).labels({ name });
  const watches = metrics.counter(spec('watches_total', 'Watches opened')).labels({ name });
  const watchSeconds = metrics
    .histogram({ ...spec('watch_duration_seconds', 'How long a watch lasts'), buckets: [0.1, 1, 10, 60, 120, 240, 300, 600] })
    .labels({ name });
  const handlers = metrics.counter(spec('handler_failures_total', 'Subscribers, indexers and transforms that threw')).labels({ name });
  const version = metrics.gauge(spec('last_resource_version', 'The version up to which everything has been seen')).labels({ name });
  const events = metrics.counter({
    name: 'reflector_events_total',
    help: 'Events a watch brought',
    labels: ['name', 'type'],
    zero: eventTypes.map((type) => ({ name, type })),
  });
  const failures = metrics.counter({ name: 'reflector_failures_total', help: 'Lists and watches that failed', labels: ['name', 'cause'] });
  const silence = metrics
    .gauge(spec('seconds_since_contact', 'Since the last list, event or bookmark; a bookmark comes about once a minute'))
    .labels({ name });
  let contactMs = clock.monotonic();
  const contact = (): void => {
    contactMs = clock.monotonic();
  };
  metrics.beforeScrape(() => silence.set((clock.monotonic() - contactMs) / 1000));
  return {
    listed: (items, durationMs) => {
      contact();
      lists.inc();
      listItems.set(items);
      listSeconds.observe(durationMs / 1000);
    },
    watchStarted: () => watches.inc(),
    watchEnded: (durationMs) => watchSeconds.observe(durationMs / 1000),
    event: (type) => {
      contact();
      events.inc({ name, type });
    },
    failed: (cause: FailureCause) => failures.inc({ name, cause }),
    // Versions are integers in practice; where they are not, there is no number to show.
    resourceVersion: (value) => {
      if (/^\d+$/.test(value)) version.set(Number(value));
    },
    handlerFailed: () => handlers.inc(),
  };
}

/** Shows how many objects a cache holds, counted when asked. */
export function showCacheSize(metrics: Metrics, name: string, cache: { readonly size: number }): void {
  const objects = metrics
    .gauge({ name: 'reflector_objects', help: 'Objects in the cache', labels: ['name'], zero: [{ name }] })
    .labels({ name });
  metrics.beforeScrape(() => objects.set(cache.size));
}
