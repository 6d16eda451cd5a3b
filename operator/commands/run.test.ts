/** The operator as a process of its own: how it begins, what it says, how it ends. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { prowJobs } from '../../crds/resources.ts';
import { KubeClient } from '../kube/client.ts';
import { PooledKubeConfig } from '../kube/kubeConfig.ts';
import type { KubeObject } from '../kube/objects.ts';
import { mergePatch } from '../kube/patch.ts';
import type { ResourceType } from '../kube/resource.ts';
import { UndiciTransport } from '../kube/transport.ts';

const entry = path.resolve(import.meta.dirname, '../../bin/prow-operator.mjs');
const generated = path.resolve(import.meta.dirname, '../../crds/generated');
const namespace = 'default';
const crds: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

let sandbox: Sandbox;
let client: KubeClient;
let dir: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  sandbox = await startSandbox({ kubelet: false });
  client = new KubeClient({ transport: new UndiciTransport(PooledKubeConfig.load({ path: sandbox.kubeconfigPath })) });
  for (const file of (await readdir(generated)).filter((name) => name.endsWith('.yaml'))) {
    await client.create(crds, parse(await readFile(path.join(generated, file), 'utf8')) as KubeObject);
  }
});
afterAll(async () => {
  await client.close();
  await sandbox.close();
});
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'run-command-'));
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await rm(dir, { recursive: true, force: true });
});

interface Line {
  readonly message: string;
  readonly level: string;
  readonly [field: string]: unknown;
}

class Operator {
  readonly child: ChildProcess;
  readonly exitCode: Promise<number | null>;
  text = '';

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [entry, 'run', ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    children.add(this.child);
    for (const pipe of [this.child.stdout!, this.child.stderr!]) pipe.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
    this.exitCode = once(this.child, 'close').then(([code]) => code as number | null);
  }

  get lines(): readonly Line[] {
    return this.text
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Line);
  }

  /** A line with this message, and these fields where they matter. */
  said(message: string, fields: Readonly<Record<string, unknown>> = {}): Promise<Line> {
    const isIt = (line: Line): boolean =>
      line.message === message && Object.entries(fields).every(([field, value]) => line[field] === value);
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.lines.find(isIt);
        if (found !== undefined) resolve(found);
      };
      for (const pipe of [this.child.stdout!, this.child.stderr!]) pipe.on('data', look);
      void this.exitCode.then((code) => reject(new Error(`it ended with ${code} and never said "${message}": ${this.text}`)));
      look();
    });
  }
}

/** A port of its own for each process, and a lease of its own for each test. */
async function settingsFile(more: string): Promise<string> {
  const file = path.join(dir, 'settings.yaml');
  await writeFile(file, `server: { host: 127.0.0.1, port: 0 }\nleaderElection: { name: ${path.basename(dir).toLowerCase()} }\n${more}`);
  return file;
}

async function start(more = '', env: Readonly<Record<string, string>> = {}): Promise<Operator> {
  const operator = new Operator(['--kubeconfig', sandbox.kubeconfigPath, '--settings', await settingsFile(more)], env);
  await operator.said('Controllers run');
  return operator;
}

const createRun = (name: string) =>
  client.create(prowJobs, {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'ProwJob',
    metadata: { name, namespace },
    spec: { type: 'periodic', job: name, pod_spec: { containers: [{ image: 'none' }] } },
  });

describe('a process that runs', () => {
  it('says when a run starts and ends, in one line each, and SIGTERM ends it with 0', async () => {
    const operator = await start();
    await createRun('told');
    expect(await operator.said('Run started', { name: 'told' })).toMatchObject({
      level: 'info',
      namespace,
      job: 'told',
      state: 'pending',
      attempt: 1,
      pod: 'told',
    });
    await client.patch(prowJobs, { namespace, name: 'told' }, mergePatch({ spec: { abort: { by: 'ann' } } }));
    expect(await operator.said('Run ended', { name: 'told' })).toMatchObject({
      level: 'info',
      state: 'aborted',
      reason: 'Aborted',
      attempt: 1,
    });
    operator.child.kill('SIGTERM');
    expect(await operator.exitCode).toBe(0);
    expect(operator.lines.filter(({ name }) => name === 'told')).toHaveLength(2);
    expect(operator.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('does not wait for the ordered stop after a second signal', async () => {
    const operator = await start();
    // Both before this process answers anything: the lease cannot be given back in between.
    operator.child.kill('SIGTERM');
    operator.child.kill('SIGINT');
    expect(await operator.exitCode).toBe(130);
    expect(operator.text).toContain('A second signal');
  });

  it('lets changed settings hold for a run that waits', async () => {
    const operator = await start('prowJobs: { maxConcurrency: 1 }\n');
    await createRun('holds');
    await operator.said('Run started', { name: 'holds' });
    await createRun('waits');
    expect(await operator.said('Run waits', { name: 'waits' })).toMatchObject({ reason: 'GlobalLimit', state: 'triggered' });
    await settingsFile('prowJobs: { maxConcurrency: 2 }\n');
    await operator.said('Run started', { name: 'waits' });
    const changed = operator.lines.filter(({ message }) => message === 'The settings have changed and are in force');
    expect(changed).toMatchObject([{ level: 'info' }]);
    await settingsFile('prowJobs: { maxConcurrency: 2, workers: 3 }\n');
    expect(await operator.said('The settings have changed and are in force', { level: 'warn' })).toMatchObject({
      onlyAfterRestart: ['prowJobs.workers'],
    });
    await settingsFile('prowJobs: { maxConcurrency: many }\n');
    const line = await operator.said('The settings file cannot be used; the last good settings stay in force', { level: 'warn' });
    expect(line.error).toContain('settings.yaml:3:29: prowJobs.maxConcurrency');
    operator.child.kill('SIGINT');
    expect(await operator.exitCode).toBe(0);
  }, 30_000);

  it('takes the kubeconfig it is given, whatever KUBECONFIG names', async () => {
    const operator = await start('', { KUBECONFIG: path.join(dir, 'missing') });
    operator.child.kill('SIGTERM');
    expect(await operator.exitCode).toBe(0);
  });
});

interface Refusal {
  readonly name: string;
  readonly args: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** "DIR" stands for the directory of the test. */
  readonly says: string;
}

describe('a process that cannot begin', () => {
  const refusals: readonly Refusal[] = [
    { name: 'an unknown flag', args: ['--verbose'], says: "unknown option '--verbose'" },
    { name: 'an argument too many', args: ['now', 'later'], says: 'too many arguments' },
    { name: 'a kubeconfig that is not there', args: ['--kubeconfig', 'DIR/none'], says: 'DIR/none: ENOENT' },
    { name: 'a kubeconfig that is none', args: ['--kubeconfig', 'DIR/kube'], files: { kube: 'text' }, says: 'DIR/kube: ' },
    { name: 'no kubeconfig anywhere', args: [], env: { KUBECONFIG: '', HOME: '/nowhere' }, says: 'the default kubeconfig: there is none' },
    { name: 'settings that are not there', args: ['--settings', 'DIR/none'], says: '--settings DIR/none cannot be read' },
    {
      name: 'settings with an unknown field',
      args: ['--settings', 'DIR/s.yaml'],
      files: { 's.yaml': 'prowJobs:\n  maxConcurency: 3\n' },
      says: 'DIR/s.yaml:2:3: prowJobs.maxConcurency: unknown field; did you mean maxConcurrency?',
    },
    { name: 'a log level that does not exist', args: ['--log-level', 'loud'], says: '--log-level loud is not one of' },
    { name: 'a number of shards that is none', args: ['--shards', '0'], says: '--shards 0 is not a number from 1 to 64' },
    {
      name: 'shards of one namespace',
      args: ['--shards', '2', '--namespace', 'ci'],
      says: '2 shards divide namespaces, and --namespace ci is only one',
    },
    { name: 'a log format that does not exist', args: ['--log-format', 'xml'], says: '--log-format xml is neither json nor human' },
  ];
  it.each(refusals)('$name ends it with 2', async ({ args, files = {}, env, says }) => {
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(dir, name), text);
    const operator = new Operator(
      args.map((arg) => arg.replace('DIR', dir)),
      env,
    );
    expect(await operator.exitCode).toBe(2);
    expect(operator.text).toContain(says.replaceAll('DIR', dir));
    // A message for a person, not a stack.
    expect(operator.text).not.toMatch(/\n {4}at /);
  });
});
