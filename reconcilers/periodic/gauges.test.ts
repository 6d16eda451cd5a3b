import { beforeEach, describe, expect, it } from 'vitest';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { newPeriodic, type PeriodicInput } from '../../operator/jobs/testing/periodics.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { namedSeries, showPeriodicGauges } from './gauges.ts';

const nowMs = Date.parse('2026-01-02T12:05:00Z');
const fine: PeriodicInput['status'] = {
  observedGeneration: 1,
  lastSuccessfulTime: '2026-01-02T12:01:00Z',
  nextScheduleTimes: ['2026-01-02T12:10:00Z'],
};

let metrics: Metrics;
let all: readonly Periodic[];
let isLeading: boolean;

beforeEach(() => {
  metrics = new Metrics();
  all = [];
  isLeading = true;
  showPeriodicGauges({ metrics, periodics: { list: () => all }, clock: new FakeClock(nowMs), isLeading: () => isLeading });
});

const value = (name: string, labels: Record<string, string> = {}): Promise<number | undefined> => metrics.value(name, labels);
const seriesOf = async (name: string): Promise<number> => {
  const { body } = await metrics.render();
  return body.split('\n').filter((line) => line.startsWith(`${name}{`)).length;
};

describe('the figures of Periodics', () => {
  it('name nothing while all is well', async () => {
    all = [newPeriodic({ status: fine })];
    expect(await value('prow_periodics', { state: 'active' })).toBe(1);
    expect(await value('prow_periodics', { state: 'stalled' })).toBe(0);
    expect(await value('prow_periodic_overdue_seconds')).toBe(0);
    expect([await seriesOf('prow_periodic_consecutive_failures'), await seriesOf('prow_periodic_slots_without_success')]).toEqual([0, 0]);
  });

  it('name those that fail, until they succeed', async () => {
    all = [newPeriodic({ name: 'red', status: { ...fine, consecutiveFailures: 4 } }), newPeriodic({ name: 'green', status: fine })];
    const labels = { periodic_namespace: 'team', periodic: 'red' };
    expect(await value('prow_periodic_consecutive_failures', labels)).toBe(4);
    expect(await seriesOf('prow_periodic_consecutive_failures')).toBe(1);
    all = [newPeriodic({ name: 'red', status: { ...fine, consecutiveFailures: 0 } })];
    expect(await value('prow_periodic_consecutive_failures', labels)).toBeUndefined();
  });

  it('name those that are silent, from two slots on', async () => {
    all = [
      newPeriodic({ name: 'one', status: { ...fine, lastSuccessfulTime: '2026-01-02T11:55:00Z' } }),
      newPeriodic({ name: 'three', status: { ...fine, lastSuccessfulTime: '2026-01-02T11:35:00Z' } }),
      newPeriodic({ name: 'unreadable', spec: { cron: '61 * * * *' } }),
    ];
    expect(await value('prow_periodic_slots_without_success', { periodic: 'three' })).toBe(3);
    expect(await seriesOf('prow_periodic_slots_without_success')).toBe(1);
  });

  it('leave suspended ones in peace, and count them', async () => {
    const status = {
      ...fine,
      consecutiveFailures: 9,
      lastSuccessfulTime: '2026-01-01T00:00:00Z',
      nextScheduleTimes: ['2026-01-02T00:00:00Z'],
    };
    all = [newPeriodic({ spec: { suspend: true }, status })];
    expect([await seriesOf('prow_periodic_consecutive_failures'), await seriesOf('prow_periodic_slots_without_success')]).toEqual([0, 0]);
    expect([await value('prow_periodic_overdue_seconds'), await value('prow_periodics', { state: 'suspended' })]).toEqual([0, 1]);
  });

  it('count slots that wait by what they wait for, and schedules that stopped', async () => {
    const stopped = {
      type: 'Stopped',
      status: 'True' as const,
      reason: 'ConsecutiveFailures',
      message: '',
      lastTransitionTime: '2026-01-02T12:00:00Z',
    };
    all = [
      newPeriodic({
        name: 'a',
        status: {
          ...fine,
          waiting: [
            { slot: '2026-01-02T12:00:00Z', reason: 'Queued' },
            { slot: '2026-01-02T12:10:00Z', reason: 'Queued' },
          ],
        },
      }),
      newPeriodic({
        name: 'b',
        status: {
          ...fine,
          consecutiveFailures: 5,
          waiting: [{ slot: '2026-01-02T12:00:00Z', attempt: 2, reason: 'Retry' }],
          conditions: [stopped],
        },
      }),
    ];
    const waiting = (reason: string): Promise<number | undefined> => value('prow_periodic_slots_waiting', { reason });
    expect([await waiting('Queued'), await waiting('Retry'), await waiting('CatchUp'), await waiting('Replacing')]).toEqual([2, 1, 0, 0]);
    expect([await value('prow_periodics', { state: 'stopped' }), await value('prow_periodics', { state: 'active' })]).toEqual([1, 1]);
    expect([await value('prow_periodic_stopped', { periodic: 'b' }), await seriesOf('prow_periodic_stopped')]).toEqual([5, 1]);
    all = all.map((periodic) => ({ ...periodic, spec: { ...periodic.spec, suspend: true } }));
    expect(await seriesOf('prow_periodic_stopped')).toBe(0);
    expect(await value('prow_periodic_overdue_seconds')).toBe(0);
  });

  it('do not call a slot late that waits for its jitter', async () => {
    const next = { ...fine, nextScheduleTimes: ['2026-01-02T12:04:59Z'] };
    all = [newPeriodic({ spec: { jitter: '500h', cron: '59 12 * * *' }, status: next })];
    expect(await value('prow_periodic_overdue_seconds')).toBe(0);
    all = [newPeriodic({ status: next })];
    expect(await value('prow_periodic_overdue_seconds')).toBe(1);
  });

  it('show the oldest slot that is due', async () => {
    all = [
      newPeriodic({ name: 'a', status: { ...fine, nextScheduleTimes: ['2026-01-02T12:04:00Z'] } }),
      newPeriodic({ name: 'b', status: { ...fine, nextScheduleTimes: ['2026-01-02T12:03:00Z'] } }),
    ];
    expect(await value('prow_periodic_overdue_seconds')).toBe(120);
  });

  it('name no more than the worst', async () => {
    all = Array.from({ length: namedSeries + 50 }, (_, index) =>
      newPeriodic({ name: `p${index}`, status: { ...fine, consecutiveFailures: index + 1 } }),
    );
    expect(await seriesOf('prow_periodic_consecutive_failures')).toBe(namedSeries);
    expect(await value('prow_periodic_consecutive_failures', { periodic: `p${namedSeries + 49}` })).toBe(namedSeries + 50);
    expect(await value('prow_periodic_consecutive_failures', { periodic: 'p0' })).toBeUndefined();
  });

  it('are shown by the leader only', async () => {
    all = [newPeriodic({ status: { ...fine, consecutiveFailures: 4, nextScheduleTimes: ['2026-01-02T12:03:00Z'] } })];
    expect(await value('prow_periodic_overdue_seconds')).toBe(120);
    isLeading = false;
    expect(await value('prow_periodic_overdue_seconds')).toBe(0);
    expect([await seriesOf('prow_periodic_consecutive_failures'), await seriesOf('prow_periodics')]).toEqual([0, 0]);
  });
});
