/**
 * How fast the schedules of one namespace may start runs. Two lanes that know nothing of each other: slots on time, and slots that are made
 * up for, so that an outage is worked off slowly and never delays what is due now. Who has to wait gets a ticket with a time and comes
 * back then; nobody polls. The tickets live in memory: after a restart everybody asks again.
 */
import type { Clock } from '../../operator/runtime/clock.ts';

export type Lane = 'onTime' | 'catchUp';

/** Starts a second in each namespace; 0 = no limit. So many may start at once, too. */
export type StartRates = Readonly<Record<Lane, number>>;

interface Queue {
  /** When the next ticket would be due if starts were evenly spaced. */
  nextMs: number;
  /** Who holds a ticket, and when it may be used. */
  readonly tickets: Map<string, number>;
}

/** A ticket nobody came for is thrown away after so long. */
const ticketLifeMs = 60_000;

export class StartBudget {
  readonly #rates: () => StartRates;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #queues = new Map<string, Queue>();

  constructor(rates: () => StartRates, clock: Pick<Clock, 'monotonic'>) {
    this.#rates = rates;
    this.#clock = clock;
  }

  /** 0: start now. Otherwise ask again after so many milliseconds, with the same id; the turn is kept. */
  take(namespace: string, lane: Lane, id: string): number {
    const rate = this.#rates()[lane];
    const key = `${lane} ${namespace}`;
    if (rate <= 0) {
      this.#queues.delete(key);
      return 0;
    }
    const nowMs = this.#clock.monotonic();
    const queue = this.#queueOf(key, nowMs);
    const dueMs = queue.tickets.get(id) ?? draw(queue, rate, nowMs);
    if (dueMs <= nowMs) {
      queue.tickets.delete(id);
      return 0;
    }
    queue.tickets.set(id, dueMs);
    return Math.ceil(dueMs - nowMs);
  }

  #queueOf(key: string, nowMs: number): Queue {
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = { nextMs: nowMs, tickets: new Map() };
      this.#queues.set(key, queue);
    }
    // Tickets are drawn in the order of their times, so the old ones stand in front.
    for (const [id, dueMs] of queue.tickets) {
      if (dueMs + ticketLifeMs > nowMs) break;
      queue.tickets.delete(id);
    }
    return queue;
  }
}

/** The time of the next ticket. A lane that was idle has saved up as many starts as it may do in a second. */
function draw(queue: Queue, rate: number, nowMs: number): number {
  const intervalMs = 1000 / rate;
  const burst = Math.max(1, Math.floor(rate));
  const plannedMs = Math.max(queue.nextMs, nowMs);
  queue.nextMs = plannedMs + intervalMs;
  return Math.max(nowMs, plannedMs - (burst - 1) * intervalMs);
}
