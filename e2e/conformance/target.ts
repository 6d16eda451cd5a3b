/**
 * The server under test: the sandbox, started for this run, or the cluster that E2E_KUBECONFIG names. A cluster that nobody named is never touched.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { startSandbox } from '../../sandbox/sandbox.ts';

/** What not every server can do. `kubelet`: pods run. `compaction`: history can be dropped on demand. */
export type Capability = 'kubelet' | 'compaction';

export interface Target {
  readonly name: string;
  readonly url: string;
  readonly ca: string;
  readonly token?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly can: ReadonlySet<Capability>;
  /** Drops the history of changes, as etcd does every few minutes. */
  compact(): void;
  close(): Promise<void>;
}

interface Kubeconfig {
  readonly 'current-context': string;
  readonly contexts: readonly { readonly name: string; readonly context: { readonly cluster: string; readonly user: string } }[];
  readonly clusters: readonly { readonly name: string; readonly cluster: Readonly<Record<string, string>> }[];
  readonly users: readonly { readonly name: string; readonly user: Readonly<Record<string, string>> }[];
}

/** E2E_KUBECONFIG: a file. E2E_WITHOUT_KUBELET=1: that cluster runs no pods. */
export async function openTarget(): Promise<Target> {
  const file = process.env.E2E_KUBECONFIG;
  return file === undefined || file === '' ? sandboxTarget() : clusterTarget(file);
}

async function sandboxTarget(): Promise<Target> {
  const sandbox = await startSandbox({});
  return {
    name: 'sandbox',
    url: sandbox.url,
    ca: sandbox.caPem,
    token: sandbox.token,
    can: new Set<Capability>(['kubelet', 'compaction']),
    compact: () => sandbox.compact(),
    close: () => sandbox.close(),
  };
}

function clusterTarget(file: string): Target {
  const config = parse(readFileSync(file, 'utf8')) as Kubeconfig;
  const context = config.contexts.find(({ name }) => name === config['current-context'])?.context;
  const cluster = config.clusters.find(({ name }) => name === context?.cluster)?.cluster ?? {};
  const user = config.users.find(({ name }) => name === context?.user)?.user ?? {};
  const server = cluster.server;
  if (server === undefined) throw new Error(`${file}: the current context names no server`);
  const pem = (from: Readonly<Record<string, string>>, field: string): string | undefined => {
    const data = from[`${field}-data`];
    if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
    const named = from[field];
    const resolved = named === undefined ? undefined : path.resolve(path.dirname(file), named);
    return resolved !== undefined && existsSync(resolved) ? readFileSync(resolved, 'utf8') : undefined;
  };
  const cert = pem(user, 'client-certificate');
  const key = pem(user, 'client-key');
  return {
    name: server,
    url: server.replace(/\/$/, ''),
    ca: pem(cluster, 'certificate-authority') ?? '',
    ...(user.token === undefined ? {} : { token: user.token }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    can: new Set<Capability>(process.env.E2E_WITHOUT_KUBELET === '1' ? [] : ['kubelet']),
    compact: () => undefined,
    close: () => Promise.resolve(),
  };
}
