/**
 * The scheduler of one node: binds every pod that may run there, and says of the others why not, as kube-scheduler words it. Resource requests
 * are not counted: processes share the machine. Pods that name another scheduler are left alone.
 */
import type { Pod, PodCondition } from '../../operator/kube/builtin.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import type { SandboxApi, StoredObject } from '../storage/storage.ts';
import type { EventWriter } from './eventWriter.ts';
import { stamp } from './kubeletClock.ts';
import type { KubeletClock } from './kubeletClock.ts';
import type { Node } from './node.ts';
import { asPod } from './podApi.ts';

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

interface Affinity {
  readonly nodeAffinity?: {
    readonly requiredDuringSchedulingIgnoredDuringExecution?: {
      readonly nodeSelectorTerms?: readonly { readonly matchExpressions?: readonly Requirement[] }[];
    };
  };
}

/** Why the pod cannot run on the node, or undefined when it can. Pure. */
export function unschedulableReason(pod: Pod, node: Node): string | undefined {
  const labels = node.metadata.labels ?? {};
  const selector = Object.entries((pod.spec.nodeSelector ?? {}) as Readonly<Record<string, string>>);
  const terms = ((pod.spec.affinity ?? {}) as Affinity).nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const selected = selector.every(([key, value]) => labels[key] === value);
  const wanted = terms === undefined || terms.some((term) => (term.matchExpressions ?? []).every((one) => matches(one, labels)));
  if (!selected || !wanted) return refusal("node(s) didn't match Pod's node affinity/selector", unhelpful);
  return node.spec?.unschedulable === true ? refusal('node(s) were unschedulable', unhelpful) : undefined;
}

const unhelpful = 'Preemption is not helpful for scheduling';

const refusal = (why: string, preemption: string): string =>
  `0/1 nodes are available: 1 ${why}. no new claims to deallocate, preemption: 0/1 nodes are available: 1 ${preemption}.`;

function matches({ key, operator, values = [] }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}

const gatesOf = (pod: Pod): readonly unknown[] => (pod.spec.schedulingGates ?? []) as readonly unknown[];

export interface SchedulerOptions {
  readonly api: SandboxApi;
  readonly events: EventWriter;
  readonly clock: KubeletClock;
  /** A scenario says that the node has no room for this pod. */
  readonly full: boolean;
}

/** Binds the pod, or writes why it waits. Does nothing for a pod that has a node, is going away or is another scheduler's. */
export function schedule(object: StoredObject, node: Node, { api, events, clock, full }: SchedulerOptions): void {
  const pod = asPod(object);
  const other = pod.spec.schedulerName !== undefined && pod.spec.schedulerName !== 'default-scheduler';
  if (hasNode(pod) || pod.metadata.deletionTimestamp !== undefined || other) return;
  const gated = gatesOf(pod).length > 0;
  const noRoom = full ? refusal('Insufficient cpu', 'No preemption victims found for incoming pod') : undefined;
  const why = gated ? 'Scheduling is blocked due to non-empty scheduling gates' : (unschedulableReason(pod, node) ?? noRoom);
  if (why === undefined) {
    bind(object, node.metadata.name, { api, events });
    return;
  }
  const reason = gated ? 'SchedulingGated' : 'Unschedulable';
  const written = api.update(pods, keyOf(object), (current) => withCondition(current, { reason, message: why }, clock.now()), 'status');
  if (written !== undefined && !gated)
    events.emit('default-scheduler', object, { type: 'Warning', reason: 'FailedScheduling', message: why });
}

export const hasNode = (pod: Pod): boolean => pod.spec.nodeName !== undefined && pod.spec.nodeName !== '';

function bind(object: StoredObject, nodeName: string, { api, events }: Pick<SchedulerOptions, 'api' | 'events'>): void {
  const bound = api.update(pods, keyOf(object), (current) => {
    const pod = asPod(current);
    if (pod.metadata.uid !== object.metadata.uid || hasNode(pod)) return undefined;
    return { ...current, spec: { ...pod.spec, nodeName } };
  });
  if (bound === undefined) return;
  const { name, namespace } = object.metadata;
  const message = `Successfully assigned ${namespace ?? ''}/${name} to ${nodeName}`;
  events.emit('default-scheduler', object, { type: 'Normal', reason: 'Scheduled', message });
}

function withCondition(current: StoredObject, text: { reason: string; message: string }, nowMs: number): StoredObject | undefined {
  const { status } = asPod(current);
  const previous = status?.conditions?.find((condition) => condition.type === 'PodScheduled');
  if (previous?.status === 'False' && previous.reason === text.reason && previous.message === text.message) return undefined;
  const lastTransitionTime = previous?.status === 'False' ? previous.lastTransitionTime : stamp(nowMs);
  const condition = { type: 'PodScheduled', status: 'False', lastProbeTime: null, ...text, lastTransitionTime } as PodCondition;
  const others = (status?.conditions ?? []).filter((candidate) => candidate.type !== 'PodScheduled');
  return { ...current, status: { ...status, conditions: [...others, condition] } };
}
