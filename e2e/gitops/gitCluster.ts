/**
 * A namespace of a cluster that a Git tool looks after, and an operator from source that works in it. The cluster is the sandbox, or the one that
 * E2E_KUBECONFIG names; there the CRDs stay, everything else goes with the namespace. Pods do not run: the test ends them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { stringify } from 'yaml';
import { customResourceDefinitions } from '../../crds/definitions.ts';
import { buildClusters, periodicBackfills, periodics, periodicSets, pluginConfigs, prowJobs } from '../../crds/resources.ts';
import { configMaps, namespaces, pods } from '../../operator/kube/builtin.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { PooledKubeConfig } from '../../operator/kube/kubeConfig.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { applyPatch, mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { UndiciTransport } from '../../operator/kube/transport.ts';
import { startSandbox } from '../../sandbox/sandbox.ts';
import { kubernetesTool } from '../../tools/helm.ts';
import { Program } from '../demo/processes.ts';

/** An object as a manifest holds it, and as the API gives it back. */
export interface Manifest extends KubeObject {
  readonly spec?: unknown;
  readonly status?: { readonly observedGeneration?: number; readonly completionTime?: string };
}

const crdType: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

/** The kinds that a repository of jobs holds. */
const types: readonly ResourceType<Manifest>[] = [
  periodics,
  periodicSets,
  periodicBackfills,
  prowJobs,
  pluginConfigs,
  buildClusters,
  configMaps,
] as ResourceType<Manifest>[];

export function typeOf(object: KubeObject): ResourceType<Manifest> {
  const type = types.find(({ kind }) => kind === object.kind);
  if (type === undefined) throw new Error(`no test knows the kind ${object.kind ?? '(none)'}`);
  return type;
}

export const targetName = (): string => ((process.env.E2E_KUBECONFIG ?? '') === '' ? 'the sandbox' : 'a real API server');

export class GitCluster {
  readonly kubeconfig: string;
  readonly client: KubeClient;
  readonly namespace: string;
  readonly #dir = mkdtempSync(path.join(tmpdir(), 'prow-gitops-'));
  readonly #closeSandbox: () => Promise<void>;
  #operator: Program | undefined;

  private constructor(kubeconfig: string, namespace: string, closeSandbox: () => Promise<void>) {
    this.kubeconfig = kubeconfig;
    this.namespace = namespace;
    this.#closeSandbox = closeSandbox;
    this.client = new KubeClient({
      transport: new UndiciTransport(PooledKubeConfig.load({ path: kubeconfig }), { userAgent: 'a-person' }),
    });
  }

  static async open(): Promise<GitCluster> {
    const given = process.env.E2E_KUBECONFIG ?? '';
    const namespace = `gitops-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
    const sandbox = given === '' ? await startSandbox({ kubelet: false }) : undefined;
    const cluster = new GitCluster(sandbox?.kubeconfigPath ?? given, namespace, async () => sandbox?.close());
    await cluster.#prepare();
    return cluster;
  }

  async #prepare(): Promise<void> {
    for (const crd of customResourceDefinitions()) await this.apply(crdType, crd);
    await this.client.create(namespaces, { metadata: { name: this.namespace } });
    for (const type of types) {
      await this.until(`${type.plural} are served`, () => this.client.list(type, { namespace: this.namespace }).then(Boolean, () => false));
    }
  }

  /** Starts the operator for this namespace alone. */
  startOperator(): void {
    const settings = path.join(this.#dir, 'settings.yaml');
    writeFileSync(settings, stringify({ leaderElection: { enabled: false }, server: { host: '127.0.0.1', port: 0 } }));
    const args = ['run', '--kubeconfig', this.kubeconfig, '--settings', settings, '--namespace', this.namespace];
    this.#operator = Program.start('operator', args, path.join(this.#dir, 'operator.log'));
  }

  /** Server-side apply, as Flux does it, and Argo CD where it is asked to. */
  apply<T extends KubeObject>(type: ResourceType<T>, object: T, options: { readonly dryRun?: boolean } = {}): Promise<T> {
    const key = { namespace: object.metadata.namespace ?? '', name: object.metadata.name };
    return this.client.patch(type, key, applyPatch(object), { fieldManager: 'git-tool', force: true, ...options });
  }

  read(object: KubeObject): Promise<Manifest> {
    return this.client.get(typeOf(object), { namespace: this.namespace, name: object.metadata.name });
  }

  /** What kubectl prints, with its exit code. */
  async kubectl(args: readonly string[], input: string): Promise<{ readonly code: number; readonly output: string }> {
    const env = { KUBECONFIG: this.kubeconfig, HOME: this.#dir, PATH: process.env.PATH ?? '' };
    const child = spawn(kubernetesTool('kubectl'), ['--namespace', this.namespace, ...args], { env });
    child.stdin.end(input);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code: code as number, output: stdout + stderr };
  }

  /** Plays the kubelet: every pod that goes on ends with success. */
  async endPods(): Promise<void> {
    const { items } = await this.client.list(pods, { namespace: this.namespace });
    for (const pod of items) {
      if (pod.status?.phase === 'Succeeded') continue;
      const key = { namespace: this.namespace, name: pod.metadata.name };
      await this.client.patch(pods, key, mergePatch({ status: { phase: 'Succeeded' } }), { subresource: 'status' });
    }
  }

  /** Asks again until it is so. The test's own limit ends what never is, unless the operator ended before. */
  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isSo())) {
      if (this.#operator?.running === false) throw new Error(`the operator ended while waiting until ${what}:\n${this.#operator.tail(20)}`);
      await wait(50);
    }
  }

  async close(): Promise<void> {
    await this.#operator?.stop();
    await this.client.delete(namespaces, { namespace: '', name: this.namespace }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
    await this.client.close();
    await this.#closeSandbox();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
