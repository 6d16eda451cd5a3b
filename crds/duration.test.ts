import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DurationError, formatDuration, parseDuration } from './duration.ts';

describe('parseDuration', () => {
  const good: readonly [text: string, ms: number][] = [
    ['0', 0],
    ['-0', 0],
    ['0s', 0],
    ['5s', 5000],
    ['30s', 30_000],
    ['1478s', 1_478_000],
    ['-5s', -5000],
    ['+5s', 5000],
    ['5.0s', 5000],
    ['5.6s', 5600],
    ['5.s', 5000],
    ['.5s', 500],
    ['1.004s', 1004],
    ['10ns', 1e-5],
    ['11us', 0.011],
    ['12µs', 0.012],
    ['12μs', 0.012],
    ['13ms', 13],
    ['14s', 14_000],
    ['15m', 900_000],
    ['16h', 57_600_000],
    ['3h30m', 12_600_000],
    ['10.5s4m', 250_500],
    ['-2m3.4s', -123_400],
    ['1h2m3s4ms', 3_723_004],
    ['1.5h', 5_400_000],
    ['0.100000000000000000000h', 360_000],
  ];
  it.each(good)('reads %s', (text, ms) => expect(parseDuration(text)).toBeCloseTo(ms, 9));

  const bad: readonly [text: string, says: RegExp][] = [
    ['', /write a number with a unit/],
    ['3', /missing unit/],
    ['1h30', /missing unit/],
    ['-', /number with a unit/],
    ['s', /number with a unit/],
    ['.', /./],
    ['-.', /./],
    ['.s', /number with a unit/],
    ['+.s', /number with a unit/],
    ['1d', /unknown unit "d"; use h, m, s/],
    ['5 s', /number with a unit/],
    ['--5s', /number with a unit/],
    ['3000000h', /longer than 292 years/],
    ['1hour', /unknown unit "hour"/],
    ['1e3s', /unknown unit "e"/],
  ];
  it.each(bad)('refuses %j', (text, says) => {
    expect(() => parseDuration(text)).toThrow(DurationError);
    expect(() => parseDuration(text)).toThrow(says);
  });
});

describe('formatDuration', () => {
  const cases: readonly [ms: number, text: string][] = [
    [0, '0s'],
    [1e-6, '1ns'],
    [0.0011, '1.1µs'],
    [2.2, '2.2ms'],
    [300, '300ms'],
    [1500, '1.5s'],
    [60_000, '1m0s'],
    [245_000, '4m5s'],
    [245_001, '4m5.001s'],
    [5_400_000, '1h30m0s'],
    [18_367_001, '5h6m7.001s'],
    [-5000, '-5s'],
    [172_800_000, '48h0m0s'],
  ];
  it.each(cases)('writes %d ms as %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

  it('refuses what is not a number', () => {
    expect(() => formatDuration(Number.NaN)).toThrow(DurationError);
  });

  it('is read back as it was written', () => {
    fc.assert(fc.property(fc.integer({ min: -1e12, max: 1e12 }), (ms) => parseDuration(formatDuration(ms)) === ms));
  });
});
