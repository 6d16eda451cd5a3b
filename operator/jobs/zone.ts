/**
 * A time zone as a row of segments of constant offset. Everything that is hard about time zones happens at the seam of two segments,
 * so whoever walks segment by segment needs no special cases. Offsets come from the ICU data of Node; nothing depends on the machine's zone.
 */

/** A span of instants in which local time is UTC plus offsetMs. start is in it, end is not. */
export interface Segment {
  readonly startMs: number;
  readonly endMs: number;
  readonly offsetMs: number;
  /** The offset just before start, and at end. Equal to offsetMs where the search ended without finding a change. */
  readonly offsetBeforeMs: number;
  readonly offsetAfterMs: number;
}

/** What a schedule needs of a time zone. */
export interface ZoneRules {
  /** As the user wrote it. */
  readonly name: string;
  readonly isUtc: boolean;
  /** The segment that holds this instant. */
  segmentAt(ms: number): Segment;
}

const dayMs = 86_400_000;
/** How far a segment is followed. Longer ones are cut: the cut is no change of the offset. */
const reachDays = 400;
const keptSegments = 64;
/** There are about 600 names; in how many spellings is up to the users. */
const keptZones = 2_000;
let zones = new Map<string, Zone>();

/** A zone as Node knows it. Its rules never change while the process lives. */
export class Zone implements ZoneRules {
  readonly name: string;
  readonly isUtc: boolean;
  readonly #format: Intl.DateTimeFormat;
  #segments: Segment[] = [];

  private constructor(name: string, format: Intl.DateTimeFormat) {
    this.name = name;
    this.#format = format;
    this.isUtc = format.resolvedOptions().timeZone === 'UTC';
  }

  /**
   * The zone of an IANA name; undefined when there is none. Bare offsets such as +02:00 are no IANA names.
   * Zones are remembered, because a format of ICU and a search for seams cost more than all the rest of a schedule.
   */
  static of(name: string): Zone | undefined {
    const known = zones.get(name);
    if (known !== undefined) return known;
    const zone = Zone.#read(name);
    if (zone === undefined) return undefined;
    if (zones.size >= keptZones) zones = new Map();
    zones.set(name, zone);
    return zone;
  }

  static #read(name: string): Zone | undefined {
    if (!/^[A-Za-z]/.test(name)) return undefined;
    try {
      const format = new Intl.DateTimeFormat('en-US', {
        timeZone: name,
        calendar: 'gregory',
        numberingSystem: 'latn',
        hourCycle: 'h23',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      });
      return new Zone(name, format);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  /** Local time minus UTC at this instant, in milliseconds. */
  offsetAt(ms: number): number {
    if (this.isUtc) return 0;
    const wholeMs = Math.floor(ms / 1000) * 1000;
    const part = new Map(this.#format.formatToParts(wholeMs).map(({ type, value }) => [type, Number(value)]));
    const of = (type: Intl.DateTimeFormatPartTypes): number => part.get(type) ?? 0;
    return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second')) - wholeMs;
  }

  segmentAt(ms: number): Segment {
    const known = this.#segments.find((segment) => segment.startMs <= ms && ms < segment.endMs);
    if (known !== undefined) return known;
    const segment = this.#find(ms);
    if (this.#segments.length >= keptSegments) this.#segments = [];
    this.#segments.push(segment);
    return segment;
  }

  #find(ms: number): Segment {
    const offsetMs = this.offsetAt(ms);
    if (this.isUtc) return { startMs: -Infinity, endMs: Infinity, offsetMs, offsetBeforeMs: offsetMs, offsetAfterMs: offsetMs };
    const startMs = this.#edge(ms, -1, offsetMs);
    const endMs = this.#edge(ms, 1, offsetMs);
    return { startMs, endMs, offsetMs, offsetBeforeMs: this.offsetAt(startMs - 1000), offsetAfterMs: this.offsetAt(endMs) };
  }

  /** Backwards: the first instant of the segment. Forwards: the first instant behind it. */
  #edge(fromMs: number, direction: 1 | -1, offsetMs: number): number {
    let inside = Math.floor(fromMs / 1000) * 1000;
    for (let day = 0; day < reachDays; day++) {
      const next = inside + direction * dayMs;
      if (this.offsetAt(next) !== offsetMs) return this.#bisect(inside, next, offsetMs);
      inside = next;
    }
    return direction > 0 ? inside + 1000 : inside;
  }

  #bisect(inside: number, outside: number, offsetMs: number): number {
    let [near, far] = [inside, outside];
    while (Math.abs(far - near) > 1000) {
      const middle = Math.floor((near + far) / 2000) * 1000;
      if (this.offsetAt(middle) === offsetMs) near = middle;
      else far = middle;
    }
    return Math.max(near, far);
  }
}
