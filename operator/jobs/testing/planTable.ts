/** Tables of plans: what is given on 2026-01-01, and what is to be decided, written as a person would say it. */
import { describe, expect, it } from 'vitest';
import type { Periodic, PeriodicWaitingSlot } from '../../../crds/v1/periodic.ts';
import type { SlotDecision } from '../periodicDecisions.ts';
import { planPeriodic, type PeriodicPlan } from '../periodicPlan.ts';
import { isFinished } from '../periodicRun.ts';
import { parseSchedule } from '../schedule.ts';
import { newPeriodic, newRun, type PeriodicInput, type RunInput } from './periodics.ts';

export const clock = (time: string): string => `2026-01-01T${time}Z`;

const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

/** "10:20". */
const short = (ms: number): string => iso(ms).slice(11, -1).replace(/:00$/, '');

export interface PlanRow {
  readonly name: string;
  readonly given?: PeriodicInput;
  readonly runs?: readonly RunInput[];
  /** Of the runs, those whose end status does not know of yet, by their place in the list. */
  readonly ended?: readonly number[];
  /** Time of day on 2026-01-01. */
  readonly now: string;
  /** The slot that this process went to sleep for. */
  readonly expected?: string;
  /** "10:20 start", "10:10 miss Superseded", "10:10#2 wait Retry 10:25": the second attempt, not before 10:25. */
  readonly want: readonly string[];
  /** Slots of the runs that are asked to end. */
  readonly replaced?: readonly string[];
  /** When to look again; absent: not checked; null: never. */
  readonly wake?: string | null;
  /** The first of the next slots; absent: not checked; null: there is none. */
  readonly next?: string | null;
}

export function show(decision: SlotDecision): string {
  const slot = `${short(decision.slotMs)}${decision.attempt === 1 ? '' : `#${decision.attempt}`}`;
  if (decision.outcome === 'start') return `${slot} start${decision.cause === 'slot' ? '' : ` ${decision.cause}`}`;
  const notBefore = decision.outcome === 'wait' && decision.notBeforeMs !== undefined ? ` ${short(decision.notBeforeMs)}` : '';
  return `${slot} ${decision.outcome} ${decision.reason}${notBefore}`;
}

export interface PlanGiven {
  readonly runs?: readonly RunInput[];
  readonly ended?: readonly number[];
  readonly now: string;
  readonly expected?: string;
}

export function planOf(periodic: Periodic, { runs = [], ended = [], now, expected }: PlanGiven): PeriodicPlan {
  const parsed = parseSchedule(periodic.spec, { seed: `${periodic.metadata.namespace ?? ''}/${periodic.metadata.name}` });
  if (!parsed.ok) throw new Error('the schedule of this test is invalid');
  const all = runs.map((run) => newRun(periodic, run));
  return planPeriodic({
    periodic,
    schedule: parsed.schedule,
    runs: all,
    ended: ended.map((index) => all[index]).filter((run) => run !== undefined && isFinished(run)) as (typeof all)[number][],
    nowMs: Date.parse(clock(now)),
    ...(expected === undefined ? {} : { expectedMs: Date.parse(clock(expected)) }),
  });
}

/** The object was created at midnight and dealt with everything until then. */
export const settledAt = (time: string, text = '0,10,20,30,40,50 * * * * Etc/UTC') => ({
  lastScheduleTime: clock(time),
  schedule: { text, since: clock('00:00:00') },
});

export const waiting = (
  time: string,
  reason: PeriodicWaitingSlot['reason'],
  more: Partial<PeriodicWaitingSlot> = {},
): PeriodicWaitingSlot => ({
  slot: clock(time),
  reason,
  ...more,
});

export function describePlans(title: string, rows: readonly PlanRow[]): void {
  describe(title, () => {
    it.each(rows)('$name', (row) => {
      const plan = planOf(newPeriodic(row.given), row);
      expect(plan.decisions.map(show)).toEqual(row.want);
      const asTime = (ms: number | undefined): string | null => (ms === undefined ? null : iso(ms));
      if (row.replaced !== undefined)
        expect(plan.replaced.map((run) => run.metadata.annotations?.['prow.k8s.io/scheduled-time'])).toEqual(row.replaced.map(clock));
      if (row.wake !== undefined) expect(asTime(plan.wakeAtMs)).toBe(row.wake === null ? null : clock(row.wake));
      if (row.next !== undefined) expect(asTime(plan.nextSlots[0])).toBe(row.next === null ? null : clock(row.next));
    });
  });
}
