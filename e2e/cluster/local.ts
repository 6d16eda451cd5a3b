/**
 * The one-node cluster on this machine: etcd, the control plane, containerd, a kubelet and kube-proxy, each a process of its own. Brings it
 * up in order, loads images into it, says how it is. What it does to the machine is in the record before it is done.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { kubernetesTool } from '../../tools/helm.ts';
import { ensureBinaries } from './binaries.ts';
import { cleanUp } from './cleanUp.ts';
import { command, succeeds } from './commands.ts';
import { cniConfig, containerdToml, kubeconfigText, kubeletConfig, places, proxyConfig, serverUrl } from './configFiles.ts';
import { checkMachine, cniPluginDir, ensurePackages } from './debian.ts';
import { ClusterError } from './errors.ts';
import {
  absentPaths,
  checkNothingInTheWay,
  makeBridge,
  ownerOfBridge,
  readSysctls,
  routes,
  snapshotterFor,
  writeSysctls,
} from './machine.ts';
import { Parts } from './parts.ts';
import { kubeconfigFile, recordFile, stateDir } from './paths.ts';
import { createPki, pkiFiles } from './pki.ts';
import { bridgeName, chooseSubnets, choosePorts, nodeName, nthAddress } from './plan.ts';
import type { Plan } from './plan.ts';
import { isAlive } from './processes.ts';
import { RecordFile, bootId } from './record.ts';
import type { ClusterRecord } from './record.ts';
import { say, step, until } from './terminal.ts';
import { ensureTestImages } from './testImages.ts';

const readyMs = 120_000;
const longestSocketPath = 107;
const record = new RecordFile(recordFile);

/** Brings the cluster up, unless it is up. What a crash has left is removed first; so is what a failed start leaves. */
export async function upLocal(): Promise<void> {
  const before = record.read();
  if (before !== undefined && isUp(before)) {
    say(`is up already: ${serverUrl(before.plan)}`);
    return;
  }
  checkMachine();
  if (before !== undefined) await step('remove what a crashed cluster has left', () => cleanUp(before));
  await removeAbandoned();
  await ensurePackages();
  const binDir = await ensureBinaries();
  const images = await ensureTestImages();
  try {
    await start(await makePlan(binDir), images);
  } catch (error) {
    await keepLogs();
    await downLocal();
    throw error;
  }
}

/** Removes what a crashed cluster of another checkout has left: its network is this machine's, and nobody may come back to that checkout. */
async function removeAbandoned(): Promise<void> {
  const owner = ownerOfBridge(bridgeName);
  const left = owner === undefined ? undefined : new RecordFile(owner).read();
  if (left !== undefined && isDead(left))
    await step(`remove what a crashed cluster has left in ${left.plan.stateDir}`, () => cleanUp(left));
}

/** Not one of its processes runs; one that is only being started has none in its record yet. */
export const isDead = ({ bootId: boot, processes }: ClusterRecord): boolean =>
  boot !== bootId() || (processes.length > 0 && !processes.some(isAlive));

/** Every process of a complete start still runs. */
export const isUp = ({ complete, bootId: boot, processes }: ClusterRecord): boolean =>
  complete && boot === bootId() && processes.every(isAlive);

/** Takes it down. Without a record there is nothing to do. */
export async function downLocal(): Promise<void> {
  const current = record.read();
  if (current !== undefined) await step('cluster down', () => cleanUp(current));
  else await rm(stateDir, { recursive: true, force: true });
}

/** The record of the cluster that is up. Throws when none is. */
function running(): ClusterRecord {
  const current = record.read();
  if (current === undefined || !isUp(current)) throw new ClusterError('No cluster is up: run `make cluster` first.');
  return current;
}

/** Makes the images of archives known to the node. */
export async function loadLocal(archives: readonly string[]): Promise<void> {
  const { plan } = running();
  for (const archive of archives) await step(`load ${path.basename(archive)}`, () => importImage(plan, archive));
}

/** How each part is. Resolves with false when one is not running. */
export function statusLocal(): boolean {
  const current = record.read();
  if (current === undefined) {
    say('no cluster is up');
    return false;
  }
  for (const process of current.processes) say(`${process.name.padEnd(24)} ${isAlive(process) ? `process ${process.pid}` : 'not running'}`);
  say(`${serverUrl(current.plan)}, export KUBECONFIG=${kubeconfigFile}`);
  return isUp(current);
}

async function makePlan(binDir: string): Promise<Plan> {
  await checkNothingInTheWay(bridgeName);
  await mkdir(stateDir, { recursive: true, mode: 0o755 });
  const { pods, services } = chooseSubnets(await routes());
  const plan: Plan = {
    stateDir,
    binDir,
    cniPluginDir: cniPluginDir(),
    nodeName,
    bridge: bridgeName,
    podCidr: pods,
    gateway: nthAddress(pods, 1),
    serviceCidr: services,
    serviceIp: nthAddress(services, 1),
    snapshotter: await snapshotterFor(stateDir),
    ports: await choosePorts(),
  };
  const socket = places(plan).containerdSocket;
  if (socket.length + '.ttrpc'.length > longestSocketPath) {
    throw new ClusterError(`${socket} is too long a path for a socket: put this checkout into a directory with a shorter name.`);
  }
  return plan;
}

async function start(plan: Plan, images: readonly string[]): Promise<void> {
  record.write({
    bootId: bootId(),
    plan,
    processes: [],
    sysctls: readSysctls(),
    absent: absentPaths(),
    complete: false,
  });
  await step('write certificates and configuration', () => writeFiles(plan));
  await makeBridge(plan.bridge, `${plan.gateway}/24`, recordFile);
  writeSysctls({ 'net/ipv4/ip_forward': '1' });
  const parts = new Parts(plan, record);
  parts.launch('containerd');
  parts.launch('etcd');
  await step('etcd', () => parts.healthy('etcd'));
  await advanceRevision(plan);
  parts.launch('kube-apiserver');
  await step('containerd and the images', async () => {
    await until('containerd', () => succeeds('ctr', ['--address', places(plan).containerdSocket, 'version']), parts.wait('containerd'));
    for (const image of images) await importImage(plan, image);
  });
  await step('kube-apiserver', () => parts.healthy('kube-apiserver'));
  for (const name of ['kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'] as const) parts.launch(name);
  for (const name of ['kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'] as const) {
    await step(name, () => parts.healthy(name));
  }
  await step('the node and the default service account', () => nodeReady());
  record.change({ complete: true });
  say(`is up: export KUBECONFIG=${kubeconfigFile}`);
}

async function writeFiles(plan: Plan): Promise<void> {
  const at = places(plan);
  for (const dir of [at.logs, at.cniConfDir, at.pki(''), at.kubeconfig(''), at.podLogs, at.volumePlugins, at.kubeletRoot]) {
    await mkdir(dir, { recursive: true });
  }
  const pki = await createPki(plan);
  const secret = { mode: 0o600 };
  for (const [name, text] of Object.entries(pkiFiles(pki))) await writeFile(at.pki(name), text, secret);
  for (const [name, pair] of Object.entries(pki.clients)) {
    await writeFile(at.kubeconfig(name), kubeconfigText(plan, pki.caPem, pair), secret);
  }
  await writeFile(kubeconfigFile, kubeconfigText(plan, pki.caPem, { token: pki.adminToken }), secret);
  await writeFile(at.containerdConfig, containerdToml(plan));
  await writeFile(path.join(at.cniConfDir, '10-pods.conflist'), cniConfig(plan));
  await writeFile(at.kubeletConfig, kubeletConfig(plan));
  await writeFile(at.proxyConfig, proxyConfig(plan));
}

/**
 * Gives etcd a past. In one that starts at revision 1 the API server remembers everything since the beginning, and a watch from revision 1
 * is no more too old; no cluster that anybody uses is like that.
 */
async function advanceRevision(plan: Plan): Promise<void> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const body = JSON.stringify({ key: base64('/prow-e2e/past'), value: base64('past') });
  for (let revision = 0; revision < 20; revision += 1) {
    const response = await fetch(`http://127.0.0.1:${plan.ports.etcd}/v3/kv/put`, { method: 'POST', body });
    if (!response.ok) throw new ClusterError(`etcd refused a write: ${response.status} ${await response.text()}`);
    await response.body?.cancel();
  }
}

/** The node is Ready, tolerable to every pod, and pods get a service account. */
async function nodeReady(): Promise<void> {
  const kubectl = kubernetesTool('kubectl');
  const get = (...args: readonly string[]): Promise<string> => command(kubectl, ['--kubeconfig', kubeconfigFile, 'get', ...args]);
  const isReady = async (): Promise<boolean> => {
    const node = JSON.parse(await get('node', nodeName, '-o', 'json')) as Node;
    const ready = node.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
    return ready === true && (node.spec.taints ?? []).length === 0;
  };
  await until('the node to be Ready', isReady, { timeoutMs: readyMs, everyMs: 250 });
  const account = async (): Promise<boolean> =>
    (await get('serviceaccount,configmap', '-n', 'default', '-o', 'name')).includes('kube-root-ca.crt');
  await until('the default service account', account, { timeoutMs: readyMs, everyMs: 250 });
}

interface Node {
  readonly spec: { readonly taints?: readonly unknown[] };
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const importImage = (plan: Plan, archive: string): Promise<unknown> =>
  command('ctr', ['--address', places(plan).containerdSocket, '--namespace', 'k8s.io', 'images', 'import', '--all-platforms', archive]);

/** A failed start is taken down again; its logs are what its reader needs. */
async function keepLogs(): Promise<void> {
  const current = record.read();
  if (current === undefined) return;
  const kept = path.join(path.dirname(stateDir), '.cache', 'last-failure');
  await rm(kept, { recursive: true, force: true });
  if (await succeeds('cp', ['-r', places(current.plan).logs, kept])) say(`the logs of the failed start are in ${kept}`);
}
