import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { TarError, tar } from './tar.ts';
import type { TarEntry } from './tar.ts';

const deep = `${'d'.repeat(60)}/${'e'.repeat(60)}/file`;
const entries: readonly TarEntry[] = [
  { path: 'bin/tool', type: 'file', data: Buffer.from('#!/bin/sh\n'), mode: 0o755 },
  { path: 'bin/link', type: 'symlink', target: 'tool' },
  { path: 'tmp', type: 'directory', mode: 0o1777 },
  { path: 'empty', type: 'file', data: Buffer.alloc(0) },
  { path: 'block', type: 'file', data: Buffer.alloc(512, 'x') },
  { path: deep, type: 'file', data: Buffer.from('deep') },
];

test('tar(1) unpacks what was packed: contents, modes, links, long paths', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'tar-test-'));
  try {
    const archive = path.join(dir, 'a.tar');
    writeFileSync(archive, tar(entries));
    execFileSync('tar', ['--extract', '--preserve-permissions', '--file', archive, '--directory', dir]);
    expect(readFileSync(path.join(dir, 'bin/tool'), 'utf8')).toBe('#!/bin/sh\n');
    expect(statSync(path.join(dir, 'bin/tool')).mode & 0o7777).toBe(0o755);
    expect(readlinkSync(path.join(dir, 'bin/link'))).toBe('tool');
    expect(statSync(path.join(dir, 'tmp')).mode & 0o7777).toBe(0o1777);
    expect(statSync(path.join(dir, 'empty')).size).toBe(0);
    expect(readFileSync(path.join(dir, 'block'), 'utf8')).toBe('x'.repeat(512));
    expect(readFileSync(path.join(dir, deep), 'utf8')).toBe('deep');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('the bytes depend on the entries, not on their order', () => {
  expect(tar(entries.toReversed()).equals(tar(entries))).toBe(true);
  expect(tar(entries.slice(1)).equals(tar(entries))).toBe(false);
});

test.each([
  ['twice the same path', [entries[2]!, entries[2]!], /tmp is in the archive twice/],
  ['a path that does not fit', [{ path: 'x'.repeat(300), type: 'file', data: Buffer.alloc(0) }], /too long/],
  ['a link target that does not fit', [{ path: 'l', type: 'symlink', target: 'x'.repeat(101) }], /longer than 100 bytes/],
] as const)('refuses %s', (_what, wrong, message) => {
  expect(() => tar(wrong)).toThrow(TarError);
  expect(() => tar(wrong)).toThrow(message);
});
