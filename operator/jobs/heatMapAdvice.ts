/**
 * How to spread a herd: which Periodics to write with H, or to give a jitter, and what the busiest minute would come to. Pure. Nothing is
 * estimated: the changed schedules are read and counted like the ones that are there.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import { countByMinute, peakOf, type Starts } from './heatMap.ts';
import { parseSchedule, scheduleSeed } from './schedule.ts';
import { startsIn, type Planned, type Span } from './slotForecast.ts';

export interface Change {
  readonly name: string;
  /** Such as spec.cron. */
  readonly path: string;
  /** Absent: the field is not set. */
  readonly from?: string;
  readonly to: string;
}

export interface Advice {
  readonly kind: 'H' | 'jitter';
  readonly changes: readonly Change[];
  /** The most starts in one minute afterwards. */
  readonly peak: number;
}

/** A herd that is worth a word has at least so many starts in one minute. */
export const leastHerd = 4;
const suggestedJitter = '10m';
/** Advice that leaves more than this part of the peak is none. */
const worthwhile = 0.75;
const spanLimit = 100_000;

const descriptors: ReadonlyMap<string, string> = new Map([
  ['@hourly', 'H * * * *'],
  ['@daily', 'H 0 * * *'],
  ['@midnight', 'H 0 * * *'],
  ['@weekly', 'H 0 * * 0'],
  ['@monthly', 'H 0 1 * *'],
  ['@yearly', 'H 0 1 1 *'],
  ['@annually', 'H 0 1 1 *'],
]);

/**
 * The expression with an H for its minute: as often, in the same hours. Undefined where that cannot be said: a minute that is spread
 * already, every minute, or minutes that are not evenly spaced over the hour.
 */
export function withHash(expression: string): string | undefined {
  const described = descriptors.get(expression.trim());
  if (described !== undefined) return described;
  const [minute = '', ...rest] = expression.trim().split(/\s+/);
  const hashed = rest.length === 4 ? hashedMinute(minute) : undefined;
  return hashed === undefined ? undefined : [hashed, ...rest].join(' ');
}

function hashedMinute(minute: string): string | undefined {
  if (/^\d+$/.test(minute)) return 'H';
  const step = /^(?:\*|0|0-59)\/(\d+)$/.exec(minute)?.[1];
  const period = step === undefined ? evenSpacing(minute) : Number(step);
  return period !== undefined && period > 1 && period < 60 && 60 % period === 0 ? `H/${period}` : undefined;
}

/** 0,15,30,45 is every fifteen minutes. */
function evenSpacing(minute: string): number | undefined {
  if (!/^\d+(,\d+)+$/.test(minute)) return undefined;
  const minutes = [...new Set(minute.split(',').map(Number))].sort((a, b) => a - b);
  const period = 60 / minutes.length;
  const isEven = minutes.every((value, index) => value === (minutes[0] ?? 0) + index * period);
  return isEven ? period : undefined;
}

/**
 * Ways to spread those that start in the busiest minutes, the better one first. Empty where no herd is worth a word, or nothing helps.
 * `starts` are those of `all`, in the same order.
 */
export function adviceFor(all: readonly Planned[], starts: readonly Starts[], span: Span): readonly Advice[] {
  const counts = countByMinute(starts);
  const peak = peakOf(counts);
  if (peak < leastHerd) return [];
  const crowded = (ms: number): boolean => (counts.get(Math.floor(ms / 60_000)) ?? 0) >= Math.max(leastHerd, peak / 2);
  const herd = all.map((planned, index) => isSpreadable(planned.periodic) && (starts[index]?.times ?? []).some(crowded));
  const tried = (['H', 'jitter'] as const).map((kind): Advice => {
    const changes: Change[] = [];
    const after = all.map((planned, index): Starts => {
      const before = starts[index] ?? { name: '', times: [] };
      const changed = herd[index] === true ? changedBy(kind, planned, before.name) : undefined;
      if (changed === undefined) return before;
      changes.push(...changed.changes);
      return { name: before.name, times: startsIn(changed.planned, span, spanLimit) };
    });
    return { kind, changes, peak: peakOf(countByMinute(after)) };
  });
  return tried.filter((advice) => advice.changes.length > 0 && advice.peak <= peak * worthwhile).sort((a, b) => a.peak - b.peak);
}

const isSpreadable = ({ spec }: Periodic): boolean => spec.jitter === undefined && (spec.cron ?? spec.crons) !== undefined;

interface Changed {
  readonly planned: Planned;
  readonly changes: readonly Change[];
}

function changedBy(kind: Advice['kind'], planned: Planned, name: string): Changed | undefined {
  return kind === 'H' ? hashed(planned, name) : jittered(planned, name);
}

function jittered(planned: Planned, name: string): Changed {
  const periodic = { ...planned.periodic, spec: { ...planned.periodic.spec, jitter: suggestedJitter } };
  return { planned: { ...planned, periodic }, changes: [{ name, path: 'spec.jitter', to: suggestedJitter }] };
}

function hashed(planned: Planned, name: string): Changed | undefined {
  const { metadata, spec } = planned.periodic;
  const expressions = spec.crons ?? [spec.cron ?? ''];
  const changes: Change[] = [];
  const rewritten = expressions.map((from, index) => {
    const to = withHash(from);
    if (to === undefined) return from;
    changes.push({ name, path: spec.crons === undefined ? 'spec.cron' : `spec.crons[${index}]`, from, to });
    return to;
  });
  if (changes.length === 0) return undefined;
  const changedSpec = spec.crons === undefined ? { ...spec, cron: rewritten[0] ?? '' } : { ...spec, crons: rewritten };
  const parsed = parseSchedule(changedSpec, { seed: scheduleSeed(metadata) });
  if (!parsed.ok) return undefined;
  return { planned: { ...planned, periodic: { ...planned.periodic, spec: changedSpec }, schedule: parsed.schedule }, changes };
}
