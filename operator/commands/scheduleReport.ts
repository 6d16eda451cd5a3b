/** What `prow-operator schedule` tells, as data: the JSON output is this, and the text is written from it. Times are RFC 3339 in UTC. */
import type { ValidationProblem } from '../../crds/validate.ts';
import { expandHash } from '../jobs/cronFields.ts';
import { holdsHash } from '../jobs/cronHash.ts';
import { adviceFor, type Advice } from '../jobs/heatMapAdvice.ts';
import { heatMapOf, type Starts } from '../jobs/heatMap.ts';
import { scheduleSeed, type SlotSchedule } from '../jobs/schedule.ts';
import { forecast, startsIn, type Span } from '../jobs/slotForecast.ts';
import { stamp, timeMs } from '../jobs/times.ts';
import { assumedNamespace, type ScheduleEntry, type ScheduleSources } from './scheduleSources.ts';

export interface SlotReport {
  readonly slot: string;
  /** With its offset, such as 2026-03-29T03:30:00+02:00. */
  readonly local: string;
  /** Whether a run starts. If none does the notes say why. */
  readonly isStart: boolean;
  /** When it starts. Absent: none does, or its delay is not known yet. */
  readonly start?: string;
  readonly notes: readonly string[];
}

export interface PeriodicReport {
  readonly name: string;
  readonly file?: string;
  /** As it is written, by field: cron, crons, interval or minimumInterval. */
  readonly written: Readonly<Record<string, string | readonly string[]>>;
  /** The expressions that those with an H come down to. */
  readonly effective?: readonly string[];
  readonly timeZone: string;
  readonly jitter?: string;
  /** The slots are not known beforehand: they count from the creation, or follow the runs. */
  readonly dependsOn?: 'creation' | 'runs';
  /** What cannot be known beforehand. */
  readonly remarks: readonly string[];
  readonly slots: readonly SlotReport[];
  /** There are more slots than were asked for. */
  readonly isCut: boolean;
}

export interface BusyReport {
  /** HH:MM, UTC. */
  readonly minutes: readonly string[];
  readonly starts: number;
  readonly at: string;
  readonly days: number;
  readonly names: readonly string[];
}

export interface HeatMapReport {
  readonly from: string;
  readonly to: string;
  readonly starts: number;
  /** Periodics whose starts are not in the map, because nobody knows them beforehand. */
  readonly unknown: readonly string[];
  readonly peak: number;
  /** By minute of the day (UTC): the most starts in it on one day. */
  readonly peaks: readonly number[];
  readonly byMinute: readonly number[];
  readonly byHour: readonly number[];
  readonly worst: readonly BusyReport[];
  readonly advice: readonly Advice[];
}

export interface ScheduleReport {
  readonly from: string;
  readonly periodics: readonly PeriodicReport[];
  /** Absent for a single Periodic. */
  readonly heatMap?: HeatMapReport;
  readonly problems: readonly ValidationProblem[];
}

export interface ReportOptions {
  /** Which slots are told. */
  readonly slots: Span;
  readonly count: number;
  /** What the heat map is drawn from. */
  readonly map: Span;
}

const shownMinutes = 5;
/** One start a second for a day and more: no schedule that anybody wants has more in a week. */
const startsLimit = 100_000;

export function reportOf({ entries, problems }: ScheduleSources, options: ReportOptions): ScheduleReport {
  const sorted = entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    from: stamp(options.slots.fromMs),
    periodics: sorted.map((entry) => periodicReport(entry, options)),
    ...(sorted.length > 1 ? { heatMap: heatMapReport(sorted, options.map) } : {}),
    problems,
  };
}

function periodicReport(entry: ScheduleEntry, { slots: span, count }: ReportOptions): PeriodicReport {
  const { name, file, periodic } = entry;
  const { cron, crons, interval, minimumInterval, timeZone = 'Etc/UTC', jitter } = periodic.spec;
  const written = Object.entries({ cron, crons, interval, minimumInterval }).filter(([, value]) => value !== undefined);
  const expressions = crons ?? (cron === undefined ? [] : [cron]);
  const effective = expressions.map((expression) => expandHash(expression, scheduleSeed(periodic.metadata)));
  return {
    name,
    ...(file === undefined ? {} : { file }),
    written: Object.fromEntries(written) as PeriodicReport['written'],
    ...(effective.some((expression, index) => expression !== expressions[index]) ? { effective } : {}),
    timeZone,
    ...(jitter === undefined ? {} : { jitter }),
    ...dependence(entry),
    remarks: remarksOn(entry),
    ...slotReports(entry, span, count),
  };
}

const countsFromCreation = ({ periodic, file }: ScheduleEntry): boolean =>
  file !== undefined && [periodic.spec.cron ?? '', ...(periodic.spec.crons ?? [])].some((expression) => expression.includes('@every'));

function dependence(entry: ScheduleEntry): Pick<PeriodicReport, 'dependsOn'> {
  if (entry.schedule.kind === 'interval') return { dependsOn: 'runs' };
  return countsFromCreation(entry) ? { dependsOn: 'creation' } : {};
}

function remarksOn(entry: ScheduleEntry): readonly string[] {
  const { metadata, spec, status } = entry.written;
  const remarks: string[] = [];
  if (countsFromCreation(entry))
    remarks.push('@every counts from the creation: the slots are those of a Periodic that is created at the start');
  if (entry.schedule.kind === 'interval') {
    const last = status?.nextScheduleTimes?.[0];
    const next = last === undefined ? '' : `; the next start is ${last}`;
    remarks.push(`an interval has no slots that are known beforehand${entry.file === undefined ? next : ''}`);
  }
  if (entry.file !== undefined && spec.jitter !== undefined) {
    remarks.push(`each run starts up to ${spec.jitter} after its slot; by how much follows from the uid, which does not exist yet`);
  }
  if (metadata.namespace === undefined && holdsHash([spec.cron ?? '', ...(spec.crons ?? [])].join(' '))) {
    remarks.push(`H is picked by namespace and name; without a namespace it is shown for ${assumedNamespace}`);
  }
  if (spec.suspend === true) remarks.push('suspended: no slot starts a run');
  return remarks;
}

function slotReports(entry: ScheduleEntry, span: Span, count: number): Pick<PeriodicReport, 'slots' | 'isCut'> {
  const { schedule } = entry;
  if (schedule.kind === 'interval') return { slots: [], isCut: false };
  const { slots, isCut } = forecast({ ...entry, schedule: schedule satisfies SlotSchedule }, span, count);
  return {
    isCut,
    slots: slots.map(({ slotMs, startMs, offsetMs, notes }) => ({
      slot: stamp(slotMs),
      local: localTime(slotMs, offsetMs),
      isStart: startMs !== undefined,
      ...(startMs === undefined || isUnknownJitter(entry) ? {} : { start: stamp(startMs) }),
      notes,
    })),
  };
}

const isUnknownJitter = ({ file, periodic }: ScheduleEntry): boolean => file !== undefined && periodic.spec.jitter !== undefined;

function localTime(ms: number, offsetMs: number): string {
  const minutes = Math.round(Math.abs(offsetMs) / 60_000);
  const offset = `${offsetMs < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
  return `${new Date(ms + offsetMs).toISOString().slice(0, 19)}${offset}`;
}

const pad = (value: number): string => String(value).padStart(2, '0');

function heatMapReport(entries: readonly ScheduleEntry[], span: Span): HeatMapReport {
  const isKnown = (entry: ScheduleEntry): boolean => entry.schedule.kind === 'slots' && !countsFromCreation(entry);
  const known = entries.filter(isKnown);
  const starts = known.map((entry): Starts => ({ name: entry.name, times: startsIn(entry, span, startsLimit) }));
  const { total, peaks, byMinute, byHour, peak, worst } = heatMapOf(starts, shownMinutes);
  return {
    from: stamp(span.fromMs),
    to: stamp(span.toMs),
    starts: total,
    unknown: entries.filter((entry) => !isKnown(entry)).map(({ name }) => name),
    peak,
    peaks,
    byMinute,
    byHour,
    worst: worst.map(({ minutes, atMs, ...rest }) => ({ ...rest, minutes: minutes.map(clockOf), at: stamp(atMs) })),
    advice: adviceFor(known, starts, span),
  };
}

const clockOf = (minute: number): string => `${pad(Math.floor(minute / 60))}:${pad(minute % 60)}`;

/** For the text: the time of day and the weekday of a local time. */
export const weekdayOf = (local: string): string =>
  ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][new Date(timeMs(`${local.slice(0, 19)}Z`) ?? 0).getUTCDay()] ?? '';
