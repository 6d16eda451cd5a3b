/**
 * What the reconcilers would say of an object that the schema accepts, before it is applied: a schedule that never fires, a template that
 * cannot become a pod, a plugin nobody knows. The same functions decide in the operator, so the two cannot disagree.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PluginConfig } from '../../crds/v1/pluginConfig.ts';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { buildRun } from './periodicRun.ts';
import { resolvePlugins } from './pluginResolution.ts';
import { specProblem } from './podBuilder.ts';
import { unsupportedDecoration } from './podDecoration.ts';
import { parseSchedule, scheduleSeed } from './schedule.ts';

export interface SemanticProblem {
  /** Such as spec.cron or spec.plugins[2]. */
  readonly path: string;
  readonly message: string;
  /** Absent: error. A warning is about something that is accepted and not carried out. */
  readonly severity?: 'error' | 'warning';
}

/** Runs of other agents are nobody's business here. */
export function checkProwJob(run: ProwJob): readonly SemanticProblem[] {
  if (run.spec.agent !== undefined && run.spec.agent !== 'kubernetes') return [];
  const problem = specProblem(run);
  return [...(problem === undefined ? [] : [problemAt(problem.field, problem)]), ...ignoredDecoration('spec', run.spec)];
}

export function checkPeriodic(periodic: Periodic): readonly SemanticProblem[] {
  const parsed = parseSchedule(periodic.spec, { seed: scheduleSeed(periodic.metadata) });
  const template = specProblem(buildRun(periodic, { kind: 'manual', token: 'check' }));
  return [
    ...(parsed.ok ? [] : parsed.problems),
    ...(template === undefined ? [] : [problemAt(`spec.jobTemplate.${template.field}`, template)]),
    ...ignoredDecoration('spec.jobTemplate.spec', periodic.spec.jobTemplate.spec),
  ];
}

/** `others`: the PluginConfigs that will stand beside it in its namespace; itself among them does no harm. */
export const checkPluginConfig = (config: PluginConfig, others: readonly PluginConfig[]): readonly SemanticProblem[] =>
  resolvePlugins(config, others).problems.map(({ path, message }) => ({ path, message }));

/** Whether results are kept, which is what gcs_configuration is about, the manifest does not say. */
const ignoredDecoration = (path: string, { decoration_config }: Pick<ProwJobSpec, 'decoration_config'>): readonly SemanticProblem[] =>
  unsupportedDecoration(decoration_config, true).map((field) => ({
    path: `${path}.${field}`,
    message: 'needs helper containers in the pod, which this version does not add; the run goes on without it',
    severity: 'warning',
  }));

/** The message of an InvalidSpecError begins with its field, which the path says already. */
const problemAt = (path: string, { field, message }: { readonly field: string; readonly message: string }): SemanticProblem => ({
  path,
  message: message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message,
});
