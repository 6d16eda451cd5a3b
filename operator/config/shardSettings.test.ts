import { describe, expect, it } from 'vitest';
import { SettingsError, defaultSettings, loadSettings } from './loadSettings.ts';
import { settingsOfShard } from './shardSettings.ts';

const problemsOf = (text: string, shards?: number): readonly string[] => {
  try {
    loadSettings(text, 'file', shards);
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.problems.map(({ line, path, message }) => `${line} ${path}: ${message}`);
  }
};

interface Row {
  readonly name: string;
  readonly text: string;
  /** How many shards the process has. */
  readonly running?: number;
  /** The fields that are refused. */
  readonly refused: readonly string[];
}

const rows: readonly Row[] = [
  { name: 'one shard: everything may be limited', text: 'prowJobs: { maxConcurrency: 5, queueCapacities: { gpu: 1 } }', refused: [] },
  { name: 'a limit of all', text: 'leaderElection: { shards: 4 }\nprowJobs: { maxConcurrency: 5 }', refused: ['prowJobs.maxConcurrency'] },
  {
    name: "the own cluster's",
    text: 'leaderElection: { shards: 4 }\nprowJobs: { defaultClusterMaxConcurrency: 5 }',
    refused: ['prowJobs.defaultClusterMaxConcurrency'],
  },
  {
    name: 'queues, but for those that do not count',
    text: 'leaderElection: { shards: 2 }\nprowJobs: { queueCapacities: { gpu: 1, free: -1, shut: 0 } }',
    refused: ['prowJobs.queueCapacities.gpu'],
  },
  { name: 'no leases', text: 'leaderElection: { shards: 2, enabled: false }', refused: ['leaderElection.enabled'] },
  {
    name: 'limits that one shard sees whole',
    text: 'leaderElection: { shards: 2 }\nprowJobs: { maxConcurrencyPerNamespace: 5 }\ntenants: [{ namespace: a, maxConcurrency: 3 }]',
    refused: [],
  },
  {
    name: 'a file for one shard, in a process that has four',
    text: 'prowJobs: { maxConcurrency: 5 }',
    running: 4,
    refused: ['prowJobs.maxConcurrency'],
  },
];

describe('limits and shards', () => {
  it.each(rows)('$name', ({ text, running, refused }) => {
    expect(problemsOf(text, running).map((problem) => problem.replace(/^\d+ ([^:]*):.*$/s, '$1'))).toEqual(refused);
  });

  it('says where, why and what to do', () => {
    expect(problemsOf('leaderElection: { shards: 4 }\nprowJobs:\n  maxConcurrency: 5')).toEqual([
      '3 prowJobs.maxConcurrency: counts runs of several namespaces, and with 4 shards no process sees all of them; use maxConcurrencyPerNamespace',
    ]);
  });
});

it('gives each shard its part of paces and of the disk', () => {
  const settings = loadSettings('cleanup: { deletesPerSecond: 50 }\narchive: { location: "file:///kept", spoolDir: /spool }', 'file');
  const ofShard = settingsOfShard(settings, 3, 4);
  expect(ofShard.cleanup.deletesPerSecond).toBe(12.5);
  expect(ofShard.archive?.spoolDir).toBe('/spool/shard-3');
  expect((ofShard.archive?.spoolBytes ?? 0) * 4).toBe(settings.archive?.spoolBytes);
  expect(settingsOfShard(defaultSettings(), 0, 2).archive).toBeUndefined();
});
