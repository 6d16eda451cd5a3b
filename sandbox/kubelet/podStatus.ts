/**
 * A pod's status from the states of its containers, worded as kubelet words it. Pure: the runner keeps the states, this says what
 * they mean together. The phase is terminal only when the runner says that every process has ended.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Container, ContainerState, ContainerStatus, Pod, PodCondition, PodPhase, PodStatus } from '../../operator/kube/builtin.ts';
import { stamp } from './kubeletClock.ts';

/** `sidecar`: an init container with restartPolicy Always. */
export type ContainerRole = 'init' | 'sidecar' | 'main';

export interface ContainerRecord {
  readonly spec: Container;
  readonly role: ContainerRole;
  state: ContainerState;
  lastState: ContainerState;
  restartCount: number;
  containerID: string;
}

/** Why the pod as a whole has ended, when its containers' exit codes do not tell. */
export interface PodEnd {
  readonly phase: 'Succeeded' | 'Failed';
  readonly reason?: string;
  readonly message?: string;
  /** The cluster, not the pod, ended it. */
  readonly disrupted?: boolean;
}

export interface StatusInput {
  readonly pod: Pod;
  readonly records: readonly ContainerRecord[];
  readonly startTime: string;
  readonly podIP: string;
  readonly end?: PodEnd;
}

/** The new status, or undefined when it says the same as the old one. Transition times are kept while a condition stays. */
export function podStatus(input: StatusInput, old: PodStatus | undefined, nowMs: number): PodStatus | undefined {
  const { pod, records, end, podIP } = input;
  const status = {
    ...old,
    phase: phaseOf(pod, records, end),
    ...(end?.reason === undefined ? {} : { reason: end.reason }),
    ...(end?.message === undefined ? {} : { message: end.message }),
    conditions: conditionsOf(input, old, nowMs),
    hostIP: podIP,
    hostIPs: [{ ip: podIP }],
    podIP,
    podIPs: [{ ip: podIP }],
    startTime: input.startTime,
    ...statuses(
      'initContainerStatuses',
      records.filter((record) => record.role !== 'main'),
    ),
    ...statuses(
      'containerStatuses',
      records.filter((record) => record.role === 'main'),
    ),
  };
  return isDeepStrictEqual(status, old) ? undefined : status;
}

const statuses = (field: string, records: readonly ContainerRecord[]): Readonly<Record<string, unknown>> =>
  records.length === 0 ? {} : { [field]: records.map(containerStatus) };

function containerStatus(record: ContainerRecord): ContainerStatus {
  const running = record.state.running !== undefined;
  const image = record.spec.image ?? '';
  return {
    ...(record.containerID === '' ? {} : { containerID: record.containerID }),
    image,
    imageID: record.containerID === '' ? '' : `process://${image}`,
    lastState: record.lastState,
    name: record.spec.name,
    ready: isReady(record),
    restartCount: record.restartCount,
    started: running && record.role !== 'init',
    state: record.state,
  };
}

const isReady = (record: ContainerRecord): boolean =>
  record.role === 'init' ? record.state.terminated?.exitCode === 0 : record.state.running !== undefined;

const isInitialized = (record: ContainerRecord): boolean =>
  record.role === 'sidecar' ? record.state.running !== undefined || record.lastState.terminated !== undefined : isReady(record);

function phaseOf(pod: Pod, records: readonly ContainerRecord[], end: PodEnd | undefined): PodPhase {
  if (end !== undefined) return end.phase;
  if (!records.filter((record) => record.role !== 'main').every(isInitialized)) return 'Pending';
  const mains = records.filter((record) => record.role === 'main');
  const fresh = (record: ContainerRecord): boolean => record.state.waiting !== undefined && record.lastState.terminated === undefined;
  if (mains.some(fresh)) return 'Pending';
  return pod.spec.containers.length === 0 ? 'Pending' : 'Running';
}

/** Succeeded when every container of the main list has ended with 0, else Failed. */
export const phaseOfExits = (records: readonly ContainerRecord[]): 'Succeeded' | 'Failed' =>
  records.filter((record) => record.role === 'main').every((record) => record.state.terminated?.exitCode === 0) ? 'Succeeded' : 'Failed';

function conditionsOf({ records, end }: StatusInput, old: PodStatus | undefined, nowMs: number): readonly PodCondition[] {
  const incomplete = records.filter((record) => record.role !== 'main' && !isInitialized(record));
  const unready = records.filter((record) => record.role !== 'init' && !isReady(record));
  const done = end?.phase === 'Succeeded' ? 'PodCompleted' : end?.phase === 'Failed' ? 'PodFailed' : undefined;
  const ready = done === undefined ? unreadyText(unready) : { status: 'False', reason: done };
  const initialized =
    done === 'PodCompleted'
      ? { status: 'True', reason: done }
      : incomplete.length === 0
        ? { status: 'True' }
        : { status: 'False', reason: 'ContainersNotInitialized', message: `containers with incomplete status: [${names(incomplete)}]` };
  const wanted: readonly Omit<PodCondition, 'lastTransitionTime'>[] = [
    ...(end?.disrupted === true
      ? [{ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message: end.message ?? '' }]
      : []),
    { type: 'PodReadyToStartContainers', status: end === undefined ? 'True' : 'False' },
    { type: 'Initialized', ...initialized },
    { type: 'Ready', ...ready },
    { type: 'ContainersReady', ...ready },
    { type: 'PodScheduled', status: 'True' },
  ];
  const types = new Set(wanted.map((condition) => condition.type));
  const foreign = (old?.conditions ?? []).filter((condition) => !types.has(condition.type));
  return [...foreign, ...wanted.map((condition) => stamped(condition, old, nowMs))];
}

const names = (records: readonly ContainerRecord[]): string => records.map((record) => record.spec.name).join(' ');

const unreadyText = (unready: readonly ContainerRecord[]): Omit<PodCondition, 'type'> =>
  unready.length === 0
    ? { status: 'True' }
    : { status: 'False', reason: 'ContainersNotReady', message: `containers with unready status: [${names(unready)}]` };

function stamped(condition: Omit<PodCondition, 'lastTransitionTime'>, old: PodStatus | undefined, nowMs: number): PodCondition {
  const previous = old?.conditions?.find((candidate) => candidate.type === condition.type);
  const kept = previous?.status === condition.status ? previous.lastTransitionTime : undefined;
  return { ...condition, lastProbeTime: null, lastTransitionTime: kept ?? stamp(nowMs) } as PodCondition;
}
