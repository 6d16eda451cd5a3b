/** A PeriodicBackfill for tests, with what a test does not care about filled in. */
import type { PeriodicBackfill, PeriodicBackfillSpec, PeriodicBackfillStatus } from '../../../crds/v1/periodicBackfill.ts';

export interface BackfillInput {
  readonly name?: string;
  readonly generation?: number;
  /** Over the slots of the Periodic nightly in the first hour of 2026. */
  readonly spec?: Partial<PeriodicBackfillSpec>;
  readonly status?: PeriodicBackfillStatus;
}

export const newBackfill = ({ name = 'again', generation = 1, spec, status }: BackfillInput = {}): PeriodicBackfill => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'PeriodicBackfill',
  metadata: { name, namespace: 'team', uid: 'backfill-uid', generation, resourceVersion: '1', creationTimestamp: '2026-02-01T00:00:00Z' },
  spec: { periodic: 'nightly', from: '2026-01-01T00:00:00Z', to: '2026-01-01T01:00:00Z', ...spec },
  ...(status === undefined ? {} : { status }),
});
