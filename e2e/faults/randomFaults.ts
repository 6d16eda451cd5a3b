/**
 * Every kind of fault by name, with figures that chance fills in, and mixes of them. `server` are those that a real API server, its network
 * or a gateway may bring; `broken` are those that only a proxy with a defect brings: what is lost by them silently comes back with a list.
 */
import { isWatch, isWrite, type Fault, type Rule, type Seen, type StreamFault } from './faults.ts';
import type { Dice } from './seeded.ts';

/** What a fault befalls. `read`: an answer that ends; `look`: that or a watch. */
export type Target = 'any' | 'write' | 'read' | 'look' | 'watch';

export interface FaultKind {
  readonly name: string;
  readonly from: 'server' | 'broken';
  readonly target: Target;
  /** What it may befall in one in so many requests, at most; others would never get through. */
  readonly share: number;
  readonly make: (dice: Dice) => Fault;
}

const targets: ReadonlyMap<Target, (seen: Seen) => boolean> = new Map<Target, (seen: Seen) => boolean>([
  ['any', () => true],
  ['write', isWrite],
  ['read', (seen) => !isWrite(seen) && !isWatch(seen)],
  ['look', (seen) => !isWrite(seen)],
  ['watch', isWatch],
]);

const request = (name: string, target: Target, share: number, make: (dice: Dice) => Fault): FaultKind => ({
  name,
  from: 'server',
  target,
  share,
  make,
});
const stream = (name: string, from: FaultKind['from'], make: (dice: Dice) => StreamFault): FaultKind => ({
  name,
  from,
  target: 'watch',
  share: 0.8,
  make: (dice) => ({ kind: 'stream', stream: make(dice) }),
});

/** A silence ends with a broken connection after so long: less than the operator's own patience, so that a run of faults is short. */
const patienceMs = 5_000;

export const faultKinds: readonly FaultKind[] = [
  request('reset before the request is done', 'any', 0.4, () => ({ kind: 'reset' })),
  request('reset after the request was done', 'write', 0.5, () => ({ kind: 'resetAfter' })),
  request('delay of a request', 'any', 0.5, (dice) => ({ kind: 'delay', delayMs: dice.between(1, 16) * 250 })),
  request('delay of an answer', 'write', 0.5, (dice) => ({ kind: 'slowAnswer', delayMs: dice.between(1, 16) * 250 })),
  request('time-out before a write was applied', 'write', 0.2, () => ({ kind: 'silence', forMs: patienceMs })),
  request('time-out after a write was applied', 'write', 0.2, () => ({ kind: 'silenceAfter', forMs: patienceMs })),
  request('time-out of a read', 'read', 0.3, () => ({ kind: 'silence', forMs: patienceMs })),
  request('409 to a write', 'write', 0.4, () => ({ kind: 'status', code: 409 })),
  request('410 to a list or a watch', 'look', 0.3, () => ({ kind: 'status', code: 410 })),
  request('429 with Retry-After', 'any', 0.3, () => ({ kind: 'status', code: 429, retryAfterSeconds: 1 })),
  request('500', 'any', 0.4, () => ({ kind: 'status', code: 500 })),
  request('503', 'any', 0.4, () => ({ kind: 'status', code: 503 })),
  request('500 to a write that was applied', 'write', 0.4, () => ({ kind: 'statusAfter', code: 500 })),
  request('504 to a write that was applied', 'write', 0.4, () => ({ kind: 'statusAfter', code: 504 })),
  request('nonsense as an answer', 'any', 0.3, () => ({ kind: 'garble' })),
  request('half an answer', 'any', 0.3, () => ({ kind: 'halfAnswer' })),
  stream('a loop of watches that end in order', 'server', (dice) => ({ kind: 'close', afterEvents: dice.between(0, 2) })),
  stream('watches that break', 'server', (dice) => ({ kind: 'cut', afterEvents: dice.between(0, 5) })),
  stream('events that are lost when the watch ends', 'server', (dice) => ({ kind: 'lose', afterEvents: dice.between(0, 5), events: 3 })),
  stream('a truncated stream', 'server', (dice) => ({ kind: 'truncate', afterEvents: dice.between(0, 5) })),
  stream('a garbled stream', 'server', (dice) => ({ kind: 'garbleLine', afterEvents: dice.between(0, 5) })),
  stream('410 in a watch', 'server', (dice) => ({ kind: 'error', afterEvents: dice.between(0, 5), code: 410 })),
  stream('500 in a watch', 'server', (dice) => ({ kind: 'error', afterEvents: dice.between(0, 5), code: 500 })),
  stream('a half-open watch', 'server', (dice) => ({ kind: 'stall', afterEvents: dice.between(0, 5) })),
  stream('a cache that is some events behind', 'server', (dice) => ({ kind: 'behind', events: dice.between(1, 8) })),
  stream('events that come twice', 'server', () => ({ kind: 'duplicate', times: 2 })),
  stream('events that come again', 'server', (dice) => ({ kind: 'replay', events: dice.between(2, 6) })),
  stream('events of several objects in another order', 'broken', (dice) => ({
    kind: 'reorder',
    window: dice.between(2, 6),
    keepObjects: true,
  })),
  stream('events in any order', 'broken', (dice) => ({ kind: 'reorder', window: dice.between(2, 6), keepObjects: false })),
  stream('events that vanish', 'broken', (dice) => ({ kind: 'drop', probability: dice.between(1, 6) / 10 })),
  stream('deletions that are never told', 'broken', () => ({ kind: 'dropDeletes' })),
  { ...request('a list from the past', 'read', 0.5, (dice) => ({ kind: 'staleList', answersAgo: dice.between(2, 4) })), from: 'broken' },
];

/** The rule for one kind. */
export const ruleOf = ({ target, share, make }: FaultKind, dice: Dice, severity = 1): Rule => ({
  fault: make(dice),
  matches: targets.get(target) ?? (() => true),
  probability: share * severity,
});

/** One to three kinds at once, each now and then. */
export function faultMix(
  dice: Dice,
  from: readonly FaultKind['from'][],
): { readonly names: readonly string[]; readonly rules: readonly Rule[] } {
  const eligible = faultKinds.filter((kind) => from.includes(kind.from));
  const chosen = Array.from({ length: dice.between(1, 3) }, () => dice.pick(eligible));
  return { names: chosen.map(({ name }) => name), rules: chosen.map((kind) => ruleOf(kind, dice, 0.3 + 0.7 * dice.roll())) };
}
