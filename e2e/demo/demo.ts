/**
 * `make demo`: the main job of prow-operator on an embedded cluster, in about a minute. Starts sandbox and operator as processes of their own,
 * applies the EKS matrix, follows every run, crashes the operator half-way, and checks at the end that every promise held.
 * Exit code 0: all held. 1: one did not, or something did not come in time. `--keep` leaves everything running until Ctrl-C.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Stage } from './stage.ts';
import { keepOpen, play } from './story.ts';
import { Terminal } from './terminal.ts';

const keep = process.argv.includes('--keep');
const terminal = new Terminal(process.stdout, process.env.NO_COLOR === undefined);
const dir = mkdtempSync(path.join(tmpdir(), 'prow-demo-'));
const stage = new Stage(terminal, dir, keep);

/** Set by a signal; the story ends at its next step. */
const interrupt = (signal: NodeJS.Signals): void => stage.interrupt(signal);
process.on('SIGINT', interrupt).on('SIGTERM', interrupt).on('SIGHUP', interrupt);
// A closed pipe (`make demo | head`) is no reason to leave processes behind.
process.stdout.on('error', () => stage.interrupt('SIGPIPE'));

let exitCode = 1;
let keepDir = false;
try {
  exitCode = (await (keep ? keepOpen(stage) : play(stage))) ? 0 : 1;
  keepDir = exitCode !== 0;
} catch (error) {
  if (stage.interrupted === undefined) {
    keepDir = true;
    terminal.print(
      '',
      terminal.paint('red', `The demo failed: ${error instanceof Error ? error.message : String(error)}`),
      ...stage.autopsy(),
    );
  } else {
    exitCode = keep ? 0 : 130;
    terminal.end();
    terminal.print('', `Stopped by ${stage.interrupted}.`);
  }
} finally {
  await stage.close();
  terminal.end();
  if (keepDir) terminal.print(`Logs of sandbox and operator: ${dir}`);
  else rmSync(dir, { recursive: true, force: true });
}
process.exitCode = exitCode;
