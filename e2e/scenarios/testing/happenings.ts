/** Histories in short, for tests of what is asked of them: each object with a version, and what it was like then. */
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import type { Pod } from '../../../operator/kube/builtin.ts';
import type { Change } from '../history.ts';

export const created = '2026-01-01T10:00:00Z';
export const ended = { state: 'success', completionTime: '2026-01-01T10:01:00Z' } as const;
export const pending = { state: 'pending' } as const;
export const waiting = { state: 'triggered', waiting: { reason: 'MaxConcurrency', message: '' } } as const;

export type Happening<T> = readonly [version: number, object: T, type?: 'MODIFIED' | 'DELETED'];

/** What the first change of an object is called follows from its place. */
export function changes<T extends ProwJob | Pod | Periodic>(happenings: readonly Happening<T>[]): readonly Change<T>[] {
  const seen = new Set<string>();
  return happenings.map(([version, object, type]) => {
    const uid = object.metadata.uid ?? '';
    const first = !seen.has(uid);
    seen.add(uid);
    return { type: type ?? (first ? 'ADDED' : 'MODIFIED'), version: BigInt(version), object };
  });
}

export function run(
  name: string,
  status: Partial<NonNullable<ProwJob['status']>>,
  more: Partial<ProwJob['spec']> & { slot?: string; token?: string; in?: string } = {},
): ProwJob {
  const { slot, token, in: namespace = 'n', ...spec } = more;
  const annotations = {
    ...(slot === undefined ? {} : { 'prow.k8s.io/scheduled-time': slot }),
    ...(token === undefined ? {} : { 'prow.k8s.io/run-now-token': token }),
  };
  const owned = slot !== undefined || token !== undefined;
  const owner = { apiVersion: 'prow.k8s.io/v1', kind: 'Periodic', name: 'hourly', uid: 'u-hourly', controller: true };
  return {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'ProwJob',
    metadata: {
      name,
      namespace,
      uid: `u-${name}`,
      creationTimestamp: created,
      annotations,
      ...(owned ? { ownerReferences: [owner] } : {}),
    },
    spec: { type: 'periodic', job: 'turns', ...spec },
    status: { state: 'triggered', ...status },
  };
}

export function pod(
  name: string,
  of: string,
  phase: 'Running' | 'Succeeded' = 'Running',
  more: { readonly attempt?: number; readonly deleting?: boolean; readonly uid?: string; readonly buildId?: string } = {},
): Pod {
  const { attempt = 1, deleting = false, uid = `p-${name}`, buildId = `b-${name}` } = more;
  const labels = {
    'created-by-prow': 'true',
    'prow.k8s.io/run-uid': `u-${of}`,
    'prow.k8s.io/attempt': String(attempt),
    'prow.k8s.io/build-id': buildId,
  };
  return {
    metadata: { name, namespace: 'n', uid, labels, ...(deleting ? { deletionTimestamp: created } : {}) },
    spec: { containers: [] },
    status: { phase },
  };
}

/** A pod that began to run when it was created, and was deleted then. */
export const stopped = (name: string, deletionTimestamp: string): Pod => {
  const running = pod(name, name);
  return { ...running, metadata: { ...running.metadata, deletionTimestamp }, status: { phase: 'Running', startTime: created } };
};

export const schedule = (lastScheduleTime: string, status: Periodic['status'] = {}): Periodic => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'Periodic',
  metadata: { name: 'hourly', namespace: 'n', uid: 'u-hourly', creationTimestamp: created },
  spec: { cron: '@every 60s', jobTemplate: { spec: {} } },
  status: { ...status, lastScheduleTime },
});
