/** The text that `prow-operator schedule` prints. 80 columns wide, but for long names. */
import { leastHerd, type Advice } from '../jobs/heatMapAdvice.ts';
import {
  weekdayOf,
  type BusyReport,
  type HeatMapReport,
  type PeriodicReport,
  type ScheduleReport,
  type SlotReport,
} from './scheduleReport.ts';

const shownNames = 3;
const shownChanges = 8;
/** From few to many. */
const shades = ['░', '▒', '▓', '█'] as const;
const nothing = '·';
const bars = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/** `isDetailed`: the slots of each Periodic in a block of their own instead of one line for each Periodic. */
export function scheduleText({ periodics, heatMap, problems }: ScheduleReport, isDetailed: boolean): string {
  if (periodics.length === 0) return problems.length === 0 ? 'There is no Periodic.\n' : '';
  const lines = isDetailed ? periodics.flatMap((periodic) => [...block(periodic), '']) : [...table(periodics), ''];
  return [...lines, ...(heatMap === undefined ? [] : mapText(heatMap))].join('\n').trimEnd() + '\n';
}

const writtenOf = ({ written }: PeriodicReport): string =>
  Object.entries(written)
    .map(([field, value]) => {
      const text = typeof value === 'string' ? value : value.join(' | ');
      return field === 'interval' ? `every ${text} after the start` : field === 'minimumInterval' ? `every ${text} after the end` : text;
    })
    .join(', ');

const effectiveOf = ({ effective }: PeriodicReport): string => (effective === undefined ? '' : ` → ${effective.join(' | ')}`);

function table(periodics: readonly PeriodicReport[]): readonly string[] {
  const rows = periodics.map((periodic) => {
    const [next] = periodic.slots;
    const zone = periodic.timeZone === 'Etc/UTC' ? '' : periodic.timeZone;
    const remarks = [
      ...(periodic.jitter === undefined ? [] : [`jitter ${periodic.jitter}`]),
      ...shortRemarks(periodic),
      ...(next?.notes ?? []),
    ];
    return [
      periodic.name,
      writtenOf(periodic) + effectiveOf(periodic),
      next === undefined ? '-' : short(next.slot),
      zone,
      [...new Set(remarks)].join('; '),
    ];
  });
  return columns([['PERIODIC', 'SCHEDULE', 'NEXT SLOT (UTC)', 'ZONE', 'NOTES'], ...rows]);
}

const shortRemarks = ({ dependsOn, slots }: PeriodicReport): readonly string[] => [
  ...(dependsOn === 'creation' ? ['counts from its creation'] : []),
  ...(dependsOn === 'runs' ? ['follows its runs'] : []),
  ...(slots.length === 0 && dependsOn === undefined ? ['no slot'] : []),
];

/** 2026-03-29 01:30, with seconds where there are any. */
function short(time: string): string {
  const text = time.replace('T', ' ').replace('Z', '');
  return text.endsWith(':00') ? text.slice(0, -3) : text;
}

function block(periodic: PeriodicReport): readonly string[] {
  const { name, file, timeZone, remarks, slots, isCut } = periodic;
  const isLocal = timeZone !== 'Etc/UTC';
  const header = ['UTC', ...(isLocal ? [timeZone] : []), 'STARTS', 'NOTES'];
  const rows = slots.map((slot) => [short(slot.slot), ...(isLocal ? [localText(slot.local)] : []), startText(slot), slot.notes.join('; ')]);
  return [
    `Periodic ${name}${file === undefined ? '' : ` (${file})`}`,
    `  schedule: ${writtenOf(periodic)}${effectiveOf(periodic)}, in ${timeZone}`,
    ...remarks.map((remark) => `  note: ${remark}`),
    ...(rows.length === 0 ? ['  no slot'] : columns([header, ...rows]).map((line) => `  ${line}`)),
    ...(isCut ? ['  …'] : []),
  ];
}

const localText = (local: string): string => `${weekdayOf(local)} ${short(local.slice(0, 19))} ${local.slice(19)}`;

function startText({ slot, isStart, start }: SlotReport): string {
  if (!isStart) return 'never';
  if (start === undefined) return 'later';
  return start === slot ? '' : start.slice(11, 19);
}

function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const used = (rows[0] ?? []).map((_title, column) => rows.slice(1).some((row) => (row[column] ?? '') !== ''));
  const kept = rows.map((row) => row.filter((_cell, column) => used[column] === true));
  const widths = (kept[0] ?? []).map((_title, column) => Math.max(...kept.map((row) => row[column]?.length ?? 0)));
  return kept.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function mapText(map: HeatMapReport): readonly string[] {
  const days = Math.round((Date.parse(map.to) - Date.parse(map.from)) / 8_640_000) / 10;
  const unknown = map.unknown.length === 0 ? [] : [`Not in the map, as their starts are not known beforehand: ${some(map.unknown)}`];
  if (map.starts === 0) return ['No run starts in this time.', ...unknown];
  return [
    `Starts in the same minute, the busiest of ${days === 1 ? 'one day' : `${days} days`} from ${short(map.from)} on (UTC)`,
    '',
    ...grid(map),
    '',
    `${nothing} none  ${legend(map.peak)}`,
    ...unknown,
    '',
    ...worstText(map.worst),
    ...adviceText(map),
  ];
}

/** The least number of starts of each shade. */
const stepsOf = (peak: number): readonly number[] =>
  shades.map((_shade, index) => Math.max(index + 1, Math.ceil((peak * index) / shades.length) + 1));

function shadeOf(starts: number, peak: number): string {
  if (starts === 0) return nothing;
  const index = stepsOf(peak).findLastIndex((least) => starts >= least);
  return shades[Math.max(0, index)] ?? nothing;
}

function legend(peak: number): string {
  const steps = stepsOf(peak);
  return shades
    .map((shade, index) => ({ shade, least: steps[index] ?? 1, most: (steps[index + 1] ?? peak + 1) - 1 }))
    .filter(({ least }) => least <= peak)
    .map(({ shade, least, most }) => `${shade} ${least === Math.min(most, peak) ? least : `${least}-${Math.min(most, peak)}`}`)
    .join('  ');
}

function grid({ peaks, byHour, byMinute, peak }: HeatMapReport): readonly string[] {
  const marks = [0, 10, 20, 30, 40, 50].map((minute) => `:${String(minute).padStart(2, '0')}`.padEnd(10)).join('');
  const rows = byHour.map((total, hour) => {
    const cells = peaks.slice(hour * 60, hour * 60 + 60).map((starts) => shadeOf(starts, peak));
    return `  ${String(hour).padStart(2, '0')}  ${cells.join('')}  ${String(total).padStart(7)}`;
  });
  const most = Math.max(...byMinute);
  const sums = byMinute.map((total) => bars[Math.ceil((total / most) * (bars.length - 1))] ?? ' ').join('');
  return [`      ${marks}    total`, ...rows, ` sum  ${sums}`.trimEnd()];
}

function worstText(worst: readonly BusyReport[]): readonly string[] {
  if (worst.length === 0) return ['No two runs start in the same minute.'];
  const rows = worst.map(({ minutes, starts, at, days, names }) => [
    some(minutes),
    String(starts),
    days === 1 ? at.slice(0, 10) : `${days} days`,
    some(names),
  ]);
  return [...columns([['BUSIEST (UTC)', 'STARTS', 'ON', 'PERIODICS'], ...rows]), ''];
}

function adviceText({ peak, advice }: HeatMapReport): readonly string[] {
  const [best, ...others] = advice;
  if (best === undefined) return peak < leastHerd ? [] : ['Neither H nor jitter would lower the peak by a quarter.'];
  const groups = Map.groupBy(best.changes, ({ path, from, to }) => {
    const field = path.replace(/\[\d+\]$/, '');
    return from === undefined ? `${field}: ${to}` : `${field}: ${quoted(from)} → ${quoted(to)}`;
  });
  const lines = [...groups].map(([change, those]) => `  ${change}  (${some([...new Set(those.map(({ name }) => name))])})`);
  return [
    `The busiest minute has ${peak} starts. ${outcome(best)}`,
    ...lines.slice(0, shownChanges),
    ...(lines.length > shownChanges ? [`  and ${lines.length - shownChanges} more (-o json names all)`] : []),
    ...others.map((other) => `Or else: ${outcome(other)}`),
  ];
}

const quoted = (text: string): string => `'${text}'`;

function outcome({ kind, changes, peak }: Advice): string {
  const count = new Set(changes.map(({ name }) => name)).size;
  const those = count === 1 ? 'one Periodic' : `${count} Periodics`;
  const how = kind === 'H' ? `With H for the minute of ${those}` : `With jitter ${changes[0]?.to ?? ''} on ${those}`;
  return `${how} it would have ${peak}.`;
}

const some = (names: readonly string[]): string =>
  names.length <= shownNames ? names.join(', ') : `${names.slice(0, shownNames).join(', ')} and ${names.length - shownNames} more`;
