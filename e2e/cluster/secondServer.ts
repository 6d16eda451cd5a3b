/**
 * Another API server beside the one-node cluster: etcd, kube-apiserver and kube-controller-manager of its own, certificates of its own, and no
 * node. It listens on the same bridge, lives in a directory of the cluster's state, and is in the cluster's record: it is gone when the cluster is.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { kubeconfigText, places } from './configFiles.ts';
import { ClusterError } from './errors.ts';
import { isUp } from './local.ts';
import { Parts } from './parts.ts';
import { kubeconfigFile, recordFile } from './paths.ts';
import { createPki, pkiFiles } from './pki.ts';
import { choosePorts } from './plan.ts';
import type { Plan } from './plan.ts';
import { RecordFile } from './record.ts';

/** In the order in which they start. */
const programs = ['etcd', 'kube-apiserver', 'kube-controller-manager'] as const;
const name = 'second';

export interface SecondServer {
  readonly kubeconfig: string;
  readonly parts: Parts;
  /** Ends it to the last trace. */
  readonly close: () => Promise<void>;
}

/** The programs of the one-node cluster with this kubeconfig; undefined when that cluster is another one, or not up. */
export function partsOfCluster(kubeconfig: string): Parts | undefined {
  if (path.resolve(kubeconfig) !== kubeconfigFile) return undefined;
  const record = new RecordFile(recordFile);
  const current = record.read();
  return current === undefined || !isUp(current) ? undefined : new Parts(current.plan, record);
}

/** Starts it beside the cluster. It takes a few seconds. */
export async function startSecondServer(cluster: Parts): Promise<SecondServer> {
  const stateDir = path.join(cluster.plan.stateDir, name);
  const plan: Plan = { ...cluster.plan, stateDir, nodeName: `${cluster.plan.nodeName}-${name}`, ports: await choosePorts() };
  const parts = new Parts(plan, new RecordFile(recordFile), `${name} `);
  const close = async (): Promise<void> => {
    for (const program of programs.toReversed()) await parts.end(program);
    await rm(stateDir, { recursive: true, force: true });
  };
  try {
    const kubeconfig = await writeFiles(plan);
    for (const program of programs) await parts.start(program);
    return { kubeconfig, parts, close };
  } catch (error) {
    await close();
    throw new ClusterError('The second API server did not start.', { cause: error });
  }
}

/** Writes what its programs read. Resolves with the path of the administrator's kubeconfig. */
async function writeFiles(plan: Plan): Promise<string> {
  const at = places(plan);
  await rm(plan.stateDir, { recursive: true, force: true });
  for (const dir of [at.logs, at.pki(''), at.kubeconfig('')]) await mkdir(dir, { recursive: true });
  const pki = await createPki(plan);
  const secret = { mode: 0o600 };
  for (const [file, text] of Object.entries(pkiFiles(pki))) await writeFile(at.pki(file), text, secret);
  const manager = 'kube-controller-manager';
  await writeFile(at.kubeconfig(manager), kubeconfigText(plan, pki.caPem, pki.clients[manager]), secret);
  const kubeconfig = path.join(plan.stateDir, 'kubeconfig');
  await writeFile(kubeconfig, kubeconfigText(plan, pki.caPem, { token: pki.adminToken }), secret);
  return kubeconfig;
}
