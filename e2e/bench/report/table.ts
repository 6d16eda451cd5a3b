/** Figures as a table, for a terminal and for the page. Pure. */
import { round } from '../measuring/statistics.ts';
import { isMet, type Figure } from './figures.ts';

type Row = readonly [what: string, figure: string, bar: string, verdict: string, note: string];

const head: Row = ['what', 'figure', 'bar', '', 'note'];

const number = (value: number): string => round(value).toLocaleString('en-US', { maximumSignificantDigits: 3 });

const withUnit = (value: number, unit: string): string => (unit === '' ? number(value) : `${number(value)} ${unit}`);

function rowOf(figure: Figure): Row {
  const { what, value, unit, bar, better, samples, note = '' } = figure;
  const met = isMet(figure);
  const range = samples.length > 1 ? ` (${number(Math.min(...samples))}–${number(Math.max(...samples))})` : '';
  const limit = bar === undefined ? '–' : `${better === 'less' ? '≤' : '≥'} ${withUnit(bar, unit)}`;
  const verdict = met === undefined ? '' : met ? 'ok' : 'missed';
  return [what, `${withUnit(value, unit)}${range}`, limit, verdict, note];
}

export function markdownTable(figures: readonly Figure[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...figures.map((figure) => line(rowOf(figure)))].join('\n');
}

/** Columns in line; the note goes below its row, because a terminal is narrow. */
export function textTable(figures: readonly Figure[]): string {
  const rows = [head, ...figures.map(rowOf)].map((row) => row.slice(0, 4));
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const notes = ['', ...figures.map(({ note }) => (note === undefined ? '' : `\n    ${note}`))];
  return lines.map((line, index) => line + (notes[index] ?? '')).join('\n');
}
