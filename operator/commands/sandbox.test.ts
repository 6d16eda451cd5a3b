/** The command as a process of its own: what it prints, what it leaves, how it ends. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Agent, fetch } from 'undici';
import { parse } from 'yaml';

const entry = path.resolve(import.meta.dirname, '../../bin/prow-operator.mjs');
let base: string;
const children = new Set<ChildProcess>();

beforeEach(async () => {
  base = await mkdtemp(path.join(tmpdir(), 'sandbox-command-'));
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await rm(base, { recursive: true, force: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exitCode: Promise<number | null>;
}

function run(...args: string[]): Run {
  const child = spawn(process.execPath, [entry, 'sandbox', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: base },
  });
  children.add(child);
  let text = '';
  for (const pipe of [child.stdout, child.stderr]) pipe.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  const exitCode = once(child, 'close').then(([code]) => code as number | null);
  return { child, output: () => text, exitCode };
}

const ready = (one: Run): Promise<void> =>
  new Promise((resolve, reject) => {
    one.child.stdout!.on('data', () => one.output().includes('Ctrl-C ends') && resolve());
    void one.exitCode.then(() => reject(new Error(`it ended: ${one.output()}`)));
  });

async function get(kubeconfig: string, url: string): Promise<unknown> {
  const config = parse(await readFile(kubeconfig, 'utf8')) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
    users: [{ user: { token: string } }];
  };
  const { cluster } = config.clusters[0];
  const dispatcher = new Agent({ connect: { ca: Buffer.from(cluster['certificate-authority-data'], 'base64') } });
  const response = await fetch(`${cluster.server}${url}`, {
    headers: { authorization: `Bearer ${config.users[0].user.token}` },
    dispatcher,
  });
  const body = await response.json();
  await dispatcher.close();
  return body;
}

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s ends it with 0 and nothing is left',
  async (signal) => {
    const kubeconfig = path.join(base, 'config');
    const one = run('--kubeconfig', kubeconfig);
    await ready(one);
    expect(one.output()).toContain(`export KUBECONFIG=${kubeconfig}`);
    const { resources } = (await get(kubeconfig, '/apis/prow.k8s.io/v1')) as { resources: { name: string }[] };
    expect(resources.map((resource) => resource.name)).toEqual(
      expect.arrayContaining(['prowjobs', 'periodics', 'pluginconfigs', 'buildclusters']),
    );
    one.child.kill(signal);
    expect(await one.exitCode).toBe(0);
    expect(await readdir(base)).toEqual([]);
  },
  30_000,
);

test('--no-crds starts without ours, and --dir stays, but not its lock', async () => {
  const dir = path.join(base, 'kept');
  const one = run('--no-crds', '--dir', dir);
  await ready(one);
  expect(await get(path.join(dir, 'kubeconfig'), '/apis/prow.k8s.io/v1')).toMatchObject({ code: 404 });
  const second = run('--dir', dir);
  expect(await second.exitCode).toBe(2);
  expect(second.output()).toMatch(/--dir .* is in use by the sandbox with process id \d+/);
  one.child.kill('SIGTERM');
  expect(await one.exitCode).toBe(0);
  expect(existsSync(path.join(dir, 'sandbox.pid'))).toBe(false);
  expect(existsSync(dir)).toBe(true);
}, 30_000);

test.each(['x', '70000', '-1'])(
  '--port %s is refused',
  async (port) => {
    const one = run(`--port=${port}`);
    expect(await one.exitCode).toBe(2);
    expect(one.output()).toContain(`--port ${port}: must be a number from 0`);
  },
  30_000,
);

test('a port in use is named, and nothing is left', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const one = run('--port', String(port));
  expect(await one.exitCode).toBe(1);
  expect(one.output()).toContain(`port ${port} is in use`);
  expect(await readdir(base)).toEqual([]);
  server.close();
}, 30_000);
