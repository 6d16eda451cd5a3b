/**
 * The time of the API server, as far as this process can tell: its answers carry a date. Deadlines and schedules compare our time with
 * stamps that the server made, and replicas hand over to each other, so all of them have to mean the same moment, whatever the clocks of
 * their machines say. A machine whose clock agrees with the server keeps its own, finer time; one whose clock is off or is set while the
 * process runs does not matter.
 */
import type { Exchange, TransportOptions } from '../kube/transport.ts';
import type { Clock, Timer } from './clock.ts';
import type { Logger } from './logger.ts';

/** A date has whole seconds, and an answer takes its time. */
const toleranceMs = 3_000;

export class ServerClock implements Clock {
  readonly #clock: Clock;
  readonly #logger: Pick<Logger, 'warn' | 'info'>;
  /** What to add to monotonic time. */
  #baseMs: number;
  #isOff = false;
  #heardAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, logger: Pick<Logger, 'warn' | 'info'>) {
    this.#clock = clock;
    this.#logger = logger;
    this.#baseMs = clock.now() - clock.monotonic();
  }

  /** Whole milliseconds. Follows the server, and between its answers the monotonic clock: the machine's clock may jump. */
  now(): number {
    return Math.floor(this.#clock.monotonic() + this.#baseMs);
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  after(delayMs: number, fn: () => void): Timer {
    return this.#clock.after(delayMs, fn);
  }

  /** For the transport: an exchange with the API server has ended. Cheap: at most one answer in a second is looked at. */
  readonly heard = ({ date, durationMs }: Pick<Exchange, 'date' | 'durationMs'>): void => {
    const monotonicMs = this.#clock.monotonic();
    if (date === undefined || durationMs > toleranceMs / 2 || monotonicMs - this.#heardAtMs < 1_000) return;
    const serverMs = Date.parse(date);
    if (Number.isNaN(serverMs)) return;
    this.#heardAtMs = monotonicMs;
    // In the middle of its second, and of the exchange.
    this.#follow(serverMs + 500 + durationMs / 2, monotonicMs);
  };

  /** The settings of a transport to the API server, with the clock listening. */
  listeningTo(settings: TransportOptions): TransportOptions {
    const observe = (exchange: Exchange): void => {
      settings.observe?.(exchange);
      this.heard(exchange);
    };
    return { ...settings, observe };
  }

  #follow(serverMs: number, monotonicMs: number): void {
    const ownMs = this.#clock.now();
    const agrees = Math.abs(serverMs - ownMs) <= toleranceMs;
    if (agrees) this.#baseMs = ownMs - monotonicMs;
    else if (Math.abs(serverMs - (monotonicMs + this.#baseMs)) > toleranceMs) this.#baseMs = serverMs - monotonicMs;
    if (agrees === !this.#isOff) return;
    this.#isOff = !agrees;
    if (agrees) this.#logger.info('The clock of this machine agrees with the API server again');
    else {
      this.#logger.warn("The clock of this machine differs from the API server's, whose time is used", {
        aheadMs: Math.round(ownMs - serverMs),
      });
    }
  }
}
