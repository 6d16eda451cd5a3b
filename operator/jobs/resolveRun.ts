/**
 * A run as the installation completes it: defaults of decoration merged into its own, presets added by its labels. What is written in the
 * run's spec never changes; everything that reads deadlines or builds a pod reads the resolved run. Pure.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { decorationDefaultsFor, mergeDecoration } from './decorationDefaults.ts';
import { InvalidSpecError, specProblem } from './podBuilder.ts';
import type { JobPolicy } from './policy.ts';
import { applyPresets, type PresetProblem } from './presets.ts';
import { clusterOf } from './runState.ts';

export interface ResolvedRun {
  readonly run: ProwJob;
  /** Presets that contradict the job. Paths are below spec.pod_spec. */
  readonly problems: readonly PresetProblem[];
}

export type ResolvePolicy = Pick<JobPolicy, 'presets' | 'decorationDefaults'>;

/** The problem that keeps the run from becoming a pod, or undefined. */
export function runProblem({ run, problems }: ResolvedRun): InvalidSpecError | undefined {
  const own = specProblem(run);
  const [first] = problems;
  return own ?? (first === undefined ? undefined : new InvalidSpecError(`spec.pod_spec.${first.path}`, first.message));
}

/** A job that is not decorated gets no defaults; one whose pod_spec is no pod is left as it is, to be refused with its field. */
export function resolveRun(run: ProwJob, policy: ResolvePolicy): ResolvedRun {
  const decorated = withDefaults(run, policy);
  const podSpec = decorated.spec.pod_spec;
  if (policy.presets.length === 0 || podSpec === undefined || !Array.isArray(podSpec.containers)) return { run: decorated, problems: [] };
  const applied = applyPresets(podSpec, run.metadata.labels ?? {}, policy.presets);
  const isUnchanged = applied.podSpec === podSpec;
  return {
    run: isUnchanged ? decorated : { ...decorated, spec: { ...decorated.spec, pod_spec: applied.podSpec } },
    problems: applied.problems,
  };
}

function withDefaults(run: ProwJob, policy: ResolvePolicy): ProwJob {
  const { decoration_config: own, refs, extra_refs: extraRefs } = run.spec;
  if (own === undefined || policy.decorationDefaults.length === 0) return run;
  const main = refs ?? extraRefs?.[0];
  const repo = main === undefined ? '' : `${main.org}/${main.repo}`;
  const merged = mergeDecoration(own, decorationDefaultsFor({ repo, cluster: clusterOf(run) }, policy.decorationDefaults));
  return merged === undefined ? run : { ...run, spec: { ...run.spec, decoration_config: merged } };
}
