/**
 * Nodes without machines: registers them, renews their leases, and plays kubelet for every pod that the scheduler binds to one: Running at once,
 * Succeeded soon after, gone when it is deleted. A run then costs what the control plane and its controller need, and nothing for containers.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { leases, pods, type Pod } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../operator/kube/errors.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { formatMicroTime, formatTime } from '../../operator/runtime/clock.ts';
import { until } from '../cluster/terminal.ts';
import { beChild } from './measuring/childProgram.ts';
import { follow } from './measuring/follow.ts';

interface Node extends KubeObject {
  readonly spec?: { readonly taints?: readonly unknown[] };
}

const nodes: ResourceType<Node> = { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false };
const count = 20;
const prefix = 'simulated-';
/** How long the container of a pod runs. */
const runMs = 200;
const renewMs = 10_000;
const readyMs = 60_000;
const leaseNamespace = 'kube-node-lease';
const names = Array.from({ length: count }, (_, index) => `${prefix}${index}`);

/** Registers the nodes, and plays them until the signal. Resolves when pods can be scheduled. */
export async function playNodes(client: KubeClient, signal: AbortSignal): Promise<void> {
  for (const name of names) await register(client, name);
  const timer = setInterval(() => void Promise.all(names.map((name) => renew(client, name))).catch(report), renewMs);
  signal.addEventListener('abort', () => clearInterval(timer));
  const kubelet = new Kubelet(client);
  await follow(client, pods, {}, signal, (pod, change) => kubelet.see(pod, change === 'DELETED'));
  // The controller manager takes the taint of a node that was not ready from it.
  const isFree = async (name: string): Promise<boolean> =>
    ((await client.get(nodes, { namespace: '', name })).spec?.taints ?? []).length === 0;
  for (const name of names) await until(`node ${name}`, () => isFree(name), { timeoutMs: readyMs });
}

const report = (error: unknown): void => console.error(error instanceof Error ? error.message : error);

async function register(client: KubeClient, name: string): Promise<void> {
  const at = formatTime(Date.now());
  const capacity = { cpu: '1000', memory: '1000Gi', pods: '20000' };
  const ready = { type: 'Ready', status: 'True', reason: 'Simulated', message: '', lastHeartbeatTime: at, lastTransitionTime: at };
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { 'kubernetes.io/hostname': name } } };
  await client.create(nodes, node).catch(unless(isAlreadyExists));
  const status = { capacity, allocatable: capacity, conditions: [ready] };
  await client.patch(nodes, { namespace: '', name }, mergePatch({ status }), { subresource: 'status' });
  const lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { namespace: leaseNamespace, name },
    spec: leaseSpec(name),
  };
  await client.create(leases, lease).catch(unless(isAlreadyExists));
}

const leaseSpec = (name: string) => ({ holderIdentity: name, leaseDurationSeconds: 40, renewTime: formatMicroTime(Date.now()) });

const renew = (client: KubeClient, name: string): Promise<unknown> =>
  client.patch(leases, { namespace: leaseNamespace, name }, mergePatch({ spec: leaseSpec(name) }));

const unless =
  (...expected: readonly ((error: unknown) => boolean)[]) =>
  (error: unknown): void => {
    if (!expected.some((isExpected) => isExpected(error))) throw error;
  };

class Kubelet {
  readonly #client: KubeClient;
  /** By uid: those that were started. */
  readonly #started = new Set<string>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  see(pod: Pod, isGone: boolean): void {
    const { uid = '', deletionTimestamp } = pod.metadata;
    if (pod.spec.nodeName?.startsWith(prefix) !== true) return;
    if (isGone) this.#started.delete(uid);
    else if (deletionTimestamp !== undefined) this.#do(this.#remove(pod));
    else if (!this.#started.has(uid)) {
      this.#started.add(uid);
      this.#do(this.#run(pod));
    }
  }

  async #run(pod: Pod): Promise<void> {
    const startedAt = formatTime(Date.now());
    await this.#say(pod, { phase: 'Running', startTime: startedAt, podIP: '192.0.2.1' }, { running: { startedAt } });
    await pause(runMs);
    const terminated = { exitCode: 0, reason: 'Completed', startedAt, finishedAt: formatTime(Date.now()) };
    await this.#say(pod, { phase: 'Succeeded' }, { terminated });
  }

  #say(pod: Pod, status: object, state: object): Promise<unknown> {
    const statusOf = ({ name, image = '' }: { readonly name: string; readonly image?: string }) => ({
      name,
      image,
      imageID: '',
      ready: false,
      restartCount: 0,
      state,
    });
    const patch = mergePatch({
      metadata: { uid: pod.metadata.uid },
      status: { ...status, containerStatuses: pod.spec.containers.map(statusOf) },
    });
    return this.#client.patch(pods, keyOf(pod), patch, { subresource: 'status' });
  }

  #remove(pod: Pod): Promise<unknown> {
    const { uid } = pod.metadata;
    return this.#client.delete(pods, keyOf(pod), { gracePeriodSeconds: 0, ...(uid === undefined ? {} : { uid }) });
  }

  /** A pod that was deleted meanwhile is no error: 404, or 409 where another has its name. */
  #do(work: Promise<unknown>): void {
    work.catch(unless(isNotFound, isConflict)).catch(report);
  }
}

const keyOf = ({ metadata }: Pod) => ({ namespace: metadata.namespace ?? '', name: metadata.name });

if (import.meta.main) await beChild((client) => playNodes(client, new AbortController().signal));
