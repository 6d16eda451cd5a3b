/**
 * How starts crowd together over a span of time: by minute and hour of the day (UTC), and in which minutes most of them fall. Pure.
 * A herd is what starts in the same minute of the same day, so the map shows for each minute of the day the busiest day, not the sum.
 */
const minuteMs = 60_000;
const minutesPerDay = 1440;

export interface Starts {
  readonly name: string;
  readonly times: readonly number[];
}

export interface BusyMinute {
  /** Minute of the day, UTC. */
  readonly minute: number;
  /** The most starts in this minute on one day. */
  readonly starts: number;
  /** The first such minute, in milliseconds since 1970. */
  readonly atMs: number;
  /** On how many days it has as many. */
  readonly days: number;
  /** Who starts then, sorted. */
  readonly names: readonly string[];
}

export interface HeatMap {
  /** All starts. */
  readonly total: number;
  /** By minute of the day: the most starts in it on one day. */
  readonly peaks: readonly number[];
  /** All starts by minute of the hour, and by hour of the day. */
  readonly byMinute: readonly number[];
  readonly byHour: readonly number[];
  /** The most starts in one minute. */
  readonly peak: number;
  /** The busiest minutes of the day, those with one start left out. */
  readonly worst: readonly BusyMinute[];
}

const minuteOf = (ms: number): number => Math.floor(ms / minuteMs);
const ofDay = (minute: number): number => ((minute % minutesPerDay) + minutesPerDay) % minutesPerDay;

/** How many start in each minute since 1970 that has a start. */
export function countByMinute(all: Iterable<Starts>): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const { times } of all) for (const ms of times) counts.set(minuteOf(ms), (counts.get(minuteOf(ms)) ?? 0) + 1);
  return counts;
}

/** The most starts in one minute. */
export function peakOf(counts: ReadonlyMap<number, number>): number {
  let peak = 0;
  for (const count of counts.values()) peak = Math.max(peak, count);
  return peak;
}

/** `shown`: how many of the worst minutes are told. */
export function heatMapOf(all: readonly Starts[], shown: number): HeatMap {
  const counts = countByMinute(all);
  const peaks = new Array<number>(minutesPerDay).fill(0);
  const byMinute = new Array<number>(60).fill(0);
  const byHour = new Array<number>(24).fill(0);
  let total = 0;
  for (const [minute, count] of counts) {
    const at = ofDay(minute);
    peaks[at] = Math.max(peaks[at] ?? 0, count);
    byMinute[at % 60] = (byMinute[at % 60] ?? 0) + count;
    byHour[Math.floor(at / 60)] = (byHour[Math.floor(at / 60)] ?? 0) + count;
    total += count;
  }
  return { total, peaks, byMinute, byHour, peak: peakOf(counts), worst: worstMinutes(all, counts, peaks, shown) };
}

function worstMinutes(
  all: readonly Starts[],
  counts: ReadonlyMap<number, number>,
  peaks: readonly number[],
  shown: number,
): readonly BusyMinute[] {
  const order = [...peaks.keys()].filter((at) => (peaks[at] ?? 0) > 1).sort((a, b) => (peaks[b] ?? 0) - (peaks[a] ?? 0) || a - b);
  return order.slice(0, shown).map((at) => {
    const most = peaks[at] ?? 0;
    const same = [...counts].filter(([minute, count]) => count === most && ofDay(minute) === at).map(([minute]) => minute);
    const first = Math.min(...same);
    return { minute: at, starts: most, atMs: first * minuteMs, days: same.length, names: namesAt(all, first) };
  });
}

const namesAt = (all: readonly Starts[], minute: number): readonly string[] =>
  all
    .filter(({ times }) => times.some((ms) => minuteOf(ms) === minute))
    .map(({ name }) => name)
    .sort();
