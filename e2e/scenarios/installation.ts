/**
 * The operator as somebody installed it, and the cluster it works on. Stories see only this: the same story runs on the sandbox, with the
 * operator as a process from source, and on a real cluster, with the operator installed by helm.
 */
import type { SettingsFile } from '../../operator/config/settings.ts';
import { leases } from '../../operator/kube/builtin.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import { UndiciTransport } from '../../operator/kube/transport.ts';

export interface InstallOptions {
  readonly settings: SettingsFile;
  /** Operators that stand ready; one of them works. */
  readonly replicas: number;
}

export interface Installation {
  /** For the titles of tests. */
  readonly name: string;
  readonly kubeconfig: string;
  /** The client of an administrator. Not the operator's: that one has only the rights it was installed with. */
  readonly client: KubeClient;
  /** What test pods run: a shell and the usual tools. */
  readonly image: string;
  /** The lease of the leader. */
  readonly lease: ObjectKey;
  /** Ends the leader, or the one with this identity, as a crash would. Something starts an operator again: a replica takes over, or a new process begins. */
  crash(identity?: string): Promise<void>;
  /** Throws when an operator ended that nobody had ended. */
  check(): Promise<void> | void;
  /** The operators' last words, for a story that failed. */
  tail(lines: number): Promise<string>;
  close(): Promise<void>;
}

export const testImage = process.env.E2E_IMAGE ?? 'busybox:1.37';

export const clientOf = (kubeconfig: string): KubeClient =>
  new KubeClient({ transport: new UndiciTransport(PooledKubeConfig.load({ path: kubeconfig })) });

/** Who holds the lease; empty when nobody does. */
export async function leaderOf({ client, lease }: Pick<Installation, 'client' | 'lease'>): Promise<string> {
  try {
    return (await client.get(leases, lease)).spec?.holderIdentity ?? '';
  } catch (error) {
    if (isNotFound(error)) return '';
    throw error;
  }
}
