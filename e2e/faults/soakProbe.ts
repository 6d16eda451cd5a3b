/**
 * Loaded into an operator before its own code (`node --import`): every few seconds it collects garbage and appends what the process holds
 * as a line of JSON to a file beside its settings. The operator itself knows nothing of it.
 */
import { appendFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { probeFile, type ProbeLine } from './soakSamples.ts';

const everyMs = 5_000;

function probe(file: string, collect: () => void): void {
  collect();
  const { heapUsed, rss } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo();
  const count = (name: string): number => resources.filter((each) => each.includes(name)).length;
  const line: ProbeLine = {
    ageMs: Math.round(process.uptime() * 1000),
    heapBytes: heapUsed,
    rssBytes: rss,
    files: readdirSync('/proc/self/fd').length,
    sockets: count('TCP') + count('TLS'),
    timers: count('Timeout'),
  };
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

const settings = process.argv[process.argv.indexOf('--settings') + 1];
if (process.argv.includes('--settings') && settings !== undefined) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const file = probeFile(path.dirname(settings), process.pid);
  setInterval(() => probe(file, collect), everyMs).unref();
}
