/**
 * The record of what was started and changed, written before each change. It is what makes `down` exact: it ends these processes, restores
 * these settings, removes these paths, and nothing else. It survives a crash of the cluster or of the command that was making it.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Plan } from './plan.ts';
import { ClusterError } from './errors.ts';

export interface ProcessRecord {
  readonly name: string;
  readonly pid: number;
  /** When the kernel started it, in ticks since boot: a process id that was given to another program does not match. */
  readonly startTicks: string;
}

export interface ClusterRecord {
  /** The kernel's id of this boot; after a reboot no process, mount or link of the record exists any more. */
  readonly bootId: string;
  readonly plan: Plan;
  readonly processes: readonly ProcessRecord[];
  /** Kernel settings as they were before. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Paths outside of the state directory that were not there before. */
  readonly absent: readonly string[];
  /** True once every part answered. */
  readonly complete: boolean;
}

export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

/** The text of a record file. Throws when it is not one. */
export function parseRecord(text: string, file: string): ClusterRecord {
  const parsed = JSON.parse(text) as Partial<ClusterRecord>;
  const { processes, plan, sysctls, absent } = parsed;
  if (!Array.isArray(processes) || plan === undefined || sysctls === undefined || !Array.isArray(absent)) {
    throw new ClusterError(`${file} is not the record of a cluster: look at what it says, end what it names, then delete it.`);
  }
  return parsed as ClusterRecord;
}

/** The record on disk. Every change is on disk before the function returns. */
export class RecordFile {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  read(): ClusterRecord | undefined {
    return existsSync(this.#file) ? parseRecord(readFileSync(this.#file, 'utf8'), this.#file) : undefined;
  }

  write(record: ClusterRecord): void {
    const partial = `${this.#file}.new`;
    writeFileSync(partial, JSON.stringify(record, null, 2), { mode: 0o600 });
    renameSync(partial, this.#file);
  }

  change(part: Partial<ClusterRecord>): void {
    const current = this.read();
    if (current === undefined) throw new ClusterError(`${this.#file} has disappeared while the cluster was being started`);
    this.write({ ...current, ...part });
  }
}
