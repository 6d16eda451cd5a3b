/**
 * A node that exists only in the API: Ready, and closed to pods. Where all nodes of a cluster are silent, Kubernetes blames itself and takes no
 * pod away; beside this one, the only real node can be lost as one of many.
 */
import { leases } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';

interface Node extends KubeObject {
  readonly spec?: { readonly unschedulable?: boolean };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

export const nodes: ResourceType<Node> = { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false };

const name = 'prow-e2e-quiet';
const leaseKey = { namespace: 'kube-node-lease', name };
const beatMs = 5_000;

/** A time with microseconds, as leases have it. */
const microTime = (): string => new Date().toISOString().replace('Z', '000Z');

export class QuietNode {
  readonly #client: KubeClient;
  readonly #heart: NodeJS.Timeout;
  #beating: Promise<unknown> = Promise.resolve();

  private constructor(client: KubeClient) {
    this.#client = client;
    this.#heart = setInterval(() => {
      const body = mergePatch({ spec: { renewTime: microTime() } });
      this.#beating = client.patch(leases, leaseKey, body).catch(() => undefined);
    }, beatMs);
  }

  /** Creates it and lets its heart beat. What an earlier test has left is replaced. */
  static async open(client: KubeClient): Promise<QuietNode> {
    await remove(client);
    await client.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { unschedulable: true } });
    await client.create(leases, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: leaseKey,
      spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: microTime() },
    });
    const now = new Date().toISOString();
    const ready = { type: 'Ready', status: 'True', reason: 'Quiet', lastHeartbeatTime: now, lastTransitionTime: now };
    await client.patch(nodes, { namespace: '', name }, mergePatch({ status: { conditions: [ready] } }), { subresource: 'status' });
    return new QuietNode(client);
  }

  async close(): Promise<void> {
    clearInterval(this.#heart);
    await this.#beating;
    await remove(this.#client);
  }
}

async function remove(client: KubeClient): Promise<void> {
  await client.delete(nodes, { namespace: '', name }).catch(() => undefined);
  await client.delete(leases, leaseKey).catch(() => undefined);
}
