/** Runs a program to its end. A program that is missing or fails becomes an error that names it and repeats what it said. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { ClusterError } from './errors.ts';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Each line of standard error as it comes. */
  readonly onLine?: (line: string) => void;
}

/** Resolves with standard output. */
export async function command(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const failed = once(child, 'error').then(([error]: unknown[]) => {
    throw new ClusterError(`${program} could not be started: ${(error as Error).message}`);
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaint = (complaint + chunk).slice(-4_000);
    if (options.onLine !== undefined) for (const line of chunk.split('\n')) if (line !== '') options.onLine(line);
  });
  const output = text(child.stdout);
  const [code, signal] = (await Promise.race([once(child, 'close'), failed])) as [number | null, string | null];
  if (code !== 0)
    throw new ClusterError(`${program} ${args.join(' ')} failed (${signal ?? `exit code ${code ?? '?'}`})\n${complaint.trim()}`);
  return await output;
}

/** Whether a program ends well. Never throws. */
export async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await command(program, args);
    return true;
  } catch {
    return false;
  }
}
