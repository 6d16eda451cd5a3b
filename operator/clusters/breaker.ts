/**
 * A circuit breaker for one API server. Closed: calls go out. After a few failures in a row it opens, and calls fail at once instead of
 * holding a worker. Only a probe of the cluster's own loop closes it again; the more often it opened lately, the longer until the next.
 */
import { fullJitterMs } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';

export type BreakerState = 'closed' | 'open' | 'halfOpen';

export interface BreakerOptions {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Failures in a row that open it. Default 3. */
  readonly threshold?: number;
  /** Limit of the first wait before a probe; doubles with each opening. Default 1 s. */
  readonly baseMs?: number;
  /** Default 30 s. */
  readonly maxMs?: number;
  /** Closed for so long, it counts openings from the start again. Default 60 s. */
  readonly stableMs?: number;
  /** In [0, 1). Default Math.random. */
  readonly random?: () => number;
}

export class Breaker {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #threshold: number;
  readonly #wait: { readonly baseMs: number; readonly maxMs: number };
  readonly #stableMs: number;
  readonly #random: () => number;
  #state: BreakerState = 'closed';
  #failures = 0;
  #openings = 0;
  #closedAtMs: number;
  #probeAtMs = 0;
  #isHurried = false;

  constructor(options: BreakerOptions) {
    this.#clock = options.clock;
    this.#threshold = options.threshold ?? 3;
    this.#wait = { baseMs: options.baseMs ?? 1_000, maxMs: options.maxMs ?? 30_000 };
    this.#stableMs = options.stableMs ?? 60_000;
    this.#random = options.random ?? Math.random;
    this.#closedAtMs = this.#clock.monotonic();
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Until a probe may be sent; 0 when it may, or when none is needed. */
  get probeInMs(): number {
    return this.#state === 'open' ? Math.max(0, this.#probeAtMs - this.#clock.monotonic()) : 0;
  }

  /** An answer came. Answers to calls from before it opened prove nothing and change nothing. */
  succeeded(): void {
    if (this.#state === 'closed') this.#failures = 0;
  }

  /** No answer came, or none that makes sense. `fatal`: repeating is useless, as with refused credentials. True: it has opened now. */
  failed(fatal = false): boolean {
    this.#failures += 1;
    if (this.#state !== 'closed' || (!fatal && this.#failures < this.#threshold)) return false;
    if (this.#clock.monotonic() - this.#closedAtMs >= this.#stableMs) this.#openings = 0;
    this.#open();
    return true;
  }

  /** Takes the right to probe. False: it is not open, or it is too early. */
  beginProbe(): boolean {
    if (this.#state !== 'open' || this.probeInMs > 0) return false;
    this.#state = 'halfOpen';
    return true;
  }

  /** What the probe found. */
  endProbe(ok: boolean): void {
    if (this.#state !== 'halfOpen') return;
    if (!ok) {
      this.#open();
      return;
    }
    this.#state = 'closed';
    this.#failures = 0;
    this.#isHurried = false;
    this.#closedAtMs = this.#clock.monotonic();
  }

  /** Something has changed that makes a probe worth while at once, such as new credentials. */
  hurry(): void {
    // A probe that is under way may still see how things were.
    if (this.#state === 'halfOpen') this.#isHurried = true;
    if (this.#state === 'open') this.#probeAtMs = this.#clock.monotonic();
  }

  #open(): void {
    this.#state = 'open';
    this.#openings += 1;
    const waitMs = this.#isHurried ? 0 : fullJitterMs(this.#wait, this.#openings, this.#random());
    this.#isHurried = false;
    this.#probeAtMs = this.#clock.monotonic() + waitMs;
  }
}
