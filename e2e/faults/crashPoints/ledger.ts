/**
 * What the processes of one pass have written, in the order in which it was sent, and the one write at which a process has to die. A write is known
 * again by what it does and by how often that was done before, so the point is found although writes of several workers may change places.
 */
export type When = 'before' | 'after';

/** state: objects of the API. store: kept results. event and lease: see Ledger.state. */
export type Channel = 'state' | 'event' | 'lease' | 'store';

export interface Write {
  readonly channel: Channel;
  /** Such as "PATCH prowjobs/nightly/status". */
  readonly what: string;
  /** From 1, among those that do the same. */
  readonly nth: number;
}

export interface CrashPoint extends Write {
  /** before: it is not sent. after: it was carried out, and nobody hears the answer. */
  readonly when: When;
}

export type Fate = 'live' | When;

export class Ledger {
  readonly writes: Write[] = [];
  readonly #point: CrashPoint | undefined;
  readonly #counts = new Map<string, number>();
  #isReached = false;

  constructor(point?: CrashPoint) {
    this.#point = point;
  }

  /** Whether somebody has died at the point. */
  get isReached(): boolean {
    return this.#isReached;
  }

  /** A write is about to be sent: what becomes of its process. */
  begin(channel: Channel, what: string): Fate {
    const nth = (this.#counts.get(what) ?? 0) + 1;
    const point = this.#point;
    const isPoint = !this.#isReached && point?.what === what && point.nth === nth;
    if (isPoint) this.#isReached = true;
    if (isPoint && point.when === 'before') return 'before';
    this.#counts.set(what, nth);
    this.writes.push({ channel, what, nth });
    return isPoint ? 'after' : 'live';
  }

  /** How often each write of a channel was sent. */
  tally(...channels: readonly Channel[]): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { channel, what } of this.writes) if (channels.includes(channel)) counts.set(what, (counts.get(what) ?? 0) + 1);
    return counts;
  }
}

export const nameOf = ({ what, nth, when }: CrashPoint): string => `${when} ${what} (${nth})`;
