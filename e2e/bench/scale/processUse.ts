/** What a process of this machine uses, read from /proc. Linux only. */
import { readFile } from 'node:fs/promises';

export interface ProcessUse {
  /** Resident, all of it. */
  readonly residentMB: number;
  /** The part that no file backs: heap, buffers, stacks. */
  readonly ownMB: number;
  /** The most it was resident. */
  readonly peakMB: number;
  /** Processor time since the start. */
  readonly cpuMs: number;
  /** Bytes that it read from files and sockets since the start. */
  readonly readBytes: number;
}

/** Ticks in a second, as every Linux that runs Node has it. */
const ticksPerSecond = 100;

export async function useOf(pid: number): Promise<ProcessUse> {
  const read = (name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, 'utf8');
  const [memory, status, stat, io] = await Promise.all(['smaps_rollup', 'status', 'stat', 'io'].map(read));
  // The name of the program, in brackets, may hold spaces.
  const times = (stat ?? '').slice((stat ?? '').lastIndexOf(')') + 2).split(' ');
  return {
    residentMB: field(memory, 'Rss') / 1000,
    ownMB: field(memory, 'Anonymous') / 1000,
    peakMB: field(status, 'VmHWM') / 1000,
    cpuMs: ((Number(times[11]) + Number(times[12])) * 1000) / ticksPerSecond,
    readBytes: field(io, 'rchar'),
  };
}

/** kB, or bytes where the file gives them. */
function field(text = '', name: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${name}:`));
  if (line === undefined) throw new Error(`/proc has no ${name}`);
  return Number.parseInt(line.slice(name.length + 1), 10) * (line.endsWith(' kB') ? 1.024 : 1);
}
