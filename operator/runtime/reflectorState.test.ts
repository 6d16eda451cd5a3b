import { describe, expect, it } from 'vitest';
import { ApiError, TransportError } from '../kube/errors.ts';
import { failureOf } from './reflectorFailure.ts';
import { defaultTuning, next } from './reflectorState.ts';
import type { FailureCause, ReflectorEffect, ReflectorInput, ReflectorState } from './reflectorState.ts';

const moment = { nowMs: 1_000_000, random: 0.5 };
const failed = (cause: FailureCause, retryAfterMs?: number): ReflectorInput => ({
  type: 'failed',
  failure: { cause, message: cause, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) },
});
const listing = (page: number, failures = 0): ReflectorState => ({
  phase: 'listing',
  page,
  ...(page > 1 ? { token: `t${page}` } : {}),
  failures,
});
const watching = (resourceVersion: string, ageMs = 0, failures = 0): ReflectorState => ({
  phase: 'watching',
  resourceVersion,
  sinceMs: moment.nowMs - ageMs,
  failures,
});

interface Row {
  readonly name: string;
  readonly from: ReflectorState;
  readonly input: ReflectorInput;
  /** What the new state must contain. */
  readonly to: Partial<ReflectorState> & Record<string, unknown>;
  /** The types of the effects, in order. */
  readonly effects: readonly ReflectorEffect['type'][];
}

const rows: readonly Row[] = [
  { name: 'start lists', from: { phase: 'idle' }, input: { type: 'start' }, to: listing(1), effects: ['discard'] },
  {
    name: 'a page with a token asks for the next',
    from: listing(1),
    input: { type: 'page', resourceVersion: '5', more: 't2' },
    to: listing(2),
    effects: ['collect'],
  },
  {
    name: 'the last page opens the watch',
    from: listing(2, 3),
    input: { type: 'page', resourceVersion: '5' },
    to: watching('5', 0, 3),
    effects: ['collect', 'replace'],
  },
  {
    name: 'an empty token is no token',
    from: listing(1),
    input: { type: 'page', resourceVersion: '5', more: '' },
    to: watching('5'),
    effects: ['collect', 'replace'],
  },
  {
    name: 'a list without a version is never watched from',
    from: listing(1),
    input: { type: 'page', resourceVersion: undefined },
    to: { phase: 'backingOff', then: { do: 'list', page: 1 } },
    effects: ['discard', 'report'],
  },
  {
    name: 'version 0 means any version and is no place to watch from',
    from: listing(1),
    input: { type: 'page', resourceVersion: '0' },
    to: { phase: 'backingOff', then: { do: 'list', page: 1 } },
    effects: ['discard', 'report'],
  },
  {
    name: 'an event moves the version on',
    from: watching('5'),
    input: { type: 'event', resourceVersion: '6' },
    to: watching('6'),
    effects: ['apply'],
  },
  {
    name: 'a longer number is newer',
    from: watching('99'),
    input: { type: 'event', resourceVersion: '100' },
    to: watching('100'),
    effects: ['apply'],
  },
  {
    name: 'an older event does not move it back',
    from: watching('100'),
    input: { type: 'event', resourceVersion: '99' },
    to: watching('100'),
    effects: ['apply'],
  },
  {
    name: 'an opaque version is taken as it comes',
    from: watching('abc'),
    input: { type: 'event', resourceVersion: 'abb' },
    to: watching('abb'),
    effects: ['apply'],
  },
  {
    name: 'a failed first page starts over',
    from: listing(1),
    input: failed('server'),
    to: { phase: 'backingOff', failures: 1, untilMs: moment.nowMs + 100, then: { do: 'list', page: 1 } },
    effects: ['discard', 'report'],
  },
  {
    name: 'a failed later page is asked for again',
    from: listing(3),
    input: failed('reset'),
    to: { phase: 'backingOff', then: { do: 'list', page: 3, token: 't3' } },
    effects: ['report'],
  },
  {
    name: 'an expired token starts over',
    from: listing(3),
    input: failed('expired'),
    to: { phase: 'backingOff', then: { do: 'list', page: 1 } },
    effects: ['discard', 'report'],
  },
  {
    name: 'an expired version lists again, after a wait',
    from: watching('5', 0, 2),
    input: failed('expired'),
    to: { phase: 'backingOff', failures: 3, untilMs: moment.nowMs + 400, then: { do: 'list', page: 1 } },
    effects: ['discard', 'report'],
  },
  ...(['internal', 'rewound'] as const).map((cause) => ({
    name: `after ${cause} nobody knows what the store has missed: lists again`,
    from: watching('5'),
    input: failed(cause),
    to: { phase: 'backingOff' as const, then: { do: 'list' as const, page: 1 } },
    effects: ['discard' as const, 'report' as const],
  })),
  ...(['closed', 'connect', 'reset', 'timeout', 'malformed', 'forbidden', 'missing', 'throttled', 'server'] as const).map((cause) => ({
    name: `a watch that ended with ${cause} keeps its version`,
    from: watching('5'),
    input: failed(cause),
    to: { phase: 'backingOff' as const, cause, then: { do: 'watch' as const, resourceVersion: '5' } },
    effects: ['report' as const],
  })),
  {
    name: 'a store that nobody has compared for long is listed again at once, and failures are kept in mind',
    from: watching('5', 0, 2),
    input: { type: 'aged' },
    to: listing(1, 2),
    effects: ['discard'],
  },
  {
    name: 'a watch shorter than the stable period counts as one more failure',
    from: watching('5', defaultTuning.stableMs - 1, 7),
    input: failed('closed'),
    to: { phase: 'backingOff', failures: 8, untilMs: moment.nowMs + 12_800 },
    effects: ['report'],
  },
  {
    name: 'a stable watch clears the failures',
    from: watching('5', defaultTuning.stableMs, 7),
    input: failed('closed'),
    to: { phase: 'backingOff', failures: 1, untilMs: moment.nowMs + 100 },
    effects: ['report'],
  },
  {
    name: 'Retry-After is added to, never undercut',
    from: watching('5'),
    input: failed('throttled', 5000),
    to: { phase: 'backingOff', untilMs: moment.nowMs + 5100 },
    effects: ['report'],
  },
  {
    name: 'the end of a wait opens the watch where it stood',
    from: { phase: 'backingOff', cause: 'reset', untilMs: 0, failures: 4, then: { do: 'watch', resourceVersion: '5' } },
    input: { type: 'timer' },
    to: watching('5', 0, 4),
    effects: [],
  },
  {
    name: 'the end of a wait asks for the page',
    from: { phase: 'backingOff', cause: 'reset', untilMs: 0, failures: 4, then: { do: 'list', page: 2, token: 't2' } },
    input: { type: 'timer' },
    to: listing(2, 4),
    effects: [],
  },
];

describe('next', () => {
  it.each(rows)('$name', ({ from, input, to, effects }) => {
    const step = next(from, input, moment);
    expect(step.state).toMatchObject(to);
    expect(step.effects.map((effect) => effect.type)).toEqual(effects);
  });

  it.each<{ readonly from: ReflectorState; readonly input: ReflectorInput }>([
    { from: { phase: 'idle' }, input: { type: 'timer' } },
    { from: watching('5'), input: { type: 'page', resourceVersion: '6' } },
    { from: listing(1), input: { type: 'event', resourceVersion: '6' } },
    { from: watching('5'), input: { type: 'start' } },
  ])('refuses $input.type while $from.phase', ({ from, input }) => {
    expect(() => next(from, input, moment)).toThrow(`${input.type} cannot happen while ${from.phase}`);
  });

  it('never waits longer than the maximum, and never less than half the base', () => {
    for (const random of [0, 0.999]) {
      for (let failures = 0; failures < 2000; failures += 1) {
        const { state } = next(watching('5', 0, failures), failed('reset'), { nowMs: 0, random });
        const untilMs = state.phase === 'backingOff' ? state.untilMs : Number.NaN;
        expect(untilMs).toBeGreaterThanOrEqual(defaultTuning.baseMs / 2);
        expect(untilMs).toBeLessThanOrEqual(defaultTuning.maxMs);
      }
    }
  });
});

describe('failureOf', () => {
  const status = (code: number, reason: string): ApiError => new ApiError('watch', { code, reason }, code);
  it.each([
    { error: status(410, 'Expired'), cause: 'expired' },
    { error: status(410, ''), cause: 'expired' },
    { error: status(400, 'BadRequest'), cause: 'expired' },
    {
      error: new ApiError('watch', { reason: 'Timeout', details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } }, 504),
      cause: 'expired',
    },
    { error: status(401, 'Unauthorized'), cause: 'forbidden' },
    { error: status(403, 'Forbidden'), cause: 'forbidden' },
    { error: status(404, 'NotFound'), cause: 'missing' },
    { error: status(429, 'TooManyRequests'), cause: 'throttled' },
    { error: status(500, 'InternalError'), cause: 'server' },
    { error: new TransportError('reset', 'x'), cause: 'reset' },
    { error: new TransportError('timeout', 'x'), cause: 'timeout' },
    { error: new TransportError('malformed', 'x'), cause: 'malformed' },
    { error: new TypeError('x'), cause: 'internal' },
    { error: 'text', cause: 'internal' },
  ])('$error is $cause', ({ error, cause }) => {
    expect(failureOf(error).cause).toBe(cause);
  });

  it('bounds Retry-After', () => {
    expect(failureOf(new ApiError('list', {}, 503, 5000)).retryAfterMs).toBe(5000);
    expect(failureOf(new ApiError('list', {}, 503, 86_400_000)).retryAfterMs).toBe(300_000);
  });
});
