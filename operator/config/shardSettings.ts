/**
 * What changes in the settings when the operator is divided into shards. A limit that counts runs of several namespaces would have to be
 * counted by several processes, and could not hold at every instant: it is refused, not approximated. Paces and room on disk are divided.
 */
import path from 'node:path';
import type { Settings } from './settings.ts';

interface Fault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** `running`: the shards of this process; the file may ask for more, which takes effect at the next start. */
export function shardFaults(settings: Settings, running: number): readonly Fault[] {
  const { prowJobs, leaderElection } = settings;
  const shards = Math.max(running, leaderElection.shards);
  if (shards === 1) return [];
  const because = `counts runs of several namespaces, and with ${shards} shards no process sees all of them`;
  const found: Fault[] = [];
  if (prowJobs.maxConcurrency > 0)
    found.push({ path: ['prowJobs', 'maxConcurrency'], message: `${because}; use maxConcurrencyPerNamespace` });
  if (prowJobs.defaultClusterMaxConcurrency > 0) {
    const instead = 'use maxConcurrencyPerNamespace, or ResourceQuotas';
    found.push({ path: ['prowJobs', 'defaultClusterMaxConcurrency'], message: `${because}; ${instead}` });
  }
  // Below 0 is no limit, and 0 lets none start: neither counts.
  for (const [queue, capacity] of prowJobs.queueCapacities) {
    if (capacity > 0) found.push({ path: ['prowJobs', 'queueCapacities', queue], message: `${because}; use maxConcurrencyPerNamespace` });
  }
  if (!leaderElection.enabled)
    found.push({ path: ['leaderElection', 'enabled'], message: `must be true: each of the ${shards} shards needs its lease` });
  return found;
}

/** The settings as one shard has them: its part of what is meant for the whole, and a place of its own on the disk. */
export function settingsOfShard(settings: Settings, shard: number, count: number): Settings {
  const { cleanup, archive } = settings;
  return {
    ...settings,
    cleanup: { ...cleanup, deletesPerSecond: cleanup.deletesPerSecond / count },
    ...(archive === undefined
      ? {}
      : {
          archive: {
            ...archive,
            spoolDir: path.join(archive.spoolDir, `shard-${shard}`),
            spoolBytes: Math.floor(archive.spoolBytes / count),
            mostFollows: Math.max(1, Math.floor(archive.mostFollows / count)),
          },
        }),
  };
}
