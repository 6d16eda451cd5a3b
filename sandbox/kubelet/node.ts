/** The one Node of the sandbox: its object, its Ready condition and the Lease that says its kubelet is alive. */
import { arch, availableParallelism, platform, release, totalmem } from 'node:os';
import { leases } from '../../operator/kube/builtin.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import type { SandboxApi, StoredObject } from '../storage/storage.ts';
import { stamp } from './kubeletClock.ts';
import type { KubeletClock } from './kubeletClock.ts';

export interface Node extends KubeObject {
  readonly spec?: { readonly unschedulable?: boolean };
  readonly status?: Readonly<Record<string, unknown>>;
}

export const nodes: ResourceType<Node> = { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false };

const heartbeatMs = 10_000;
const leaseNamespace = 'kube-node-lease';
/** A cluster's node takes 110. This one is the only one, and processes are light. */
const podCapacity = '10000';

export interface NodeOptions {
  readonly api: SandboxApi;
  readonly clock: KubeletClock;
  readonly name: string;
  readonly podIP: string;
  readonly log: (line: string) => void;
}

/** Registers the node and keeps its lease fresh until the returned function is called. */
export function runNode(options: NodeOptions): () => void {
  const { api, clock, name, log } = options;
  const key = { namespace: '', name };
  if (api.get(nodes, key) === undefined) api.create(nodes, nodeObject(name));
  api.update(nodes, key, (node) => ({ ...node, status: nodeStatus(options, node) }), 'status');
  let timer = clock.after(0, beat);
  function beat(): void {
    try {
      renewLease(api, name, clock.now());
    } catch (error) {
      log(`the lease of node ${name} was not renewed: ${(error as Error).message}`);
    }
    timer = clock.after(heartbeatMs, beat);
  }
  return () => timer.cancel();
}

const architectures: ReadonlyMap<string, string> = new Map([
  ['x64', 'amd64'],
  ['ia32', '386'],
]);
const architecture = (): string => architectures.get(arch()) ?? arch();

function nodeObject(name: string): StoredObject {
  const labels = { 'kubernetes.io/arch': architecture(), 'kubernetes.io/hostname': name, 'kubernetes.io/os': platform() };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {} };
}

function nodeStatus({ clock, name, podIP }: NodeOptions, node: StoredObject): Readonly<Record<string, unknown>> {
  const now = stamp(clock.now());
  const size = { cpu: String(availableParallelism()), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: podCapacity };
  const condition = (type: string, status: string, reason: string, message: string): unknown => ({
    type,
    status,
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  });
  return {
    ...(node.status as object | undefined),
    capacity: size,
    allocatable: size,
    conditions: [
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
      condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
    ],
    addresses: [
      { type: 'InternalIP', address: podIP },
      { type: 'Hostname', address: name },
    ],
    nodeInfo: {
      machineID: '',
      systemUUID: '',
      bootID: '',
      kernelVersion: release(),
      osImage: 'prow-operator sandbox',
      containerRuntimeVersion: 'process://1',
      kubeletVersion: 'v1.36.0+sandbox',
      kubeProxyVersion: '',
      operatingSystem: platform(),
      architecture: architecture(),
    },
  };
}

function renewLease(api: SandboxApi, name: string, nowMs: number): void {
  const renewTime = new Date(nowMs).toISOString().replace('Z', '000Z');
  const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime };
  const key = { namespace: leaseNamespace, name };
  if (api.get(leases, key) !== undefined) {
    api.update(leases, key, (lease) => ({ ...lease, spec }));
    return;
  }
  api.create(leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace: leaseNamespace }, spec });
}
