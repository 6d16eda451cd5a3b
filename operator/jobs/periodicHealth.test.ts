import { describe, expect, it } from 'vitest';
import { countedSlots, overdueMs, slotsWithoutSuccess } from './periodicHealth.ts';
import { isSuspended } from './periodicHolds.ts';
import { startOfSlot } from './periodicJitter.ts';
import { parseSchedule } from './schedule.ts';
import { newPeriodic, type PeriodicInput } from './testing/periodics.ts';

const nowMs = Date.parse('2026-01-02T12:05:00Z');

interface Row extends PeriodicInput {
  readonly name: string;
  /** Seconds, or slots. */
  readonly expected: number;
}

const seen = { observedGeneration: 1 };

describe('for how many seconds a slot is overdue', () => {
  const rows: readonly Row[] = [
    { name: 'not at all while the next slot is to come', status: { ...seen, nextScheduleTimes: ['2026-01-02T12:10:00Z'] }, expected: 0 },
    { name: 'since the slot that nobody has dealt with', status: { ...seen, nextScheduleTimes: ['2026-01-02T12:00:00Z'] }, expected: 300 },
    {
      name: 'not at all when no slot is known, as while an interval waits for its run',
      status: { ...seen, nextScheduleTimes: [] },
      expected: 0,
    },
    { name: 'since its creation for an object that nobody has looked at', created: '2026-01-02T12:04:00Z', expected: 60 },
    {
      name: 'not by times that were told for another spec',
      generation: 2,
      status: { ...seen, nextScheduleTimes: ['2026-01-02T12:00:00Z'] },
      expected: 0,
    },
    { name: 'not while suspended', spec: { suspend: true }, status: { ...seen, nextScheduleTimes: ['2026-01-02T12:00:00Z'] }, expected: 0 },
    {
      name: 'not while suspended for a time',
      spec: { suspendUntil: '2026-01-03T00:00:00Z' },
      status: { ...seen, nextScheduleTimes: ['2026-01-02T12:00:00Z'] },
      expected: 0,
    },
  ];
  it.each(rows)('$name', ({ expected, ...input }) => {
    const periodic = newPeriodic(input);
    const parsed = parseSchedule(periodic.spec);
    if (!parsed.ok) throw new Error('the schedule of the row cannot be read');
    expect(overdueMs(periodic, parsed.schedule, nowMs) / 1000).toBe(expected);
  });

  it('counts from the start of a slot, not from the slot, where there is jitter', () => {
    const periodic = newPeriodic({ spec: { jitter: '10m' }, status: { ...seen, nextScheduleTimes: ['2026-01-02T12:00:00Z'] } });
    const parsed = parseSchedule(periodic.spec);
    if (!parsed.ok) throw new Error('the schedule cannot be read');
    const slotMs = Date.parse('2026-01-02T12:00:00Z');
    const startMs = startOfSlot(periodic, parsed.schedule, { sinceMs: 0, startsAtOnce: true }, slotMs);
    expect(startMs).toBeGreaterThan(slotMs);
    expect([overdueMs(periodic, parsed.schedule, startMs), overdueMs(periodic, parsed.schedule, startMs + 7_000)]).toEqual([0, 7_000]);
  });
});

describe('slots without a success', () => {
  const rows: readonly Row[] = [
    { name: 'none right after one', status: { lastSuccessfulTime: '2026-01-02T12:03:00Z' }, expected: 0 },
    { name: 'one for each slot since', status: { lastSuccessfulTime: '2026-01-02T11:31:00Z' }, expected: 3 },
    { name: 'counted from the creation when there never was one', created: '2026-01-02T11:45:00Z', expected: 2 },
    {
      name: 'counted from the last change of the schedule',
      status: { schedule: { text: 'x', since: '2026-01-02T11:55:00Z' }, lastSuccessfulTime: '2026-01-01T00:00:00Z' },
      expected: 1,
    },
    { name: 'no more than the limit', status: { lastSuccessfulTime: '2026-01-01T00:00:00Z' }, expected: countedSlots },
    { name: 'none while suspended', spec: { suspend: true }, expected: 0 },
    { name: 'counted from the end of a suspension', spec: { suspendUntil: '2026-01-02T11:45:00Z' }, expected: 2 },
    {
      name: 'not those that are excluded',
      spec: { exclusions: [{ from: '2026-01-02T11:35:00Z', to: '2026-01-02T11:55:00Z' }] },
      status: { lastSuccessfulTime: '2026-01-02T11:31:00Z' },
      expected: 1,
    },
    {
      name: 'periods of an interval',
      spec: { cron: undefined, interval: '30m' },
      status: { lastSuccessfulTime: '2026-01-02T10:30:00Z' },
      expected: 3,
    },
    {
      name: 'no more periods than the limit',
      spec: { cron: undefined, interval: '1m' },
      status: { lastSuccessfulTime: '2026-01-02T10:30:00Z' },
      expected: countedSlots,
    },
  ];
  it.each(rows)('$name', ({ expected, ...input }) => {
    const periodic = newPeriodic(input);
    const parsed = parseSchedule(periodic.spec);
    if (!parsed.ok) throw new Error('the schedule of the row cannot be read');
    expect(slotsWithoutSuccess(periodic, parsed.schedule, nowMs)).toBe(expected);
  });
});

it('a suspension ends at its instant', () => {
  const periodic = newPeriodic({ spec: { suspendUntil: '2026-01-02T12:05:00Z' } });
  expect([isSuspended(periodic, nowMs - 1), isSuspended(periodic, nowMs)]).toEqual([true, false]);
});
