/**
 * How long the event loop has not turned. Passes that wait for nothing follow each other without a turn: tens of thousands of them after a
 * first list would keep answers, renewals of the lease and more urgent passes waiting until the last one has ended.
 */
import type { Clock } from './clock.ts';

/** Passes in a row may take so long. */
export const longTurnMs = 10;

export class LoopTurn {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #beganMs: number | undefined;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Whether whoever can wait should wait for the next turn. The first question of a turn begins to measure it. */
  get isLong(): boolean {
    const nowMs = this.#clock.monotonic();
    if (this.#beganMs === undefined) {
      this.#beganMs = nowMs;
      setImmediate(() => {
        this.#beganMs = undefined;
      });
    }
    return nowMs - this.#beganMs > longTurnMs;
  }

  /** Resolves in the next turn, after what has come in. */
  next(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}

const turns = new WeakMap<object, LoopTurn>();

/** One for all who share a clock: their passes follow each other in the same loop. */
export function turnOf(clock: Clock): LoopTurn {
  let turn = turns.get(clock);
  if (turn === undefined) turns.set(clock, (turn = new LoopTurn(clock)));
  return turn;
}
