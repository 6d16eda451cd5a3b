import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { version } from '../../operator/version.ts';
import { bundlePath, root } from './bundle.ts';
import { ContentsError, applicationFiles, parseLdd, runtimeFiles } from './contents.ts';

test('what ldd says becomes the list of files, the loader included', () => {
  const output = [
    '\tlinux-vdso.so.1 (0x00007ffd)',
    '\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f1)',
    '\t/lib64/ld-linux-x86-64.so.2 (0x00007f2)',
  ].join('\n');
  expect(parseLdd(output)).toEqual(['/lib/x86_64-linux-gnu/libm.so.6', '/lib64/ld-linux-x86-64.so.2']);
  expect(() => parseLdd('\tlibz.so.1 => not found')).toThrow(ContentsError);
});

test('the runtime brings Node, its loader, certificates and a user that is not root', async () => {
  const paths = (await runtimeFiles()).map((entry) => entry.path);
  expect(paths).toEqual(expect.arrayContaining(['usr/local/bin/node', 'etc/passwd', 'etc/ssl/certs/ca-certificates.crt', 'tmp']));
  expect(paths.some((file) => file.includes('ld-linux'))).toBe(true);
  expect(paths.some((file) => file.includes('libstdc++'))).toBe(true);
});

test(
  'the bundle runs without node_modules: it knows its version, validates a manifest, and finds the CRDs',
  { timeout: 60_000 },
  async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'bundle-test-'));
    try {
      for (const entry of await applicationFiles()) {
        if (entry.type !== 'file') continue;
        mkdirSync(path.join(dir, path.dirname(entry.path)), { recursive: true });
        writeFileSync(path.join(dir, entry.path), entry.data);
      }
      symlinkSync(path.join(root, 'examples'), path.join(dir, 'examples'));
      const run = (...args: readonly string[]) =>
        spawnSync(process.execPath, [path.join(dir, 'app', bundlePath), ...args], { cwd: dir, encoding: 'utf8' });
      expect(run('--version').stdout.trim()).toBe(version);
      expect(run('validate', 'examples/first-periodic/periodic.yaml')).toMatchObject({ status: 0 });
      expect(run('run', '--kubeconfig', path.join(dir, 'none'))).toMatchObject({ status: 2, stderr: expect.stringContaining('none') });
      const sandbox = spawn(process.execPath, [path.join(dir, 'app', bundlePath), 'sandbox'], { stdio: ['ignore', 'pipe', 'ignore'] });
      const exited = once(sandbox, 'exit');
      // It says so after it has created every CRD, and none of them is in the bundle itself.
      for await (const chunk of sandbox.stdout.setEncoding('utf8')) if (String(chunk).includes('The sandbox is ready')) sandbox.kill();
      expect(await exited).toEqual([0, null]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
);
