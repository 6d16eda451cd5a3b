/**
 * What is true of the Periodics now, counted when somebody asks. Series that name a Periodic exist only while something is wrong with
 * it, the worst of them first and no more than a fixed number, so the figures do not grow with what users create.
 */
import { slotWaitReasons, type Periodic } from '../../crds/v1/periodic.ts';
import { overdueMs, slotsWithoutSuccess } from '../../operator/jobs/periodicHealth.ts';
import { isSuspended, wasStopped } from '../../operator/jobs/periodicHolds.ts';
import { ScheduleCache, scheduleSeed, type Schedule } from '../../operator/jobs/schedule.ts';
import type { Clock } from '../../operator/runtime/clock.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import { LiveSeries, Tally } from '../../operator/runtime/liveSeries.ts';
import type { Metrics } from '../../operator/runtime/metrics.ts';
import type { StoreReader } from '../../operator/runtime/store.ts';

/** Series of one gauge that name a Periodic. */
export const namedSeries = 200;

/** From this many slots on, a Periodic without a success is worth a series. */
const leastSlots = 2;

export interface PeriodicGaugesOptions {
  readonly metrics: Metrics;
  readonly periodics: Pick<StoreReader<Periodic>, 'list'>;
  readonly clock: Clock;
  /** Only the leader shows figures: sums over replicas would count everything twice. */
  readonly isLeading: () => boolean;
}

type Named = 'periodic_namespace' | 'periodic';

export function showPeriodicGauges({ metrics, periodics, clock, isLeading }: PeriodicGaugesOptions): void {
  const overdue = metrics.gauge({
    name: 'prow_periodic_overdue_seconds',
    help: 'For how long the oldest slot has been due that has neither started a run nor been skipped; 0 when there is none. Leader only.',
  });
  const states = new LiveSeries(
    metrics.gauge({ name: 'prow_periodics', help: 'Periodics by what they do now. Leader only.', labels: ['state'] }),
  );
  const waiting = new LiveSeries(
    metrics.gauge({
      name: 'prow_periodic_slots_waiting',
      help: 'Slots that are accepted and have not started, by what they wait for: a place (Queued, Replacing), or their turn (CatchUp, Retry). Leader only.',
      labels: ['reason'],
    }),
  );
  const failures = new LiveSeries(
    metrics.gauge<Named>({
      name: 'prow_periodic_consecutive_failures',
      help: `Runs that failed one after another, for Periodics where the last one did (the worst ${namedSeries}). Leader only.`,
      labels: ['periodic_namespace', 'periodic'],
    }),
  );
  const silence = new LiveSeries(
    metrics.gauge<Named>({
      name: 'prow_periodic_slots_without_success',
      help: `Slots since a run last succeeded, counted up to 20, from ${leastSlots} on (the worst ${namedSeries}). Leader only.`,
      labels: ['periodic_namespace', 'periodic'],
    }),
  );
  const stopped = new LiveSeries(
    metrics.gauge<Named>({
      name: 'prow_periodic_stopped',
      help: `How many failures in a row have stopped the schedule, for Periodics that spec.stopAfter has stopped (the worst ${namedSeries}). Leader only.`,
      labels: ['periodic_namespace', 'periodic'],
    }),
  );
  const schedules = new ScheduleCache();
  metrics.beforeScrape(() => {
    const nowMs = clock.now();
    const all = isLeading() ? periodics.list() : [];
    overdue.set(all.reduce((most, periodic) => Math.max(most, overdueMs(periodic, scheduleOf(periodic, schedules), nowMs)), 0) / 1000);
    waiting.show(waitTally(all, isLeading()));
    states.show(stateTally(all, nowMs, isLeading()));
    failures.show(worst(all, (periodic) => (isSuspended(periodic, nowMs) ? 0 : (periodic.status?.consecutiveFailures ?? 0)), 1));
    stopped.show(worst(all, (periodic) => (stateOf(periodic, nowMs) === 'stopped' ? (periodic.status?.consecutiveFailures ?? 1) : 0), 1));
    silence.show(worst(all, (periodic) => silentSlots(periodic, schedules, nowMs), leastSlots));
  });
}

const isStalled = ({ status }: Periodic): boolean => findCondition(status?.conditions, 'Stalled')?.status === 'True';

function stateOf(periodic: Periodic, nowMs: number): 'active' | 'suspended' | 'stopped' | 'stalled' {
  if (isSuspended(periodic, nowMs)) return 'suspended';
  if (isStalled(periodic)) return 'stalled';
  return wasStopped(periodic) ? 'stopped' : 'active';
}

function stateTally(all: readonly Periodic[], nowMs: number, isLeading: boolean): Tally<'state'> {
  const tally = new Tally<'state'>(
    isLeading ? [{ state: 'active' }, { state: 'suspended' }, { state: 'stopped' }, { state: 'stalled' }] : [],
  );
  for (const periodic of all) {
    tally.add({ state: stateOf(periodic, nowMs) });
  }
  return tally;
}

function silentSlots(periodic: Periodic, schedules: ScheduleCache, nowMs: number): number {
  const schedule = scheduleOf(periodic, schedules);
  return schedule === undefined ? 0 : slotsWithoutSuccess(periodic, schedule, nowMs);
}

function scheduleOf(periodic: Periodic, schedules: ScheduleCache): Schedule | undefined {
  const parsed = schedules.parse(periodic.spec, scheduleSeed(periodic.metadata));
  return parsed.ok ? parsed.schedule : undefined;
}

/** Slots that are accepted and have not started, by what they wait for. */
function waitTally(all: readonly Periodic[], isLeading: boolean): Tally<'reason'> {
  const tally = new Tally<'reason'>(isLeading ? slotWaitReasons.map((reason) => ({ reason })) : []);
  for (const { status } of all) for (const { reason } of status?.waiting ?? []) tally.add({ reason });
  return tally;
}

/** Those with at least this value, the greatest first. */
function worst(all: readonly Periodic[], valueOf: (periodic: Periodic) => number, least: number): Tally<Named> {
  const tally = new Tally<Named>();
  const found = all.map((periodic) => ({ periodic, value: valueOf(periodic) })).filter(({ value }) => value >= least);
  found.sort((a, b) => b.value - a.value);
  for (const { periodic, value } of found.slice(0, namedSeries)) {
    tally.add({ periodic_namespace: periodic.metadata.namespace ?? '', periodic: periodic.metadata.name }, value);
  }
  return tally;
}
