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

/** Minutes of the day in which the same ones start. */
export interface BusyMinutes {
  /** Minutes of the day, UTC, rising. */
  readonly minutes: readonly number[];
  /** The most starts in each of them on one day. */
  readonly starts: number;
  /** The first such minute, in milliseconds since 1970. */
  readonly atMs: number;
  /** On how many days there are as many. */
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
  readonly worst: readonly BusyMinutes[];
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
): readonly BusyMinutes[] {
  const busiest = busiestDays(counts, peaks);
  const names = namesAt(all, new Set([...busiest.values()].map(({ first }) => first)));
  const groups = new Map<string, { minutes: number[] } & Omit<BusyMinutes, 'minutes'>>();
  for (const [at, { first, days }] of [...busiest].sort(([a], [b]) => a - b)) {
    const starts = peaks[at] ?? 0;
    const who = names.get(first) ?? [];
    const key = JSON.stringify([starts, days, who]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { minutes: [at], starts, atMs: first * minuteMs, days, names: who });
    else group.minutes.push(at);
  }
  return [...groups.values()].sort((a, b) => b.starts - a.starts || (a.minutes[0] ?? 0) - (b.minutes[0] ?? 0)).slice(0, shown);
}

/** For each minute of the day with more than one start: the first minute since 1970 that has the most, and how many have as many. */
function busiestDays(
  counts: ReadonlyMap<number, number>,
  peaks: readonly number[],
): ReadonlyMap<number, { readonly first: number; readonly days: number }> {
  const busiest = new Map<number, { readonly first: number; readonly days: number }>();
  for (const [minute, count] of counts) {
    const at = ofDay(minute);
    if (count < 2 || count !== peaks[at]) continue;
    const { first = minute, days = 0 } = busiest.get(at) ?? {};
    busiest.set(at, { first: Math.min(first, minute), days: days + 1 });
  }
  return busiest;
}

/** Who starts in each of these minutes, sorted. */
function namesAt(all: readonly Starts[], minutes: ReadonlySet<number>): ReadonlyMap<number, readonly string[]> {
  const found = new Map<number, Set<string>>();
  for (const { name, times } of all) {
    for (const ms of times) {
      const minute = minuteOf(ms);
      if (!minutes.has(minute)) continue;
      const names = found.get(minute) ?? new Set();
      found.set(minute, names.add(name));
    }
  }
  return new Map([...found].map(([minute, names]) => [minute, [...names].sort()]));
}
