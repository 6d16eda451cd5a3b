import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { end, isAlive, launch, signal, startTicksOf, tail } from './processes.ts';
import { until } from './terminal.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'processes-test-'));
const logFile = path.join(dir, 'log');
afterAll(() => rmSync(dir, { recursive: true }));

const start = (code: string) => launch({ name: 'test', program: process.execPath, args: ['-e', code], logFile, cwd: dir });

test('the start time is found behind a name that looks like more fields', () => {
  const fields = ['S', ...Array.from({ length: 18 }, (_unused, index) => String(index + 4)), '4711', '23'];
  expect(startTicksOf(`12 (a) b (c)) ${fields.join(' ')}`)).toBe('4711');
});

test('a process is known by its id and start time together', async () => {
  const started = start('setInterval(() => {}, 1000)');
  expect(isAlive(started)).toBe(true);
  expect(isAlive({ ...started, startTicks: '1' })).toBe(false);
  await end([started]);
  expect(isAlive(started)).toBe(false);
});

test('what it writes is in its log, and nothing of our environment reaches it but a path', async () => {
  const started = start('console.log(Object.keys(process.env).sort().join(), "end")');
  await until('the line', () => readFileSync(logFile, 'utf8').includes('end'), { timeoutMs: 10_000 });
  expect(tail(logFile, 1)).toContain('HOME,PATH end');
  await end([started]);
});

test('a signal for a process that is gone is no error', async () => {
  const started = start('');
  await until('its end', () => !isAlive(started), { timeoutMs: 10_000 });
  expect(() => signal([started], 'SIGTERM')).not.toThrow();
});

test('a program that is not there is named', () => {
  expect(() => launch({ name: 'etcd', program: '/no/such/program', args: [], logFile, cwd: dir })).toThrow(/etcd \(\/no\/such\/program\)/);
});
