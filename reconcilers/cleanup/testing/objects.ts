/** Runs, pods and schedules for tests of cleanup. All times are told as "so long before the start of the world". */
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../../crds/v1/periodicBackfill.ts';
import type { ProwJob, ProwJobSpec, ProwJobState, ProwJobStatus } from '../../../crds/v1/prowJob.ts';
import { annotation, label } from '../../../operator/jobs/labels.ts';
import { stamp } from '../../../operator/jobs/times.ts';
import type { Pod, PodPhase } from '../../../operator/kube/builtin.ts';
import { hourMs, startMs } from './cleanupWorld.ts';

export const before = (ms: number): string => stamp(startMs - ms);

interface RunParts {
  /** Completed that long ago; not complete without it. */
  readonly completedAgoMs?: number;
  readonly startedAgoMs?: number;
  readonly state?: ProwJobState;
  readonly spec?: Partial<ProwJobSpec>;
  readonly status?: Partial<ProwJobStatus>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** uid of the Periodic (named nightly) that owns it. */
  readonly periodic?: string;
  /** uid of the PeriodicBackfill (named again) that owns it. */
  readonly backfill?: string;
}

const owned = (kind: string, name: string, uid: string | undefined) =>
  uid === undefined ? [] : [{ apiVersion: 'prow.k8s.io/v1', kind, name, uid, controller: true }];

export function run(name: string, parts: RunParts = {}): ProwJob {
  const { completedAgoMs, startedAgoMs = 100 * hourMs, state = 'failure', periodic, backfill } = parts;
  const isScheduled = periodic !== undefined || backfill !== undefined;
  return {
    metadata: {
      name,
      namespace: 'ci',
      uid: `uid-${name}`,
      creationTimestamp: before(startedAgoMs),
      ...(parts.annotations === undefined ? {} : { annotations: parts.annotations }),
      ...(isScheduled
        ? { ownerReferences: [...owned('Periodic', 'nightly', periodic), ...owned('PeriodicBackfill', 'again', backfill)] }
        : {}),
    },
    spec: { type: isScheduled ? 'periodic' : 'postsubmit', job: 'unit', ...parts.spec },
    status:
      completedAgoMs === undefined
        ? { state: 'pending', startTime: before(startedAgoMs), ...parts.status }
        : { state, startTime: before(startedAgoMs), completionTime: before(completedAgoMs), ...parts.status },
  };
}

/** The same run, when it ended just at `atMs`. */
export const ended = (open: ProwJob, atMs: number, state: ProwJobState = 'success'): ProwJob => ({
  ...open,
  status: { ...open.status, state, completionTime: stamp(atMs) },
});

interface PodParts {
  readonly phase?: PodPhase;
  readonly ageMs?: number;
  readonly ours?: boolean;
  /** The uid of the run that made it; null for a pod of upstream's plank, which does not say. */
  readonly uid?: string | null;
  readonly finalizers?: readonly string[];
}

export function pod(runName: string, parts: PodParts = {}): Pod {
  const { phase = 'Succeeded', ageMs = 100 * hourMs, ours = true, uid = `uid-${runName}`, finalizers } = parts;
  return {
    metadata: {
      name: `${runName}-pod`,
      namespace: 'ci',
      uid: `pod-uid-${runName}`,
      creationTimestamp: before(ageMs),
      labels: {
        ...(ours ? { [label.createdByProw]: 'true' } : {}),
        [label.id]: runName,
        ...(uid === null ? {} : { [label.runUid]: uid }),
      },
      annotations: { [annotation.run]: `ci/${runName}` },
      ...(finalizers === undefined ? {} : { finalizers }),
    },
    spec: { containers: [{ name: 'test' }] },
    status: { phase, startTime: before(ageMs) },
  };
}

export const nightly = (parts: { readonly spec?: Partial<Periodic['spec']>; readonly status?: Periodic['status'] } = {}): Periodic => ({
  metadata: { name: 'nightly', namespace: 'ci', uid: 'p1' },
  spec: { interval: '1h', jobTemplate: { spec: {} }, ...parts.spec },
  ...(parts.status === undefined ? {} : { status: parts.status }),
});

export const again = (status?: PeriodicBackfill['status']): PeriodicBackfill => ({
  metadata: { name: 'again', namespace: 'ci', uid: 'b1' },
  spec: { periodic: 'nightly', from: before(1000 * hourMs), to: before(0) },
  ...(status === undefined ? {} : { status }),
});
