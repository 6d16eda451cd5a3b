import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Parts } from './parts.ts';
import type { Plan } from './plan.ts';
import { isAlive, startTicksOf } from './processes.ts';
import { RecordFile, type ProcessRecord } from './record.ts';
import { until } from './terminal.ts';

let dir: string;
let child: ChildProcess;
let process_: ProcessRecord;
let record: RecordFile;
let parts: Parts;

const statOf = (pid: number): string => readFileSync(`/proc/${pid}/stat`, 'utf8');
/** As the kernel says it: S sleeps, T is held. */
const stateOf = (pid: number): string => statOf(pid).slice(statOf(pid).lastIndexOf(')') + 2)[0] ?? '';
const namesInRecord = (): readonly string[] => (record.read()?.processes ?? []).map(({ name }) => name);

beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'prow-parts-'));
  child = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  process_ = { name: 'second kubelet', pid, startTicks: startTicksOf(statOf(pid)) ?? '' };
  record = new RecordFile(path.join(dir, 'record.json'));
  const plan = { stateDir: dir } as Plan;
  const other = { name: 'kubelet', pid: 1, startTicks: 'never' };
  record.write({ bootId: '', plan, processes: [other, process_], sysctls: {}, absent: [], complete: true });
  parts = new Parts(plan, record, 'second ');
});

afterEach(() => {
  child.kill('SIGKILL');
  rmSync(dir, { recursive: true });
});

it('holds a program still and lets it go on', async () => {
  parts.hold('kubelet');
  await until('a held process', () => stateOf(process_.pid) === 'T', { timeoutMs: 5_000 });
  parts.release('kubelet');
  await until('a process that goes on', () => stateOf(process_.pid) !== 'T', { timeoutMs: 5_000 });
  expect(isAlive(process_)).toBe(true);
});

it('kills a program, and leaves it in the record for the cluster not to pass for one that is up', async () => {
  await parts.kill('kubelet');
  expect(isAlive(process_)).toBe(false);
  expect(namesInRecord()).toEqual(['kubelet', 'second kubelet']);
  expect(() => parts.hold('kubelet')).toThrow('kubelet does not run.');
});

it('ends a program, even one that is held, and forgets it alone', async () => {
  parts.hold('kubelet');
  await parts.end('kubelet');
  expect(isAlive(process_)).toBe(false);
  expect(namesInRecord()).toEqual(['kubelet']);
  await parts.end('kubelet');
});

it('does not take the program of another server for its own', () => {
  expect(() => parts.hold('etcd')).toThrow('etcd does not run.');
  expect(() => new Parts(parts.plan, record).hold('kubelet')).toThrow('kubelet does not run.');
});
