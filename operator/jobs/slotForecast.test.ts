import { describe, expect, it } from 'vitest';
import type { PeriodicSpec } from '../../crds/v1/periodic.ts';
import { startOfSlot } from './periodicJitter.ts';
import { parseSchedule } from './schedule.ts';
import { forecast, startsIn, type Planned } from './slotForecast.ts';
import { newPeriodic } from './testing/periodics.ts';
import { stamp } from './times.ts';

type Spec = { readonly [Field in keyof PeriodicSpec]?: PeriodicSpec[Field] | undefined };

function planned(spec: Spec) {
  const periodic = newPeriodic({ created: '2020-01-01T00:00:00Z', spec });
  const parsed = parseSchedule(periodic.spec, { seed: 'team/nightly' });
  if (!parsed.ok || parsed.schedule.kind !== 'slots') throw new Error('the test wants slots');
  return {
    periodic,
    schedule: parsed.schedule,
    anchor: { sinceMs: Date.parse('2020-01-01T00:00:00Z'), startsAtOnce: true },
  } satisfies Planned;
}

const span = (from: string, to: string) => ({ fromMs: Date.parse(from), toMs: Date.parse(to) });

/** Each slot as "00:30 start: note; note". */
function told(spec: Spec, from: string, to: string, limit = 20): readonly string[] {
  return forecast(planned(spec), span(from, to), limit).slots.map(({ slotMs, startMs, notes }) =>
    `${stamp(slotMs).slice(11, 16)} ${startMs === undefined ? 'none' : 'start'} ${notes.join('; ')}`.trimEnd(),
  );
}

describe('the slots to come', () => {
  const spring = ['2026-03-29T00:00:00Z', '2026-03-30T00:00:00Z'] as const;
  const autumn = ['2026-10-25T00:00:00Z', '2026-10-26T00:00:00Z'] as const;
  const zurich = { cron: '30 2 * * *', timeZone: 'Europe/Zurich' };
  it.each<{ readonly name: string; readonly spec: Spec; readonly span: readonly [string, string]; readonly gives: readonly string[] }>([
    {
      name: 'a local time that does not exist is moved',
      spec: zurich,
      span: spring,
      gives: ['01:30 start 02:30 does not exist that day: moved behind the gap'],
    },
    {
      name: 'or left out',
      spec: { ...zurich, dst: { gap: 'Skip' } },
      span: spring,
      gives: ['01:30 none 02:30 does not exist that day: left out (dst.gap Skip)'],
    },
    {
      name: 'of two the first counts',
      spec: zurich,
      span: autumn,
      gives: ['00:30 start first of two 02:30', '01:30 none second of two 02:30: left out (dst.overlap First)'],
    },
    {
      name: 'or the second',
      spec: { ...zurich, dst: { overlap: 'Second' } },
      span: autumn,
      gives: ['00:30 none first of two 02:30: left out (dst.overlap Second)', '01:30 start second of two 02:30'],
    },
    {
      name: 'or both',
      spec: { ...zurich, dst: { overlap: 'Both' } },
      span: autumn,
      gives: ['00:30 start first of two 02:30', '01:30 start second of two 02:30'],
    },
    { name: 'an ordinary day has no remark', spec: zurich, span: ['2026-06-01T00:00:00Z', '2026-06-02T00:00:00Z'], gives: ['00:30 start'] },
    {
      name: 'every hour goes on through the change',
      spec: { cron: '0 * * * *', timeZone: 'Europe/Zurich' },
      span: ['2026-03-29T00:00:00Z', '2026-03-29T03:00:00Z'],
      gives: ['00:00 start', '01:00 start', '02:00 start'],
    },
    {
      name: 'half an hour repeated in Lord Howe',
      spec: { cron: '45 1 * * *', timeZone: 'Australia/Lord_Howe' },
      span: ['2026-04-04T12:00:00Z', '2026-04-04T18:00:00Z'],
      gives: ['14:45 start first of two 01:45', '15:15 none second of two 01:45: left out (dst.overlap First)'],
    },
    {
      name: 'exclusions, with their reason',
      spec: { cron: '0 * * * *', exclusions: [{ from: '2026-01-01T01:00:00Z', to: '2026-01-01T02:00:00Z', reason: 'freeze' }] },
      span: ['2026-01-01T00:00:00Z', '2026-01-01T03:00:00Z'],
      gives: ['00:00 start', '01:00 none excluded: freeze', '02:00 start'],
    },
    {
      name: 'suspended until then',
      spec: { cron: '0 * * * *', suspendUntil: '2026-01-01T01:00:00Z' },
      span: ['2026-01-01T00:00:00Z', '2026-01-01T02:00:00Z'],
      gives: ['00:00 none suspended until 2026-01-01T01:00:00Z', '01:00 start'],
    },
    {
      name: 'suspended',
      spec: { cron: '0 0 * * *', suspend: true },
      span: ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'],
      gives: ['00:00 none suspended'],
    },
  ])('$name', ({ spec, span: [from, to], gives }) => expect(told(spec, from, to)).toEqual(gives));

  it('start nothing in an excluded time, not even late, and nothing while the schedule is stopped', () => {
    const jittered = planned({ cron: '0 * * * *', jitter: '50m' });
    const { startMs = 0 } = forecast(jittered, span('2026-01-01T03:00:00Z', '2026-01-01T04:00:00Z'), 1).slots[0] ?? {};
    const exclusions = [{ from: stamp(startMs), to: stamp(startMs + 1000), reason: 'freeze' }];
    expect(told({ cron: '0 * * * *', jitter: '50m', exclusions }, '2026-01-01T03:00:00Z', '2026-01-01T04:00:00Z')).toEqual([
      '03:00 none excluded: freeze',
    ]);
    const conditions = [
      { type: 'Stopped', status: 'True' as const, reason: 'Failures', message: '', lastTransitionTime: '', observedGeneration: 1 },
    ];
    const stopped = { ...jittered, periodic: { ...jittered.periodic, status: { observedGeneration: 1, conditions } } };
    const day = span('2026-01-01T03:00:00Z', '2026-01-01T04:00:00Z');
    expect(forecast(stopped, day, 1).slots[0]?.notes).toEqual(['stopped after failures']);
    expect(startsIn(stopped, day, 9)).toEqual([]);
  });

  it('are cut at the limit and say so', () => {
    const all = planned({ cron: '0 * * * *' });
    const day = span('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z');
    expect(forecast(all, day, 24)).toMatchObject({ isCut: false });
    const cut = forecast(all, day, 23);
    expect([cut.slots.length, cut.isCut]).toEqual([23, true]);
  });

  it('have their offset, and start when the operator starts them', () => {
    const all = planned({ cron: '30 2 * * *', timeZone: 'Asia/Kathmandu', jitter: '10m' });
    const { slots } = forecast(all, span('2026-01-01T00:00:00Z', '2026-01-03T00:00:00Z'), 9);
    expect(slots.map(({ offsetMs }) => offsetMs / 60_000)).toEqual([345, 345]);
    for (const { slotMs, startMs } of slots) expect(startMs).toBe(startOfSlot(all.periodic, all.schedule, all.anchor, slotMs));
    expect(slots.some(({ slotMs, startMs }) => startMs !== slotMs)).toBe(true);
  });
});

it('the starts are those of the slots that start a run', () => {
  const exclusions = [{ from: '2026-01-01T01:00:00Z', to: '2026-01-01T02:00:00Z' }];
  const day = span('2026-01-01T00:00:00Z', '2026-01-01T04:00:00Z');
  expect(startsIn(planned({ cron: '0 * * * *', exclusions }), day, 99).map(stamp)).toEqual([
    '2026-01-01T00:00:00Z',
    '2026-01-01T02:00:00Z',
    '2026-01-01T03:00:00Z',
  ]);
  expect(startsIn(planned({ cron: '0 * * * *' }), day, 2)).toHaveLength(2);
});
