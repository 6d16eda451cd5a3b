/**
 * What the cache keeps of a run. A finished run never starts again, so what it would start is dropped, and what is only shown to people;
 * what deletes, counts, archives or keeps it stays. Finished runs are most of what an operator holds in memory: they share what is equal
 * among the runs of one schedule. Whoever needs all of a finished run reads it from the API server.
 */
import { apiVersion } from '../../crds/v1/common.ts';
import type { Attempt, ProwJob, ProwJobSpec, ProwJobStatus } from '../../crds/v1/prowJob.ts';
import { archivedCondition } from '../../operator/jobs/archiveHold.ts';
import { causeAnnotationNames } from '../../operator/jobs/periodicRun.ts';
import { annotation } from '../../operator/jobs/labels.ts';
import { isAbortUnseen, isComplete } from '../../operator/jobs/runState.ts';
import { SharedValues } from '../../operator/runtime/sharedValues.ts';

type Metadata = ProwJob['metadata'];

const keptMetadata = ['name', 'namespace', 'uid', 'resourceVersion', 'creationTimestamp'] as const;
/** On few runs. */
const rareMetadata = ['deletionTimestamp', 'deletionGracePeriodSeconds', 'finalizers'] as const;
const keptSpec = [
  'type',
  'job',
  'agent',
  'cluster',
  'max_concurrency',
  'job_queue_name',
  'ttl_seconds_after_finished',
  'namespace',
  'abort',
] as const;
const keptStatus = ['state', 'reason', 'completionTime', 'prev_report_states'] as const;
/** What upstream's plank writes instead of attempts. */
const soleAttempt = ['pendingTime', 'pod_name', 'build_id'] as const;
const keptAttempt = ['number', 'pod_name', 'pod_namespace', 'build_id'] as const;

/** A function for the cache of runs, with values of its own that its results share. Does not change its argument. */
export function runSummary(): (run: ProwJob) => ProwJob {
  const shared = new SharedValues();
  return (run) => {
    // An abort that came too late is still to be answered, in the conditions as well.
    if (isComplete(run) && !isAbortUnseen(run)) return summaryOf(run, shared);
    const { managedFields: _dropped, ...metadata } = run.metadata;
    return { ...run, metadata };
  };
}

function summaryOf({ metadata, spec, status }: ProwJob, shared: SharedValues): ProwJob {
  // Most times of a run are equal, and its pod has its name.
  const own = [metadata.name, metadata.creationTimestamp, status?.completionTime];
  const small = exact<Metadata>({
    ...pick<Metadata>(metadata, keptMetadata),
    ...pick<Metadata>(metadata, rareMetadata),
    namespace: shared.of(metadata.namespace),
    annotations: causeOf(metadata.annotations, own),
    ownerReferences: shared.of(metadata.ownerReferences),
  });
  return {
    apiVersion,
    kind: 'ProwJob',
    metadata: small,
    spec: shared.of(exact(pick<ProwJobSpec>(spec, keptSpec))),
    status: statusOf(status ?? { state: 'triggered' }, metadata.creationTimestamp, own, shared),
  };
}

type Texts = readonly (string | undefined)[];

function statusOf(status: ProwJobStatus, created: string | undefined, own: Texts, shared: SharedValues): ProwJobStatus {
  const { attempts = [], conditions, startTime } = status;
  const archived = conditions?.filter(({ type }) => type === archivedCondition).map((condition) => ({ ...condition, message: '' }));
  return exact<ProwJobStatus>({
    ...pick<ProwJobStatus>(status, keptStatus),
    ...(attempts.length === 0 ? pick<ProwJobStatus>(status, soleAttempt) : {}),
    state: shared.of(status.state),
    reason: shared.of(status.reason),
    // Nearly always the time of creation, which is taken where there is none.
    startTime: startTime === created ? undefined : startTime,
    attempts: attempts.length === 0 ? undefined : attempts.map((attempt) => attemptOf(attempt, own, shared)),
    conditions: archived?.length === 0 ? undefined : archived,
  });
}

const attemptOf = (attempt: Attempt, own: Texts, shared: SharedValues): Attempt =>
  exact<Attempt>({
    ...pick<Attempt>(attempt, keptAttempt),
    pod_name: equalOf(attempt.pod_name, own),
    pod_namespace: shared.of(attempt.pod_namespace),
  });

function causeOf(annotations: Metadata['annotations'], own: Texts): Metadata['annotations'] {
  const kept = Object.entries(annotations ?? {}).filter(([name]) => causeAnnotationNames.has(name));
  const [first] = kept;
  if (first === undefined) return undefined;
  const slot = equalOf(first[1], own);
  // As a literal it takes half of the room, and most runs have nothing else.
  if (kept.length === 1 && first[0] === annotation.scheduledTime) return { 'prow.k8s.io/scheduled-time': slot };
  return Object.fromEntries(kept);
}

/** The text itself, or one that is the same and is kept anyway. */
const equalOf = <T extends string | undefined>(text: T, own: Texts): T => (own.find((each) => each === text) ?? text) as T;

type Loose<T> = { readonly [K in keyof T]?: T[K] | undefined };

function pick<T extends object>(from: T, names: readonly (keyof T)[]): Loose<T> {
  const picked: { [K in keyof T]?: T[K] } = {};
  for (const name of names) if (from[name] !== undefined) picked[name] = from[name];
  return picked;
}

/** Without the fields that have no value: an absent field and one that is undefined are not the same on the wire. */
function exact<T extends object>(fields: Loose<T>): T {
  const kept: { [K in keyof T]?: T[K] } = {};
  for (const name in fields) {
    const value = fields[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept as T;
}
