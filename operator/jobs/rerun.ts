/**
 * Runs that a person starts from what is there: another run like one that ended, or one from the template of a Periodic. What belongs to the
 * run itself and not to its job (ids of pods, the token or attempt it was started for, its abort) is never handed on. Pure.
 */
import { createHash } from 'node:crypto';
import { apiVersion } from '../../crds/v1/common.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { annotation, annotationsForSpec, label, labelsForSpec } from './labels.ts';
import { buildRun, runNowAnnotation, runNowTokenAnnotation } from './periodicRun.ts';

/** On a run that repeats another: the name of that one. */
export const rerunOfAnnotation = 'prow.k8s.io/rerun-of';

/** Labels that upstream, or we, put on a run for one life of it. */
const ownLabels: ReadonlySet<string> = new Set([
  label.id,
  label.buildId,
  label.runUid,
  label.attempt,
  label.backfill,
  'prow.k8s.io/re-run',
]);

const ownAnnotations: ReadonlySet<string> = new Set([
  runNowAnnotation,
  runNowTokenAnnotation,
  rerunOfAnnotation,
  'prow.k8s.io/slot-attempt',
  annotation.run,
  'kubectl.kubernetes.io/last-applied-configuration',
  'kubectl.kubernetes.io/restartedAt',
]);

/**
 * A new run of what `run` ran: the same spec, the same slot of a schedule (SCHEDULED_TIME), no owner. With `latest` the spec, labels and
 * annotations are those of that Periodic as it is now.
 */
export function rerunOf(run: ProwJob, name: string, latest?: Periodic): ProwJob {
  const from = latest === undefined ? original(run) : template(latest);
  const slot = run.metadata.annotations?.[annotation.scheduledTime];
  return runFrom(from, {
    name,
    namespace: run.metadata.namespace ?? '',
    annotations: { ...(slot === undefined ? {} : { [annotation.scheduledTime]: slot }), [rerunOfAnnotation]: run.metadata.name },
  });
}

/** A run of the template of a Periodic that need not be in the cluster: it fills no slot and nobody owns it. */
export const runOfTemplate = (periodic: Periodic, name: string): ProwJob =>
  runFrom(template(periodic), { name, namespace: periodic.metadata.namespace ?? '', annotations: {} });

interface Source {
  readonly spec: ProwJobSpec;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

function original({ metadata, spec }: ProwJob): Source {
  const { abort: _abort, ...rest } = spec;
  return { spec: rest, labels: metadata.labels ?? {}, annotations: metadata.annotations ?? {} };
}

function template(periodic: Periodic): Source {
  const { metadata, spec } = buildRun(periodic, { kind: 'manual', token: '' });
  return { spec, labels: metadata.labels ?? {}, annotations: metadata.annotations ?? {} };
}

interface Own {
  readonly name: string;
  readonly namespace: string;
  readonly annotations: Readonly<Record<string, string>>;
}

function runFrom({ spec, labels, annotations }: Source, own: Own): ProwJob {
  return {
    apiVersion,
    kind: 'ProwJob',
    metadata: {
      name: own.name,
      ...(own.namespace === '' ? {} : { namespace: own.namespace }),
      labels: labelsForSpec(spec, without(labels, ownLabels)),
      annotations: annotationsForSpec(spec, { ...without(annotations, ownAnnotations), ...own.annotations }),
    },
    spec,
  };
}

const without = (record: Readonly<Record<string, string>>, keys: ReadonlySet<string>): Record<string, string> =>
  Object.fromEntries(Object.entries(record).filter(([key]) => !keys.has(key)));

/** A run's name becomes a label of its pod. */
const longestName = 63;

/** `<name>-rerun-1`, or -2 for the rerun of a rerun, and so on; shortened with a hash where it would be too long for a label. */
export function rerunNameOf(name: string, number: number): string {
  const base = name.replace(/-rerun-\d{1,6}$/, '');
  const suffix = `-rerun-${number}`;
  if (base.length + suffix.length <= longestName) return base + suffix;
  const hash = createHash('sha256').update(base).digest('hex').slice(0, 8);
  return `${base.slice(0, longestName - suffix.length - hash.length - 1).replace(/[-.]{1,63}$/, '')}-${hash}${suffix}`;
}

/** The number that a rerun of this run tries first. */
export const firstRerunNumber = (name: string): number => Number(/-rerun-(\d{1,6})$/.exec(name)?.[1] ?? 0) + 1;
