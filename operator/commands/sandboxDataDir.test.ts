/** `sandbox --data-dir` as a process of its own: killed under load it has lost nothing that it had acknowledged, and goes on where it was. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Agent, request } from 'undici';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';

const entry = path.resolve(import.meta.dirname, '../../bin/prow-operator.mjs');
const configMaps = '/api/v1/namespaces/default/configmaps';
let base: string;
const children = new Set<ChildProcess>();
const agents = new Set<Agent>();

beforeEach(async () => {
  base = await mkdtemp(path.join(tmpdir(), 'data-dir-'));
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const agent of agents) await agent.destroy();
  await rm(base, { recursive: true, force: true });
});

interface Stored {
  readonly kind: string;
  readonly code?: number;
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
  readonly data?: { readonly value: string };
  readonly items?: readonly Stored[];
}

interface Running {
  readonly child: ChildProcess;
  readonly call: (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: unknown) => Promise<Stored>;
}

/** Resolves when the sandbox is ready; rejects with its output when it ends first. */
async function start(port: number, ...args: string[]): Promise<Running> {
  const kubeconfig = path.join(base, 'kubeconfig');
  const options = ['--data-dir', path.join(base, 'data'), '--kubeconfig', kubeconfig, '--port', String(port), ...args];
  const child = spawn(process.execPath, [entry, 'sandbox', ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.add(child);
  let text = '';
  await new Promise<void>((resolve, reject) => {
    for (const pipe of [child.stdout, child.stderr]) {
      pipe.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes('Ctrl-C ends')) resolve();
      });
    }
    child.once('close', (code) => reject(new Error(`it ended with ${String(code)}: ${text}`)));
  });
  return { child, call: await client(kubeconfig) };
}

async function client(kubeconfig: string): Promise<Running['call']> {
  const config = parse(await readFile(kubeconfig, 'utf8')) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
    users: [{ user: { token: string } }];
  };
  const { server, 'certificate-authority-data': ca } = config.clusters[0].cluster;
  const dispatcher = new Agent({ connections: 16, connect: { ca: Buffer.from(ca, 'base64') } });
  agents.add(dispatcher);
  const headers = { authorization: `Bearer ${config.users[0].user.token}`, 'content-type': 'application/json' };
  return async (method, url, body) => {
    const payload = body === undefined ? null : JSON.stringify(body);
    const answer = await request(`${server}${url}`, { method, headers, dispatcher, body: payload });
    const stored = (await answer.body.json()) as Stored;
    return answer.statusCode < 300 ? stored : { ...stored, code: answer.statusCode };
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'close');
  child.kill('SIGKILL');
  await ended;
}

/** What a client was told last of one object, and whether a request of its own was without an answer when the server died. */
interface Told {
  stored: Stored | undefined;
  inFlight: 'nothing' | 'write' | 'delete';
  /** Of the write in flight. */
  value: number;
}

/** Creates, replaces and deletes its own objects, one request after the other, until the server is gone. */
async function load(call: Running['call'], writer: number, told: Map<string, Told>, acknowledged: () => void): Promise<void> {
  for (let i = 0; ; i++) {
    const name = `w${writer}-${i % 7}`;
    const known = told.get(name) ?? { stored: undefined, inFlight: 'nothing', value: -1 };
    told.set(name, known);
    const isDelete = known.stored !== undefined && i % 5 === 0;
    Object.assign(known, { inFlight: isDelete ? 'delete' : 'write', value: i });
    const object = { metadata: { name }, data: { value: String(i) } };
    try {
      const url = known.stored === undefined ? configMaps : `${configMaps}/${name}`;
      const answer = await call(isDelete ? 'DELETE' : known.stored === undefined ? 'POST' : 'PUT', url, isDelete ? undefined : object);
      if (answer.code !== undefined) throw new Error(`the load was refused: ${JSON.stringify(answer)}`);
      known.stored = isDelete ? undefined : answer;
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('the load')) throw error;
      return;
    }
    known.inFlight = 'nothing';
    acknowledged();
  }
}

/** Either what was acknowledged last, or what was in flight. */
function judge(name: string, told: Told, found: Stored | undefined): void {
  const asTold = { uid: told.stored?.metadata.uid, value: told.stored?.data?.value, revision: told.stored?.metadata.resourceVersion };
  const asFound = { uid: found?.metadata.uid, value: found?.data?.value, revision: found?.metadata.resourceVersion };
  if (told.inFlight === 'delete' && found === undefined) return;
  if (told.inFlight === 'write' && found?.data?.value === String(told.value)) return;
  expect(asFound, name).toEqual(asTold);
}

test.each([200, 1500])(
  'killed after %i acknowledged writes it has them all, and goes on',
  async (writes) => {
    const port = await freePort();
    const first = await start(port, '--no-crds');
    const told = new Map<string, Told>();
    let count = 0;
    const reached = new Promise<void>((resolve) => {
      const acknowledged = (): void => {
        count += 1;
        if (count === writes) resolve();
      };
      void Promise.all([0, 1, 2, 3, 4, 5].map((writer) => load(first.call, writer, told, acknowledged)));
    });
    await reached;
    await kill(first.child);
    const before = Math.max(...[...told.values()].map(({ stored }) => Number(stored?.metadata.resourceVersion ?? 0)));

    const second = await start(port, '--no-crds');
    // The certificate and token that the first one gave out still hold: this is its client.
    const { items = [] } = await first.call('GET', configMaps);
    const found = new Map(items.map((item) => [item.metadata.name, item]));
    expect(told.size).toBe(42);
    for (const [name, one] of told) judge(name, one, found.get(name));
    const next = await second.call('POST', configMaps, { metadata: { name: 'next' }, data: { value: '0' } });
    expect(Number(next.metadata.resourceVersion)).toBeGreaterThan(before);
  },
  60_000,
);

async function resources(call: Running['call']): Promise<string[]> {
  const list = (await call('GET', '/apis/prow.k8s.io/v1')) as unknown as { readonly resources: readonly { readonly name: string }[] };
  return list.resources.map(({ name }) => name).sort();
}

test('kinds, their objects and pods outlive the process; a second sandbox in the directory is refused', async () => {
  const port = await freePort();
  const first = await start(port);
  const pod = {
    metadata: { name: 'p' },
    spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x', command: ['sleep', '600'] }] },
  };
  const made = await first.call('POST', '/api/v1/namespaces/default/pods', pod);
  const podPath = '/api/v1/namespaces/default/pods/p';
  const phase = async (call: Running['call']): Promise<unknown> => ((await call('GET', podPath)) as unknown as { status?: object }).status;
  await expect.poll(() => phase(first.call), { timeout: 15_000 }).toMatchObject({ phase: 'Running' });
  const kinds = await resources(first.call);
  const job = {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'ProwJob',
    metadata: { name: 'run' },
    spec: { type: 'periodic', job: 'nightly', agent: 'kubernetes' },
  };
  const run = await first.call('POST', '/apis/prow.k8s.io/v1/namespaces/default/prowjobs', job);
  expect(run.code, JSON.stringify(run)).toBeUndefined();
  await expect(start(0)).rejects.toThrow(/it ended with 2: .*is in use by another sandbox/s);
  await kill(first.child);

  const second = await start(port);
  expect(await resources(second.call)).toEqual(kinds);
  const again = await second.call('GET', '/apis/prow.k8s.io/v1/namespaces/default/prowjobs/run');
  expect(again).toEqual(run);
  await expect.poll(() => phase(second.call), { timeout: 15_000 }).toMatchObject({ phase: 'Failed', reason: 'Terminated' });
  expect((await second.call('GET', podPath)).metadata.uid).toBe(made.metadata.uid);
}, 60_000);
