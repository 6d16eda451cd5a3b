/** Objects as the watches of the demo bring them, with only the fields that a test is about. */
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { ProwJob, ProwJobStatus } from '../../../crds/v1/prowJob.ts';
import type { Pod, PodPhase } from '../../../operator/kube/builtin.ts';
import type { Cell } from '../world.ts';

const labels = ({ stage, region, job }: Cell): Record<string, string> => ({
  'eks-matrix/stage': stage,
  'eks-matrix/region': region,
  'eks-matrix/job': job,
});

export const someCell: Cell = { stage: 'beta', region: 'us-west-2', job: 'gpu' };

export const periodic = (
  name: string,
  cron = '@every 8s',
  status: Periodic['status'] = { observedGeneration: 1 },
  cell = someCell,
): Periodic => ({
  metadata: { name, uid: `uid-${name}`, labels: labels(cell) },
  spec: { cron, jobTemplate: { spec: {} } },
  status,
});

export interface RunFields {
  readonly of?: string;
  readonly slot?: string;
  readonly token?: string;
  readonly uid?: string;
  readonly status?: ProwJobStatus;
  readonly cell?: Cell;
}

export const prowJob = (
  name: string,
  { of = 'p', slot, token, uid = `uid-${name}`, status, cell = someCell }: RunFields = {},
): ProwJob => ({
  metadata: {
    name,
    uid,
    labels: labels(cell),
    annotations: {
      ...(slot === undefined ? {} : { 'prow.k8s.io/scheduled-time': slot }),
      ...(token === undefined ? {} : { 'prow.k8s.io/run-now-token': token }),
    },
    ownerReferences: [{ apiVersion: 'prow.k8s.io/v1', kind: 'Periodic', name: of, uid: `uid-${of}`, controller: true }],
  },
  spec: { type: 'periodic', job: of },
  ...(status === undefined ? {} : { status }),
});

export const attempts = (run: string, count = 1): NonNullable<ProwJobStatus['attempts']> =>
  Array.from({ length: count }, (_, index) => ({ number: index + 1, pod_name: `${run}-${index + 1}`, build_id: String(index) }));

export const ended = (
  run: string,
  state: 'success' | 'failure' | 'aborted' | 'error',
  reason: NonNullable<ProwJobStatus['reason']>,
): ProwJobStatus => ({
  state,
  reason,
  completionTime: '2026-01-01T00:01:00Z',
  pod_name: `${run}-1`,
  attempts: attempts(run),
});

export const pod = (run: string, attempt = 1, phase: PodPhase = 'Running'): Pod => ({
  metadata: {
    name: `${run}-${attempt}`,
    uid: `pod-${run}-${attempt}`,
    labels: { 'prow.k8s.io/run-uid': `uid-${run}`, 'prow.k8s.io/attempt': String(attempt) },
  },
  spec: { containers: [] },
  status: { phase },
});
