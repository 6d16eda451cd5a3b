/** What a pod that has not ended is waiting for, and what its containers say, in words. Pure. */
import type { ContainerStatus, Pod } from '../kube/builtin.ts';
import { isPodFinished } from '../jobs/podShape.ts';
import { timeMs } from '../jobs/times.ts';
import { relative, sentence } from './words.ts';

/** Init containers first, as they run. */
export const containersOf = ({ status }: Pod): readonly ContainerStatus[] => [
  ...(status?.initContainerStatuses ?? []),
  ...(status?.containerStatuses ?? []),
];

/** What the scheduler says of a pod that no node has taken; undefined when one has. */
export function schedulerSays({ status }: Pod): string | undefined {
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  return scheduled?.status === 'False' ? sentence(scheduled.message ?? scheduled.reason ?? '') : undefined;
}

/** One line for each container: running since, waiting for, or how it ended. */
export function containerLines(pod: Pod, nowMs: number): readonly string[] {
  return containersOf(pod).map(({ name, state, restartCount = 0 }) => {
    const restarts = restartCount === 0 ? '' : ` (restarted ${restartCount} times)`;
    return `Container ${name} ${stateWords(state, nowMs)}${restarts}`;
  });
}

function stateWords(state: ContainerStatus['state'], nowMs: number): string {
  if (state?.running !== undefined) {
    const startedMs = timeMs(state.running.startedAt);
    return startedMs === undefined ? 'runs.' : `runs, started ${relative(startedMs, nowMs)}.`;
  }
  if (state?.terminated !== undefined) {
    const { exitCode, reason = '', message = '' } = state.terminated;
    return `ended with exit code ${exitCode}${reason === '' ? '' : ` (${reason})`}${message === '' ? '.' : `: ${sentence(message)}`}`;
  }
  const { reason = 'nothing that the node has told', message = '' } = state?.waiting ?? {};
  return `waits: ${reason}${message === '' ? '.' : `: ${sentence(message)}`}`;
}

const imageReasons = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
  'ImageInspectError',
]);

/** The first container whose image is missing. */
export const withoutImage = (pod: Pod): ContainerStatus | undefined =>
  containersOf(pod).find(({ state }) => imageReasons.has(state?.waiting?.reason ?? ''));

/** The first container that cannot be made, as when a Secret is missing. */
export const misconfigured = (pod: Pod): ContainerStatus | undefined =>
  containersOf(pod).find(({ state }) =>
    ['CreateContainerConfigError', 'CreateContainerError', 'RunContainerError'].includes(state?.waiting?.reason ?? ''),
  );

/** The image as the pod names it. */
export const imageOf = ({ spec }: Pod, container: string): string | undefined =>
  [...(spec.initContainers ?? []), ...spec.containers].find(({ name }) => name === container)?.image;

export const isEnding = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined && !isPodFinished(pod);
