/**
 * A Kubernetes control plane for measuring: etcd, kube-apiserver, kube-controller-manager and kube-scheduler as processes of this machine, on
 * loopback and free ports, in a directory of its own, with our CRDs and without a kubelet. Several may run beside each other. What was started
 * ends with close(), and with this process, however that ends. `node e2e/bench/controlPlane.ts [--bare]` keeps one up until Ctrl-C.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import type { KubeClient } from '../../operator/kube/client.ts';
import { isAlreadyExists } from '../../operator/kube/errors.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { ensureBinaries } from '../cluster/binaries.ts';
import { loopback } from '../cluster/components.ts';
import type { ComponentName } from '../cluster/components.ts';
import { kubeconfigText, places } from '../cluster/configFiles.ts';
import { ClusterError } from '../cluster/errors.ts';
import { Parts } from '../cluster/parts.ts';
import { repositoryRoot } from '../cluster/paths.ts';
import { createPki, pkiFiles } from '../cluster/pki.ts';
import { bridgeName, choosePorts } from '../cluster/plan.ts';
import type { Plan } from '../cluster/plan.ts';
import { signal } from '../cluster/processes.ts';
import { RecordFile, bootId } from '../cluster/record.ts';
import { say, until } from '../cluster/terminal.ts';
import { clientOf } from '../scenarios/installation.ts';

export interface ControlPlaneOptions {
  /** Without kube-controller-manager and kube-scheduler: objects are stored and watched, and nothing happens to them. */
  readonly bare?: boolean;
}

export interface ControlPlane {
  /** Path of an administrator's kubeconfig, with everything in it. */
  readonly kubeconfig: string;
  /** The client of the same administrator; closed with the control plane. */
  readonly client: KubeClient;
  /** Its programs, to be held still, killed or started again. */
  readonly parts: Parts;
  /** Process ids by program, for /proc. */
  readonly pids: ReadonlyMap<string, number>;
  /** Kills the process, too, when ours ends before close(). */
  readonly endWithUs: (pid: number | undefined) => void;
  /** Keeps a copy of what etcd has, taken while it stands still. */
  readonly backUp: () => Promise<void>;
  /** kill -9 of etcd and API server, the copy in the place of what was there, and both again. */
  readonly restore: () => Promise<void>;
  /** Ends it to the last trace. */
  readonly close: () => Promise<void>;
}

interface CustomResourceDefinition extends KubeObject {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const crdType: ResourceType<CustomResourceDefinition> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};
const serviceAccounts: ResourceType = { group: '', version: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true };
const crdDir = path.join(repositoryRoot, 'crds', 'generated');
const readyMs = 60_000;
const starts = 3;

/** Starts one; it takes about ten seconds on a quiet machine. The first time ever the programs are built, which takes minutes. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const binDir = await ensureBinaries();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(binDir, options);
    } catch (error) {
      // Between the choice of a port and its use another program may take it.
      if (attempt === starts || !(error instanceof Error) || !error.message.includes('address already in use')) throw error;
    }
  }
}

async function startOnce(binDir: string, { bare = false }: ControlPlaneOptions): Promise<ControlPlane> {
  const stateDir = await mkdtemp(path.join(tmpdir(), 'prow-control-plane-'));
  const guard = new Guard(stateDir);
  const programs: readonly ComponentName[] = [
    'etcd',
    'kube-apiserver',
    ...(bare ? [] : (['kube-controller-manager', 'kube-scheduler'] as const)),
  ];
  const record = new RecordFile(path.join(stateDir, 'record.json'));
  const plan = await makePlan(stateDir, binDir);
  record.write({ bootId: bootId(), plan, processes: [], sysctls: {}, absent: [], complete: false });
  const parts = new Parts(plan, record);
  const kubeconfig = await writeFiles(plan);
  const client = clientOf(kubeconfig);
  const close = async (): Promise<void> => {
    await client.close();
    signal(record.read()?.processes ?? [], 'SIGKILL');
    for (const program of programs.toReversed()) await parts.end(program);
    await rm(stateDir, { recursive: true, force: true });
    await guard.dismiss();
  };
  try {
    for (const program of programs) {
      parts.launch(program);
      guard.watch(record.read()?.processes.at(-1)?.pid);
      if (program === 'etcd' || program === 'kube-apiserver') await parts.healthy(program);
    }
    await Promise.all([applyCrds(client), defaultServiceAccount(client, bare)]);
    for (const program of programs) await parts.healthy(program);
    record.change({ complete: true });
  } catch (error) {
    await close();
    throw error;
  }
  const pids = new Map(record.read()?.processes.map(({ name, pid }) => [name, pid]));
  const started = (): void => guard.watch(record.read()?.processes.at(-1)?.pid);
  return { kubeconfig, client, parts, pids, endWithUs: (pid) => guard.watch(pid), ...copies(parts, started), close };
}

/** `started` is called after each program that was started again. */
function copies(parts: Parts, started: () => void): Pick<ControlPlane, 'backUp' | 'restore'> {
  const { etcdData } = places(parts.plan);
  const copy = `${etcdData}.copy`;
  return {
    backUp: async () => {
      parts.hold('etcd');
      try {
        await rm(copy, { recursive: true, force: true });
        await cp(etcdData, copy, { recursive: true });
      } finally {
        parts.release('etcd');
      }
    },
    restore: async () => {
      for (const name of ['kube-apiserver', 'etcd'] as const) await parts.kill(name);
      await rm(etcdData, { recursive: true });
      await cp(copy, etcdData, { recursive: true });
      for (const name of ['etcd', 'kube-apiserver'] as const) {
        parts.launch(name);
        started();
        await parts.healthy(name);
      }
    },
  };
}

async function makePlan(stateDir: string, binDir: string): Promise<Plan> {
  return {
    stateDir,
    binDir,
    cniPluginDir: '',
    nodeName: 'prow-bench',
    bridge: bridgeName,
    podCidr: '10.254.0.0/24',
    gateway: loopback,
    serviceCidr: '10.112.0.0/16',
    serviceIp: '10.112.0.1',
    snapshotter: 'native',
    ports: await choosePorts(0),
  };
}

/** Resolves with the path of the administrator's kubeconfig. */
async function writeFiles(plan: Plan): Promise<string> {
  const at = places(plan);
  for (const dir of [at.logs, at.pki(''), at.kubeconfig(''), at.volumePlugins]) await mkdir(dir, { recursive: true });
  const pki = await createPki(plan);
  const secret = { mode: 0o600 };
  for (const [name, text] of Object.entries(pkiFiles(pki))) await writeFile(at.pki(name), text, secret);
  for (const [name, pair] of Object.entries(pki.clients)) {
    await writeFile(at.kubeconfig(name), kubeconfigText(plan, pki.caPem, pair), secret);
  }
  const kubeconfig = path.join(plan.stateDir, 'kubeconfig');
  await writeFile(kubeconfig, kubeconfigText(plan, pki.caPem, { token: pki.adminToken }), secret);
  return kubeconfig;
}

/** Resolves when the server serves all of our kinds. */
async function applyCrds(client: KubeClient): Promise<void> {
  const files = (await readdir(crdDir)).filter((file) => file.endsWith('.yaml'));
  const crds = await Promise.all(
    files.map(async (file) => parse(await readFile(path.join(crdDir, file), 'utf8')) as CustomResourceDefinition),
  );
  for (const crd of crds) await client.create(crdType, crd);
  const isServed = async (name: string): Promise<boolean> => {
    const { status } = await client.get(crdType, { namespace: '', name });
    return status?.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True') === true;
  };
  for (const { metadata } of crds) await until(`CRD ${metadata.name}`, () => isServed(metadata.name), { timeoutMs: readyMs });
}

/** No pod may be created before there is one. Where no controller makes it, we do. */
async function defaultServiceAccount(client: KubeClient, makeIt: boolean): Promise<void> {
  const key = { namespace: 'default', name: 'default' };
  const exists = async (): Promise<boolean> => {
    if (makeIt) await client.create(serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: key }).catch(unlessItExists);
    return (await client.get(serviceAccounts, key)).metadata.name === key.name;
  };
  await until('the default service account', exists, { timeoutMs: readyMs });
}

function unlessItExists(error: unknown): void {
  if (!isAlreadyExists(error)) throw error;
}

/**
 * A shell that hears of our end by the end of its input, then kills what it was told of and removes the directory. It costs nothing while it
 * waits, and works for kill -9 of this process, too.
 */
class Guard {
  readonly #shell: ChildProcess;

  constructor(stateDir: string) {
    const script = `pids=
while read -r word; do
  [ "$word" = dismissed ] && exit 0
  pids="$pids $word"
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
sleep 1
rm -rf "$1"`;
    this.#shell = spawn('/bin/sh', ['-c', script, 'guard', stateDir], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    this.#shell.unref();
  }

  watch(pid: number | undefined): void {
    if (pid === undefined) throw new ClusterError('a program beside the control plane did not start');
    this.#shell.stdin?.write(`${pid}\n`);
  }

  async dismiss(): Promise<void> {
    this.#shell.ref();
    const exited = once(this.#shell, 'exit');
    this.#shell.stdin?.end('dismissed\n');
    await exited;
  }
}

/** Resolves at the first SIGINT or SIGTERM. */
export const askedToEnd = (): Promise<unknown> => Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);

if (import.meta.main) {
  const asked = askedToEnd();
  const plane = await startControlPlane({ bare: process.argv.includes('--bare') });
  say('a control plane for measuring is up; Ctrl-C ends it');
  process.stdout.write(`export KUBECONFIG=${plane.kubeconfig}\n`);
  const alive = setInterval(() => undefined, 60_000);
  await asked;
  clearInterval(alive);
  await plane.close();
}
