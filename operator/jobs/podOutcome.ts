/**
 * Reads what a pod says about its attempt: where it stands, or how it ended and why. One ordered list of small rules; the first that
 * has something to say wins. A pod that is gone is read from its last known state.
 */
import type { ProwJobState, RunReason } from '../../crds/v1/prowJob.ts';
import { isPodFinished, type ContainerShape, type PodShape } from './podShape.ts';
import { timeMs } from './times.ts';

/** The attempt is over. */
export interface AttemptEnd {
  readonly kind: 'over';
  readonly cause: RunReason;
  /** The state of the run, if no other attempt follows. */
  readonly state: ProwJobState;
  readonly message: string;
  readonly exitCode?: number;
  /** No other attempt follows, whatever the cause. */
  readonly final?: true;
}

/** The attempt goes on: the phase it is in, and since when. */
export interface AttemptPhase {
  readonly kind: 'unscheduled' | 'pending' | 'running';
  readonly sinceMs: number;
}

export type PodOutcome = AttemptEnd | AttemptPhase;

interface Observation {
  readonly pod: PodShape;
  readonly phase: string;
  /** Every container that counts: sidecars (init containers that restart) do not decide. */
  readonly containers: readonly ContainerShape[];
  readonly deleted: boolean;
}

type Rule = (seen: Observation) => AttemptEnd | undefined;

const rules: readonly Rule[] = [
  stoppedByKubelet, // a full node, or one that shuts down: whatever the containers say, it was not the test
  disrupted, // preempted, drained or collected: the API says so in a condition
  nodeLost, // nobody knows what the pod does
  outOfMemory, // named wherever it is seen
  ownDeadline, // the pod has a deadline of its own
  succeeded, // only when every container really ended well
  rejectedByNode, // the kubelet never started it
  killedByDeletion, // it failed because somebody deleted it
  failed, // the test said no
  imageRefused, // waiting will not help
  deleted, // it has not ended, but it will
];

/** `pod` is the last known state of the attempt's pod; `gone` when the API no longer has it. */
export function podOutcome(pod: PodShape, gone = false): PodOutcome {
  const seen = observe(pod);
  for (const rule of rules) {
    const end = rule(seen);
    if (end !== undefined) return end;
  }
  if (gone) return podVanished(pod.metadata.name);
  return phaseOf(seen);
}

export const podVanished = (podName: string): AttemptEnd => infra('PodVanished', `Pod ${podName} disappeared before it ended.`);

function observe(pod: PodShape): Observation {
  const sidecars = new Set((pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always').map((c) => c.name));
  const init = (pod.status?.initContainerStatuses ?? []).filter((c) => !sidecars.has(c.name));
  return {
    pod,
    phase: pod.status?.phase ?? '',
    containers: [...init, ...(pod.status?.containerStatuses ?? [])],
    deleted: pod.metadata.deletionTimestamp !== undefined,
  };
}

function phaseOf({ pod, phase }: Observation): AttemptPhase {
  const startMs = timeMs(pod.status?.startTime);
  const createdMs = timeMs(pod.metadata.creationTimestamp) ?? 0;
  if (phase === 'Running') return { kind: 'running', sinceMs: startMs ?? createdMs };
  return startMs === undefined ? { kind: 'unscheduled', sinceMs: createdMs } : { kind: 'pending', sinceMs: startMs };
}

/** Where an unfinished pod stands, whether or not it is being deleted. */
export const phaseOfPod = (pod: PodShape): AttemptPhase | undefined => (isPodFinished(pod) ? undefined : phaseOf(observe(pod)));

/** When the test itself began: the first container that is no init container. Undefined before that. */
export function testStartMs({ status }: PodShape): number | undefined {
  const starts = (status?.containerStatuses ?? []).flatMap(
    ({ state }) => timeMs(state?.running?.startedAt ?? state?.terminated?.startedAt) ?? [],
  );
  return starts.length === 0 ? undefined : Math.min(...starts);
}

/** When the deletion of the pod was asked for. The API stores when its grace ends. */
export function deletionAskedMs(pod: PodShape): number | undefined {
  const graceEndMs = timeMs(pod.metadata.deletionTimestamp);
  return graceEndMs === undefined ? undefined : graceEndMs - (pod.metadata.deletionGracePeriodSeconds ?? 0) * 1000;
}

const infra = (cause: RunReason, message: string): AttemptEnd => ({ kind: 'over', cause, state: 'error', message });

/** Why a kubelet stopped a pod that it had taken, by the reason it writes. */
const kubeletStops: ReadonlyMap<string, readonly [cause: RunReason, what: string]> = new Map([
  ['Evicted', ['Evicted', 'was evicted: its node ran short of something']],
  // Something without which the node cannot work needed the room.
  ['Preempting', ['Preempted', 'had to make room for a pod that its node needs']],
  ['Terminated', ['NodeLost', 'was stopped because its node shuts down']],
  ['Shutdown', ['NodeLost', 'was stopped because its node shuts down']],
]);

function stoppedByKubelet({ pod, phase }: Observation): AttemptEnd | undefined {
  const reason = pod.status?.reason ?? '';
  const stop = kubeletStops.get(reason);
  if (stop === undefined || (phase !== 'Failed' && reason !== 'Evicted')) return undefined;
  return infra(stop[0], `Pod ${pod.metadata.name} ${stop[1]}${detail(pod.status?.message)}`);
}

/** Why a pod was taken off its node, by the reason of its condition DisruptionTarget. */
const disruptions: ReadonlyMap<string, RunReason> = new Map([
  ['PreemptionByScheduler', 'Preempted'],
  ['EvictionByEvictionAPI', 'Evicted'],
  ['TerminationByKubelet', 'Evicted'],
  ['DeletionByTaintManager', 'Evicted'],
  ['DeletionByPodGC', 'NodeLost'],
]);

function disrupted({ pod, phase, deleted: isDeleted }: Observation): AttemptEnd | undefined {
  if (phase === 'Succeeded' || !(phase === 'Failed' || isDeleted)) return undefined;
  const condition = pod.status?.conditions?.find((c) => c.type === 'DisruptionTarget' && c.status === 'True');
  if (condition === undefined) return undefined;
  const reason = condition.reason ?? '';
  const isLost = reason === 'DeletionByTaintManager' && nodeWasNotReady(pod);
  const cause = isLost ? 'NodeLost' : (disruptions.get(reason) ?? 'Evicted');
  const what = isLost ? 'its node was not ready' : reason;
  return infra(cause, `Pod ${pod.metadata.name} was removed from its node (${what})${detail(condition.message)}`);
}

/**
 * A taint for a dead node and one that an administrator sets are removed from a node in the same words. But the pods of a node that is
 * silent are marked as not ready from outside, and its kubelet no longer agrees or disagrees.
 */
function nodeWasNotReady({ status }: PodShape): boolean {
  const says = (type: string): string | undefined => status?.conditions?.find((condition) => condition.type === type)?.status;
  return says('Ready') === 'False' && says('ContainersReady') === 'True';
}

function nodeLost({ pod, phase }: Observation): AttemptEnd | undefined {
  if (phase !== 'Unknown' && pod.status?.reason !== 'NodeLost') return undefined;
  return infra('NodeLost', `The node of pod ${pod.metadata.name} cannot be reached.`);
}

function outOfMemory({ pod, phase, containers }: Observation): AttemptEnd | undefined {
  if (phase !== 'Running' && phase !== 'Failed') return undefined;
  const killed = containers.find((c) => c.state?.terminated?.reason === 'OOMKilled');
  if (killed === undefined) return undefined;
  const exitCode = killed.state?.terminated?.exitCode;
  const message = `Container ${killed.name} of pod ${pod.metadata.name} used more memory than it may.`;
  return { kind: 'over', cause: 'OOMKilled', state: 'error', message, ...(exitCode === undefined ? {} : { exitCode }) };
}

function succeeded({ pod, phase, containers }: Observation): AttemptEnd | undefined {
  if (phase !== 'Succeeded') return undefined;
  const odd = containers.find((c) => c.state?.terminated?.exitCode !== 0 || timeMs(c.state.terminated.finishedAt) === undefined);
  if (odd === undefined) return { kind: 'over', cause: 'Succeeded', state: 'success', message: 'The test succeeded.', exitCode: 0 };
  const message = `Pod ${pod.metadata.name} is said to have succeeded, but its container ${odd.name} did not end with exit code 0.`;
  // The test may have done its work: nobody knows, so it is neither a success nor run again.
  return { ...infra('NodeLost', message), final: true };
}

function ownDeadline({ pod, phase }: Observation): AttemptEnd | undefined {
  if (phase !== 'Failed' || pod.status?.reason !== 'DeadlineExceeded') return undefined;
  const message = `Pod ${pod.metadata.name} was stopped: it ran longer than activeDeadlineSeconds of its pod_spec allows.`;
  return { kind: 'over', cause: 'RunningTimeout', state: 'aborted', message };
}

/** A pod that failed for a reason before any of its containers ran: the node turned it down (OutOfcpu, NodeAffinity, NodeShutdown …). */
function rejectedByNode({ pod, phase, containers }: Observation): AttemptEnd | undefined {
  const reason = pod.status?.reason ?? '';
  if (phase !== 'Failed' || reason === '' || containers.some((c) => c.state?.terminated !== undefined)) return undefined;
  return infra('NodeRejected', `The node did not take pod ${pod.metadata.name} (${reason})${detail(pod.status?.message)}`);
}

/** A container that died after somebody had asked for the deletion says nothing about the test. */
function killedByDeletion(seen: Observation): AttemptEnd | undefined {
  const { pod, phase } = seen;
  const askedMs = deletionAskedMs(pod);
  if (phase !== 'Failed' || askedMs === undefined) return undefined;
  const culprit = decisive(seen)?.state?.terminated;
  const endedMs = timeMs(culprit?.finishedAt);
  // Times have whole seconds. In the same second, only death by a signal counts as the deletion's doing.
  const byTest =
    culprit !== undefined && endedMs !== undefined && (endedMs < askedMs || (endedMs < askedMs + 1000 && culprit.exitCode < 128));
  return byTest ? undefined : podDeleted(pod);
}

function failed(seen: Observation): AttemptEnd | undefined {
  const { pod, phase } = seen;
  if (phase !== 'Failed') return undefined;
  const container = decisive(seen);
  if (container?.state?.terminated === undefined) {
    return {
      kind: 'over',
      cause: 'TestFailed',
      state: 'failure',
      message: `The test failed${detail(pod.status?.message ?? pod.status?.reason)}`,
    };
  }
  const { exitCode, reason = '', message: words } = container.state.terminated;
  const message = startErrors.has(reason)
    ? `The test failed: container ${container.name} could not be started (${reason})${detail(words)}`
    : `The test failed: container ${container.name} ended with exit code ${exitCode}.`;
  return { kind: 'over', cause: 'TestFailed', state: 'failure', message, exitCode };
}

/** The command is missing or may not be run: the job's own fault, and no other node would do better. */
const startErrors: ReadonlySet<string> = new Set(['StartError', 'ContainerCannotRun']);

/** What a kubelet says of a container whose image it does not have. */
const imageReasons: ReadonlySet<string> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
]);

/** What is no name of an image will be none on any node, however long one waits. */
function imageRefused({ pod, phase }: Observation): AttemptEnd | undefined {
  const stuck = phase === 'Pending' ? waitingContainer(pod, new Set(['InvalidImageName'])) : undefined;
  return stuck === undefined ? undefined : imageEnd(pod, stuck);
}

/** How an attempt ends whose time to start is up while an image is missing; undefined when no image is. */
export function imagePullFailed(pod: PodShape): AttemptEnd | undefined {
  const stuck = waitingContainer(pod, imageReasons);
  return stuck === undefined ? undefined : imageEnd(pod, stuck);
}

/** The registry has answered, and the answer will be the same from every node. Kubelets pass its words on and have no code for it. */
const refusedByRegistry = /not found|manifest unknown|unauthorized|denied|forbidden|no match for platform|invalid reference/i;

function imageEnd({ metadata }: PodShape, { name, reason, message }: Waiting): AttemptEnd {
  const end = infra(
    'ImagePullFailed',
    `The image of container ${name} of pod ${metadata.name} cannot be had (${reason})${detail(message)}`,
  );
  return reason === 'InvalidImageName' || refusedByRegistry.test(message) ? { ...end, final: true } : end;
}

interface Waiting {
  readonly name: string;
  readonly reason: string;
  readonly message: string;
}

function waitingContainer({ status }: PodShape, reasons: ReadonlySet<string>): Waiting | undefined {
  for (const { name, state } of [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]) {
    const reason = state?.waiting?.reason ?? '';
    if (reasons.has(reason)) return { name, reason, message: state?.waiting?.message ?? '' };
  }
  return undefined;
}

function deleted({ pod, phase, deleted: isDeleted }: Observation): AttemptEnd | undefined {
  return isDeleted && !isPodFinished(pod) && phase !== 'Unknown' ? podDeleted(pod) : undefined;
}

const podDeleted = (pod: PodShape): AttemptEnd => infra('PodDeleted', `Somebody deleted pod ${pod.metadata.name} before it ended.`);

/** The first container that ended badly. */
const decisive = ({ containers }: Observation): ContainerShape | undefined =>
  containers.find((c) => c.state?.terminated !== undefined && c.state.terminated.exitCode !== 0);

const longestDetail = 300;

/** Turns a foreign message into the end of a sentence. */
function detail(message: string | undefined): string {
  const text = (message ?? '').trim();
  return text === '' ? '.' : `: ${text.slice(0, longestDetail)}`;
}
