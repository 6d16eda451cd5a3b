/**
 * Where the soak plays: a sandbox and two operators as processes, and the fault proxy between them. Operators that end are started again,
 * as a supervisor would; what ended them is remembered. Everything is ended by its process id.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { SettingsFile } from '../../operator/config/settings.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { ApiError, TransportError } from '../../operator/kube/errors.ts';
import { Program } from '../demo/processes.ts';
import { clientOf, leaderOf } from '../scenarios/installation.ts';
import { installCrds } from '../scenarios/sandboxCluster.ts';
import { backendOf, FaultProxy } from './faultProxy.ts';
import { randomWorkSettings } from './randomWork.ts';
import { probeFile, readProbe, type ProbeLine } from './soakSamples.ts';

/** Every limit there is, so narrow that each is met now and then; lives short enough that as much goes as comes. */
export const soakSettings: SettingsFile = {
  ...randomWorkSettings,
  prowJobs: {
    ...randomWorkSettings.prowJobs,
    maxConcurrency: 14,
    maxConcurrencyPerNamespace: 9,
    defaultClusterMaxConcurrency: 12,
    // The API server's crash takes all pods along, several times within the life of one run.
    maxRevivals: 12,
  },
  cleanup: { prowJobTTL: '30s', podTTL: '15s', orphanAge: '5s' },
  leaderElection: { namespace: 'default', name: 'prow-operator', leaseDuration: '12s', renewDeadline: '9s', retryPeriod: '1s' },
  logging: { level: 'info', format: 'json' },
  server: { host: '127.0.0.1', port: 0 },
};

const lease = { namespace: 'default', name: 'prow-operator' };
const probe = path.join(import.meta.dirname, 'soakProbe.ts');
/** Of a machine that does much else. */
const startMs = 120_000;

export class SoakStage {
  readonly dir: string;
  readonly client: KubeClient;
  readonly proxy: FaultProxy;
  /** What operators ended of by themselves. */
  readonly selfEnded: string[] = [];
  starts = 0;
  #sandbox: Program;
  readonly #port: string;
  #operators: Program[] = [];
  #isClosing = false;

  private constructor(dir: string, parts: { client: KubeClient; proxy: FaultProxy; sandbox: Program; port: string }) {
    this.dir = dir;
    this.client = parts.client;
    this.proxy = parts.proxy;
    this.#sandbox = parts.sandbox;
    this.#port = parts.port;
  }

  static async open(seed: number): Promise<SoakStage> {
    const dir = mkdtempSync(path.join(tmpdir(), 'prow-soak-'));
    const sandbox = startSandbox(dir, '0');
    try {
      const kubeconfig = path.join(dir, 'kubeconfig');
      await until('the sandbox to answer', () => existsSync(kubeconfig));
      const client = clientOf(kubeconfig);
      await installCrds(client);
      const backend = await backendOf(kubeconfig);
      const proxy = await FaultProxy.open({ backend, seed, remember: 1000 });
      writeFileSync(path.join(dir, 'kubeconfig-proxy'), proxy.kubeconfig('soak'));
      writeFileSync(path.join(dir, 'settings.yaml'), stringify(soakSettings));
      return new SoakStage(dir, { client, proxy, sandbox, port: new URL(backend.url).port });
    } catch (error) {
      await sandbox.stop();
      throw error;
    }
  }

  /** Two operators. Resolves when one of them leads. */
  async startOperators(): Promise<void> {
    this.startOperator();
    this.startOperator();
    await until('a leader', async () => {
      const ended = this.#operators.find(({ running }) => !running);
      if (ended !== undefined) throw new Error(`${ended.name} ended while nothing was done to it (${ended.ending}):\n${ended.tail(20)}`);
      return (await this.leader()) !== undefined;
    });
  }

  get operators(): readonly Program[] {
    return this.#operators;
  }

  startOperator(): void {
    this.starts += 1;
    const name = `operator-${this.starts}`;
    const args = ['run', '--kubeconfig', path.join(this.dir, 'kubeconfig-proxy'), '--settings', path.join(this.dir, 'settings.yaml')];
    this.#operators.push(Program.start(name, args, path.join(this.dir, `${name}.log`), ['--import', probe]));
  }

  /** The process that holds the lease, if one of ours does and the API server answers. */
  async leader(): Promise<Program | undefined> {
    const identity = await leaderOf({ client: this.client, lease }).catch(unlessUnreachable);
    if (identity === undefined || identity === '') return undefined;
    return this.operators.find((program) =>
      program
        .tail(Infinity)
        .split('\n')
        .some((line) => leads(line, identity)),
    );
  }

  /** Ends an operator, and starts another in its place. */
  async replace(program: Program, how: 'kill' | 'stop'): Promise<void> {
    this.#operators = this.#operators.filter((each) => each !== program);
    await program[how]();
    this.startOperator();
  }

  /** The process does nothing for so long, and then goes on as if no time had passed. */
  async freeze(program: Program, ms: number): Promise<void> {
    if (!program.running) return;
    process.kill(program.pid, 'SIGSTOP');
    try {
      await wait(ms);
    } finally {
      wake(program);
    }
  }

  /** kill -9 of the API server, with all its pods, and the same one again. */
  async crashApiServer(downMs: number): Promise<void> {
    await this.#sandbox.kill();
    await wait(downMs);
    this.#sandbox = startSandbox(this.dir, this.#port);
    await until(
      'the sandbox to be back',
      async () => (await leaderOf({ client: this.client, lease }).catch(unlessUnreachable)) !== undefined,
    );
  }

  /** Starts again what has ended, and remembers why. Throws when an operator or the sandbox ended as none may. */
  supervise(): void {
    if (this.#isClosing) return;
    for (const program of this.#operators.filter(({ running }) => !running)) {
      this.#operators = this.#operators.filter((each) => each !== program);
      const words = program.tail(40);
      const last = words.split('\n').at(-1) ?? '';
      if (words.includes('An error that nobody caught') || !program.ending.endsWith('code 1')) {
        throw new Error(`${program.name} ended with ${program.ending}:\n${words}`);
      }
      this.selfEnded.push(`${program.name}: ${last.slice(0, 300)}`);
      this.startOperator();
    }
  }

  samplesOf(program: Program): readonly ProbeLine[] {
    const file = probeFile(this.dir, program.pid);
    return existsSync(file) ? readProbe(readFileSync(file, 'utf8')) : [];
  }

  /** The last words of all. */
  tail(lines: number): string {
    return [this.#sandbox, ...this.operators].map((program) => `${program.name}:\n${program.tail(lines)}`).join('\n\n');
  }

  async close(keep: boolean): Promise<void> {
    this.#isClosing = true;
    await Promise.all(this.operators.map((program) => program.stop()));
    await this.proxy.close();
    await this.client.close();
    await this.#sandbox.stop();
    if (!keep) rmSync(this.dir, { recursive: true, force: true });
  }
}

function startSandbox(dir: string, port: string): Program {
  const places = ['--dir', path.join(dir, 'pods'), '--data-dir', path.join(dir, 'data'), '--kubeconfig', path.join(dir, 'kubeconfig')];
  return Program.start('sandbox', ['sandbox', ...places, '--port', port, '--no-crds'], path.join(dir, 'sandbox.log'));
}

function wake(program: Program): void {
  if (program.running) process.kill(program.pid, 'SIGCONT');
}

const leads = (line: string, identity: string): boolean => line.includes('"This replica leads"') && line.includes(identity);

/** For reads while the API server may be away. */
export function unlessUnreachable(error: unknown): undefined {
  if (error instanceof TransportError || (error instanceof ApiError && error.code >= 500)) return undefined;
  throw error;
}

export async function until(what: string, look: () => Promise<boolean> | boolean, withinMs = startMs): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!(await look())) {
    if (performance.now() > endMs) throw new Error(`waited ${withinMs / 1000} s in vain for ${what}`);
    await wait(100);
  }
}
