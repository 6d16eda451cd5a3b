/** Builders for tests: a Periodic and its runs, each with what a test does not care about filled in. */
import type { Periodic, PeriodicSpec, PeriodicStatus } from '../../../crds/v1/periodic.ts';
import type { ProwJob, ProwJobState } from '../../../crds/v1/prowJob.ts';
import { buildRun, type RunCause } from '../periodicRun.ts';

export interface PeriodicInput {
  readonly name?: string;
  readonly uid?: string;
  /** Default: 2026-01-01T00:00:00Z. */
  readonly created?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Over a Periodic that runs every ten minutes by cron. `undefined` removes a field. */
  readonly spec?: { readonly [Field in keyof PeriodicSpec]?: PeriodicSpec[Field] | undefined };
  readonly status?: PeriodicStatus;
  readonly generation?: number;
}

export const containers = [{ name: 'test', image: 'busybox', command: ['true'] }];

export function newPeriodic(input: PeriodicInput = {}): Periodic {
  const spec = { cron: '*/10 * * * *', jobTemplate: { spec: { pod_spec: { containers } } }, ...input.spec };
  return {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'Periodic',
    metadata: {
      name: input.name ?? 'nightly',
      namespace: 'team',
      uid: input.uid ?? 'periodic-uid',
      generation: input.generation ?? 1,
      resourceVersion: '1',
      creationTimestamp: input.created ?? '2026-01-01T00:00:00Z',
      ...(input.annotations === undefined ? {} : { annotations: input.annotations }),
    },
    spec: Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined)) as unknown as PeriodicSpec,
    ...(input.status === undefined ? {} : { status: input.status }),
  };
}

export interface RunInput {
  /** The slot; or a token, for a start by hand. */
  readonly slot?: string;
  readonly token?: string;
  /** 2 for the first repetition. Default: 1. */
  readonly attempt?: number;
  /** Default: the slot. */
  readonly created?: string;
  readonly state?: ProwJobState;
  /** Absent: the run is active. */
  readonly completed?: string;
  readonly uid?: string;
}

export function newRun(periodic: Periodic, input: RunInput): ProwJob {
  const cause: RunCause =
    input.slot === undefined
      ? { kind: 'manual', token: input.token ?? 'token' }
      : { kind: 'slot', slotMs: Date.parse(input.slot), attempt: input.attempt ?? 1 };
  const run = buildRun(periodic, cause);
  const state = input.state ?? (input.completed === undefined ? 'pending' : 'success');
  return {
    ...run,
    metadata: {
      ...run.metadata,
      uid: input.uid ?? `uid-of-${run.metadata.name}`,
      creationTimestamp: input.created ?? input.slot ?? '2026-01-01T00:00:00Z',
    },
    status: { state, ...(input.completed === undefined ? {} : { completionTime: input.completed }) },
  };
}
