/**
 * What the demo looks like: pure functions from what was seen to lines of text, never wider than 80 columns. Colours are added only when
 * asked for, and never counted as width.
 */
import { states, type Run, type Schedule, type State, type Transition, type World } from './world.ts';

export const width = 80;
const reset = '\u001b[0m';
const codes = { red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36, bold: 1, dim: 2 } as const;
export type Colour = keyof typeof codes;

/** Paints, or does not. */
export type Paint = (colour: Colour, text: string) => string;
export const painted: Paint = (colour, text) => `\u001b[${codes[colour]}m${text}${reset}`;
export const plain: Paint = (_colour, text) => text;

const stateColour: Readonly<Record<State, Colour>> = {
  triggered: 'dim',
  pending: 'cyan',
  success: 'green',
  failure: 'red',
  aborted: 'yellow',
  error: 'magenta',
};

export interface View {
  readonly world: World;
  readonly elapsedMs: number;
  /** One word and detail on the operator, as "running, pid 12". */
  readonly operator: string;
  readonly total: number;
}

export const clock = (ms: number): string => {
  const seconds = Math.floor(ms / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
};

export const seconds = (ms: number): string => (Number.isNaN(ms) ? '-' : `${(ms / 1000).toFixed(1)} s`);

/** `[████░░░░] 12/40`; `size` counts the blocks. */
export function progressBar(done: number, total: number, size: number, [full, empty]: readonly [string, string]): string {
  const filled = total === 0 ? 0 : Math.round((Math.min(done, total) / total) * size);
  return `[${full.repeat(filled)}${empty.repeat(size - filled)}] ${done}/${total}`;
}

const columns = ['conformance', 'conformance-fast-1', 'conformance-fast-4', 'gpu', 'hpa'];
const headings = ['conformance', 'fast-1', 'fast-4', 'gpu', 'hpa'];
const rowWidth = 21;
const cellWidth = 12;

/** The live table: one row a cluster, one column a job, then counts and progress. */
export function frame(view: View, paint: Paint): string[] {
  const { world, elapsedMs, operator, total } = view;
  const title = ` prow-operator ${clock(elapsedMs)}`;
  const right = `operator: ${operator} `;
  const head = `${title}${right.padStart(width - title.length)}`;
  return [
    paint('dim', '─'.repeat(width)),
    paint('bold', head),
    '',
    paint('dim', `${''.padEnd(rowWidth)}${headings.map((heading) => heading.padEnd(cellWidth)).join('')}`.trimEnd()),
    ...rows(world, paint),
    '',
    ` ${counts(world, paint)}`,
    ` ${progressBar(world.finishedSchedules, total, 40, ['█', '░'])} schedules have a finished run`,
    paint('dim', ` in the cluster now: ${world.present.runs} runs, ${world.present.pods} pods`),
  ];
}

function rows(world: World, paint: Paint): string[] {
  const lines = new Map<string, Map<string, Schedule>>();
  for (const schedule of world.schedules.values()) {
    const row = `${schedule.stage} ${schedule.region}`;
    const cells = lines.get(row) ?? new Map<string, Schedule>();
    lines.set(row, cells.set(schedule.job, schedule));
  }
  return [...lines]
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([row, cells]) => {
      const text = columns.map((job) => {
        const schedule = cells.get(job);
        return cell(schedule === undefined ? [] : world.runsOf(schedule), paint);
      });
      return ` ${row.padEnd(rowWidth - 1)}${text.join('')}`.trimEnd();
    });
}

/** The state that matters in a cell, and how many runs it stands for: the active ones while there are any, else the latest of all. */
function cell(runs: readonly Run[], paint: Paint): string {
  if (runs.length === 0) return paint('dim', '·'.padEnd(cellWidth));
  const active = runs.filter((run) => !run.complete);
  const latest = (active.length > 0 ? active : runs).reduce((one, other) => (other.seenAtMs >= one.seenAtMs ? other : one));
  const number = active.length > 0 ? active.length : runs.length;
  return paint(stateColour[latest.state], `${latest.state} ${number}`.padEnd(cellWidth));
}

export function counts(world: World, paint: Paint): string {
  return states
    .map((state) => `${state} ${paint(stateColour[state], String(world.count(state)).padEnd(3))}`)
    .join(' ')
    .trimEnd();
}

/** One line for an output that is no terminal. */
export const progressLine = ({ world, elapsedMs, total }: View): string => {
  const { runs, pods } = world.present;
  const number = states.map((state) => `${state} ${world.count(state)}`).join(', ');
  return `${clock(elapsedMs)}  ${progressBar(world.finishedSchedules, total, 10, ['#', '-'])}  ${number}; kept ${runs} runs, ${pods} pods`;
};

/** `00:07  eks-prod-us-west-2-gpu-20261122t163102z  pending → success`, the name cut from the left. */
export function transitionLine({ run, from, to }: Transition, elapsedMs: number, paint: Paint): string {
  const reason = to === 'success' || run.reason === '' ? '' : ` (${run.reason})`;
  return `${clock(elapsedMs)}  ${cut(run.name, 44).padEnd(44)}  ${from ?? 'new'} → ${paint(stateColour[to], to)}${reason}`;
}

const cut = (text: string, length: number): string => (text.length <= length ? text : `…${text.slice(text.length - length + 1)}`);

/** A step of the story: what, and what came of it at the right edge. */
export function step(what: string, outcome: string, paint: Paint): string {
  const line = ` ${paint('cyan', '▸')} ${what}`;
  const gap = width - 3 - what.length - outcome.length;
  return gap < 1 ? `${line} ${paint('dim', outcome)}` : `${line}${' '.repeat(gap)}${paint('dim', outcome)}`;
}

/** The end of a log, framed. Lines are cut at the width. */
export function logBox(title: string, log: string, most: number, paint: Paint): string[] {
  const lines = log.trimEnd().split('\n');
  const shown = lines.slice(-most);
  const hidden = lines.length - shown.length;
  return [
    `   ${paint('bold', title)}`,
    ...(hidden > 0 ? [paint('dim', `   │ … ${hidden} lines`)] : []),
    ...shown.map((line) => `   ${paint('dim', '│')} ${logLine(line.slice(0, width - 6), paint)}`.trimEnd()),
  ];
}

function logLine(line: string, paint: Paint): string {
  if (line.includes('[PASS]')) return line.replace('[PASS]', paint('green', '[PASS]'));
  return line.includes('[FAIL]') ? line.replace('[FAIL]', paint('red', '[FAIL]')) : line;
}
