/**
 * Gives memory back while there is nothing to do. V8 collects when something is allocated: after a long list or a herd of runs the garbage
 * of it would stay until the next one, three times the size of what is kept. A full collection stops the process, by about 1 ms for each
 * megabyte that is kept, so it is only made after a quiet spell, and again only when the process has grown since.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { sleep } from './clock.ts';
import type { Clock } from './clock.ts';

export interface IdleMemoryOptions {
  readonly clock: Clock;
  /** How the process is. Default: this one. */
  readonly vm?: MemoryUser;
}

/** A process that can be asked and told. */
export interface MemoryUser {
  /** Resident now. */
  residentBytes(): number;
  /** Processor time that it took since the last call, of the time that has passed. */
  busyShare(): number;
  collect(): void;
}

/** How long it must have been quiet, and how often it is looked at. */
export const quietMs = 10_000;
/** Busier than that is not quiet. */
export const quietShare = 0.05;
/** So much more than after the last collection is worth another one. */
export const worthwhileBytes = 8 * 1024 * 1024;

/** Until the signal aborts. Never rejects. */
export async function giveBackWhenIdle({ clock, vm = thisProcess() }: IdleMemoryOptions, signal: AbortSignal): Promise<void> {
  let floorBytes = 0;
  vm.busyShare();
  while (!signal.aborted) {
    try {
      await sleep(clock, quietMs, signal);
    } catch {
      return;
    }
    if (vm.busyShare() > quietShare || vm.residentBytes() < floorBytes + worthwhileBytes) continue;
    vm.collect();
    floorBytes = vm.residentBytes();
  }
}

export function thisProcess(): MemoryUser {
  // The collector has no other way in, unless the process was started with a flag.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: { readonly type: 'major' }) => void;
  setFlagsFromString('--no-expose-gc');
  // Processor time and not the time of the event loop: on a crowded machine the loop looks busy while it waits for its turn.
  let before = { ...process.cpuUsage(), atMs: performance.now() };
  return {
    residentBytes: () => process.memoryUsage.rss(),
    busyShare: () => {
      const { atMs, ...since } = before;
      before = { ...process.cpuUsage(), atMs: performance.now() };
      return (before.user + before.system - since.user - since.system) / 1000 / Math.max(1, before.atMs - atMs);
    },
    collect: () => collect({ type: 'major' }),
  };
}
