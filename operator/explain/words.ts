/** Times, numbers and lists as a person says them. Pure. */
import { stamp } from '../jobs/times.ts';

const [secondMs, minuteMs, hourMs, dayMs] = [1000, 60_000, 3_600_000, 86_400_000];

const steps: readonly (readonly [ms: number, unit: string])[] = [
  [dayMs, 'd'],
  [hourMs, 'h'],
  [minuteMs, 'min'],
  [secondMs, 's'],
];

/** The two largest units: 3 d 4 h, 2 h 5 min, 40 s. Less than a second is 0 s; a span is never negative. */
export function span(ms: number): string {
  const wholeMs = Math.max(0, Math.floor(ms / secondMs) * secondMs);
  const largest = steps.findIndex(([unitMs]) => wholeMs >= unitMs);
  if (largest < 0) return '0 s';
  const [[bigMs, big], small] = [steps[largest] ?? [secondMs, 's'], steps[largest + 1]];
  const first = `${Math.floor(wholeMs / bigMs)} ${big}`;
  const rest = small === undefined ? 0 : Math.floor((wholeMs % bigMs) / small[0]);
  return small === undefined || rest === 0 ? first : `${first} ${rest} ${small[1]}`;
}

/** "12 s ago", or "in 3 min". */
export const relative = (ms: number, nowMs: number): string =>
  ms > nowMs ? `in ${span(ms - nowMs)}` : nowMs - ms < secondMs ? 'just now' : `${span(nowMs - ms)} ago`;

/** 2026-11-22T20:31:40Z (12 s ago) */
export const moment = (ms: number, nowMs: number): string => `${stamp(ms)} (${relative(ms, nowMs)})`;

/** 1 run, 2 runs. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** a, b and c. */
export function listed(items: readonly string[]): string {
  const last = items.at(-1) ?? '';
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`;
}

const mostNamed = 5;

/** The first few of them, and how many more there are. */
export const someOf = (items: readonly string[]): readonly string[] =>
  items.length <= mostNamed ? items : [...items.slice(0, mostNamed), `… and ${items.length - mostNamed} more`];

/** One sentence: with its full stop, and on one line. */
export function sentence(text: string): string {
  const flat = text.replaceAll(/\s+/g, ' ').trim();
  return flat === '' || /[.!?…]$/.test(flat) ? flat : `${flat}.`;
}

/** Columns, two spaces apart; the last one is not padded. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
