/**
 * The kubeconfig that leads to the sandbox: one cluster, one user, one context. It holds the admin token, so the file is readable by its
 * owner only, and it appears whole or not at all: a client that polls for it never reads half of it.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';

export interface KubeconfigTarget {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
  /** Default namespace of the context; `default` when absent. */
  readonly namespace?: string;
}

const name = 'prow-sandbox';

/** The kubeconfig as YAML text. */
export const kubeconfigText = (target: KubeconfigTarget): string =>
  stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server: target.url, 'certificate-authority-data': Buffer.from(target.caPem).toString('base64') } }],
      users: [{ name, user: { token: target.token } }],
      contexts: [{ name, context: { cluster: name, user: name, namespace: target.namespace ?? 'default' } }],
      'current-context': name,
    },
    { lineWidth: 0 },
  );

/** Writes the kubeconfig with mode 0600, replacing what was there. Makes missing parent directories. */
export async function writeKubeconfig(file: string, target: KubeconfigTarget): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = `${file}.${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(temporary, kubeconfigText(target), { mode: 0o600, flag: 'wx' });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
