/** The command as a process of its own: what it prints, what it leaves, how it ends. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
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

const get = (kubeconfig: string, url: string): Promise<unknown> => request(kubeconfig, url, { method: 'GET' });

async function request(kubeconfig: string, url: string, init: { method: string; body?: string }): Promise<unknown> {
  const config = parse(await readFile(kubeconfig, 'utf8')) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
    users: [{ user: { token: string } }];
  };
  const { cluster } = config.clusters[0];
  const dispatcher = new Agent({ connect: { ca: Buffer.from(cluster['certificate-authority-data'], 'base64') } });
  const headers = { authorization: `Bearer ${config.users[0].user.token}`, 'content-type': 'application/json' };
  const response = await fetch(`${cluster.server}${url}`, { ...init, headers, dispatcher });
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

test('killed without a chance, its pods go with it', async () => {
  const kubeconfig = path.join(base, 'config');
  const one = run('--no-crds', '--kubeconfig', kubeconfig);
  await ready(one);
  const pidFile = path.join(base, 'pid');
  const command = ['/bin/sh', '-c', `echo $$$$ > ${pidFile}; while :; do sleep 0.1; done`];
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'x', command }] } };
  expect(await request(kubeconfig, '/api/v1/namespaces/default/pods', { method: 'POST', body: JSON.stringify(pod) })).toMatchObject({
    kind: 'Pod',
  });
  await expect.poll(() => readFile(pidFile, 'utf8').catch(() => ''), { timeout: 10_000 }).toMatch(/^\d+\n$/);
  const pid = Number(await readFile(pidFile, 'utf8'));
  expect(isRunning(pid)).toBe(true);
  one.child.kill('SIGKILL');
  try {
    await expect.poll(() => isRunning(pid), { timeout: 10_000 }).toBe(false);
  } finally {
    if (isRunning(pid)) process.kill(-pid, 'SIGKILL');
  }
}, 30_000);

/** A zombie counts as dead: who reaps it is the business of this machine's first process. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

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
