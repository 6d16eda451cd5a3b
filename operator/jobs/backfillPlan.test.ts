import { describe, expect, it } from 'vitest';
import type { PeriodicBackfillSpec, PeriodicBackfillStatus } from '../../crds/v1/periodicBackfill.ts';
import { checkPeriodicBackfill } from './backfillChecks.ts';
import {
  countedSlots,
  planBackfill,
  remainingSlots,
  slotsOf,
  slotsPerPass,
  startsPerPass,
  type BackfillGrid,
  type BackfillSlots,
} from './backfillPlan.ts';
import { buildBackfillRun, backfillUidOf } from './backfillRun.ts';
import { annotation, label } from './labels.ts';
import { periodicUidOf } from './periodicRun.ts';
import { parseSchedule } from './schedule.ts';
import { newBackfill } from './testing/backfills.ts';
import { newPeriodic, type PeriodicInput } from './testing/periodics.ts';
import { stamp } from './times.ts';

const day = (text: string): string => `2026-01-01T${text}Z`;

interface Case {
  readonly periodic?: PeriodicInput;
  readonly spec?: Partial<PeriodicBackfillSpec>;
  readonly status?: PeriodicBackfillStatus;
}

function slots({ periodic: input, spec, status }: Case): BackfillSlots {
  const periodic = newPeriodic(input);
  const backfill = newBackfill({ ...(spec && { spec }), ...(status && { status }) });
  return slotsOf({ backfill, periodic, parsed: parseSchedule(periodic.spec), hasNamesake: false });
}

function gridOf(testCase: Case): BackfillGrid {
  const found = slots(testCase);
  if (found.kind !== 'grid') throw new Error(`no slots: ${JSON.stringify(found)}`);
  return found.grid;
}

/** What is done, as "start 00:10" or "exclude 00:20". */
function plan(testCase: Case, free: number, now = '2026-02-01T00:00:00Z', startedSlots: ReadonlySet<number> = new Set()) {
  const backfill = newBackfill({ ...(testCase.spec && { spec: testCase.spec }), ...(testCase.status && { status: testCase.status }) });
  const periodic = newPeriodic(testCase.periodic);
  const { decisions, wakeAtMs, ...rest } = planBackfill({
    backfill,
    periodic,
    grid: gridOf(testCase),
    free,
    startedSlots,
    nowMs: Date.parse(now),
  });
  const said = decisions.map(({ outcome, slotMs }) => `${outcome} ${stamp(slotMs).slice(11, 16)}`);
  return { decisions: said, ...(wakeAtMs === undefined ? {} : { wakeAt: stamp(wakeAtMs) }), isLast: rest.isLast };
}

describe('which slots there are', () => {
  it.each<Case & { readonly name: string; readonly fault: string; readonly says: RegExp }>([
    { name: 'an interval', periodic: { spec: { cron: undefined, interval: '1h' } }, fault: 'NoSlots', says: /interval/ },
    { name: 'an expression that cannot be read', periodic: { spec: { cron: '61 * * * *' } }, fault: 'InvalidSchedule', says: /column 1/ },
    {
      name: 'another schedule than at the start',
      status: { schedule: { text: '0 * * * * Etc/UTC', since: day('00:00:00') } },
      fault: 'ScheduleChanged',
      says: /was "0 \* \* \* \* Etc\/UTC".*is "0,10,20,30,40,50/,
    },
  ])('$name: $fault', ({ fault, says, ...testCase }) => {
    expect(slots(testCase)).toMatchObject({ kind: 'fault', fault: { reason: fault, message: expect.stringMatching(says) as string } });
  });

  it('none without the Periodic, or beside one of the same name', () => {
    const backfill = newBackfill();
    const absent = slotsOf({ backfill, periodic: undefined, parsed: undefined, hasNamesake: false });
    expect(absent).toMatchObject({ fault: { reason: 'PeriodicNotFound', message: expect.stringContaining('nightly') as string } });
    const periodic = newPeriodic();
    const namesake = slotsOf({ backfill, periodic, parsed: parseSchedule(periodic.spec), hasNamesake: true });
    expect(namesake).toMatchObject({ fault: { reason: 'NameTaken' } });
  });

  it('@every waits until somebody has recorded what it counts from', () => {
    const every = { cron: '@every 7m' };
    expect(slots({ periodic: { spec: every } })).toEqual({ kind: 'unseen' });
    const recorded = { schedule: { text: '@every 7m0s', since: '2026-01-05T00:03:00Z' } };
    expect(gridOf({ periodic: { spec: every, status: recorded } }).anchor.sinceMs).toBe(Date.parse('2026-01-05T00:03:00Z'));
    const other = { schedule: { text: '@every 8m0s', since: '2026-01-05T00:03:00Z' } };
    expect(slots({ periodic: { spec: every, status: other } })).toEqual({ kind: 'unseen' });
    const frozen = { schedule: { text: '@every 7m0s', since: '2026-01-01T00:01:00Z' } };
    expect(gridOf({ periodic: { spec: every, status: recorded }, status: frozen }).anchor.sinceMs).toBe(Date.parse(day('00:01:00')));
  });
});

describe('a walk over the slots', () => {
  const from = (text: string, to: string): Partial<PeriodicBackfillSpec> => ({ from: day(text), to: day(to) });
  const excluded = { spec: { exclusions: [{ from: day('00:10:00'), to: day('00:30:00') }] } };
  it.each<Case & { readonly name: string; readonly free: number; readonly now?: string; readonly gives: ReturnType<typeof plan> }>([
    {
      name: 'begins with the oldest, as many as may be active',
      free: 2,
      gives: { decisions: ['start 00:00', 'start 00:10'], isLast: false },
    },
    { name: 'does nothing while all places are taken', free: 0, gives: { decisions: [], isLast: false } },
    { name: 'does nothing while more are active than may be', free: -3, gives: { decisions: [], isLast: false } },
    {
      name: 'goes on behind the cursor',
      status: { cursor: day('00:30:00') },
      free: 1,
      gives: { decisions: ['start 00:40'], isLast: false },
    },
    {
      name: 'ends before to',
      status: { cursor: day('00:30:00') },
      free: 9,
      gives: { decisions: ['start 00:40', 'start 00:50'], isLast: true },
    },
    { name: 'counts from itself', spec: from('00:10:00', '00:10:01'), free: 9, gives: { decisions: ['start 00:10'], isLast: true } },
    { name: 'is over at once where there is no slot', spec: from('00:11:00', '00:19:00'), free: 1, gives: { decisions: [], isLast: true } },
    {
      name: 'leaves out what the Periodic excludes, without a place',
      periodic: excluded,
      free: 2,
      gives: { decisions: ['start 00:00', 'exclude 00:10', 'exclude 00:20', 'start 00:30'], isLast: false },
    },
    {
      name: 'runs what is excluded where spec says so',
      periodic: excluded,
      spec: { includeExcluded: true },
      free: 3,
      gives: { decisions: ['start 00:00', 'start 00:10', 'start 00:20'], isLast: false },
    },
    {
      name: 'waits for a slot of the future',
      free: 9,
      now: day('00:15:00'),
      gives: { decisions: ['start 00:00', 'start 00:10'], wakeAt: day('00:20:00'), isLast: false },
    },
    {
      name: 'starts a slot in its very second',
      free: 9,
      now: day('00:20:00'),
      gives: { decisions: ['start 00:00', 'start 00:10', 'start 00:20'], wakeAt: day('00:30:00'), isLast: false },
    },
    {
      name: 'reaches back behind the creation of the Periodic',
      periodic: { created: '2026-01-20T00:00:00Z' },
      free: 1,
      gives: { decisions: ['start 00:00'], isLast: false },
    },
    {
      name: 'follows the grid of @every backwards',
      periodic: {
        created: '2026-01-20T00:03:00Z',
        spec: { cron: '@every 20m' },
        status: { schedule: { text: '@every 20m0s', since: '2026-01-20T00:03:00Z' } },
      },
      free: 9,
      gives: { decisions: ['start 00:03', 'start 00:23', 'start 00:43'], isLast: true },
    },
    {
      name: 'does not mind that the Periodic is suspended',
      periodic: { spec: { suspend: true } },
      free: 1,
      gives: { decisions: ['start 00:00'], isLast: false },
    },
  ])('$name', ({ free, now, gives, name: _name, ...testCase }) => expect(plan(testCase, free, now)).toEqual(gives));

  it('has the slots of both passes through an hour where the Periodic has', () => {
    const periodic = { spec: { cron: '30 2 * * *', timeZone: 'Europe/Zurich', dst: { overlap: 'Both' as const } } };
    const spec = { from: '2025-10-26T00:00:00Z', to: '2025-10-27T00:00:00Z' };
    expect(plan({ periodic, spec }, 9).decisions).toEqual(['start 00:30', 'start 01:30']);
  });

  it('takes a slot that has a run already without a place for it', () => {
    const started = new Set([Date.parse(day('00:00:00')), Date.parse(day('00:10:00')), Date.parse(day('00:40:00'))]);
    expect(plan({}, 0, undefined, started).decisions).toEqual(['start 00:00', 'start 00:10']);
    expect(plan({ periodic: excluded }, 0, undefined, started).decisions).toEqual(['start 00:00', 'start 00:10', 'exclude 00:20']);
  });

  it('ends a pass in good time, and goes on at once', () => {
    const spec = { from: '2025-01-01T00:00:00Z' };
    const now = '2026-02-01T00:00:00Z';
    const wide = plan({ spec }, 900, now);
    expect(wide).toMatchObject({ wakeAt: now, isLast: false });
    expect(wide.decisions).toHaveLength(startsPerPass);
    const periodic = { spec: { exclusions: [{ from: '2025-01-01T00:00:00Z', to: '2025-12-31T00:00:00Z' }] } };
    const empty = plan({ spec, periodic }, 1, now);
    expect(empty).toMatchObject({ wakeAt: now, isLast: false });
    expect(new Set(empty.decisions.map((text) => text.split(' ')[0]))).toEqual(new Set(['exclude']));
    expect(empty.decisions).toHaveLength(slotsPerPass);
  });
});

describe('what remains', () => {
  const remaining = (testCase: Case, after: string): number =>
    remainingSlots(
      newBackfill({ ...(testCase.spec && { spec: testCase.spec }) }),
      newPeriodic(testCase.periodic),
      gridOf(testCase),
      Date.parse(after),
    );

  it.each<Case & { readonly name: string; readonly after: string; readonly count: number }>([
    { name: 'all of them', after: '2025-12-31T23:59:59Z', count: 6 },
    { name: 'those behind the cursor', after: day('00:30:00'), count: 2 },
    { name: 'none', after: day('00:50:00'), count: 0 },
    {
      name: 'not the excluded ones',
      periodic: {
        spec: {
          exclusions: [
            { from: day('00:05:00'), to: day('00:25:00') },
            { from: day('00:20:00'), to: day('00:40:00') },
          ],
        },
      },
      after: '2025-12-31T23:59:59Z',
      count: 3,
    },
    { name: 'no more than can be counted', spec: { to: '2027-01-01T00:00:00Z' }, after: day('00:00:00'), count: countedSlots },
  ])('$name: $count', ({ after, count, name: _name, ...testCase }) => expect(remaining(testCase, after)).toBe(count));

  it('a year of excluded slots takes no walk over them', () => {
    let asked = 0;
    const grid = gridOf({ spec: { to: '2027-01-01T00:00:00Z' } });
    const counting = {
      ...grid,
      schedule: { ...grid.schedule, next: (...args: Parameters<typeof grid.schedule.next>) => (asked++, grid.schedule.next(...args)) },
    };
    const periodic = newPeriodic({ spec: { exclusions: [{ from: day('00:00:00'), to: '2026-12-31T23:00:00Z' }] } });
    expect(remainingSlots(newBackfill({ spec: { to: '2027-01-01T00:00:00Z' } }), periodic, counting, Date.parse(day('00:00:00')) - 1)).toBe(
      6,
    );
    expect(asked).toBeLessThan(20);
  });
});

describe('before it is applied', () => {
  it.each<Case & { readonly name: string; readonly backfill?: string; readonly says: readonly string[] }>([
    { name: 'all is well', says: [] },
    { name: 'it has the name of the Periodic', backfill: 'nightly', says: ['metadata.name error'] },
    { name: 'the Periodic has no slots', periodic: { spec: { cron: undefined, interval: '1h' } }, says: ['spec.periodic error'] },
    { name: 'no slot is in the range', spec: { from: day('00:01:00'), to: day('00:09:00') }, says: ['spec.to warning'] },
    { name: '@every cannot be known', periodic: { spec: { cron: '@every 9h' } }, says: [] },
    { name: 'the Periodic cannot be read, which is said there', periodic: { spec: { cron: '61 * * * *' } }, says: [] },
  ])('$name', ({ backfill: name, periodic, spec, says }) => {
    const backfill = newBackfill({ ...(name !== undefined && { name }), ...(spec && { spec }) });
    const found = checkPeriodicBackfill(backfill, newPeriodic(periodic));
    expect(found.map(({ path, severity = 'error' }) => `${path} ${severity}`)).toEqual(says);
    if (name === undefined) expect(checkPeriodicBackfill(backfill, undefined)).toEqual([]);
  });
});

describe('the run of a slot', () => {
  const slotMs = Date.parse(day('00:10:00'));

  it('is that of the Periodic under the name of the backfill, which owns it', () => {
    const run = buildBackfillRun(newBackfill(), newPeriodic(), slotMs);
    expect(run).toMatchObject({
      metadata: {
        name: 'again-20260101t0010z',
        namespace: 'team',
        labels: { [label.backfill]: 'again', [label.job]: 'nightly' },
        annotations: { [annotation.scheduledTime]: day('00:10:00') },
        ownerReferences: [{ kind: 'PeriodicBackfill', name: 'again', uid: 'backfill-uid', controller: true }],
      },
      spec: { job: 'nightly', type: 'periodic' },
    });
    expect([backfillUidOf(run), periodicUidOf(run)]).toEqual(['backfill-uid', undefined]);
  });

  it.each([
    { template: undefined, priority: -10 },
    { template: 5, priority: -5 },
    { template: -(2 ** 31), priority: -(2 ** 31) },
  ])('goes behind runs of the schedule: priority $template becomes $priority', ({ template, priority }) => {
    const spec = { ...newPeriodic().spec.jobTemplate.spec, ...(template === undefined ? {} : { priority: template }) };
    expect(buildBackfillRun(newBackfill(), newPeriodic({ spec: { jobTemplate: { spec } } }), slotMs).spec.priority).toBe(priority);
  });

  it('has a name of its own however long that of the backfill is', () => {
    const name = (of: string): string => buildBackfillRun(newBackfill({ name: of }), newPeriodic(), slotMs).metadata.name;
    const long = 'a'.repeat(80);
    expect(name(long).length).toBeLessThanOrEqual(63);
    expect(name(long)).not.toBe(name(`${long}b`));
  });
});
