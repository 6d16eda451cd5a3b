/**
 * Where the demo plays: the two programs, the cluster, what was seen, the time, and the screen. The story asks for things; this file does
 * them, waits with a limit for each wait and for all of them together, and ends everything.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { stringify } from 'yaml';
import { Cluster } from './cluster.ts';
import { Program } from './processes.ts';
import type { Outage } from './promises.ts';
import { clock, frame, progressLine, step, transitionLine, type View } from './screen.ts';
import type { Terminal } from './terminal.ts';
import { World } from './world.ts';

export const namespace = 'eks';

/** The operator's settings. In the story lives are short, so that a minute shows them all; to explore, things stay a while. */
const settingsFor = (keep: boolean, dir: string): object => ({
  archive: { location: `file://${dir}/archive`, spoolDir: path.join(dir, 'spool') },
  cleanup: keep ? { prowJobTTL: '30m', podTTL: '10m' } : { prowJobTTL: '14s', podTTL: '7s', orphanAge: '5s' },
  leaderElection: { enabled: true, namespace, name: 'prow-operator', leaseDuration: '6s', renewDeadline: '5s', retryPeriod: '1s' },
  logging: { level: 'info', format: 'json' },
  server: { host: '127.0.0.1', port: 0 },
});

const redrawMs = 200;
const progressMs = 2_000;
/** Milliseconds since 1970, in fractions. */
export const epochMs = (): number => performance.timeOrigin + performance.now();

/** The whole story must be over by then. */
const limitMs = 85_000;

export class Stage {
  readonly terminal: Terminal;
  /** Leave everything running for the user. */
  readonly keep: boolean;
  readonly world = new World();
  /** How often the operator was started. */
  starts = 0;
  total = 40;
  interrupted: string | undefined;
  readonly outages: Outage[] = [];
  #downSinceMs = epochMs();
  readonly #dir: string;
  readonly #startedAtMs = performance.now();
  #sandbox: Program | undefined;
  #operator: Program | undefined;
  #cluster: Cluster | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #shownAtMs = 0;
  #unlimited = false;

  constructor(terminal: Terminal, dir: string, keep: boolean) {
    this.terminal = terminal;
    this.keep = keep;
    this.#dir = dir;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAtMs;
  }

  get cluster(): Cluster {
    if (this.#cluster === undefined) throw new Error('the sandbox is not there yet');
    return this.#cluster;
  }

  get kubeconfig(): string {
    return path.join(this.#dir, 'kubeconfig');
  }

  get operatorPid(): number {
    return this.#operator?.pid ?? 0;
  }

  async startSandbox(): Promise<void> {
    const args = ['sandbox', '--dir', path.join(this.#dir, 'sandbox'), '--kubeconfig', this.kubeconfig, '--no-crds'];
    this.#sandbox = Program.start('sandbox', args, path.join(this.#dir, 'sandbox.log'));
    this.#cluster = await Cluster.connect(this.kubeconfig, namespace, () => this.#check('the sandbox to answer', 15_000, this.elapsedMs));
  }

  startOperator(): void {
    const file = path.join(this.#dir, 'settings.yaml');
    writeFileSync(file, stringify(settingsFor(this.keep, this.#dir)));
    this.starts += 1;
    const args = ['run', '--kubeconfig', this.kubeconfig, '--settings', file];
    this.#operator = Program.start('operator', args, path.join(this.#dir, 'operator.log'));
  }

  /** The operator does its work (again): what happened before was an outage. */
  operatorIsBack(): void {
    this.outages.push({ fromMs: this.#downSinceMs, toMs: epochMs() });
  }

  async killOperator(): Promise<void> {
    const operator = this.#operator;
    this.#downSinceMs = epochMs();
    this.#operator = undefined;
    await operator?.kill();
  }

  /** Asks the operator to end, and tells how it did. */
  async stopOperator(): Promise<string> {
    const operator = this.#operator;
    this.#operator = undefined;
    await operator?.stop();
    return operator?.ending ?? 'not running';
  }

  /** Shows the table, or progress lines, from now on. */
  show(): void {
    this.world.onTransition((transition) => {
      const finished = transition.run.complete || transition.from === undefined;
      if (!this.terminal.live && finished) this.terminal.print(transitionLine(transition, this.elapsedMs, this.terminal.paint));
    });
    this.#ticker ??= setInterval(() => this.#refresh(), redrawMs);
  }

  hide(): void {
    clearInterval(this.#ticker);
    this.#ticker = undefined;
    if (this.terminal.live) this.terminal.draw([]);
    else this.terminal.print(progressLine(this.#view()));
  }

  /** A step of the story, with the time it took at the right. */
  async step<T>(what: string, act: () => Promise<T>, outcome: (result: T) => string = () => ''): Promise<T> {
    const beganMs = this.elapsedMs;
    const result = await act();
    const took = `${((this.elapsedMs - beganMs) / 1000).toFixed(1)} s`;
    const told = outcome(result);
    this.say(what, told === '' ? took : told);
    return result;
  }

  say(what: string, outcome = ''): void {
    this.terminal.print(step(what, outcome === '' ? clock(this.elapsedMs) : outcome, this.terminal.paint));
  }

  /** Waits until `look` finds something, and returns it. Throws, naming `what`, when it takes longer than mostMs. */
  async until<T>(what: string, mostMs: number, look: () => T | undefined | false): Promise<T> {
    const beganMs = this.elapsedMs;
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      this.#check(what, mostMs, beganMs);
      await wait(25);
    }
  }

  pause(ms: number): Promise<true> {
    const endMs = this.elapsedMs + ms;
    return this.until('time to pass', ms + 1_000, () => this.elapsedMs >= endMs);
  }

  /** For --keep: no limit any more. */
  lift(): void {
    this.#unlimited = true;
  }

  /** Throws when Ctrl-C or another signal came; never returns otherwise. */
  async untilInterrupted(): Promise<never> {
    for (;;) await this.pause(3_600_000);
  }

  interrupt(by: string): void {
    this.interrupted ??= by;
  }

  /** The last words of the programs, for a failure. */
  autopsy(): string[] {
    return [this.#sandbox, this.#operator].flatMap((program) =>
      program === undefined
        ? []
        : ['', `Last lines of the ${program.name}${program.running ? '' : ` (ended: ${program.ending})`}:`, program.tail(8)],
    );
  }

  async close(): Promise<void> {
    clearInterval(this.#ticker);
    await this.#operator?.stop();
    await this.#cluster?.close();
    await this.#sandbox?.stop();
  }

  #check(what: string, mostMs: number, beganMs: number): void {
    if (this.interrupted !== undefined) throw new Error(`interrupted by ${this.interrupted}`);
    for (const program of [this.#sandbox, this.#operator]) {
      if (program?.running === false) throw new Error(`the ${program.name} ended by itself (${program.ending}) while waiting for ${what}`);
    }
    if (this.#unlimited) return;
    if (this.elapsedMs - beganMs > mostMs) throw new Error(`waited ${(mostMs / 1000).toFixed(0)} s for ${what}`);
    if (this.elapsedMs > limitMs) throw new Error(`not done after ${limitMs / 1000} s; it was waiting for ${what}`);
  }

  #view(): View {
    const pid = this.#operator?.pid;
    const operator = pid === undefined ? 'DOWN' : `pid ${pid}${this.starts > 1 ? `, start ${this.starts}` : ''}`;
    return { world: this.world, elapsedMs: this.elapsedMs, operator, total: this.total };
  }

  #refresh(): void {
    if (this.terminal.live) {
      this.terminal.draw(frame(this.#view(), this.terminal.paint));
      return;
    }
    if (this.elapsedMs - this.#shownAtMs < progressMs) return;
    this.#shownAtMs = this.elapsedMs;
    this.terminal.print(progressLine(this.#view()));
  }
}
