/** The two programs that are compared: how each is built for release, started, asked for its counters and ended. */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { bundle } from '../../../tools/image/bundle.ts';
import { allocatorEnvironment, nodeFlags } from '../../../tools/image/contents.ts';

const here = import.meta.dirname;
const cacheDir = path.join(here, '.cache');

export const contenderNames = ['controller-runtime', 'ours'] as const;
export type ContenderName = (typeof contenderNames)[number];

/** A command line without the arguments that say what to do. */
export type Program = readonly [command: string, ...args: string[]];

export interface Counters {
  readonly passes: number;
  readonly patches: number;
  readonly failures: number;
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { cwd: here, stdio: 'inherit', env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' } });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with exit code ${code ?? '?'}`);
}

/** About three minutes on two cores with an empty Go cache, and nothing afterwards. */
async function buildGo(): Promise<Program> {
  const binary = path.join(cacheDir, 'widgets');
  await run('go', ['build', '-buildvcs=false', '-trimpath', '-ldflags', '-s -w', '-o', `${binary}.${process.pid}`, '.']);
  await rename(`${binary}.${process.pid}`, binary);
  return [binary];
}

/** The same bundler, flags and environment as in the operator's image. */
async function buildOurs(nodeOptions: readonly string[]): Promise<Program> {
  const out = path.relative(path.join(here, '..', '..', '..'), path.join(cacheDir, 'operator.mjs'));
  const files = await bundle(path.relative(path.join(here, '..', '..', '..'), path.join(here, 'operator.ts')), out);
  for (const file of files) {
    const target = path.join(here, '..', '..', '..', file.path);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, file.data);
  }
  return [process.execPath, ...nodeFlags, ...nodeOptions, path.join(cacheDir, 'operator.mjs')];
}

/** Builds what is asked for. `nodeOptions` go before our bundle, for a profile. */
export async function build(name: ContenderName, nodeOptions: readonly string[] = []): Promise<Program> {
  await mkdir(cacheDir, { recursive: true });
  return name === 'ours' ? buildOurs(nodeOptions) : buildGo();
}

export interface Start {
  readonly program: Program;
  readonly kubeconfig: string;
  readonly workers: number;
  readonly run: string;
}

/** One of them while it runs. */
export class Contender {
  /** performance.now() when it was started. */
  readonly startedMs = performance.now();
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly #exited: Promise<number | null>;

  constructor({ program, kubeconfig, workers, run: name }: Start) {
    const [command, ...args] = program;
    this.#child = spawn(command, [...args, '--workers', String(workers), '--run', name], {
      cwd: here,
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_ENV: 'production', ...allocatorEnvironment, KUBECONFIG: kubeconfig },
    });
    // A pipe to a process that has ended: its exit code says more.
    this.#child.stdin.on('error', () => undefined);
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#exited = once(this.#child, 'exit').then(([code]) => code as number | null);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the contender did not start');
    return this.#child.pid;
  }

  /** Rejects with the exit code when it ends before it was asked to: to be raced against what is waited for. */
  async endedEarly(): Promise<never> {
    throw new Error(`the contender ended with exit code ${(await this.#exited) ?? '?'}`);
  }

  async counters(): Promise<Counters> {
    const answer = once(this.#lines, 'line') as Promise<[string]>;
    this.#child.stdin.write('?\n');
    const [line] = await Promise.race([answer, this.endedEarly()]);
    return JSON.parse(line) as Counters;
  }

  /** Asks it to end, as Kubernetes does, and waits. Throws when it ends badly. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const code = await this.#exited;
    if (code !== 0) throw new Error(`the contender ended with exit code ${code ?? '?'} when it was told to stop`);
  }

  /** For a measurement that failed. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
