/** Runs and pods for tests: complete and dull, with only what a test is about changed. */
import type { ProwJob, ProwJobSpec, ProwJobStatus } from '../../../crds/v1/prowJob.ts';
import { buildPod, planAttempt } from '../../../operator/jobs/podBuilder.ts';
import { defaultPolicy } from '../../../operator/jobs/policy.ts';
import type { Pod, PodStatus } from '../../../operator/kube/builtin.ts';
import { stamp } from '../../../operator/jobs/times.ts';

export const nowMs = Date.UTC(2026, 5, 1, 12, 0, 0);
export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;

/** RFC 3339, that long before now. */
export const ago = (ms: number): string => stamp(nowMs - ms);

export interface RunParts {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly createdAgoMs?: number;
  readonly spec?: Partial<ProwJobSpec>;
  readonly status?: ProwJobStatus;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

export const podSpec = { containers: [{ name: 'main', image: 'busybox', command: ['true'] }] };

export function aRun({ name = 'run', namespace = 'ci', uid = `uid-${name}`, createdAgoMs = 0, ...parts }: RunParts = {}): ProwJob {
  return {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'ProwJob',
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion: '10',
      generation: 1,
      creationTimestamp: ago(createdAgoMs),
      ...(parts.labels === undefined ? {} : { labels: parts.labels }),
      ...(parts.annotations === undefined ? {} : { annotations: parts.annotations }),
    },
    spec: { type: 'periodic', agent: 'kubernetes', job: 'unit', pod_spec: podSpec, ...parts.spec },
    status: parts.status ?? { state: 'triggered' },
  };
}

export const refs = { org: 'acme', repo: 'widget', base_ref: 'main', base_sha: 'b1', pulls: [{ number: 7, author: 'ann', sha: 'p1' }] };

/** A run of a presubmit on pull request 7. */
export const presubmit = ({ spec, ...parts }: RunParts = {}): ProwJob =>
  aRun({ ...parts, spec: { type: 'presubmit', job: 'unit', refs, ...spec } });

/** A run whose newest attempt has been recorded, with as many attempts as asked for. */
export function pendingRun(parts: RunParts = {}, attempts = 1): ProwJob {
  const run = aRun(parts);
  const plans = Array.from({ length: attempts }, (_, index) => planAttempt(run, index + 1, defaultPolicy));
  const last = plans.at(-1)!;
  const status: ProwJobStatus = {
    state: 'pending',
    startTime: run.metadata.creationTimestamp!,
    pendingTime: ago(0),
    pod_name: last.podName,
    build_id: last.buildId,
    attempts: plans.map((plan, index) => ({
      number: plan.number,
      pod_name: plan.podName,
      pod_namespace: plan.podNamespace,
      build_id: plan.buildId,
      started: ago(0),
      ...(index < plans.length - 1 ? { finished: ago(0), cause: 'Evicted' as const } : {}),
    })),
    ...parts.status,
  };
  return { ...run, status };
}

export interface PodParts {
  readonly attempt?: number;
  readonly createdAgoMs?: number;
  /** Being deleted, with 30 s of grace, asked for that long ago. */
  readonly deletedAgoMs?: number;
  readonly status?: PodStatus;
  readonly labels?: Record<string, string>;
  readonly nodeName?: string;
  readonly finalizers?: readonly string[];
}

export function podOf(
  run: ProwJob,
  { attempt = 1, createdAgoMs = 0, deletedAgoMs, status, labels, nodeName = 'node-1', finalizers }: PodParts = {},
): Pod {
  const built = buildPod(run, planAttempt(run, attempt, defaultPolicy));
  return {
    ...built,
    metadata: {
      ...built.metadata,
      uid: `pod-${run.metadata.uid!}-${attempt}`,
      creationTimestamp: ago(createdAgoMs),
      labels: { ...built.metadata.labels, ...labels },
      ...(finalizers === undefined ? {} : { finalizers: [...finalizers] }),
      ...(deletedAgoMs === undefined ? {} : { deletionTimestamp: ago(deletedAgoMs - 30_000), deletionGracePeriodSeconds: 30 }),
    },
    spec: { ...built.spec, nodeName },
    status: status ?? { phase: 'Pending' },
  };
}

/** A container that ended. */
export const ended = (exitCode: number, agoMs = 0, reason = exitCode === 0 ? 'Completed' : 'Error') => ({
  name: 'test',
  state: { terminated: { exitCode, reason, finishedAt: ago(agoMs) } },
});

export const goesOn = { name: 'test', state: { running: { startedAt: ago(0) } } };
