/**
 * One periodic of Prow as the spec of a Periodic. Every field is either carried over, or there is a finding that says why not.
 */
import { checkMetadata } from '../../crds/metadata.ts';
import { decorationOf, podSpecOf, prowJobDefaultsOf, timeoutsOf } from './convertDecoration.ts';
import { retryOf, scheduleOf } from './convertSchedule.ts';
import type { InstallationDefaults } from './defaults.ts';
import type { JobFindings } from './findings.ts';
import { fitField, fitTexts, knownAs, unknownField } from './fit.ts';
import { givenField, type Given } from './given.ts';
import { isNull, itemsOf, mapOf, scalar, textOf, toJson, type Entry, type MapTree, type Tree } from './tree.ts';

export interface ConvertedJob {
  /** The spec of the Periodic. */
  readonly spec: MapTree;
  /** Annotations of the Periodic itself. */
  readonly annotations: MapTree | undefined;
  /** Comments that explain the job as a whole, or a field that is not there any more. */
  readonly heading: readonly string[];
}

/** Where the tags of a job go: nothing reads them, in Prow neither, but people filter by them. */
const tagsAnnotation = 'prow.k8s.io/tags';

/** Fields that a run has under the same name. */
const sameFields = [
  ...['agent', 'cluster', 'namespace', 'max_concurrency', 'job_queue_name', 'error_on_eviction', 'hidden'],
  ...['extra_refs', 'reporter_config', 'rerun_auth_config'],
] as const;
const ownFields = [
  ...['name', 'labels', 'annotations', 'cron', 'interval', 'minimum_interval', 'tags', 'retry', 'spec'],
  ...['decorate', 'decoration_config', 'prowjob_defaults'],
] as const;

/** Fields that Prow knows and that a Periodic has no place for, with the reason. */
const leftFields: ReadonlyMap<string, string> = new Map([
  ...['path_alias', 'clone_uri', 'skip_submodules', 'clone_depth', 'skip_fetch_head'].map(
    (field) =>
      [
        field,
        'is about the repository under test, and a periodic has none: it does nothing in Prow either; write it into an entry of extra_refs',
      ] as const,
  ),
  ...['pipeline_run_spec', 'tekton_pipeline_run_spec', 'jenkins_spec'].map(
    (field) => [field, 'is for another agent than kubernetes'] as const,
  ),
  ...[
    ...['always_run', 'optional', 'run_if_changed', 'skip_if_only_changed', 'run_before_merge', 'trigger', 'rerun_command'],
    ...['branches', 'skip_branches', 'context', 'skip_report', 'run_after_success'],
  ].map((field) => [field, 'is a field of presubmits and postsubmits: it does nothing for a periodic, in Prow neither'] as const),
]);
const carriedFields: readonly string[] = [...sameFields, ...ownFields];
const knownFields: readonly string[] = [...carriedFields, ...leftFields.keys()];

const nameOfJob = /^[A-Za-z0-9._-]+$/;
const reservedLabels: ReadonlySet<string> = new Set(['prow.k8s.io/type', 'created-by-prow', 'prow.k8s.io/id']);

/** Undefined when the job is refused; `job` knows why. */
export function convertJob(tree: MapTree, defaults: InstallationDefaults, job: JobFindings): ConvertedJob | undefined {
  const given: Given = { place: tree.place, fields: knownEntries(tree, job), job };
  checkIdentity(given);
  const decoration = decorationOf(given, defaults);
  const spec = mapOf(
    {
      ...scheduleOf(given),
      retry: retryOf(given),
      jobTemplate: mapOf({ metadata: templateMetadata(given), spec: templateSpec(given, decoration, defaults) }, tree.place),
    },
    tree.place,
  );
  const annotations = tagsOf(given);
  if (job.isRefused) return undefined;
  const { before = [], beside = [], after = [] } = tree.remarks ?? {};
  return { spec, annotations, heading: [...before, ...beside, ...job.remarks, ...after] };
}

/** The fields by the names that Prow knows. What has no place in a Periodic is left out. */
function knownEntries(tree: MapTree, job: JobFindings): ReadonlyMap<string, Entry> {
  const given = new Map<string, Entry>();
  for (const [written, entry] of tree.entries) {
    const name = knownAs(written, knownFields);
    const reason = name === undefined ? unknownField(written, carriedFields) : leftFields.get(name);
    if (isNull(entry.value)) job.keepRemarks(entry.value);
    else if (reason !== undefined || name === undefined) job.leaveOut(entry.place, written, reason ?? '', entry.value);
    else given.set(name, entry);
  }
  return given;
}

function checkIdentity(given: Given): void {
  const { job, place } = given;
  if (!nameOfJob.test(job.job)) {
    const reason = 'a job needs a name of letters, digits, -, _ and .; Prow refuses it as well';
    job.refuse(givenField(given, 'name')?.place ?? place, 'name', reason);
  }
  const agent = givenField(given, 'agent');
  const text = textOf(agent?.value);
  if (agent === undefined || text === 'kubernetes') return;
  const reason = `only kubernetes is run here, and runs of ${JSON.stringify(text)} would wait for ever; leave the job with Prow`;
  job.refuse(agent.place, 'agent', reason);
}

function tagsOf(given: Given): MapTree | undefined {
  const entry = givenField(given, 'tags');
  const tags = itemsOf(entry?.value).map((item) => textOf(item) ?? '');
  given.job.keepRemarks(entry?.value);
  if (entry === undefined || tags.length === 0) return undefined;
  given.job.note(entry.place, 'tags', `become the annotation ${tagsAnnotation} of the Periodic; nothing reads them, in Prow neither`);
  return mapOf({ [tagsAnnotation]: scalar(tags.join(','), entry.place) }, entry.place);
}

function templateMetadata(given: Given): Tree | undefined {
  const labels = givenField(given, 'labels');
  const annotations = givenField(given, 'annotations');
  if (labels === undefined && annotations === undefined) return undefined;
  const ownLabels = labels === undefined ? undefined : withoutReserved(fitTexts(labels.value), given.job);
  const ownAnnotations = annotations === undefined ? undefined : fitTexts(annotations.value);
  const metadata = { name: 'job', labels: ownLabels && toJson(ownLabels), annotations: ownAnnotations && toJson(ownAnnotations) };
  for (const { path, message } of checkMetadata(metadata)) {
    const entry = path.startsWith('metadata.annotations') ? annotations : labels;
    given.job.refuse(entry?.place ?? given.place, path.replace('metadata.', ''), message);
  }
  return mapOf({ labels: ownLabels, annotations: ownAnnotations }, given.place);
}

function withoutReserved(labels: Tree, job: JobFindings): Tree {
  if (labels.kind !== 'map') return labels;
  const kept = [...labels.entries].filter(([key, { place, value }]) => {
    if (reservedLabels.has(key)) job.leaveOut(place, `labels[${key}]`, 'is set by the operator; Prow refuses it in a job', value);
    return !reservedLabels.has(key);
  });
  return { ...labels, entries: new Map(kept) };
}

function templateSpec(given: Given, decoration: Tree | undefined, defaults: InstallationDefaults): MapTree {
  const { job, place } = given;
  const name = givenField(given, 'name');
  const same = sameFields.flatMap((field): readonly [string, Tree][] => {
    const entry = givenField(given, field);
    return entry === undefined ? [] : [[field, fitField(entry.value, field, { job, field })]];
  });
  return mapOf(
    {
      job: scalar(job.job, name?.place ?? place, name?.value.remarks),
      ...Object.fromEntries(same),
      prowjob_defaults: prowJobDefaultsOf(given, defaults),
      timeouts: timeoutsOf(given, decoration, defaults),
      decoration_config: decoration,
      pod_spec: podSpecOf(given, defaults),
    },
    place,
  );
}
