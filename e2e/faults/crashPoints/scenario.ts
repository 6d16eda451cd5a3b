/** A scenario: what a user and the pods do, as a function of a world, played once without and once for each write with a crash. */
import { buildClusters, periodicBackfills, periodics, periodicSets, prowJobs } from '../../../crds/resources.ts';
import type { BuildClusterSpec } from '../../../crds/v1/buildCluster.ts';
import type { Periodic, PeriodicSpec } from '../../../crds/v1/periodic.ts';
import type { PeriodicBackfillSpec } from '../../../crds/v1/periodicBackfill.ts';
import type { PeriodicSetSpec } from '../../../crds/v1/periodicSet.ts';
import type { ProwJob, ProwJobSpec } from '../../../crds/v1/prowJob.ts';
import type { SettingsFile } from '../../../operator/config/settings.ts';
import type { CrashPoint } from './ledger.ts';
import { namespace, type World } from './world.ts';

export interface Allowance {
  /** Fields of objects that may be missing after a crash, because what they were read from is gone. */
  readonly lost?: readonly string[];
  /** By how many writes of this kind there may be more or fewer. */
  readonly writes?: (what: string, point: CrashPoint) => number;
}

export interface Scenario {
  readonly name: string;
  readonly settings?: SettingsFile;
  /** Default 1: without a lease. */
  readonly replicas?: 1 | 2;
  /** A crash costs time, so times may differ. */
  readonly losesTime?: boolean;
  /** The least number of writes that the scenario makes, so that one that does nothing is noticed. */
  readonly writes: number;
  /** What a crash may change, each with its reason beside it. Nothing when absent. */
  readonly allowed?: Allowance;
  readonly play: (world: World) => Promise<void>;
}

const podSpec = { containers: [{ name: 'test', image: 'busybox', command: ['true'] }] };
const meta = (name: string) => ({ name, namespace });
const api = 'prow.k8s.io/v1';

export function run(world: World, name: string, spec: Partial<ProwJobSpec> = {}): void {
  world.create(prowJobs, {
    apiVersion: api,
    kind: 'ProwJob',
    metadata: meta(name),
    spec: { type: 'periodic', job: name, agent: 'kubernetes', pod_spec: podSpec, ...spec },
  } as ProwJob);
}

export function abort(world: World, name: string): void {
  world.edit<ProwJob>(prowJobs, name, (object) => ({ ...object, spec: { ...object.spec, abort: { by: 'ann', reason: 'enough' } } }));
}

export function periodic(world: World, name: string, spec: Partial<PeriodicSpec>): void {
  world.create(periodics, {
    apiVersion: api,
    kind: 'Periodic',
    metadata: meta(name),
    spec: { jobTemplate: { spec: { pod_spec: podSpec } }, ...spec },
  } as Periodic);
}

export function runNow(world: World, name: string, token: string): void {
  world.edit<Periodic>(periodics, name, (object) => ({
    ...object,
    metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, 'prow.k8s.io/run-now': token } },
  }));
}

export function periodicSet(world: World, name: string, spec: PeriodicSetSpec): void {
  world.create(periodicSets, { apiVersion: api, kind: 'PeriodicSet', metadata: meta(name), spec } as never);
}

export function backfill(world: World, name: string, spec: PeriodicBackfillSpec): void {
  world.create(periodicBackfills, { apiVersion: api, kind: 'PeriodicBackfill', metadata: meta(name), spec } as never);
}

export function buildCluster(world: World, name: string, spec: BuildClusterSpec): void {
  world.create(buildClusters, { apiVersion: api, kind: 'BuildCluster', metadata: meta(name), spec } as never);
}

export const stateOf = (world: World, name: string): string | undefined => world.get<ProwJob>(prowJobs, name)?.status?.state;
