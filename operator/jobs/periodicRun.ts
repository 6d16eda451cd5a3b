/**
 * The run of a slot: its name, and the ProwJob itself. Both depend only on the Periodic and the slot (or the token of a start by
 * hand), so that a second attempt after a crash finds the first one's work instead of repeating it.
 */
import { createHash } from 'node:crypto';
import { apiVersion } from '../../crds/v1/common.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { annotation, annotationsForSpec, labelsForSpec } from './labels.ts';
import { stamp, timeMs } from './times.ts';

/** What a run is started for. */
export type RunCause =
  /** `attempt` is 2 for the first repetition of a run that ended badly. Absent: 1. */
  { readonly kind: 'slot'; readonly slotMs: number; readonly attempt?: number } | { readonly kind: 'manual'; readonly token: string };

/** Set on a Periodic by a person: each new value starts one run. */
export const runNowAnnotation = 'prow.k8s.io/run-now';
/** Set on a run that was started by hand: the token. */
export const runNowTokenAnnotation = 'prow.k8s.io/run-now-token';
/** Set on a run that repeats another of the same slot: 2 for the first repetition. */
const slotAttemptAnnotation = 'prow.k8s.io/slot-attempt';
/** Upstream's count of repetitions: 1 for the first. */
const rerunLabel = 'prow.k8s.io/re-run';

/** A run's name becomes a label of its pod. */
const maxNameLength = 63;
/** What upstream writes where no tenant is named. */
const defaultTenant = 'GlobalDefaultID';
const longestToken = 253;

/** The token a Periodic carries, in the form that status keeps. Undefined when it asks for nothing. */
export function runNowTokenOf(periodic: Periodic): string | undefined {
  const token = periodic.metadata.annotations?.[runNowAnnotation];
  if (token === undefined || token === '') return undefined;
  return token.length <= longestToken ? token : `sha256:${sha256(token)}`;
}

/**
 * `<periodic>-20260101t1000z`, with seconds where there are any and `-r1` for the first repetition; `<periodic>-now-<hash of the token>` for
 * a start by hand. A plain `-2` would be the name of the second pod of the first run.
 */
export function runNameOf(periodicName: string, cause: RunCause): string {
  const suffix = cause.kind === 'slot' ? `${compactTime(cause.slotMs)}${attemptSuffix(cause)}` : `now-${sha256(cause.token).slice(0, 12)}`;
  const plain = `${periodicName}-${suffix}`;
  if (plain.length <= maxNameLength) return plain;
  const hash = sha256(periodicName).slice(0, 8);
  const kept = periodicName.slice(0, maxNameLength - suffix.length - hash.length - 2).replace(/[-.]{1,63}$/, '');
  return `${kept}-${hash}-${suffix}`;
}

const attemptSuffix = ({ attempt = 1 }: { readonly attempt?: number }): string => (attempt > 1 ? `-r${attempt - 1}` : '');

function compactTime(ms: number): string {
  const digits = stamp(ms).replace(/[-:]/g, '').toLowerCase();
  return digits.endsWith('00z') ? `${digits.slice(0, -3)}z` : digits;
}

/** The run to create. The Periodic owns it, so it goes with it. */
export function buildRun(periodic: Periodic, cause: RunCause): ProwJob {
  const { jobTemplate } = periodic.spec;
  const spec = runSpec(periodic);
  const labels = { ...jobTemplate.metadata?.labels, ...(attemptOf(cause) > 1 ? { [rerunLabel]: String(attemptOf(cause) - 1) } : {}) };
  return {
    apiVersion,
    kind: 'ProwJob',
    metadata: {
      name: runNameOf(periodic.metadata.name, cause),
      ...(periodic.metadata.namespace === undefined ? {} : { namespace: periodic.metadata.namespace }),
      labels: labelsForSpec(spec, labels),
      annotations: { ...withoutOwn(annotationsForSpec(spec, jobTemplate.metadata?.annotations)), ...causeAnnotations(cause) },
      ownerReferences: [
        {
          apiVersion,
          kind: 'Periodic',
          name: periodic.metadata.name,
          uid: periodic.metadata.uid ?? '',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec,
  };
}

const attemptOf = (cause: RunCause): number => (cause.kind === 'slot' ? (cause.attempt ?? 1) : 1);

/** By which a run is known again; a template cannot set them. */
export const causeAnnotationNames: ReadonlySet<string> = new Set([annotation.scheduledTime, runNowTokenAnnotation, slotAttemptAnnotation]);

const withoutOwn = (annotations: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(annotations).filter(([key]) => !causeAnnotationNames.has(key)));

function causeAnnotations(cause: RunCause): Record<string, string> {
  if (cause.kind === 'manual') return { [runNowTokenAnnotation]: cause.token };
  const attempt = attemptOf(cause);
  return { [annotation.scheduledTime]: stamp(cause.slotMs), ...(attempt > 1 ? { [slotAttemptAnnotation]: String(attempt) } : {}) };
}

/** The template with what upstream's horologium fills in. */
function runSpec(periodic: Periodic): ProwJobSpec {
  const template = periodic.spec.jobTemplate.spec;
  const slack = template.reporter_config?.slack;
  return {
    ...template,
    type: 'periodic',
    agent: template.agent ?? 'kubernetes',
    cluster: template.cluster ?? 'default',
    job: template.job ?? periodic.metadata.name,
    report: template.report ?? true,
    prowjob_defaults: { ...template.prowjob_defaults, tenant_id: template.prowjob_defaults?.tenant_id ?? defaultTenant },
    ...(slack === undefined
      ? {}
      : {
          reporter_config: {
            ...template.reporter_config,
            slack: { ...slack, report: slack.report ?? slack.job_states_to_report?.length !== 0 },
          },
        }),
  };
}

/** The uid of the Periodic that controls a run; undefined for other runs. */
export function periodicUidOf(run: ProwJob): string | undefined {
  return run.metadata.ownerReferences?.find((owner) => owner.controller === true && owner.kind === 'Periodic' && isOurs(owner.apiVersion))
    ?.uid;
}

const isOurs = (version: string): boolean => version.startsWith('prow.k8s.io/');

/** The slot a run was started for; undefined when it was started by hand. */
export const slotOfRun = (run: ProwJob): number | undefined => timeMs(run.metadata.annotations?.[annotation.scheduledTime]);

/** 1 for the first run of a slot, and for a run that was started by hand. */
export function attemptOfRun(run: ProwJob): number {
  const attempt = Number(run.metadata.annotations?.[slotAttemptAnnotation] ?? 1);
  return Number.isSafeInteger(attempt) && attempt > 1 ? attempt : 1;
}

/** The token a run was started by hand with; undefined for the run of a slot. */
export const tokenOfRun = (run: ProwJob): string | undefined => run.metadata.annotations?.[runNowTokenAnnotation];

export const isFinished = (run: ProwJob): boolean => run.status?.completionTime !== undefined;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
