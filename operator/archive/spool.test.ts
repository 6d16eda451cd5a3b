import { mkdtemp, mkdir, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Spool, type SpoolLimits, type SpoolLog } from './spool.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'prow-spool-test-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const spoolOf = (limits: Partial<SpoolLimits> = {}): Spool =>
  new Spool(
    () => dir,
    () => ({ logBytes: 1000, totalBytes: 10_000, ...limits }),
  );

async function textOf(log: SpoolLog): Promise<string> {
  const source = log.source();
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.open()) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  expect(bytes.length, 'size is told right').toBe(source.size);
  return bytes.toString();
}

const write = async (log: SpoolLog, text: string): Promise<void> => log.append(Buffer.from(text));
/** "0001 0002 …", each five bytes. */
const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => `${String(index + 1).padStart(4, '0')}\n`);

describe('a log', () => {
  it('comes out as it went in, as often as it is asked for', async () => {
    const log = spoolOf().create();
    for (const text of ['one\n', '', 'two\n', 'thr']) await write(log, text);
    expect(await textOf(log)).toBe('one\ntwo\nthr');
    expect(await textOf(log)).toBe('one\ntwo\nthr');
    expect(log.leftOutBytes).toBe(0);
  });

  it('is empty when nothing was written', async () => {
    expect(await textOf(spoolOf().create())).toBe('');
  });

  it('keeps beginning and end when it is too long, and says what is left out', async () => {
    const log = spoolOf({ logBytes: 100 }).create();
    for (const text of numbers(100)) await write(log, text);
    // Half of the limit for the beginning, a quarter to a half for the end.
    const text = await textOf(log);
    expect(text.startsWith(numbers(10).join(''))).toBe(true);
    expect(text.endsWith(numbers(100).slice(-5).join(''))).toBe(true);
    expect(text).toContain(`\n[prow-operator] ${log.leftOutBytes} bytes of this log are left out here.\n`);
    expect(log.leftOutBytes + log.keptBytes).toBe(500);
    expect(log.keptBytes).toBeLessThanOrEqual(100);
  });

  it('is whole up to its limit', async () => {
    const log = spoolOf({ logBytes: 100 }).create();
    await write(log, numbers(20).join(''));
    expect(await textOf(log)).toBe(numbers(20).join(''));
  });

  it('takes a write that is longer than all its limits', async () => {
    const log = spoolOf({ logBytes: 40 }).create();
    await write(log, numbers(100).join(''));
    const text = await textOf(log);
    expect(text.startsWith('0001\n')).toBe(true);
    expect(text.endsWith('0100\n')).toBe(true);
  });
});

describe('the spool', () => {
  it('lets a log that finds it full keep its end', async () => {
    const spool = spoolOf({ totalBytes: 300 });
    const [first, second] = [spool.create(), spool.create()];
    await write(first, 'x'.repeat(300));
    for (const text of numbers(400)) await write(second, text);
    expect(await textOf(first)).toBe('x'.repeat(300));
    expect(second.leftOutBytes).toBeGreaterThan(0);
    expect((await textOf(second)).endsWith('0400\n')).toBe(true);
    await first.discard();
    const third = spool.create();
    await write(third, 'y'.repeat(10));
    expect(await textOf(third)).toBe('y'.repeat(10));
  });

  it('counts what is on disk, and leaves nothing there', async () => {
    const spool = spoolOf();
    const log = spool.create();
    await write(log, 'x'.repeat(900));
    expect(spool.usedBytes).toBe(900);
    await log.discard();
    expect(spool.usedBytes).toBe(0);
    await expect(write(log, 'x')).rejects.toThrow('discarded');
    await spool.close();
    expect(await readdir(dir)).toEqual([]);
  });

  it('removes what a process that ended left, and nothing of one that lives', async () => {
    const dead = `prow-spool-${2 ** 22 + 1}-a`;
    for (const name of [dead, `prow-spool-${process.ppid}-b`, `prow-spool-${process.pid}-c`, 'other']) await mkdir(path.join(dir, name));
    const spool = spoolOf();
    await write(spool.create(), 'x');
    const left = (await readdir(dir)).filter((name) => !/^prow-spool-\d+-[0-9a-f]{8}-/.test(name));
    expect(left.sort()).toEqual(['other', `prow-spool-${process.ppid}-b`].sort());
    await spool.close();
  });
});
