/**
 * The environment that every test container gets, sorted by name: upstream's variables for each type of run, and SCHEDULED_TIME for
 * runs that a schedule started. Assumes a run that podBuilder has checked: refs and pulls are there where the type needs them.
 */
import type { JobEnvVar } from '../../crds/v1/podSpec.ts';
import type { ProwJob, ProwJobType } from '../../crds/v1/prowJob.ts';
import type { Refs } from '../../crds/v1/refs.ts';
import { jobSpecJson, refsText } from './jobSpec.ts';
import { annotation } from './labels.ts';

export function podEnvironment(run: ProwJob, buildId: string): readonly JobEnvVar[] {
  const { spec, metadata } = run;
  const env = new Map<string, string>([
    ['CI', 'true'],
    ['JOB_NAME', spec.job],
    ['JOB_TYPE', spec.type],
    ['JOB_SPEC', jobSpecJson(run, buildId)],
    ['BUILD_ID', buildId],
    ['BUILD_NUMBER', buildId],
    ['PROW_JOB_ID', metadata.name],
  ]);
  const scheduled = metadata.annotations?.[annotation.scheduledTime];
  if (scheduled !== undefined) env.set('SCHEDULED_TIME', scheduled);
  if (spec.refs !== undefined && spec.type !== 'periodic') addRefs(env, spec.refs, spec.type);
  return [...env].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => ({ name, value }));
}

function addRefs(env: Map<string, string>, refs: Refs, type: ProwJobType): void {
  const { host, base } = sourceOf(refs);
  env
    .set('REPO_OWNER', refs.org)
    .set('REPO_NAME', refs.repo)
    .set('SRC_HOST', host)
    .set('SRC_BASE', base)
    .set('PULL_BASE_REF', refs.base_ref ?? '')
    .set('PULL_BASE_SHA', refs.base_sha ?? '')
    .set('PULL_REFS', refsText(refs));
  const pull = refs.pulls?.[0];
  if (type !== 'presubmit' || pull === undefined) return;
  env
    .set('PULL_NUMBER', String(pull.number))
    .set('PULL_PULL_SHA', pull.sha)
    .set('PULL_HEAD_REF', pull.head_ref ?? '')
    .set('PULL_TITLE', pull.title ?? '');
}

/** Where the checkout lies: host and path of the alias, else of the repository's page, else of GitHub. */
function sourceOf(refs: Refs): { readonly host: string; readonly base: string } {
  const place = firstText(refs.path_alias, refs.repo_link?.replace(/^[a-z][a-z0-9+.-]*:\/\//i, ''));
  if (place === undefined) return { host: 'github.com', base: `${refs.org}/${refs.repo}` };
  const slash = place.indexOf('/');
  return slash < 0 ? { host: place, base: '' } : { host: place.slice(0, slash), base: place.slice(slash + 1) };
}

const firstText = (...texts: readonly (string | undefined)[]): string | undefined =>
  texts.find((text) => text !== undefined && text !== '');
