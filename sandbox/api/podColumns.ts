/**
 * How pods print: the STATUS, READY and RESTARTS that people know from kubectl are computed here, on the server, from the container
 * statuses. Init containers that are not done win over everything; a deletion in progress wins at the end.
 */
import type { Container, ContainerStatus, Pod, PodStatus } from '../../operator/kube/builtin.ts';
import { humanDuration } from './humanDuration.ts';

interface Summary {
  status: string;
  ready: number;
  total: number;
  restarts: number;
  lastRestartMs: number;
}

/** Ready, Status and Restarts cells of a pod. */
export function podSummary(
  pod: Pod,
  nowMs: number,
): { readonly ready: string; readonly status: string; readonly restarts: number | string } {
  const status: Partial<PodStatus> = pod.status ?? {};
  const initContainers = pod.spec.initContainers ?? [];
  const sidecars = initContainers.filter(isSidecar);
  const summary: Summary = {
    status: nonEmpty(status.reason) ?? status.phase ?? 'Unknown',
    ready: 0,
    total: pod.spec.containers.length + sidecars.length,
    restarts: 0,
    lastRestartMs: 0,
  };
  const scheduled = status.conditions?.find((condition) => condition.type === 'PodScheduled');
  if (scheduled?.reason === 'SchedulingGated') summary.status = scheduled.reason;
  const initializing = addInitContainers(summary, status, initContainers);
  if (!initializing || isTrue(status, 'Initialized')) addContainers(summary, status, new Set(sidecars.map((sidecar) => sidecar.name)));
  if (pod.metadata.deletionTimestamp !== undefined) summary.status = deletedStatus(summary.status, status);
  const ago = summary.restarts > 0 && summary.lastRestartMs > 0 ? ` (${humanDuration(nowMs - summary.lastRestartMs)} ago)` : '';
  return {
    ready: `${summary.ready}/${summary.total}`,
    status: summary.status,
    restarts: ago === '' ? summary.restarts : `${summary.restarts}${ago}`,
  };
}

function deletedStatus(text: string, status: Partial<PodStatus>): string {
  if (status.reason === 'NodeLost') return 'Unknown';
  return status.phase === 'Succeeded' || status.phase === 'Failed' ? text : 'Terminating';
}

/** Returns whether an init container holds the pod up; then it has set the status. */
function addInitContainers(summary: Summary, status: Partial<PodStatus>, initContainers: readonly Container[]): boolean {
  const sidecars = new Set(initContainers.filter(isSidecar).map((container) => container.name));
  for (const [index, container] of (status.initContainerStatuses ?? []).entries()) {
    countRestarts(summary, container);
    const terminated = container.state?.terminated;
    if (terminated?.exitCode === 0) continue;
    if (sidecars.has(container.name) && container.started === true) {
      if (container.ready === true) summary.ready++;
      continue;
    }
    const waiting = nonEmpty(container.state?.waiting?.reason);
    if (terminated !== undefined) summary.status = `Init:${endOf(terminated)}`;
    else if (waiting !== undefined && waiting !== 'PodInitializing') summary.status = `Init:${waiting}`;
    else summary.status = `Init:${index}/${initContainers.length}`;
    return true;
  }
  return false;
}

function addContainers(summary: Summary, status: Partial<PodStatus>, sidecars: ReadonlySet<string>): void {
  summary.restarts = 0;
  summary.lastRestartMs = 0;
  for (const sidecar of status.initContainerStatuses?.filter(({ name }) => sidecars.has(name)) ?? []) countRestarts(summary, sidecar);
  let running = false;
  for (const container of (status.containerStatuses ?? []).toReversed()) {
    countRestarts(summary, container);
    const { waiting, terminated, running: runs } = container.state ?? {};
    const waitingReason = nonEmpty(waiting?.reason);
    if (waitingReason !== undefined) summary.status = waitingReason;
    else if (terminated !== undefined) summary.status = endOf(terminated);
    else if (container.ready === true && runs !== undefined) {
      running = true;
      summary.ready++;
    }
  }
  if (summary.status === 'Completed' && running) summary.status = isTrue(status, 'Ready') ? 'Running' : 'NotReady';
}

function countRestarts(summary: Summary, container: ContainerStatus): void {
  summary.restarts += container.restartCount ?? 0;
  const finishedAt = container.lastState?.terminated?.finishedAt;
  if (finishedAt !== undefined) summary.lastRestartMs = Math.max(summary.lastRestartMs, Date.parse(finishedAt));
}

function endOf(terminated: { readonly exitCode: number; readonly signal?: number; readonly reason?: string }): string {
  const reason = nonEmpty(terminated.reason);
  if (reason !== undefined) return reason;
  return terminated.signal !== undefined && terminated.signal !== 0 ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`;
}

const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

const isTrue = (status: Partial<PodStatus>, type: string): boolean =>
  status.conditions?.some((condition) => condition.type === type && condition.status === 'True') === true;

const nonEmpty = (text: string | undefined): string | undefined => (text === undefined || text === '' ? undefined : text);
