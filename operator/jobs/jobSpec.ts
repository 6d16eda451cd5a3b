/**
 * JOB_SPEC: what a test learns about its run, as JSON. Keys, their order, omitted zero values and the escaping of <, > and & are those
 * of upstream, so a reader that compares texts sees no difference.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Pull, Refs } from '../../crds/v1/refs.ts';

type Pairs = readonly (readonly [key: string, value: unknown])[];

/** The refs as upstream writes them in one line: base_ref[:base_sha], then ,number:sha[:ref] for each pull. */
export function refsText(refs: Refs): string {
  const base = hasText(refs.base_sha) ? `${refs.base_ref ?? ''}:${refs.base_sha}` : (refs.base_ref ?? '');
  const pulls = (refs.pulls ?? []).map((pull) => `${pull.number}:${pull.sha}${hasText(pull.ref) ? `:${pull.ref}` : ''}`);
  return [base, ...pulls].join(',');
}

export function jobSpecJson(run: ProwJob, buildId: string): string {
  const { spec } = run;
  const value = compact([
    ['type', spec.type],
    ['job', spec.job],
    ['buildid', buildId],
    ['prowjobid', run.metadata.name],
    ['refs', spec.refs === undefined ? undefined : refsValue(spec.refs)],
    ['extra_refs', spec.extra_refs?.map(refsValue)],
    ['decoration_config', spec.decoration_config],
  ]);
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const refsValue = (refs: Refs): object => ({
  org: refs.org,
  repo: refs.repo,
  ...compact([
    ['repo_link', refs.repo_link],
    ['base_ref', refs.base_ref],
    ['base_sha', refs.base_sha],
    ['base_link', refs.base_link],
    ['pulls', refs.pulls?.map(pullValue)],
    ['path_alias', refs.path_alias],
    ['workdir', refs.workdir],
    ['auxiliary', refs.auxiliary],
    ['clone_uri', refs.clone_uri],
    ['skip_submodules', refs.skip_submodules],
    ['clone_depth', refs.clone_depth],
    ['skip_fetch_head', refs.skip_fetch_head],
  ]),
  // A pointer upstream: false is a value of its own and is written.
  ...(refs.blobless_fetch === undefined ? {} : { blobless_fetch: refs.blobless_fetch }),
  ...compact([['sparse_checkout_files', refs.sparse_checkout_files]]),
});

const pullValue = (pull: Pull): object => ({
  number: pull.number,
  author: pull.author,
  sha: pull.sha,
  ...compact([
    ['title', pull.title],
    ['ref', pull.ref],
    ['head_ref', pull.head_ref],
    ['link', pull.link],
    ['commit_link', pull.commit_link],
    ['author_link', pull.author_link],
  ]),
});

const compact = (pairs: Pairs): object => Object.fromEntries(pairs.filter(([, value]) => !isZero(value)));

const isZero = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || value === false || value === 0 || (Array.isArray(value) && value.length === 0);

const hasText = (text: string | undefined): text is string => text !== undefined && text !== '';
