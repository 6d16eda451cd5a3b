/**
 * The labels and annotations that tie runs, pods and jobs together, under upstream's keys and by upstream's rules: user labels come
 * last and win, and a value that is no label value is cut, reduced to its last path element, or left out. Inputs are never changed.
 */
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';

export const label = {
  createdByProw: 'created-by-prow',
  /** On pods: the name of the run. Left out where the name is too long for a label. */
  id: 'prow.k8s.io/id',
  buildId: 'prow.k8s.io/build-id',
  type: 'prow.k8s.io/type',
  job: 'prow.k8s.io/job',
  context: 'prow.k8s.io/context',
  org: 'prow.k8s.io/refs.org',
  repo: 'prow.k8s.io/refs.repo',
  baseRef: 'prow.k8s.io/refs.base_ref',
  pull: 'prow.k8s.io/refs.pull',
  /** On pods: the uid of the run. Tells the pod of a run from that of an earlier run with the same name. */
  runUid: 'prow.k8s.io/run-uid',
  /** On pods: the number of the attempt, from 1. */
  attempt: 'prow.k8s.io/attempt',
  /** On runs that make up for slots of the past: the name of the PeriodicBackfill. */
  backfill: 'prow.k8s.io/backfill',
} as const;

export const annotation = {
  job: 'prow.k8s.io/job',
  context: 'prow.k8s.io/context',
  /** RFC 3339: the slot of a schedule that the run fills. */
  scheduledTime: 'prow.k8s.io/scheduled-time',
  /** On pods: "namespace/name" of the run. */
  run: 'prow.k8s.io/run',
  /** On pods: the queue of the run, so that its slot is known even when the run is gone. */
  queue: 'prow.k8s.io/job-queue-name',
} as const;

/** Upstream's reporter of pods puts it on them, and takes it off when it has told. Nothing else waits for it. */
export const reporterFinalizer = 'prow.x-k8s.io/gcsk8sreporter';

/** Selects every pod that belongs to a run, upstream's included. */
export const podSelector = `${label.createdByProw}=true`;

const maxValueLength = 63;
const validValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

export const isLabelValue = (value: string): boolean => validValue.test(value);

/** Cuts a text to the length of a label value, and the punctuation a cut may leave at its end. */
export const shortLabelValue = (text: string): string =>
  text.length <= maxValueLength ? text : text.slice(0, maxValueLength).replace(/[._-]{1,63}$/, '');

/** The labels of a run: from its spec, then `extra` over them. */
export function labelsForSpec(spec: ProwJobSpec, extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const refs = spec.refs ?? spec.extra_refs?.[0];
  const labels = new Map<string, string>([
    [label.createdByProw, 'true'],
    [label.type, spec.type],
    [label.job, shortLabelValue(spec.job)],
    [label.context, shortLabelValue(spec.context ?? '')],
  ]);
  if (refs !== undefined) {
    labels
      .set(label.org, refs.org)
      .set(label.repo, refs.repo)
      .set(label.baseRef, refs.base_ref ?? '');
    const pull = refs.pulls?.[0];
    if (pull !== undefined) labels.set(label.pull, String(pull.number));
  }
  for (const [key, value] of Object.entries(extra)) labels.set(key, value);
  return toRecord([...labels].flatMap(([key, value]) => asLabel(key, value)));
}

/** The annotations of a run: the job and context in full, then `extra` over them. */
export function annotationsForSpec(spec: ProwJobSpec, extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  const annotations = new Map<string, string>([
    [annotation.job, spec.job],
    [annotation.context, spec.context ?? ''],
  ]);
  for (const [key, value] of Object.entries(extra)) annotations.set(key, value);
  return toRecord([...annotations]);
}

/** The labels of a pod: those of its run, and what finds the run again. The last ones cannot be overridden by a user. */
export function podLabels(run: ProwJob, attempt: number, buildId: string): Record<string, string> {
  const { name, uid, labels } = run.metadata;
  const own = new Map(Object.entries(labelsForSpec(run.spec, labels)));
  own.set(label.createdByProw, 'true').set(label.attempt, String(attempt)).set(label.buildId, buildId);
  own.delete(label.id);
  if (isLabelValue(name)) own.set(label.id, name);
  if (uid !== undefined) own.set(label.runUid, uid);
  return toRecord([...own]);
}

export function podAnnotations(run: ProwJob): Record<string, string> {
  const own = new Map(Object.entries(annotationsForSpec(run.spec, run.metadata.annotations)));
  // What kubectl applied is the run's own business, and can be as long as the run.
  own.delete('kubectl.kubernetes.io/last-applied-configuration');
  own.set(annotation.run, `${run.metadata.namespace ?? ''}/${run.metadata.name}`);
  if (hasText(run.spec.job_queue_name)) own.set(annotation.queue, run.spec.job_queue_name);
  return toRecord([...own]);
}

const hasText = (text: string | undefined): text is string => text !== undefined && text !== '';

function asLabel(key: string, value: string): readonly (readonly [string, string])[] {
  const candidates = [value, value.slice(value.lastIndexOf('/') + 1)];
  const valid = candidates.find(isLabelValue);
  return valid === undefined ? [] : [[key, valid]];
}

/** fromEntries defines properties instead of setting them: a key such as __proto__ is only a key. */
const toRecord = (entries: readonly (readonly [string, string])[]): Record<string, string> => Object.fromEntries(entries);
