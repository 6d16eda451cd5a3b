/**
 * The JSON objects beside a log: started.json, finished.json, prowjob.json and podinfo.json, with upstream's fields. Each depends only on the
 * run (and the pod), so that writing one again writes the same.
 */
import type { Attempt, ProwJob, ProwJobSpec, ProwJobState } from '../../crds/v1/prowJob.ts';
import type { Refs } from '../../crds/v1/refs.ts';
import { archivedCondition } from './archiveHold.ts';
import { refsText } from './jobSpec.ts';
import { createdMsOf } from './runState.ts';
import { timeMs } from './times.ts';

const uploader = 'prow-operator';

/** The moment an attempt began, its repositories and the commit under test. */
export function startedJson(run: ProwJob, attempt: Pick<Attempt, 'started'>): string {
  const { spec } = run;
  const commit = commitOf(spec);
  const pull = spec.refs?.pulls?.[0]?.number;
  return toJson({
    timestamp: seconds(timeMs(attempt.started) ?? createdMsOf(run)),
    ...(pull === undefined ? {} : { pull: String(pull) }),
    ...reposOf(spec),
    ...(commit === undefined ? {} : { 'repo-commit': commit, 'repo-version': commit }),
    metadata: { uploader },
  });
}

const results: ReadonlyMap<ProwJobState, string> = new Map([
  ['success', 'SUCCESS'],
  ['failure', 'FAILURE'],
  ['aborted', 'ABORTED'],
  ['error', 'ERROR'],
]);

/** How the run ended. An attempt that another one followed counts as aborted: it says nothing about the test. */
export function finishedJson(run: ProwJob, attempt: Pick<Attempt, 'finished' | 'cause'>, isLast: boolean): string {
  const { status, spec } = run;
  const state = isLast ? (status?.state ?? 'error') : 'aborted';
  const reason = isLast ? status?.reason : attempt.cause;
  const endMs = timeMs(isLast ? status?.completionTime : attempt.finished) ?? timeMs(status?.completionTime) ?? createdMsOf(run);
  const commit = commitOf(spec);
  return toJson({
    timestamp: seconds(endMs),
    passed: state === 'success',
    result: results.get(state) ?? 'ERROR',
    metadata: { uploader, ...(reason === undefined ? {} : { reason }) },
    ...(commit === undefined ? {} : { revision: commit }),
  });
}

/** The run itself, without what changes when the run is archived. */
export function prowJobJson(run: ProwJob): string {
  const { managedFields: _managed, resourceVersion: _version, ...metadata } = run.metadata;
  const conditions = run.status?.conditions?.filter(({ type }) => type !== archivedCondition);
  const status = run.status === undefined ? undefined : { ...run.status, ...(conditions === undefined ? {} : { conditions }) };
  return toJson({ apiVersion: 'prow.k8s.io/v1', kind: 'ProwJob', metadata, spec: run.spec, ...(status === undefined ? {} : { status }) });
}

/** The last known state of the pod and what was told about it. */
export function podInfoJson(pod: object, events: readonly object[]): string {
  return toJson({ pod: { apiVersion: 'v1', kind: 'Pod', ...withoutManagedFields(pod) }, events: events.map(withoutManagedFields) });
}

function withoutManagedFields(object: { readonly metadata?: object }): object {
  const { managedFields: _dropped, ...metadata } = (object.metadata ?? {}) as { readonly managedFields?: unknown };
  return { ...object, metadata };
}

/** First the refs, then the extra refs: org/repo → the refs in one line. */
function reposOf({ refs, extra_refs }: ProwJobSpec): { readonly repos?: Readonly<Record<string, string>> } {
  const all = [...(refs === undefined ? [] : [refs]), ...(extra_refs ?? [])];
  if (all.length === 0) return {};
  return { repos: Object.fromEntries(all.map((each) => [`${each.org}/${each.repo}`, refsText(each)])) };
}

/** The commit under test as far as it is known without a clone. */
function commitOf(spec: ProwJobSpec): string | undefined {
  const main: Refs | undefined = spec.refs ?? spec.extra_refs?.find(({ auxiliary }) => auxiliary !== true);
  return [main?.pulls?.[0]?.sha, main?.base_sha, main?.base_ref].find((text) => text !== undefined && text !== '');
}

const seconds = (ms: number): number => Math.floor(ms / 1000);

const toJson = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;
