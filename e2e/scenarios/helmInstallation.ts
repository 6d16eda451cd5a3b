/**
 * The operator installed by helm, with the rights that the chart gives it and no others. The release is installed by the first file of
 * stories and upgraded by the next ones; it stays when they are over, for whoever started them to look at and to uninstall.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pods, type Pod } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import type { ObjectKey } from '../../operator/kube/objects.ts';
import { messageOf } from '../../operator/runtime/errors.ts';
import { clientOf, leaderOf, testImage, type Installation, type InstallOptions } from './installation.ts';
import { helm, kubectl } from './tools.ts';

const chart = path.join(import.meta.dirname, '..', '..', 'charts', 'prow-operator');

/** The release that stories run on. */
export const release = { name: 'prow-operator', namespace: 'prow-system' } as const;

/** Changes with the settings, so that helm replaces the pods and nobody works by the old ones any more. */
const settingsLabel = 'e2e.prow.k8s.io/settings';
const checkEveryMs = 2_000;
const leaderWithinMs = 60_000;

/** The values of a release for stories. E2E_OPERATOR_IMAGE: what to run, `repository:tag`; the nodes know it already. */
export function valuesFor({ settings, replicas }: InstallOptions): Readonly<Record<string, unknown>> {
  const image = process.env.E2E_OPERATOR_IMAGE ?? '';
  const colon = image.lastIndexOf(':');
  const digest = createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 16);
  return {
    replicaCount: replicas,
    settings,
    podLabels: { [settingsLabel]: digest },
    ...(colon < 0 ? {} : { image: { repository: image.slice(0, colon), tag: image.slice(colon + 1), pullPolicy: 'Never' } }),
  };
}

export class HelmInstallation implements Installation {
  readonly name = 'cluster';
  readonly kubeconfig: string;
  readonly client: KubeClient;
  readonly image = testImage;
  readonly lease: ObjectKey = { namespace: release.namespace, name: release.name };
  /** Pods that this class ended itself. */
  readonly #ended = new Set<string>();
  #checkedAtMs = -Infinity;

  private constructor(kubeconfig: string) {
    this.kubeconfig = kubeconfig;
    this.client = clientOf(kubeconfig);
  }

  /** Resolves when the replicas are ready, and those of an earlier file are gone. */
  static async open(kubeconfig: string, options: InstallOptions): Promise<HelmInstallation> {
    const values = valuesFor(options);
    const target = ['upgrade', '--install', release.name, chart, '--namespace', release.namespace, '--create-namespace'];
    await helm({ kubeconfig, args: [...target, '--wait', '--timeout', '3m', '--values', '-'], input: JSON.stringify(values) });
    const installation = new HelmInstallation(kubeconfig);
    const digest = (values.podLabels as Readonly<Record<string, string>>)[settingsLabel];
    const isOld = (pod: Pod): boolean => pod.metadata.labels?.[settingsLabel] !== digest || pod.metadata.deletionTimestamp !== undefined;
    while ((await installation.#pods()).some(isOld)) await wait(100);
    return installation;
  }

  /** Deletes the pod of the leader and gives it no time; the Deployment makes another. */
  async crash(identity?: string): Promise<void> {
    const name = await this.#leader(identity);
    this.#ended.add(name);
    await this.client.delete(pods, { namespace: release.namespace, name }, { gracePeriodSeconds: 0 });
  }

  async check(): Promise<void> {
    if (performance.now() - this.#checkedAtMs < checkEveryMs) return;
    this.#checkedAtMs = performance.now();
    for (const { metadata, status } of await this.#pods()) {
      const restarts = status?.containerStatuses?.[0]?.restartCount ?? 0;
      if (restarts === 0 || this.#ended.has(metadata.name)) continue;
      const words = await this.#logs(metadata.name, '--previous', '--tail=20');
      throw new Error(`the operator in pod ${metadata.name} ended by itself, ${restarts} times:\n${words}`);
    }
  }

  async tail(lines: number): Promise<string> {
    const all = (await this.#pods()).map(
      async ({ metadata }) => `${metadata.name}:\n${await this.#logs(metadata.name, `--tail=${lines}`)}`,
    );
    return (await Promise.all(all)).join('\n');
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  /** The pod that holds the lease. After a crash it takes a moment until there is one again. */
  async #leader(known?: string): Promise<string> {
    const endMs = performance.now() + leaderWithinMs;
    for (;;) {
      const identity = known ?? (await leaderOf(this));
      const leader = (await this.#pods()).find(({ metadata }) => identity.startsWith(`${metadata.name}_`));
      if (leader !== undefined) return leader.metadata.name;
      if (performance.now() > endMs) throw new Error(`no pod of the release holds the lease; its holder is "${identity}"`);
      await wait(100);
    }
  }

  /** A pod that is just going has none; that is said instead. */
  #logs(pod: string, ...options: readonly string[]): Promise<string> {
    const args = ['logs', '--namespace', release.namespace, pod, ...options];
    return kubectl({ kubeconfig: this.kubeconfig, args }).catch(messageOf);
  }

  async #pods(): Promise<readonly Pod[]> {
    const labelSelector = `app.kubernetes.io/instance=${release.name},app.kubernetes.io/component=operator`;
    return (await this.client.list(pods, { namespace: release.namespace, labelSelector })).items;
  }
}
