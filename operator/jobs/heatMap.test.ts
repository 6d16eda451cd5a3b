import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countByMinute, heatMapOf, peakOf, type Starts } from './heatMap.ts';
import { adviceFor, withHash } from './heatMapAdvice.ts';
import { parseSchedule, scheduleSeed } from './schedule.ts';
import { startsIn, type Planned } from './slotForecast.ts';
import { newPeriodic } from './testing/periodics.ts';

const at = (text: string): number => Date.parse(`2026-01-0${text}Z`);

describe('the heat map', () => {
  const all: readonly Starts[] = [
    { name: 'b', times: [at('1T02:00:00'), at('2T02:00:59'), at('3T02:00:00')] },
    { name: 'a', times: [at('1T02:00:30'), at('2T02:00:00'), at('2T14:05:00')] },
    { name: 'c', times: [at('2T02:00:10'), at('2T23:59:59')] },
  ];
  const map = heatMapOf(all, 5);

  it('shows for each minute the busiest day, not the sum', () => {
    expect([map.peaks[120], map.peaks[14 * 60 + 5], map.peaks[1439], map.peaks[121]]).toEqual([3, 1, 1, 0]);
    expect([map.total, map.peak]).toEqual([8, 3]);
  });

  it('adds up by minute of the hour and by hour', () => {
    expect([map.byMinute[0], map.byMinute[5], map.byMinute[59]]).toEqual([6, 1, 1]);
    expect([map.byHour[2], map.byHour[14], map.byHour[23]]).toEqual([6, 1, 1]);
  });

  it('names who starts in the worst minutes, and puts alike minutes together', () => {
    expect(map.worst).toEqual([{ minutes: [120], starts: 3, atMs: at('2T02:00:00'), days: 1, names: ['a', 'b', 'c'] }]);
    const hourly = ['x', 'y'].map((name) => ({ name, times: [at('1T00:30:00'), at('1T05:30:00'), at('2T00:30:00'), at('2T05:30:00')] }));
    expect(heatMapOf(hourly, 5).worst).toEqual([{ minutes: [30, 330], starts: 2, atMs: at('1T00:30:00'), days: 2, names: ['x', 'y'] }]);
    expect(heatMapOf([{ name: 'alone', times: [at('1T00:30:00')] }], 5).worst).toEqual([]);
  });

  it('loses no start, whatever the starts', () => {
    const times = fc.array(fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2020, 0, 9) }), { maxLength: 50 });
    fc.assert(
      fc.property(fc.array(fc.record({ name: fc.string(), times }), { maxLength: 8 }), (starts) => {
        const { total, byHour, byMinute, peaks, peak } = heatMapOf(starts, 3);
        const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
        const wanted = sum(starts.map((each) => each.times.length));
        expect([total, sum(byHour), sum(byMinute)]).toEqual([wanted, wanted, wanted]);
        expect(Math.max(...peaks)).toBe(peak);
        expect(peak).toBe(peakOf(countByMinute(starts)));
      }),
    );
  });
});

describe('an expression with H for its minute', () => {
  it.each([
    ['0 2 * * *', 'H 2 * * *'],
    ['59 */6 1-7 * mon', 'H */6 1-7 * mon'],
    ['*/15 * * * *', 'H/15 * * * *'],
    ['0/20 * * * *', 'H/20 * * * *'],
    ['5,35 * * * *', 'H/30 * * * *'],
    ['45,15,30,0 8 * * *', 'H/15 8 * * *'],
    ['@hourly', 'H * * * *'],
    ['@weekly', 'H 0 * * 0'],
    ['* * * * *', undefined],
    ['*/7 * * * *', undefined],
    ['*/1 * * * *', undefined],
    ['*/60 * * * *', undefined],
    ['0,10 * * * *', undefined],
    ['5/20 * * * *', undefined],
    ['0-30 * * * *', undefined],
    ['H 2 * * *', undefined],
    ['@every 10m', undefined],
  ])('%s becomes %s', (from, to) => {
    expect(withHash(from)).toBe(to);
    const parsed = parseSchedule({ cron: to ?? from }, { seed: 'ns/name' });
    if (to !== undefined) expect(parsed.ok).toBe(true);
  });

  it('has as many slots as before', () => {
    const count = (cron: string): number => {
      const parsed = parseSchedule({ cron }, { seed: 'ns/name' });
      if (!parsed.ok) throw new Error(cron);
      const anchor = { sinceMs: 0, startsAtOnce: false };
      const span = { fromMs: at('1T00:00:00'), toMs: at('8T00:00:00') };
      return startsIn({ periodic: newPeriodic(), schedule: parsed.schedule, anchor }, span, 99_999).length;
    };
    for (const cron of ['0 2 * * *', '*/15 * * * *', '0/20 * * * *', '5,35 8-17 * * mon-fri', '@hourly', '@weekly']) {
      expect(count(withHash(cron) ?? '')).toBe(count(cron));
    }
  });
});

describe('advice', () => {
  const span = { fromMs: at('1T00:00:00'), toMs: at('3T00:00:00') };
  const entry = (name: string, spec: object): Planned => {
    const periodic = newPeriodic({ name, uid: name, spec });
    const parsed = parseSchedule(periodic.spec, { seed: scheduleSeed(periodic.metadata) });
    if (!parsed.ok) throw new Error(name);
    return { periodic, schedule: parsed.schedule, anchor: { sinceMs: 0, startsAtOnce: false } };
  };
  const advice = (all: readonly Planned[]) =>
    adviceFor(
      all,
      all.map((each) => ({ name: each.periodic.metadata.name, times: startsIn(each, span, 99_999) })),
      span,
    );
  const herd = (size: number, spec: object): readonly Planned[] => Array.from({ length: size }, (_, index) => entry(`p${index}`, spec));

  it('names what to change, and what it really comes to', () => {
    const all = [...herd(12, { cron: '0 2 * * *' }), entry('apart', { cron: '17 9 * * *' })];
    const found = advice(all);
    expect(found.map(({ kind }) => kind).sort()).toEqual(['H', 'jitter']);
    const spread = found.find(({ kind }) => kind === 'H');
    expect(spread?.changes).toHaveLength(12);
    expect(spread?.changes[0]).toEqual({ name: 'p0', path: 'spec.cron', from: '0 2 * * *', to: 'H 2 * * *' });
    const real = herd(12, { cron: 'H 2 * * *' }).map((each) => ({ name: '', times: startsIn(each, span, 999) }));
    expect(spread?.peak).toBe(peakOf(countByMinute([...real, { name: '', times: [at('1T09:17:00')] }])));
    expect(spread?.peak).toBeLessThan(6);
    expect(found[0]?.peak).toBeLessThanOrEqual(found[1]?.peak ?? 0);
  });

  it('changes only the expressions of a list that it can', () => {
    const [first] = advice(herd(8, { cron: undefined, crons: ['0 2 * * *', 'H 5 * * *'] })).filter(({ kind }) => kind === 'H');
    expect(first?.changes[0]).toEqual({ name: 'p0', path: 'spec.crons[0]', from: '0 2 * * *', to: 'H 2 * * *' });
    expect(first?.changes).toHaveLength(8);
  });

  it.each([
    { name: 'a few that start together', all: herd(3, { cron: '0 2 * * *' }) },
    { name: 'those that have a jitter already', all: herd(9, { cron: '0 2 * * *', jitter: '1m' }) },
    { name: 'what runs every minute', all: herd(9, { cron: '* * * * *' }) },
    { name: 'nobody', all: [] },
  ])('has none for $name', ({ all }) => expect(advice(all).filter(({ kind }) => kind === 'H')).toEqual([]));
});
