/** Builders for tests of explanations: a run, a pod and what surrounds them, each with what a test does not care about filled in. */
import type { ProwJob, ProwJobSpec, ProwJobStatus } from '../../../crds/v1/prowJob.ts';
import type { Pod, PodStatus } from '../../kube/builtin.ts';
import { runNowTokenAnnotation } from '../../jobs/periodicRun.ts';
import { label } from '../../jobs/labels.ts';
import { explainRun } from '../explainRun.ts';
import { explanationText } from '../explanation.ts';
import type { RunEvidence } from '../evidence.ts';

/** Everything here is about this instant. */
export const now = '2026-11-22T12:00:00Z';
export const nowMs = Date.parse(now);

export interface RunInput {
  readonly name?: string;
  readonly namespace?: string;
  /** Default: ten minutes ago. */
  readonly created?: string;
  readonly spec?: Partial<ProwJobSpec>;
  readonly status?: ProwJobStatus;
  readonly periodic?: string;
}

export function aRun({ name = 'run', namespace = 'ci', created = '2026-11-22T11:50:00Z', spec, status, periodic }: RunInput = {}): ProwJob {
  const owner = { apiVersion: 'prow.k8s.io/v1', kind: 'Periodic', name: periodic ?? '', uid: 'p', controller: true };
  return {
    metadata: {
      name,
      namespace,
      uid: `uid-${namespace}-${name}`,
      generation: 1,
      creationTimestamp: created,
      ...(periodic === undefined ? {} : { ownerReferences: [owner], annotations: { [runNowTokenAnnotation]: 't' } }),
    },
    spec: { type: 'periodic', job: 'unit', pod_spec: { containers: [{ name: 'test', image: 'busybox' }] }, ...spec },
    ...(status === undefined ? {} : { status }),
  };
}

/** A status as the operator writes it once it has seen the run. */
export const seenStatus = (more: Partial<ProwJobStatus>): ProwJobStatus => ({
  state: 'triggered',
  conditions: [{ type: 'Ready', status: 'False', reason: 'Waiting', message: '', lastTransitionTime: now }],
  ...more,
});

export const pendingStatus = (more: Partial<ProwJobStatus> = {}): ProwJobStatus =>
  seenStatus({
    state: 'pending',
    pendingTime: '2026-11-22T11:51:00Z',
    attempts: [{ number: 1, pod_name: 'run', build_id: '1', started: '2026-11-22T11:51:00Z' }],
    ...more,
  });

export const ended = (reason: ProwJobStatus['reason'] & string, more: Partial<ProwJobStatus> = {}): ProwJobStatus => ({
  state: 'error',
  reason,
  startTime: '2026-11-22T11:50:00Z',
  pendingTime: '2026-11-22T11:51:00Z',
  completionTime: '2026-11-22T11:55:00Z',
  attempts: [
    {
      number: 1,
      pod_name: 'run',
      build_id: '1',
      node: 'node-1',
      started: '2026-11-22T11:51:00Z',
      finished: '2026-11-22T11:55:00Z',
      cause: reason,
    },
  ],
  ...more,
});

export function aPod(
  status: PodStatus,
  more: Partial<Pod['metadata']> & { readonly node?: string; readonly spec?: Partial<Pod['spec']> } = {},
): Pod {
  const { node, spec, ...metadata } = more;
  return {
    metadata: {
      name: 'run',
      namespace: 'ci',
      uid: 'pod-uid',
      creationTimestamp: '2026-11-22T11:51:00Z',
      labels: { [label.createdByProw]: 'true', [label.runUid]: 'uid-ci-run' },
      ...metadata,
    },
    spec: { containers: [{ name: 'test', image: 'busybox' }], ...(node === undefined ? {} : { nodeName: node }), ...spec },
    status,
  };
}

export interface EvidenceInput extends Partial<Omit<RunEvidence, 'pods' | 'runs'>> {
  readonly pods?: readonly Pod[];
  /** Others than the run itself. */
  readonly others?: readonly ProwJob[];
}

export function evidence({ pods = [], others = [], run = aRun(), ...more }: EvidenceInput): RunEvidence {
  return {
    nowMs,
    run,
    pods: new Map(pods.map((pod) => [pod.metadata.name, pod])),
    podsWereRead: true,
    nodes: new Map(),
    events: [],
    runs: [run, ...others],
    seesAllNamespaces: true,
    quotas: [],
    unread: [],
    ...more,
  };
}

export const textOf = (input: EvidenceInput): string => explanationText(explainRun(evidence(input)));
