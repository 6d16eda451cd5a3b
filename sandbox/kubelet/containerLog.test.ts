import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ContainerLog } from './containerLog.ts';
import { readLog } from './logReader.ts';
import type { LogOptions } from './logReader.ts';

let dir: string;
let nowMs: number;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'container-log-'));
  nowMs = Date.UTC(2026, 0, 1);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function read(log: ContainerLog, options: LogOptions = {}): Promise<string> {
  let text = '';
  for await (const chunk of readLog(log, options, nowMs)) text += chunk.toString('utf8');
  return text;
}

test('pieces of a line are joined, streams are not mixed, and the last line needs no newline', async () => {
  const log = new ContainerLog(dir, () => nowMs);
  void log.write('stdout', Buffer.from('he'));
  void log.write('stderr', Buffer.from('error\n'));
  void log.write('stdout', Buffer.from('llo\n\nlast'));
  await log.end();
  expect(await read(log)).toBe('error\nhello\n\nlast\n');
});

test('bytes that are no UTF-8, and a character cut in two by the pipe, come out as they went in', async () => {
  const log = new ContainerLog(dir, () => nowMs);
  const bytes = Buffer.from([0xe2, 0x82, 0xac, 0xff, 0x0a]);
  void log.write('stdout', bytes.subarray(0, 2));
  void log.write('stdout', bytes.subarray(2));
  await log.end();
  const chunks: Buffer[] = [];
  for await (const chunk of readLog(log, {}, nowMs)) chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
});

test('a line that is kept in pieces has one time', async () => {
  const log = new ContainerLog(dir, () => nowMs);
  void log.write('stdout', Buffer.from(`${'x'.repeat(40_000)}\nnext\n`));
  await log.end();
  const time = '2026-01-01T00:00:00.000Z';
  expect(await read(log, { timestamps: true })).toBe(`${time} ${'x'.repeat(40_000)}\n${time} next\n`);
});

test.each([16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 100_000])('a line of %d bytes comes out whole', async (length) => {
  const log = new ContainerLog(dir, () => nowMs);
  void log.write('stdout', Buffer.from(`${'x'.repeat(length)}\nnext\n`));
  await log.end();
  expect(await read(log)).toBe(`${'x'.repeat(length)}\nnext\n`);
});

test('only the newest segments are kept, and what is kept reads in order', async () => {
  const log = new ContainerLog(dir, () => nowMs, { segmentBytes: 200, segments: 2 });
  for (let line = 0; line < 100; line++) await log.write('stdout', Buffer.from(`line ${line}\n`));
  await log.end();
  expect(await readdir(dir)).toHaveLength(2);
  const lines = (await read(log)).trimEnd().split('\n');
  expect(lines.at(-1)).toBe('line 99');
  expect(lines.length).toBeLessThan(20);
  expect(lines).toEqual(Array.from({ length: lines.length }, (_, index) => `line ${100 - lines.length + index}`));
});

test('a follower sees what comes, over rotations, and ends with the log', async () => {
  const log = new ContainerLog(dir, () => nowMs, { segmentBytes: 100, segments: 50 });
  await log.write('stdout', Buffer.from('first\n'));
  const followed = read(log, { follow: true });
  for (let line = 0; line < 20; line++) await log.write('stdout', Buffer.from(`line ${line}\n`));
  await log.end();
  expect((await followed).split('\n')).toHaveLength(22);
});

test('a follower ends when its client has gone', async () => {
  const log = new ContainerLog(dir, () => nowMs);
  await log.write('stdout', Buffer.from('first\n'));
  const gone = new AbortController();
  const followed = read(log, { follow: true, signal: gone.signal });
  gone.abort();
  expect(await followed).toMatch(/^(first\n)?$/);
  await log.end();
});

test('since selects by time; a log is read again from disk', async () => {
  const log = new ContainerLog(dir, () => nowMs);
  await log.write('stdout', Buffer.from('old\n'));
  nowMs += 10_000;
  await log.write('stdout', Buffer.from('new\n'));
  await log.end();
  nowMs += 1000;
  const reopened = (await ContainerLog.reopen(dir))!;
  expect(await read(reopened, { sinceSeconds: 5 })).toBe('new\n');
  expect(await read(reopened, { sinceSeconds: 11 })).toBe('old\nnew\n');
  expect(await read(reopened, { sinceTime: new Date(nowMs - 1000).toISOString() })).toBe('new\n');
  expect(await read(reopened, { timestamps: true, tailLines: 1 })).toBe('2026-01-01T00:00:10.000Z new\n');
  expect(await ContainerLog.reopen(path.join(dir, 'none'))).toBeUndefined();
});

test('a disk that cannot be written does not stop the container, and the reader is told', async () => {
  const log = new ContainerLog('/dev/null/nowhere', () => nowMs);
  await log.write('stdout', Buffer.from('x\n'));
  await log.end();
  expect(log.backlogBytes).toBe(0);
  await expect(read(log)).rejects.toThrow(/ENOTDIR/);
});
