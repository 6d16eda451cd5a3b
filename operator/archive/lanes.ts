/** How many logs are read at once: many of containers that run, each a quiet connection, and few of containers that have ended. */
import type { FollowLanes } from './logFollower.ts';

const mostEnded = 16;

export class Lanes implements FollowLanes {
  readonly #mostRunning: () => number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #ended = 0;

  constructor(mostRunning: () => number) {
    this.#mostRunning = mostRunning;
  }

  get running(): number {
    return this.#running;
  }

  tryRunning(): (() => void) | undefined {
    if (this.#running >= this.#mostRunning()) return undefined;
    this.#running += 1;
    return once(() => {
      this.#running -= 1;
    });
  }

  async ended(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#ended < mostEnded) this.#ended += 1;
    else await this.#queue(signal);
    return once(() => {
      const next = this.#waiting.shift();
      // The place goes from hand to hand.
      if (next === undefined) this.#ended -= 1;
      else next();
    });
  }

  #queue(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal.reason as Error);
      };
      this.#waiting.push(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}

function once(fn: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) fn();
    isDone = true;
  };
}
