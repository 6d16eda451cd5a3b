/**
 * The last guard against processes without a master: a small shell in a session of its own that knows every running process group. When its
 * input ends because this process was killed, even by SIGKILL, it kills all groups that are left, and ends.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** `+ 12` and `- 12` add and remove group 12. */
const script = `
trap '' INT TERM HUP
live=' '
while read -r sign group; do
  case $sign in
    +) live="$live$group " ;;
    -) live="\${live%% $group *} \${live#* $group }" ;;
  esac
done
for group in $live; do kill -s KILL -- "-$group"; done
`;

export class Reaper {
  readonly #shell: ChildProcessByStdio<Writable, null, null>;

  constructor(log: (line: string) => void) {
    this.#shell = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'], env: {}, cwd: '/' });
    // Without the guard pods still run; they only would outlive a SIGKILL of this process.
    this.#shell.on('error', (error) => log(`the reaper could not start: ${error.message}`));
    this.#shell.stdin.on('error', (error) => log(`the reaper has gone: ${error.message}`));
    this.#shell.unref();
  }

  track(group: number): void {
    this.#shell.stdin.write(`+ ${group}\n`);
  }

  untrack(group: number): void {
    this.#shell.stdin.write(`- ${group}\n`);
  }

  /** Ends the guard, which kills what it still knows of. */
  async stop(): Promise<void> {
    if (this.#shell.exitCode !== null || this.#shell.signalCode !== null || this.#shell.pid === undefined) return;
    this.#shell.ref();
    const ended = once(this.#shell, 'exit');
    this.#shell.stdin.end();
    await ended;
  }
}
