/**
 * ProwJob: one run. spec holds every field of upstream's ProwJob v1 under its name, and a few of ours; it never changes after creation,
 * except that abort may be set once. status holds upstream's fields and what explains them.
 */
import type { Static, TSchema } from 'typebox';
import { customObject, statusHead, unseen, type CustomObject } from './common.ts';
import { decorationConfigSchema } from './decoration.ts';
import type { JobPodSpec } from './podSpec.ts';
import { refsSchema } from './refs.ts';
import {
  code,
  count,
  duration,
  flag,
  integer,
  list,
  listMap,
  map,
  name,
  object,
  openObject,
  optional,
  quoteOn,
  stringEnum,
  text,
  time,
  type Immutable,
  type ValidationRule,
} from './schemaParts.ts';

export const prowJobTypes = ['presubmit', 'postsubmit', 'periodic', 'batch'] as const;
export type ProwJobType = (typeof prowJobTypes)[number];

export const prowJobStates = ['scheduling', 'triggered', 'pending', 'success', 'failure', 'aborted', 'error'] as const;
export type ProwJobState = (typeof prowJobStates)[number];

/** Why a run ended, or why one attempt of it did. */
export const runReasons = [
  'Succeeded',
  'TestFailed',
  'OOMKilled',
  'Evicted',
  'Preempted',
  'NodeLost',
  'NodeRejected',
  'ImagePullFailed',
  'PodDeleted',
  'PodRejected',
  'PodVanished',
  'InvalidSpec',
  'UnknownCluster',
  'QueueTimeout',
  'UnscheduledTimeout',
  'PendingTimeout',
  'RunningTimeout',
  'Aborted',
  'Superseded',
  'RetriesExhausted',
] as const;
export type RunReason = (typeof runReasons)[number];

/** Why a run has not started yet. */
export const waitReasons = [
  'MaxConcurrency',
  'GlobalLimit',
  'NamespaceLimit',
  'ClusterLimit',
  'QueueFull',
  'QueueUnknown',
  'ClusterUnavailable',
  'ClusterPaused',
  'QuotaExceeded',
  'PodRefused',
] as const;
export type WaitReason = (typeof waitReasons)[number];

/**
 * What spec.retry.on may name. Infra stands for Evicted, Preempted, NodeLost, NodeRejected, ImagePullFailed, PodDeleted and PodVanished,
 * Timeout for UnscheduledTimeout and PendingTimeout. A test that failed or ran too long is not in this list on purpose.
 */
export const retryCauses = [
  'Infra',
  'Timeout',
  'Evicted',
  'Preempted',
  'NodeLost',
  'NodeRejected',
  'ImagePullFailed',
  'PodDeleted',
  'PodVanished',
  'OOMKilled',
  'UnscheduledTimeout',
  'PendingTimeout',
] as const;
export type RetryCause = (typeof retryCauses)[number];

export const supersedePolicies = ['Cancel', 'Finish', 'CancelIfNotStarted'] as const;
export type SupersedePolicy = (typeof supersedePolicies)[number];

const reporterConfig = object(
  {
    slack: optional(
      object(
        {
          host: optional(text('Slack workspace.')),
          channel: optional(text('Channel that is told.')),
          job_states_to_report: optional(list(stringEnum(prowJobStates, 'A state.'), 'States that are told.')),
          report_template: optional(text('Template of the message.')),
          report: optional(flag('false: tell nothing.')),
        },
        'Slack settings of this job.',
      ),
    ),
  },
  'Reporter settings of this job.',
);

const rerunAuthConfig = object(
  {
    allow_anyone: optional(flag('Anyone may re-run the job. Excludes the lists.')),
    github_team_ids: optional(list(integer('A team id.'), 'GitHub teams whose members may.')),
    github_team_slugs: optional(
      list(object({ slug: text('Slug of the team.'), org: text('Org of the team.') }, 'A GitHub team.'), 'GitHub teams whose members may.'),
    ),
    github_users: optional(list(text('A login.'), 'GitHub users who may.')),
    github_orgs: optional(list(text('An org.'), 'GitHub orgs whose members may.')),
  },
  'Who may re-run or abort the run.',
);

/** The fields of upstream that need not be there, in upstream's order. */
const upstreamFields = {
  agent: optional(text('What runs the job: kubernetes (also when absent), jenkins or tekton-pipeline. Other agents are left alone.')),
  cluster: optional(text('Alias of the build cluster. Absent or empty: default.')),
  namespace: optional(text('Namespace of the pod, where the settings of the operator list it for this tenant.')),
  refs: optional(refsSchema('The repository under test. Periodic runs have none.')),
  extra_refs: optional(list(refsSchema('A further repository.'), 'Further repositories to clone.')),
  report: optional(flag('Whether reporters report this run.')),
  context: optional(text('Name of the status check.')),
  rerun_command: optional(text('What a person types to run this again.')),
  max_concurrency: optional(integer('How many runs of this job may be pending at once. 0: no limit.', { minimum: 0 })),
  error_on_eviction: optional(flag('true: an eviction ends the run instead of starting another attempt.')),
  pod_spec: optional(openObject<JobPodSpec>('The pod to run, before decoration. Checked by the API server of the build cluster.')),
  jenkins_spec: optional(
    object({ github_branch_source_job: optional(flag('The job is a GitHub branch source job.')) }, 'Settings for the agent jenkins.'),
  ),
  pipeline_run_spec: optional(openObject('A Tekton v1alpha1 PipelineRun spec. Deprecated by upstream.')),
  tekton_pipeline_run_spec: optional(
    object({ v1beta1: optional(openObject('A Tekton v1beta1 PipelineRun spec.')) }, 'Tekton PipelineRun specs by version.'),
  ),
  decoration_config: optional(decorationConfigSchema),
  reporter_config: optional(reporterConfig),
  rerun_auth_config: optional(rerunAuthConfig),
  hidden: optional(flag('Shown only to those who may see hidden jobs.')),
  prowjob_defaults: optional(
    object(
      {
        resultstore_config: optional(object({ project_id: optional(text('Google Cloud project.')) }, 'Settings for ResultStore.')),
        tenant_id: optional(text('Tenant of the run.')),
      },
      'Defaults that were filled in by tenant.',
    ),
  ),
  job_queue_name: optional(text('Name of a queue with a capacity of its own.')),
};

/** Fields upstream does not have. */
const addedFields = {
  timeouts: optional(
    object(
      {
        queue: optional(duration('From creation to the first pod.')),
        unscheduled: optional(duration('From the creation of the pod until a node has accepted it.')),
        pending: optional(duration('From the moment a node accepted the pod (its status.startTime) until the pod runs.')),
        running: optional(duration('From that same moment to the end of the pod. The time to pull images and to start counts.')),
      },
      'Four deadlines. Absent ones come from the settings of the operator.',
    ),
  ),
  retry: optional(
    object(
      {
        max_attempts: optional(integer('How many pods the run may have in all.', { minimum: 1, maximum: 100 })),
        on: optional(
          list(
            stringEnum(retryCauses, 'A cause.'),
            `Causes that start another attempt. Absent: Infra. Infra and Timeout stand for several. ${quoteOn}`,
            { maxItems: 20, 'x-kubernetes-list-type': 'set' },
          ),
        ),
      },
      'Restarts after infrastructure causes. A test that failed is never restarted by this.',
    ),
  ),
  supersede: optional(
    stringEnum(
      supersedePolicies,
      'What a newer run of the same presubmit on the same pull request does to this one: end it, let it finish, or end it only if it has no pod yet. Absent: as the settings say.',
    ),
  ),
  priority: optional(integer('Order among waiting runs: higher first, then older first. Absent: 0.', { format: 'int32' })),
  ttl_seconds_after_finished: optional(
    integer('Delete the run so long after its end. Absent: as the settings say.', { minimum: 0, format: 'int32' }),
  ),
};

const abortField = {
  abort: optional(
    object(
      {
        by: optional(text('Who asked.', { maxLength: 256 })),
        reason: optional(text('Why.', { maxLength: 1024 })),
      },
      'Ends the run. May be set once and never taken back.',
    ),
  ),
};

/** The fields of spec that a Periodic's template has as well. */
export const templateFields = { ...upstreamFields, ...addedFields };

/** How a rule writes a field: CEL reserves the word namespace. */
const inRule = (field: string): string => (field === 'namespace' ? '__namespace__' : field);

function isSame(field: string): string {
  const [now, before] = [`self.${inRule(field)}`, `oldSelf.${inRule(field)}`];
  return `has(${now}) == has(${before}) && (!has(${now}) || ${now} == ${before})`;
}

/**
 * A spec stays as it was created; only an abort may come. One rule for all fields, which first asks whether anything has changed at all: each field that a
 * rule looks at costs the API server as much as the object has fields, and every write of a status asks again.
 */
function unchangeable(fields: readonly string[]): ValidationRule {
  const rest = fields.map((field) => `(${isSame(field)})`).join(' && ');
  const abortIsKept = '!has(oldSelf.abort) || has(self.abort) && self.abort == oldSelf.abort';
  // Written as a sum: a list that is filtered and joined is more than the API server allows a rule to cost.
  const named = (same: string, field: string): string => `(${same} ? '' : ' ${field}')`;
  const changed = [...fields.map((field) => named(isSame(field), field)), named(abortIsKept, 'abort')].join(' + ');
  const message = 'a ProwJob cannot change after its creation, except that an abort may be set once; create a new one instead';
  return {
    rule: `self == oldSelf || (has(self.abort) && !has(oldSelf.abort) && ${rest})`,
    message,
    messageExpression: `'${message}; changed:' + ${changed}`,
    reason: 'FieldValueForbidden',
  };
}

const required = { type: stringEnum(prowJobTypes, 'What caused the run.'), job: name('Name of the job.', 1024) };

export const prowJobSpecSchema = object({ ...required, ...templateFields, ...abortField }, 'What to run.', [
  unchangeable([...Object.keys(required), ...Object.keys(templateFields)]),
]);

const attemptSchema = object(
  {
    number: integer('1 for the first attempt.', { minimum: 1 }),
    pod_name: text('Name of its pod.'),
    pod_namespace: optional(text('Namespace of its pod, as decided when the attempt was. It stays where it is when the settings change.')),
    pod_uid: optional(text('UID of its pod, once the pod is known to exist.')),
    node: optional(text('Node that ran it.')),
    build_id: text('Its build id.'),
    started: optional(time('When the attempt was decided.')),
    finished: optional(time('When it ended.')),
    exit_code: optional(integer('Exit code of the container that decided.', { format: 'int32' })),
    cause: optional(code(runReasons, 'How it ended, as in status.reason.')),
  },
  'One pod of this run.',
);

const statusRules: readonly ValidationRule[] = [
  {
    rule: "!(self.state in ['success', 'failure', 'error']) || has(self.completionTime)",
    message: 'a run in state success, failure or error must have completionTime',
  },
  {
    rule: '!has(oldSelf.completionTime) || (has(self.completionTime) && self.completionTime == oldSelf.completionTime)',
    message: 'the completionTime of a finished run cannot change',
    reason: 'FieldValueForbidden',
    fieldPath: '.completionTime',
  },
  {
    rule: '!has(oldSelf.completionTime) || self.state == oldSelf.state',
    message: 'the state of a finished run cannot change',
    reason: 'FieldValueForbidden',
    fieldPath: '.state',
  },
];

export const prowJobStatusSchema = object(
  {
    ...statusHead,
    state: stringEnum(prowJobStates, 'Where the run stands.'),
    reason: optional(code(runReasons, 'Why the run ended as it did.')),
    description: optional(text('The same for a person, in one sentence.')),
    startTime: optional(time('When the run was created.')),
    pendingTime: optional(time('When its first pod was decided.')),
    completionTime: optional(time('When it ended. A run that has this never changes state again.')),
    url: optional(text('Where the run can be looked at.')),
    pod_revival_count: optional(count('How many further pods were started after the first.')),
    pod_name: optional(text('Name of the latest pod.')),
    build_id: optional(text('Build id of the latest attempt: 19 digits, ordered by time.')),
    superseded_by: optional(text('Name of the newer run that ended this one.')),
    jenkins_build_id: optional(text('Build id in Jenkins.')),
    prev_report_states: optional(map(text('A state.'), 'The last state each reporter reported.')),
    attempts: optional(listMap(attemptSchema, ['number'], 'The pods of this run, in order. An attempt is here before its pod exists.')),
    waiting: optional(
      object(
        {
          reason: code(waitReasons, 'Why the run has not started.'),
          message: optional(text('The same for a person.')),
          position: optional(integer('Place in the queue when this was written, from 1.', { minimum: 1 })),
        },
        'Present while the run waits to start.',
      ),
    ),
  },
  'What became of it. Absent: triggered.',
  statusRules,
  { default: { ...unseen, state: 'triggered' } },
);

export const prowJobSchema = customObject<TSchema, TSchema>(
  prowJobSpecSchema,
  prowJobStatusSchema,
  'ProwJob is one run of a job: a pod on a build cluster, with its outcome.',
);

export type ProwJobSpec = Immutable<Static<typeof prowJobSpecSchema>>;
export type ProwJobStatus = Immutable<Static<typeof prowJobStatusSchema>>;
export type Attempt = Immutable<Static<typeof attemptSchema>>;
export type ProwJobTimeouts = NonNullable<ProwJobSpec['timeouts']>;
export type ProwJobRetry = NonNullable<ProwJobSpec['retry']>;
export type ProwJobAbort = NonNullable<ProwJobSpec['abort']>;
export type ProwJobWaiting = NonNullable<ProwJobStatus['waiting']>;
export type ProwJob = CustomObject<ProwJobSpec, ProwJobStatus>;
