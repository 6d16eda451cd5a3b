/**
 * The two programs of the demo, as processes of their own with their output in files. Whatever was started here is ended here, by its
 * process id, on every way out.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const entry = path.join(import.meta.dirname, '..', '..', 'bin', 'prow-operator.mjs');

export class Program {
  readonly name: string;
  readonly logFile: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(name: string, logFile: string, child: ChildProcess) {
    this.name = name;
    this.logFile = logFile;
    this.#child = child;
    this.#exited = once(child, 'exit');
    if (child.pid === undefined) throw new Error(`${name} could not be started`);
    this.pid = child.pid;
  }

  /** Starts `prow-operator ARGS…`, with `nodeArgs` for Node itself. In a process group of its own, so that Ctrl-C reaches only the demo, which then ends things in order. */
  static start(name: string, args: readonly string[], logFile: string, nodeArgs: readonly string[] = []): Program {
    const log = openSync(logFile, 'a');
    try {
      const child = spawn(process.execPath, [...nodeArgs, entry, ...args], { stdio: ['ignore', log, log], detached: true });
      return new Program(name, logFile, child);
    } finally {
      closeSync(log);
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** How it ended, for people. */
  get ending(): string {
    return this.#child.signalCode ?? `exit code ${this.#child.exitCode ?? '?'}`;
  }

  /** The last lines it wrote. */
  tail(lines: number): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** As a crash would: no chance to tidy up. */
  async kill(): Promise<void> {
    if (this.running) this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Asks it to end; after graceMs it is killed. */
  async stop(graceMs = 8_000): Promise<void> {
    if (!this.running) return;
    this.#child.kill('SIGTERM');
    const timer = new AbortController();
    const late = wait(graceMs, 'late', { signal: timer.signal }).catch(() => 'in time');
    if ((await Promise.race([this.#exited, late])) === 'late') this.#child.kill('SIGKILL');
    timer.abort();
    await this.#exited;
  }
}
