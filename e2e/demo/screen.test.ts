import { describe, expect, it } from 'vitest';
import { clock, frame, logBox, painted, plain, progressBar, progressLine, step, transitionLine, width, type View } from './screen.ts';
import { Terminal } from './terminal.ts';
import { ended, periodic, prowJob } from './testing/objects.ts';
import { World } from './world.ts';

const jobs = ['conformance', 'conformance-fast-1', 'conformance-fast-4', 'gpu', 'hpa'];

/** The full matrix, with one run in every state and more runs than one digit in one cell. */
function view(): View {
  const world = new World();
  for (const region of ['us-west-2', 'ap-northeast-1']) {
    for (const job of jobs)
      world.seeSchedule({ type: 'added', object: periodic(`${region}-${job}`, '@daily', {}, { stage: 'beta', region, job }) });
  }
  const cell = { stage: 'beta', region: 'ap-northeast-1', job: 'gpu' };
  for (let index = 0; index < 12; index += 1) {
    world.seeRun(
      { type: 'added', object: prowJob(`g${index}`, { of: 'ap-northeast-1-gpu', cell, status: ended('g', 'success', 'Succeeded') }) },
      index,
    );
  }
  world.seeRun({ type: 'added', object: prowJob('h', { of: 'us-west-2-hpa', status: { state: 'pending' } }) }, 1);
  world.seeRun({ type: 'added', object: prowJob('h2', { of: 'us-west-2-hpa', status: { state: 'pending' } }) }, 2);
  return { world, elapsedMs: 65_000, operator: 'pid 12345, start 2', total: 10 };
}

// eslint-disable-next-line no-control-regex -- the escape character is what is looked for
const bare = (line: string): string => line.replace(/\u001b\[\d+m/g, '');

describe('the live table', () => {
  it('has a row for each cluster and a column for each job', () => {
    expect(frame(view(), plain)).toEqual([
      '─'.repeat(80),
      ' prow-operator 01:05                               operator: pid 12345, start 2 ',
      '',
      '                     conformance fast-1      fast-4      gpu         hpa',
      ' beta ap-northeast-1 ·           ·           ·           success 12  ·',
      ' beta us-west-2      ·           ·           ·           ·           pending 2',
      '',
      ' triggered 0   pending 2   success 12  failure 0   aborted 0   error 0',
      ' [████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░] 1/10 schedules have a finished run',
      ' in the cluster now: 14 runs, 0 pods',
    ]);
  });

  it('is never wider than the terminal, and colours change nothing but colours', () => {
    const [colourful, colourless] = [frame(view(), painted), frame(view(), plain)];
    expect(colourful.map((line) => bare(line).trimEnd())).toEqual(colourless.map((line) => line.trimEnd()));
    expect(colourful.join('')).not.toBe(colourless.join(''));
    for (const line of colourless) expect(line.length).toBeLessThanOrEqual(width);
  });
});

describe('lines', () => {
  it('of progress are plain', () => {
    expect(progressLine(view())).toBe(
      '01:05  [#---------] 1/10  triggered 0, pending 2, success 12, failure 0, aborted 0, error 0; kept 14 runs, 0 pods',
    );
  });

  it.each([
    { done: 0, total: 4, bar: '[----] 0/4' },
    { done: 2, total: 4, bar: '[##--] 2/4' },
    { done: 4, total: 4, bar: '[####] 4/4' },
    { done: 9, total: 4, bar: '[####] 9/4' },
    { done: 0, total: 0, bar: '[----] 0/0' },
  ])('of $done of $total show $bar', ({ done, total, bar }) => {
    expect(progressBar(done, total, 4, ['#', '-'])).toBe(bar);
  });

  it('of a transition name the run, cut from the left, and why it ended', () => {
    const world = new World();
    const seen: string[] = [];
    world.onTransition((transition) => seen.push(transitionLine(transition, 5_000, plain)));
    const name = `eks-${'x'.repeat(40)}-20260101t0000z`;
    world.seeRun({ type: 'added', object: prowJob(name) }, 1);
    world.seeRun({ type: 'updated', object: prowJob(name, { status: ended(name, 'failure', 'TestFailed') }) }, 1);
    expect(seen).toEqual([
      `00:05  …${'x'.repeat(28)}-20260101t0000z  new → triggered`,
      `00:05  …${'x'.repeat(28)}-20260101t0000z  triggered → failure (TestFailed)`,
    ]);
  });

  it('of a step have the outcome at the right edge', () => {
    expect(step('do it', '1.0 s', plain)).toHaveLength(width);
    expect(step('y'.repeat(90), '1.0 s', plain)).toBe(` ▸ ${'y'.repeat(90)} 1.0 s`);
  });

  it('of a log are the last ones, cut at the width', () => {
    const box = logBox('title', `one\ntwo\n${'z'.repeat(200)}\n`, 2, plain);
    expect(box).toEqual(['   title', '   │ … 1 lines', '   │ two', `   │ ${'z'.repeat(74)}`]);
  });

  it('of time are minutes and seconds', () => {
    expect(clock(83_999)).toBe('01:23');
  });
});

describe('Terminal', () => {
  const recorder = (isTTY: boolean): { out: { isTTY: boolean; write: (text: string) => boolean }; text: () => string } => {
    const written: string[] = [];
    return { out: { isTTY, write: (text) => written.push(text) > 0 }, text: () => written.join('') };
  };

  it('writes plain lines and no block where nothing can be redrawn', () => {
    const { out, text } = recorder(false);
    const terminal = new Terminal(out, true);
    terminal.draw(['block']);
    terminal.print(terminal.paint('red', 'line'));
    terminal.end();
    expect(text()).toBe('line\n');
  });

  it('redraws its block below the lines that stay, and gives the cursor back', () => {
    const { out, text } = recorder(true);
    const terminal = new Terminal(out, true);
    terminal.draw(['one', 'two']);
    terminal.print('stays');
    terminal.end();
    expect(text()).toBe('\u001b[?25lone\ntwo\n\u001b[2A\u001b[0Jstays\none\ntwo\n\u001b[?25h');
  });

  it('paints nothing when no colour is wanted', () => {
    expect(new Terminal(recorder(true).out, false).paint('red', 'x')).toBe('x');
  });
});
