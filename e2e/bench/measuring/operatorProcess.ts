/**
 * The operator as its image runs it, as a process against a control plane: started, asked for its own figures, killed or ended. Its
 * settings are the defaults but for where it serves its figures, and for what a measurement names.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import type { SettingsFile } from '../../../operator/config/settings.ts';
import { until } from '../../cluster/terminal.ts';
import type { ControlPlane } from '../controlPlane.ts';
import { imageProgram } from '../scale/imageProgram.ts';
import { useOf, type ProcessUse } from '../scale/processUse.ts';
import { readSamples, total } from './prometheusText.ts';

const readyMs = 120_000;
const graceMs = 20_000;

export interface OwnFigures {
  /** 99th percentile since the last time they were asked for: asking begins a new measurement. */
  readonly eventLoopP99Ms: number;
  /** Requests that it has sent. */
  readonly requests: number;
  /** Of these, deletions. */
  readonly deletes: number;
}

const lag = 'nodejs_eventloop_lag_p99_seconds';
const requests = 'rest_client_requests_total';

export class OperatorProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #dir: string;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess, dir: string) {
    this.#child = child;
    this.#dir = dir;
    this.pid = child.pid ?? 0;
    this.#exited = once(child, 'exit');
  }

  /** Launches it and does not wait for anything. It ends with this process. */
  static async launch(plane: ControlPlane, settings: SettingsFile = {}): Promise<OperatorProcess> {
    const { command, args, environment } = await imageProgram();
    const dir = await mkdtemp(path.join(path.dirname(plane.kubeconfig), 'operator-'));
    const settingsFile = path.join(dir, 'settings.yaml');
    writeFileSync(settingsFile, stringify({ ...settings, server: { host: '127.0.0.1', port: 0 } }));
    const log = openSync(path.join(dir, 'log'), 'a');
    const child = spawn(command, [...args, 'run', '--kubeconfig', plane.kubeconfig, '--settings', settingsFile], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...environment },
    });
    closeSync(log);
    plane.endWithUs(child.pid);
    return new OperatorProcess(child, dir);
  }

  /** Launches it and waits until its controllers work. */
  static async start(plane: ControlPlane, settings: SettingsFile = {}): Promise<OperatorProcess> {
    const operator = await OperatorProcess.launch(plane, settings);
    await operator.hasSaid('Controllers run');
    return operator;
  }

  /** Resolves when its log has a line with this message. Throws with the end of the log when it ends before. */
  async hasSaid(message: string): Promise<void> {
    const { failed } = this;
    await until(`"${message}" of the operator`, () => this.log.includes(`"${message}"`), { timeoutMs: readyMs, everyMs: 25, failed });
  }

  /** What it said last, when it has ended although nobody had asked for it. */
  readonly failed = (): string | undefined => (this.running ? undefined : `the operator ended by itself:\n${this.log.slice(-2_000)}`);

  get log(): string {
    return readFileSync(path.join(this.#dir, 'log'), 'utf8');
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Null while it runs, and when a signal ended it. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  async figures(): Promise<OwnFigures> {
    const url = /"url":"(http:[^"]+)"/.exec(this.log)?.[1];
    if (url === undefined) throw new Error('the operator has not said where it serves its figures');
    const samples = readSamples(await (await fetch(`${url}/metrics`)).text(), new Set([lag, requests]));
    const deletes = samples.filter(({ labels }) => labels.get('method') === 'DELETE');
    return { eventLoopP99Ms: total(samples, lag) * 1000, requests: total(samples, requests), deletes: total(deletes, requests) };
  }

  use(): Promise<ProcessUse> {
    return useOf(this.pid);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    if (this.running) this.#child.kill('SIGKILL');
    await this.#exited;
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** Asks it to end, so that it releases its lease. */
  async stop(): Promise<void> {
    if (this.running) this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await this.#exited;
    clearTimeout(late);
    await rm(this.#dir, { recursive: true, force: true });
  }
}
