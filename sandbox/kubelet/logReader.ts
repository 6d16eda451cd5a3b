/** What `kubectl logs` asks for, applied to the raw lines of a container log: since, tail, timestamps and a limit in bytes. */
import type { ContainerLog } from './containerLog.ts';

export interface LogOptions {
  /** May be left out when the pod has one container. */
  readonly container?: string;
  readonly follow?: boolean;
  /** The run before the last restart. */
  readonly previous?: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly timestamps?: boolean;
  readonly limitBytes?: number;
  /** Ends a follow, for instance when the client has gone. */
  readonly signal?: AbortSignal;
}

/** The log as bytes, each chunk one line or a piece of one. With follow it ends when the container has ended and all is sent. */
export async function* readLog(log: ContainerLog, options: LogOptions, nowMs: number): AsyncGenerator<Buffer> {
  let left = options.limitBytes ?? Infinity;
  let isNewLine = true;
  for await (const line of selected(log, options, sinceMs(options, nowMs))) {
    // A time stands where a line begins, and not before each piece of it.
    const printed = print(line, options.timestamps === true && isNewLine);
    isNewLine = isFull(line);
    yield printed.length <= left ? printed : printed.subarray(0, left);
    left -= printed.length;
    if (left <= 0) return;
  }
}

function sinceMs(options: LogOptions, nowMs: number): number {
  if (options.sinceTime !== undefined) return Date.parse(options.sinceTime);
  return options.sinceSeconds === undefined ? -Infinity : nowMs - options.sinceSeconds * 1000;
}

const follows = (options: LogOptions): { follow: boolean; signal?: AbortSignal } => ({
  follow: options.follow === true,
  ...(options.signal === undefined ? {} : { signal: options.signal }),
});

async function* selected(log: ContainerLog, options: LogOptions, fromMs: number): AsyncGenerator<Buffer> {
  let skip = 0;
  if (options.tailLines !== undefined) {
    let kept = 0;
    for await (const line of log.lines()) if (isRecent(line, fromMs)) kept++;
    skip = Math.max(0, kept - options.tailLines);
  }
  for await (const line of log.lines(follows(options))) {
    if (!isRecent(line, fromMs)) continue;
    if (skip > 0) skip--;
    else yield line;
  }
}

const timeLength = '2026-01-01T00:00:00.000Z'.length;

const isRecent = (line: Buffer, fromMs: number): boolean =>
  fromMs === -Infinity || Date.parse(line.toString('latin1', 0, timeLength)) >= fromMs;

function print(line: Buffer, withTime: boolean): Buffer {
  const body = line.subarray(headEnd(line));
  const time = withTime ? line.subarray(0, timeLength + 1) : Buffer.alloc(0);
  return Buffer.concat([time, body, Buffer.from(isFull(line) ? '\n' : '')]);
}

const headEnd = (line: Buffer): number => line.indexOf(' ', timeLength + 1) + 3;

/** The line ends here, and is not a piece of a longer one. */
const isFull = (line: Buffer): boolean => line[headEnd(line) - 2] === 'F'.charCodeAt(0);
