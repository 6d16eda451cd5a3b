/** Why a run has not started, or why its recorded attempt has no pod yet: by the reason in status.waiting, with who is in the way. Pure. */
import type { ProwJob, ProwJobWaiting } from '../../crds/v1/prowJob.ts';
import { clusterOf, createdMsOf, statusOf } from '../jobs/runState.ts';
import { timeMs } from '../jobs/times.ts';
import { findCondition } from './conditions.ts';
import { competitionFor, isLimit, type Competition, type LimitReason } from './competitors.ts';
import { deadlineOf } from './deadlineWords.ts';
import type { RunEvidence } from './evidence.ts';
import type { Finding } from './explanation.ts';
import { counted, moment, relative, sentence, someOf } from './words.ts';

export function explainWaiting(seen: RunEvidence, waiting: ProwJobWaiting): Finding {
  const { reason } = waiting;
  if (isLimit(reason)) return limited(seen, waiting, reason);
  switch (reason) {
    case 'QueueUnknown':
      return queueUnknown(seen, waiting);
    case 'ClusterUnavailable':
    case 'ClusterPaused':
      return clusterAway(seen, waiting);
    case 'QuotaExceeded':
      return quotaExceeded(seen, waiting);
    default:
      return refused(seen, waiting);
  }
}

/** Since when it waits, and until when it may. */
export function waitTimes({ run, nowMs }: RunEvidence): readonly string[] {
  const createdMs = createdMsOf(run);
  const attemptMs = timeMs(statusOf(run).attempts?.at(-1)?.started);
  const deadline = deadlineOf(run.spec, 'queue');
  const endMs = (attemptMs ?? createdMs) + deadline.ms;
  return [
    `Created ${moment(createdMs, nowMs)}.`,
    `It may wait until ${moment(endMs, nowMs)}, the queue deadline ${deadline.text}. Then it ends with QueueTimeout.`,
  ];
}

const limitWords: Readonly<Record<LimitReason, (run: ProwJob) => string>> = {
  MaxConcurrency: ({ spec }) =>
    `the job "${spec.job}" may have only ${counted(spec.max_concurrency ?? 0, 'run')} at a time (spec.max_concurrency)`,
  QueueFull: ({ spec }) => `the queue "${spec.job_queue_name ?? ''}" is full (spec.job_queue_name)`,
  NamespaceLimit: ({ metadata }) => `the namespace ${metadata.namespace ?? ''} has all the runs that it may have at once`,
  ClusterLimit: (run) => `the build cluster "${clusterOf(run)}" has all the runs that it may have at once`,
  GlobalLimit: () => 'the operator has all the runs that it may have at once, in all namespaces together',
};

function limited(seen: RunEvidence, { message, position }: ProwJobWaiting, reason: LimitReason): Finding {
  const { run, runs } = seen;
  const competition = competitionFor(run, reason, runs);
  const { holders } = competition;
  return {
    code: reason,
    headline: `It waits to start: ${limitWords[reason](run)}.`,
    lines: [
      ...(message === undefined || reason === 'MaxConcurrency' ? [] : [`The operator says: ${sentence(message)}`]),
      ...waitTimes(seen),
    ],
    sections: [
      {
        title: holders.length === 0 ? 'Who has the places' : `Who has the places: ${counted(holders.length, 'run')}`,
        lines: holderLines(seen, competition),
      },
      { title: 'Its turn', lines: turnLines(seen, competition, position) },
    ],
    actions: limitActions(run, reason, holders),
  };
}

function holderLines({ run, nowMs, seesAllNamespaces }: RunEvidence, { holders }: Competition): readonly string[] {
  const lines = someOf(holders.map((holder) => holderLine(holder, run, nowMs)));
  const none = [
    'No such run is seen. A place is also held by a pod that is still ending, and the operator may be about to start this one.',
  ];
  const blind = ['Only the runs of this namespace can be read; others may hold places too.'];
  return [...(holders.length === 0 ? none : lines), ...(seesAllNamespaces ? [] : blind)];
}

function holderLine(holder: ProwJob, run: ProwJob, nowMs: number): string {
  const { pendingTime, attempts, description } = statusOf(holder);
  const since = timeMs(pendingTime);
  const place = attempts?.at(-1)?.node;
  const where = place === undefined ? '' : ` on node ${place}`;
  const started = since === undefined ? '' : `, started ${relative(since, nowMs)}${where}`;
  const ends = holder.spec.abort === undefined ? '' : `, is being ended${description === undefined ? '' : ` (${sentence(description)})`}`;
  return `${nameFrom(holder, run)}${started}${ends}`;
}

const nameFrom = ({ metadata }: ProwJob, { metadata: own }: ProwJob): string =>
  metadata.namespace === own.namespace ? metadata.name : `${metadata.namespace ?? ''}/${metadata.name}`;

function turnLines({ run }: RunEvidence, { queue, position }: Competition, written: number | undefined): readonly string[] {
  if (position === 0) return written === undefined ? [] : [`Number ${written} when the operator last wrote it.`];
  const ahead = queue.slice(0, position - 1).map((other) => nameFrom(other, run) + urgency(other, run));
  if (ahead.length === 0) {
    const who = queue.length === 1 ? 'It is the only one that waits' : `It is the first of ${queue.length} that wait`;
    return [`${who}: it starts when a place is free.`];
  }
  return [`It is number ${position} of ${queue.length} that wait. Before it:`, ...someOf(ahead).map((line) => `  ${line}`)];
}

function urgency(other: ProwJob, run: ProwJob): string {
  const [theirs, own] = [other.spec.priority ?? 0, run.spec.priority ?? 0];
  return theirs > own ? ` (priority ${theirs}, this one has ${own})` : ' (older)';
}

function limitActions(run: ProwJob, reason: LimitReason, holders: readonly ProwJob[]): readonly string[] {
  const [holder] = holders;
  const inNamespace = holder === undefined ? '' : `-n ${holder.metadata.namespace ?? ''} `;
  const raise: Readonly<Record<LimitReason, string>> = {
    MaxConcurrency: 'Allow more at once: max_concurrency in the job, for its next runs. A run itself never changes.',
    QueueFull: `Ask the administrator of the operator for more places (prowJobs.queueCapacities, "${run.spec.job_queue_name ?? ''}").`,
    NamespaceLimit: 'Ask the administrator of the operator for more places (prowJobs.maxConcurrencyPerNamespace).',
    ClusterLimit:
      clusterOf(run) === 'default'
        ? "Ask the administrator of the operator for more places on the operator's own cluster."
        : 'Raise spec.maxConcurrency of the BuildCluster.',
    GlobalLimit: 'Ask the administrator of the operator for more places (prowJobs.maxConcurrency).',
  };
  return [
    'Wait: it starts by itself as soon as a place is free and its turn has come.',
    ...(holder === undefined ? [] : [`End a run that holds a place: prow-operator abort ${inNamespace}${holder.metadata.name}`]),
    raise[reason],
    'If this one is urgent: create it again with a higher spec.priority.',
  ];
}

function queueUnknown(seen: RunEvidence, { message }: ProwJobWaiting): Finding {
  const queue = seen.run.spec.job_queue_name ?? '';
  return {
    code: 'QueueUnknown',
    headline: `It waits, and will not start as things are: its queue "${queue}" (spec.job_queue_name) does not exist.`,
    lines: [...(message === undefined ? [] : [sentence(message)]), ...waitTimes(seen)],
    actions: [
      `Ask the administrator of the operator to add "${queue}" to prowJobs.queueCapacities; then it starts by itself.`,
      'Or correct job_queue_name in the job, and start it again. A run itself never changes.',
    ],
  };
}

function clusterAway(seen: RunEvidence, { reason, message }: ProwJobWaiting): Finding {
  const { run } = seen;
  const alias = clusterOf(run);
  const where = alias === 'default' ? "the operator's own cluster" : `the build cluster "${alias}"`;
  const isPaused = reason === 'ClusterPaused';
  return {
    code: reason,
    headline: isPaused ? `It waits to start: ${where} is paused.` : `It waits: ${where} cannot be used now.`,
    lines: [...(message === undefined ? [] : [sentence(message)]), ...clusterLines(seen), ...waitTimes(seen)],
    actions: isPaused ? pausedActions(seen) : awayActions(seen),
  };
}

function clusterLines({ run, buildCluster }: RunEvidence): readonly string[] {
  const alias = clusterOf(run);
  if (buildCluster === null && alias !== 'default') return [`No BuildCluster in this namespace has the alias "${alias}".`];
  const ready = findCondition(buildCluster?.status?.conditions, 'Ready');
  if (ready === undefined || ready.status === 'True') return [];
  return [`BuildCluster ${buildCluster?.metadata.name ?? ''} is not ready: ${ready.reason}. ${sentence(ready.message)}`];
}

const pausedActions = ({ run, buildCluster }: RunEvidence): readonly string[] => [
  `Take the pause back: kubectl -n ${run.metadata.namespace ?? ''} patch buildcluster ${buildCluster?.metadata.name ?? 'NAME'} --type merge -p '{"spec":{"paused":false}}'`,
  'Or wait: it starts by itself when somebody does.',
];

function awayActions({ run, buildCluster }: RunEvidence): readonly string[] {
  const name = buildCluster?.metadata.name;
  return [
    'Wait: it goes on by itself when the cluster answers again.',
    ...(name === undefined ? [] : [`See what is wrong with it: kubectl -n ${run.metadata.namespace ?? ''} describe buildcluster ${name}`]),
    'If it is urgent and the job may run elsewhere: start it again with another spec.cluster.',
  ];
}

function quotaExceeded(seen: RunEvidence, { message }: ProwJobWaiting): Finding {
  return {
    code: 'QuotaExceeded',
    headline: 'It waits: a ResourceQuota of the namespace of its pod has no room for it.',
    lines: [...(message === undefined ? [] : [sentence(message)]), ...waitTimes(seen)],
    sections: [{ title: 'What is used up', lines: seen.quotas.flatMap(usedUp) }],
    actions: [
      'Wait: the pod is created by itself when other pods have ended.',
      'Ask for less in resources of the pod_spec, or ask the administrator of the namespace for a larger quota.',
    ],
  };
}

function usedUp({ metadata, status }: RunEvidence['quotas'][number]): readonly string[] {
  const hard = new Map(Object.entries(status?.hard ?? {}));
  const used = new Map(Object.entries(status?.used ?? {}));
  return [...hard].map(([resource, most]) => `ResourceQuota ${metadata.name}: ${resource} ${used.get(resource) ?? '0'} of ${most}`);
}

function refused(seen: RunEvidence, { reason, message }: ProwJobWaiting): Finding {
  return {
    code: reason,
    headline: 'It waits: the API server does not take its pod now.',
    lines: [...(message === undefined ? [] : [sentence(message)]), ...waitTimes(seen)],
    actions: [
      'Put right what the message names, or wait if it passes by itself; the operator tries again and again.',
      ...(statusOf(seen.run).pod_name === undefined
        ? []
        : ['If the pod itself is wrong: abort the run, correct the job, and start it again.']),
    ],
  };
}
