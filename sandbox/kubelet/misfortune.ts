/**
 * What components other than the kubelet do to a pod: preemption by the scheduler, the node controller and the taint manager after a node
 * fell silent, and the pod garbage collector. Conditions, events and deletions are theirs, word by word.
 */
import type { Pod, PodCondition } from '../../operator/kube/builtin.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import type { SandboxApi, StoredObject } from '../storage/storage.ts';
import type { EventWriter } from './eventWriter.ts';
import { stamp } from './kubeletClock.ts';
import type { KubeletClock } from './kubeletClock.ts';
import { asPod, resourcesOf } from './podApi.ts';

export interface World {
  readonly api: SandboxApi;
  readonly events: EventWriter;
  readonly clock: KubeletClock;
  readonly nodeName: string;
}

type Change = (status: NonNullable<Pod['status']>) => NonNullable<Pod['status']>;
type Condition = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;

/** Changes the status of this pod, not of another that took its name. */
function updateStatus({ api }: World, object: StoredObject, change: Change): void {
  api.update(
    pods,
    keyOf(object),
    (current) => (current.metadata.uid === object.metadata.uid ? { ...current, status: change(asPod(current).status ?? {}) } : undefined),
    'status',
  );
}

const withCondition = ({ clock }: World, condition: Condition): Change =>
  function change(status) {
    const others = (status.conditions ?? []).filter(({ type }) => type !== condition.type);
    const added = { ...condition, lastProbeTime: null, lastTransitionTime: stamp(clock.now()) } as PodCondition;
    return { ...status, conditions: [...others, added] };
  };

const disruption = (reason: string, message: string): Condition => ({ type: 'DisruptionTarget', status: 'True', reason, message });

const remove = ({ api }: World, object: StoredObject): void => api.delete(pods, keyOf(object), object.metadata.uid ?? '');

/** kube-scheduler makes room for a pod of a higher priority, whose uid the event names. */
export function preempt(world: World, object: StoredObject, preemptorUid: string): void {
  const message = 'default-scheduler: preempting to accommodate a higher priority pod';
  updateStatus(world, object, withCondition(world, disruption('PreemptionByScheduler', message)));
  remove(world, object);
  const text = `Preempted by pod ${preemptorUid} on node ${world.nodeName}`;
  world.events.emit('default-scheduler', object, { type: 'Normal', reason: 'Preempted', message: text });
}

interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly effect?: string;
  readonly tolerationSeconds?: number;
}

const unreachable = 'node.kubernetes.io/unreachable';
/** What the API server's admission gives a pod that says nothing else. */
const defaultTolerationSeconds = 300;

/** How long the pod may stay on a node that cannot be reached; Infinity: as long as it likes. */
function toleratedMs(pod: Pod): number {
  const fits = ({ key, operator, effect }: Toleration): boolean =>
    (key === unreachable || (operator === 'Exists' && (key ?? '') === '')) && (effect === 'NoExecute' || (effect ?? '') === '');
  const found = ((pod.spec.tolerations ?? []) as readonly Toleration[]).find(fits);
  const seconds = found === undefined ? defaultTolerationSeconds : found.tolerationSeconds;
  return seconds === undefined ? Infinity : Math.max(0, seconds) * 1000;
}

/** The node stopped to answer: the pod is no longer Ready, and deleted when its toleration has run out. Nobody confirms the deletion. */
export function loseNode(world: World, object: StoredObject): { cancel(): void } | undefined {
  updateStatus(world, object, (status) => {
    const ready = status.conditions?.find(({ type }) => type === 'Ready');
    return ready === undefined ? status : withCondition(world, { ...ready, status: 'False' })(status);
  });
  world.events.emit('node-controller', object, { type: 'Warning', reason: 'NodeNotReady', message: 'Node is not ready' });
  const toleratedForMs = toleratedMs(asPod(object));
  if (toleratedForMs === Infinity) return undefined;
  return world.clock.after(toleratedForMs, () => {
    updateStatus(
      world,
      object,
      withCondition(world, disruption('DeletionByTaintManager', 'Taint manager: deleting due to NoExecute taint')),
    );
    remove(world, object);
    const message = `Marking for deletion Pod ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    world.events.emit('taint-eviction-controller', object, { type: 'Normal', reason: 'TaintManagerEviction', message });
  });
}

/** The pod garbage collector finds that the node is no more: the pod fails and is removed without grace. */
export function collectPod(world: World, object: StoredObject): void {
  updateStatus(world, object, (status) => {
    if (status.phase === 'Succeeded' || status.phase === 'Failed') return status;
    return { ...withCondition(world, disruption('DeletionByPodGC', 'PodGC: node no longer exists'))(status), phase: 'Failed' };
  });
  world.api.remove(pods, keyOf(object), object.metadata.uid ?? '');
}

/** What kubelet's eviction manager says when memory runs short and this pod uses most of it. */
export function evictionMessage(pod: Pod): string {
  const uses = pod.spec.containers.map((container) => {
    const request = String(resourcesOf(container).requests?.memory ?? '0');
    return `Container ${container.name} was using 200Mi, request is ${request}, has larger consumption of memory. `;
  });
  return `The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ${uses.join('')}`;
}
