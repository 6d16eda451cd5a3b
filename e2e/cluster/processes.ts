/** Long-running programs by process id: started with their output in a file, recognised across commands, ended in order. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { until } from './terminal.ts';
import { ClusterError } from './errors.ts';
import type { ProcessRecord } from './record.ts';

export interface Launch {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly cwd: string;
}

const termGraceMs = 10_000;
const killGraceMs = 10_000;

/** The start time of a process out of the text of /proc/PID/stat. The name in it may hold spaces and brackets. */
export function startTicksOf(stat: string): string | undefined {
  const afterName = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return afterName[19];
}

function readStartTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const isZombie = stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
    return isZombie ? undefined : startTicksOf(stat);
  } catch {
    return undefined;
  }
}

/** Whether this very process still runs. */
export const isAlive = ({ pid, startTicks }: ProcessRecord): boolean => readStartTicks(pid) === startTicks;

/** Starts a program that outlives this one. Its environment holds a path and a home, and no proxy settings. */
export function launch({ name, program, args, logFile, cwd }: Launch): ProcessRecord {
  const log = openSync(logFile, 'a');
  try {
    const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: cwd };
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', log, log] });
    child.on('error', () => undefined);
    child.unref();
    const { pid } = child;
    const startTicks = pid === undefined ? undefined : readStartTicks(pid);
    if (pid === undefined || startTicks === undefined) {
      throw new ClusterError(`${name} (${program}) did not start. ${tail(logFile)}`);
    }
    return { name, pid, startTicks };
  } finally {
    closeSync(log);
  }
}

/** The end of a log, for a message. */
export function tail(logFile: string, lines = 15): string {
  const text = readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  return `The end of ${logFile}:\n${text}`;
}

/** Ends processes: asks, waits, then kills. Resolves when none of them is left. */
export async function end(processes: readonly ProcessRecord[]): Promise<void> {
  const alive = (): readonly ProcessRecord[] => processes.filter(isAlive);
  signal(alive(), 'SIGTERM');
  const gone = (): boolean => alive().length === 0;
  await until('the end of processes', gone, { timeoutMs: termGraceMs }).catch(() => signal(alive(), 'SIGKILL'));
  await until(
    `the end of ${alive()
      .map(({ name, pid }) => `${name} (${pid})`)
      .join(', ')}`,
    gone,
    { timeoutMs: killGraceMs },
  );
}

/** Kills processes by id; those that are gone already are no error. */
export function signal(processes: readonly { readonly pid: number }[], name: NodeJS.Signals): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
