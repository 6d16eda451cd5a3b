/**
 * `prow-operator sandbox`: the embedded cluster as a program of its own. Prints how to reach it, runs until SIGINT, SIGTERM or SIGHUP, and
 * leaves nothing behind: no process, no kubeconfig, and no directory unless the user named one.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { kubeconfigText, writeKubeconfig } from '../../sandbox/kubeconfigFile.ts';
import { startSandbox } from '../../sandbox/sandbox.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { DataDirError } from '../../sandbox/storage/sqliteJournal.ts';
import type { SandboxApi, StoredObject } from '../../sandbox/storage/storage.ts';
import { keyOf } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';

export interface SandboxOptions {
  readonly port?: string;
  readonly dir?: string;
  readonly dataDir?: string;
  readonly kubeconfig?: string;
  /** False with --no-crds. */
  readonly crds: boolean;
}

/** A command line that cannot be carried out; the message is for the user. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

const usageExitCode = 2;
const generatedCrds = new URL('../../crds/generated/', import.meta.url);
const customResources: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

/** Runs the sandbox until a signal ends it. Resolves with the exit code. */
export async function sandbox(options: SandboxOptions): Promise<number> {
  const undo: (() => Promise<void>)[] = [];
  // From the first moment: a signal during the start ends it as one during the run does.
  const ended = endSignal();
  try {
    const port = parsePort(options.port);
    const dir = options.dir === undefined ? undefined : path.resolve(options.dir);
    if (dir !== undefined) undo.push(await lock(dir));
    const running = await startSandbox({
      port,
      ...(dir === undefined ? {} : { dir }),
      ...(options.dataDir === undefined ? {} : { dataDir: path.resolve(options.dataDir) }),
      log: (line) => process.stderr.write(`${line}\n`),
    });
    undo.push(() => running.close());
    if (options.crds) await installCrds(running.api);
    const kubeconfigPath = await publishKubeconfig(running, options.kubeconfig, undo);
    process.stdout.write(welcome(running.url, kubeconfigPath));
    await ended;
    return 0;
  } catch (error) {
    process.stderr.write(`prow-operator sandbox: ${messageOf(error, options)}\n`);
    return error instanceof UsageError || error instanceof DataDirError ? usageExitCode : 1;
  } finally {
    for (const step of undo.toReversed()) await step();
  }
}

const endSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, resolve);
  });

function parsePort(text: string | undefined): number {
  if (text === undefined) return 0;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new UsageError(`--port ${text}: must be a number from 0 (any free port) to 65535`);
}

function messageOf(error: unknown, options: SandboxOptions): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return `port ${options.port ?? ''} is in use: choose another --port, or none for any free one`;
  return message;
}

/** Two sandboxes in one directory would delete each other's pods. A lock of a process that is gone is taken over. */
async function lock(dir: string): Promise<() => Promise<void>> {
  await mkdir(dir, { recursive: true });
  const file = path.join(dir, 'sandbox.pid');
  const holder = Number(await readFile(file, 'utf8').catch(() => '0'));
  if (holder > 0 && holder !== process.pid && isAlive(holder)) {
    throw new UsageError(`--dir ${dir} is in use by the sandbox with process id ${holder}: stop it, or choose another directory`);
  }
  await writeFile(file, String(process.pid));
  return () => rm(file, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Creates the CRDs of this program, or brings them up to date, and waits until the server serves them all. */
async function installCrds(api: SandboxApi): Promise<void> {
  const files = (await readdir(generatedCrds)).filter((name) => name.endsWith('.yaml'));
  const established = files.sort().map(async (name) => {
    const crd = parse(await readFile(new URL(name, generatedCrds), 'utf8')) as StoredObject;
    const key = keyOf(crd);
    const kept = api.update(customResources, key, (old) => ({ ...old, spec: crd.spec }));
    await untilEstablished(api, kept ?? api.get(customResources, key) ?? api.create(customResources, crd));
  });
  await Promise.all(established);
}

const untilEstablished = (api: SandboxApi, crd: StoredObject): Promise<void> =>
  new Promise((resolve) => {
    const stop = api.watch(customResources, ({ object }) => {
      if (keyOf(object).name !== crd.metadata.name || !isEstablished(object)) return;
      stop();
      resolve();
    });
  });

const isEstablished = (crd: StoredObject): boolean => {
  const { conditions } = (crd.status ?? {}) as { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
  return conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True') === true;
};

/** Where the kubeconfig is. One that the user asked for elsewhere is removed at the end, unless somebody has changed it since. */
async function publishKubeconfig(running: Sandbox, asked: string | undefined, undo: (() => Promise<void>)[]): Promise<string> {
  if (asked === undefined) return running.kubeconfigPath;
  const file = path.resolve(asked);
  await writeKubeconfig(file, running);
  undo.push(async () => {
    const current = await readFile(file, 'utf8').catch(() => undefined);
    if (current === kubeconfigText(running)) await rm(file, { force: true });
  });
  return file;
}

const welcome = (url: string, kubeconfigPath: string): string => `The sandbox is ready: a Kubernetes API at ${url}

  export KUBECONFIG=${kubeconfigPath}

  kubectl get nodes
  kubectl api-resources --categories=prow
  kubectl get pods --watch

Pods run as processes of this machine. Ctrl-C ends the sandbox and everything in it.
`;
