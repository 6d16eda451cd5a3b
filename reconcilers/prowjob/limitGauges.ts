/**
 * How full the limits are, read from the ledger of slots when somebody asks. The number of series is bounded: of each kind of limit those
 * that matter most have a series of their own, and the rest share one.
 */
import type { LimitSettings, Place } from './admissionLimits.ts';
import type { Admission, Usage } from './admission.ts';
import { LiveSeries, Tally } from '../../operator/runtime/liveSeries.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';

/** Limits of one kind that have a series of their own: those with the most runs. */
export const namedLimits = 50;

export interface LimitGaugesOptions {
  readonly metrics: Metrics;
  readonly admission: Pick<Admission, 'waiting' | 'holding' | 'usage'>;
  readonly settings: () => Pick<LimitSettings, 'queueCapacities'>;
  /** Only the leader shows figures: the ledgers of the others know the same runs. */
  readonly isLeading: () => boolean;
}

type LimitLabels = 'limit' | 'job_namespace' | 'name';

const others = '(others)';
/** Anybody can write any name of a queue into a run. */
const unknown = '(unknown)';

export function showLimitGauges({ metrics, admission, settings, isLeading }: LimitGaugesOptions): void {
  const labels = ['limit', 'job_namespace', 'name'] as const;
  const gauge = (name: string, help: string): LiveSeries<LimitLabels> =>
    new LiveSeries(metrics.gauge({ name, help: `${help} Leader only.`, labels }));
  const used = gauge(
    'prowjob_limit_used',
    `Runs that hold a slot, by limit: all, namespace, cluster, queue (the ${namedLimits} with the most runs of each).`,
  );
  const waiting = gauge('prowjob_limit_waiting', 'Runs that want a slot there and have none, for whatever reason.');
  const room = gauge('prowjob_limit_capacity', 'Slots there are; 0 while nothing starts there. No series where there is no limit.');
  const allWaiting = metrics.gauge({ name: 'prowjob_waiting', help: 'Runs that wait for a slot. Leader only.' });
  const allHolding = metrics.gauge({ name: 'prowjob_running', help: 'Runs that hold a slot. Leader only.' });
  metrics.beforeScrape(() => {
    const isShown = isLeading();
    allWaiting.set(isShown ? admission.waiting : 0);
    allHolding.set(isShown ? admission.holding : 0);
    const tallies = { used: new Tally<LimitLabels>(), waiting: new Tally<LimitLabels>(), room: new Tally<LimitLabels>() };
    for (const { at, use } of isShown ? named(withIdleQueues(admission.usage(), settings())) : []) {
      tallies.used.add(at, use.used);
      tallies.waiting.add(at, use.waiting);
      if (at.name !== others && at.name !== unknown && use.room !== Infinity) tallies.room.add(at, use.room);
    }
    used.show(tallies.used);
    waiting.show(tallies.waiting);
    room.show(tallies.room);
  });
}

/** A queue that nobody uses now has its capacity all the same. */
function withIdleQueues(all: readonly Usage[], { queueCapacities }: Pick<LimitSettings, 'queueCapacities'>): readonly Named[] {
  const shown = all.map((use): Named => {
    const isUnknown = use.place.kind === 'queue' && !queueCapacities.has(use.place.queue);
    return { at: labelsOf(use.place, isUnknown), use };
  });
  const busy = new Set(all.flatMap(({ place }) => (place.kind === 'queue' ? [place.queue] : [])));
  const idle = [...queueCapacities].filter(([queue]) => !busy.has(queue));
  return [
    ...shown,
    ...idle.map(([queue, capacity]): Named => {
      const place: Place = { kind: 'queue', queue };
      return { at: labelsOf(place, false), use: { place, used: 0, waiting: 0, room: capacity < 0 ? Infinity : capacity } };
    }),
  ];
}

interface Named {
  readonly at: Readonly<Record<LimitLabels, string>>;
  readonly use: Usage;
}

/** The ones with the most runs of each kind keep their names. */
function named(all: readonly Named[]): readonly Named[] {
  const counts = new Map<string, number>();
  return all.toSorted(compare).map(({ at, use }) => {
    const count = (counts.get(at.limit) ?? 0) + 1;
    counts.set(at.limit, count);
    return count <= namedLimits || at.name === unknown
      ? { at, use }
      : { at: { limit: at.limit, job_namespace: others, name: others }, use };
  });
}

const compare = (a: Named, b: Named): number => b.use.used + b.use.waiting - a.use.used - a.use.waiting || (keyOf(a) < keyOf(b) ? -1 : 1);

const keyOf = ({ at }: Named): string => `${at.job_namespace}/${at.name}`;

function labelsOf(place: Place, isUnknown: boolean): Readonly<Record<LimitLabels, string>> {
  switch (place.kind) {
    case 'all':
      return { limit: 'all', job_namespace: '', name: '' };
    case 'namespace':
      return { limit: 'namespace', job_namespace: place.namespace, name: '' };
    case 'cluster':
      return { limit: 'cluster', job_namespace: place.namespace, name: place.alias };
    case 'queue':
      return { limit: 'queue', job_namespace: '', name: isUnknown ? unknown : place.queue };
  }
}
