/**
 * Pods that were running when an earlier sandbox process ended. Their processes went with it, so they are reported as kubelet reports pods
 * that a shutdown of their node ended: Failed, reason Terminated, with a DisruptionTarget condition.
 */
import type { Container, ContainerStatus } from '../../operator/kube/builtin.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import type { SandboxApi, StoredObject } from '../storage/storage.ts';
import { stamp } from './kubeletClock.ts';
import type { KubeletClock } from './kubeletClock.ts';
import { asPod } from './podApi.ts';
import { podStatus } from './podStatus.ts';
import type { ContainerRecord, ContainerRole } from './podStatus.ts';

const message = 'The sandbox was restarted and the processes of the pod ended with it.';

/** Does nothing for a pod that has finished, or that no kubelet had accepted yet. */
export function reportLost(object: StoredObject, { api, clock, podIP }: { api: SandboxApi; clock: KubeletClock; podIP: string }): void {
  const { status } = asPod(object);
  if (status?.startTime === undefined || status.phase === 'Succeeded' || status.phase === 'Failed') return;
  const startTime = status.startTime;
  const finishedAt = stamp(clock.now());
  api.update(
    pods,
    keyOf(object),
    (current) => {
      const pod = asPod(current);
      const find = (name: string): ContainerStatus | undefined =>
        [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find((one) => one.name === name);
      const record = (spec: Container, role: ContainerRole): ContainerRecord => lostRecord(spec, role, find(spec.name), finishedAt);
      const records = [
        ...(pod.spec.initContainers ?? []).map((spec) => record(spec, spec.restartPolicy === 'Always' ? 'sidecar' : 'init')),
        ...pod.spec.containers.map((spec) => record(spec, 'main')),
      ];
      const end = { phase: 'Failed', reason: 'Terminated', message, disrupted: true } as const;
      const next = podStatus({ pod, records, startTime, podIP, end }, pod.status, clock.now());
      return next === undefined ? undefined : { ...current, status: next };
    },
    'status',
  );
}

function lostRecord(spec: Container, role: ContainerRole, old: ContainerStatus | undefined, finishedAt: string): ContainerRecord {
  const running = old?.state?.running;
  const lost = {
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
    message: 'The container could not be located when the pod was terminated',
    ...(running?.startedAt === undefined ? {} : { startedAt: running.startedAt }),
    finishedAt,
  };
  return {
    spec,
    role,
    state: running === undefined ? (old?.state ?? { waiting: { reason: 'ContainerCreating' } }) : { terminated: lost },
    lastState: old?.lastState ?? {},
    restartCount: old?.restartCount ?? 0,
    containerID: old?.containerID ?? '',
  };
}
