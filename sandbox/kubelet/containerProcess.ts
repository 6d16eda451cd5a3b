/**
 * One run of one container: a process in a session and process group of its own, with nothing of ours but two pipes. Its end takes the
 * whole group along, as the end of a container's first process does.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import type { ContainerLog, LogStream } from './containerLog.ts';

export interface ProcessPlan {
  /** Program and arguments. */
  readonly argv: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly cwd: string;
}

export interface ContainerProcess {
  readonly pid: number;
  /** Resolves with the exit code, 128 + n after signal n, once the log is complete. */
  readonly exited: Promise<number>;
  /** Signals the whole group. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
}

/** More than this unwritten: the container waits for the disk. */
const highWaterBytes = 1024 * 1024;
/** How long a grandchild that left the group may keep the pipes open after the container's end. */
const drainMs = 1000;

/** Starts the process; rejects with the system's error when it cannot be started. */
export async function startProcess(plan: ProcessPlan, log: ContainerLog): Promise<ContainerProcess> {
  const [program = '', ...args] = plan.argv;
  const child = spawn(program, args, {
    cwd: plan.cwd,
    env: Object.fromEntries(plan.env),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) => {
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
      const timer = setTimeout(() => [child.stdout, child.stderr].forEach((pipe) => pipe.destroy()), drainMs);
      child.once('close', () => {
        clearTimeout(timer);
        void log.end().then(() => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
      });
    });
  });
  pump(child.stdout, 'stdout', log);
  pump(child.stderr, 'stderr', log);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const pid = child.pid ?? 0;
  return { pid, exited, signal: (name) => signalGroup(pid, name) };
}

function pump(pipe: Readable, stream: LogStream, log: ContainerLog): void {
  pipe.on('data', (chunk: Buffer) => {
    const written = log.write(stream, chunk);
    if (log.backlogBytes <= highWaterBytes) return;
    pipe.pause();
    void written.then(() => pipe.resume());
  });
  // A pipe that breaks ends: the exit of the process tells the rest.
  pipe.on('error', () => pipe.destroy());
}

function signalGroup(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** What containerd says when a program cannot be started. */
export function startErrorMessage(plan: ProcessPlan, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  const program = JSON.stringify(plan.argv[0] ?? '');
  const why =
    code === 'ENOENT'
      ? plan.argv[0]?.includes('/') === true
        ? `stat ${plan.argv[0]}: no such file or directory`
        : 'executable file not found in $PATH'
      : code === 'EACCES'
        ? 'permission denied'
        : (error as Error).message;
  return `failed to create containerd task: failed to create shim task: OCI runtime create failed: unable to start container process: exec: ${program}: ${why}`;
}
