/**
 * A real API server under a fault run: in a namespace of its own, on a node of its own that no scheduler gives pods to. Time is real there, as
 * the server stamps it. Only pauses are cut short, so that a run does not wait half a minute for an attempt that comes anyway. Other nodes
 * must not take the pods meanwhile: cordon them.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { leases, namespaces, pods, type Pod } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { isConflict, isNotFound } from '../../operator/kube/errors.ts';
import { keyOf, type KubeObject } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { objectPath } from '../../operator/kube/paths.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { formatMicroTime, formatTime, realClock } from '../../operator/runtime/clock.ts';
import { Informer } from '../../operator/runtime/informer.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { clientOf } from '../scenarios/installation.ts';
import { until } from './arena.ts';
import { FakeNode, type NodeApi } from './fakeNode.ts';
import { backendOf, type Backend } from './faultProxy.ts';
import type { Ground } from './ground.ts';
import { LeapingClock } from './leapingClock.ts';

const nodes: ResourceType<KubeObject & { readonly spec?: object }> = {
  group: '',
  version: 'v1',
  plural: 'nodes',
  kind: 'Node',
  namespaced: false,
};
const serviceAccounts: ResourceType = { group: '', version: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true };
const leaseNamespace = 'kube-node-lease';
const renewMs = 10_000;
/** Real time that passes at each step of a hurry. */
const stepMs = 250;
/** A step of a long hurry. */
const strideMs = 5_000;

class RealGround implements Ground {
  readonly clock = new LeapingClock();
  readonly isShared = true;
  readonly kubeconfig: string;
  readonly backend: Backend;
  readonly namespace: string;
  readonly #client: KubeClient;
  readonly #stop = new AbortController();
  #following: Promise<void> = Promise.resolve();
  #renewing: NodeJS.Timeout | undefined;
  #node: FakeNode | undefined;
  #failure: unknown;

  constructor(kubeconfig: string, backend: Backend, namespace: string) {
    this.kubeconfig = kubeconfig;
    this.backend = backend;
    this.namespace = namespace;
    this.#client = clientOf(kubeconfig);
  }

  async begin(): Promise<void> {
    const { namespace } = this;
    await this.#register();
    // No pod may be created before.
    await until('the service account of the namespace', () =>
      this.#client.get(serviceAccounts, { namespace, name: 'default' }).then(Boolean, () => false),
    );
    const informer = new Informer<Pod>({ client: this.#client, type: pods, namespace, clock: realClock, logger: silentLogger });
    this.#node = new FakeNode(this.#api(informer), realClock);
    this.#following = informer.run(this.#stop.signal);
    await informer.synced();
  }

  async pass(ms: number): Promise<void> {
    await pause(ms);
  }

  async hurry(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= strideMs) await this.age(Math.min(strideMs, leftMs));
  }

  async rest(ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0; leftMs -= strideMs) await this.#stride(Math.min(strideMs, leftMs), { withDay: true });
  }

  age(ms: number): Promise<void> {
    return this.#stride(ms);
  }

  check(): void {
    if (this.#failure !== undefined) throw new Error('the node that is played failed', { cause: this.#failure });
  }

  async close(): Promise<void> {
    this.#node?.close();
    this.#stop.abort();
    clearInterval(this.#renewing);
    await this.#following;
    await this.#remove();
    await this.#client.close();
  }

  async #stride(ms: number, how: { readonly withDay?: boolean } = {}): Promise<void> {
    this.clock.leap(Math.max(0, ms - stepMs), how);
    await pause(stepMs);
  }

  /** What an earlier run left. Resolves when it is gone. */
  async clear(): Promise<void> {
    await this.#remove();
    await until(`namespace ${this.namespace} to go`, () =>
      this.#client.get(namespaces, { namespace: '', name: this.namespace }).then(() => false, isNotFound),
    );
  }

  /** What still runs has no node any more that could end it. */
  async #remove(): Promise<void> {
    const { namespace } = this;
    const left = await this.#client.list(pods, { namespace });
    await Promise.all(
      [
        ...left.items.map((pod) => this.#client.delete(pods, keyOf(pod), { gracePeriodSeconds: 0 })),
        this.#client.delete(namespaces, { namespace: '', name: namespace }),
        this.#client.delete(nodes, { namespace: '', name: namespace }),
        this.#client.delete(leases, { namespace: leaseNamespace, name: namespace }),
      ].map((call) => call.catch(unlessItIsGone)),
    );
  }

  /** Pods on a node that nobody knows, or that is not heard of, are taken away by the controllers of the cluster. */
  async #register(): Promise<void> {
    const { namespace: name } = this;
    const at = formatTime(realClock.now());
    await this.#client.create(nodes, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name },
      spec: { unschedulable: true },
    });
    const ready = { type: 'Ready', status: 'True', reason: 'Played', message: '', lastHeartbeatTime: at, lastTransitionTime: at };
    await this.#client.patch(nodes, { namespace: '', name }, mergePatch({ status: { conditions: [ready] } }), { subresource: 'status' });
    const spec = (): object => ({ holderIdentity: name, leaseDurationSeconds: 40, renewTime: formatMicroTime(realClock.now()) });
    await this.#client.create(leases, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace: leaseNamespace, name },
      spec: spec(),
    });
    this.#renewing = setInterval(() => {
      this.#do(this.#client.patch(leases, { namespace: leaseNamespace, name }, mergePatch({ spec: spec() })));
    }, renewMs);
  }

  #api(informer: Informer<Pod>): NodeApi {
    const client = this.#client;
    /** What is asked for one pod is done in its order. */
    const last = new Map<string, Promise<unknown>>();
    const inOrder = (pod: Pod, act: () => Promise<unknown>): void => {
      const uid = pod.metadata.uid ?? '';
      const done = (last.get(uid) ?? Promise.resolve()).then(act).catch(unlessItIsGone);
      last.set(uid, done);
      this.#do(done);
    };
    const types = { added: 'ADDED', updated: 'MODIFIED', deleted: 'DELETED' } as const;
    return {
      watch: (on) => informer.store.subscribe(({ type, object }) => on(types[type], object)),
      bind: (pod) =>
        inOrder(pod, () => {
          const { name, namespace, uid } = pod.metadata;
          const target = { apiVersion: 'v1', kind: 'Node', name: this.namespace };
          const body = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target };
          return client.raw({ method: 'POST', path: objectPath(pods, keyOf(pod), 'binding'), body });
        }),
      report: (pod, status) =>
        inOrder(pod, () => {
          const patch = mergePatch({ metadata: { uid: pod.metadata.uid }, status });
          return client.patch(pods, keyOf(pod), patch, { subresource: 'status' });
        }),
      remove: (pod) =>
        inOrder(pod, () => {
          const { uid = '' } = pod.metadata;
          last.delete(uid);
          return client.delete(pods, keyOf(pod), { gracePeriodSeconds: 0, uid });
        }),
    };
  }

  #do(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#failure ??= error;
    });
  }
}

/** 404, or 409 where another has its name. */
function unlessItIsGone(error: unknown): void {
  if (!isNotFound(error) && !isConflict(error)) throw error;
}

/**
 * On the server of this kubeconfig. The namespace is ours: what is there from before goes first. It should be the same each time, because the
 * faults of a request follow from its path.
 */
export async function realGround(kubeconfig: string, namespace: string): Promise<Ground> {
  const ground = new RealGround(kubeconfig, await backendOf(kubeconfig), namespace);
  await ground.clear();
  return ground;
}
