/** How a run ended and why: by status.reason, with what pod, node and attempts say. Pure. */
import type { RunReason } from '../../crds/v1/prowJob.ts';
import { statusOf } from '../jobs/runState.ts';
import { timeMs } from '../jobs/times.ts';
import { attemptsOf } from './attempts.ts';
import { findCondition } from './conditions.ts';
import { deadlineOf, type DeadlineKind } from './deadlineWords.ts';
import { evictionLines, lostNodeLines, memoryLines } from './endCauses.ts';
import type { RunEvidence } from './evidence.ts';
import type { Finding } from './explanation.ts';
import { counted, moment, sentence, span } from './words.ts';

interface End {
  readonly headline: string;
  readonly lines?: readonly string[];
  readonly actions: readonly string[];
}

export function explainEnd(seen: RunEvidence): Finding {
  const { run } = seen;
  const { state, reason, description } = statusOf(run);
  const explain = reason === undefined ? undefined : ends[reason];
  const end = explain?.(seen) ?? foreign(seen);
  return {
    code: reason ?? state,
    headline: end.headline,
    lines: [
      ...timesLines(seen),
      ...(description === undefined ? [] : [`Its status says: ${sentence(description)}`]),
      ...(end.lines ?? []),
      ...archiveLines(seen),
    ],
    actions: end.actions,
  };
}

function timesLines({ run, nowMs }: RunEvidence): readonly string[] {
  const { startTime, pendingTime, completionTime, state } = statusOf(run);
  const [createdMs, startedMs, endedMs] = [
    timeMs(startTime ?? run.metadata.creationTimestamp),
    timeMs(pendingTime),
    timeMs(completionTime),
  ];
  if (endedMs === undefined) return [];
  const ended = `It ended ${moment(endedMs, nowMs)} in the state ${state}`;
  if (startedMs === undefined) return [`${ended}, and never had a pod.`];
  const waited =
    createdMs === undefined ? '' : `, having waited ${span(startedMs - createdMs)} and then gone on for ${span(endedMs - startedMs)}`;
  return [`${ended}${waited}.`];
}

/** Where its results are, if the installation keeps any. */
function archiveLines({ run }: RunEvidence): readonly string[] {
  const archived = findCondition(run.status?.conditions, 'Archived');
  const { url } = statusOf(run);
  return [...(archived === undefined ? [] : [`Results: ${sentence(archived.message)}`]), ...(url === undefined ? [] : [`Link: ${url}`])];
}

const commandFor = (seen: RunEvidence, verb: string): string => {
  const { namespace = '', name } = seen.run.metadata;
  return `prow-operator ${verb} -n ${namespace} ${name}`;
};

const readLog = (seen: RunEvidence): string => `Read the log: ${commandFor(seen, 'logs')}`;
const again = (seen: RunEvidence): string => `Run it again as it was: ${commandFor(seen, 'rerun')}`;
const againLatest = (seen: RunEvidence): string => {
  const isOwned = seen.run.metadata.ownerReferences?.some(({ kind }) => kind === 'Periodic') === true;
  return isOwned ? `Correct the Periodic, then: ${commandFor(seen, 'rerun --latest')}` : 'Correct the job, and start it again.';
};

/** The exit code of the attempt that decided. */
function exitCode(seen: RunEvidence): string {
  const code = attemptsOf(seen).at(-1)?.exit_code;
  return code === undefined ? '' : ` with exit code ${code}`;
}

const lastNode = (seen: RunEvidence): string => {
  const node = attemptsOf(seen).at(-1)?.node;
  return node === undefined ? '' : ` on node ${node}`;
};

/** An infrastructure cause that ended the run: no further attempt was allowed, or made. */
function lostTo(what: string, ...details: readonly ((seen: RunEvidence) => readonly string[])[]) {
  return (seen: RunEvidence): End => ({
    headline: `${what.replace('{node}', lastNode(seen))} It says nothing about the test.`,
    lines: [...details.flatMap((detail) => detail(seen)), ...retryLines(seen)],
    actions: [again(seen), 'To have such losses tried again by the operator: spec.retry.max_attempts and spec.retry.on of the job.'],
  });
}

function retryLines({ run }: RunEvidence): readonly string[] {
  const { retry, error_on_eviction: ends } = run.spec;
  if (ends === true) return ['No other attempt followed an eviction, because spec.error_on_eviction is true.'];
  if (retry?.max_attempts === 1) return ['No other attempt followed, because spec.retry.max_attempts is 1.'];
  return retry?.on === undefined ? [] : [`Only these causes start another attempt: ${retry.on.join(', ')} (spec.retry.on).`];
}

function timeout(kind: DeadlineKind, headline: string, advice: readonly string[]) {
  return (seen: RunEvidence): End => {
    const { spec, status } = seen.run;
    const isTest = kind === 'running' && status?.state === 'failure';
    const deadline = deadlineOf(spec, isTest ? 'test' : kind);
    return {
      headline: isTest ? 'It was stopped and counts as failed: its test ran longer than the job allows.' : headline,
      lines: [`The deadline that ended it: ${deadline.text}.`],
      actions: [...advice, `To allow more time, set ${deadline.field} in the job.`, again(seen)],
    };
  };
}

function aborted(seen: RunEvidence): End {
  const { by, reason } = seen.run.spec.abort ?? {};
  const who = by === undefined || by === '' ? 'somebody' : by;
  const via = seen.run.spec.abort === undefined ? 'The request was made through the state, as Prow does it, so nobody is named.' : '';
  return {
    headline: `It was ended by ${who}${reason === undefined || reason === '' ? ', who gave no reason.' : `: ${sentence(reason)}`}`,
    lines: via === '' ? [] : [via],
    actions: [again(seen)],
  };
}

function superseded(seen: RunEvidence): End {
  const { superseded_by: newer } = statusOf(seen.run);
  const state = seen.successor === undefined ? undefined : statusOf(seen.successor).state;
  const { namespace = '' } = seen.run.metadata;
  const pull = seen.run.spec.refs?.pulls?.[0];
  return {
    headline: `It was ended because a newer run of the same job on the same pull request took its place${newer === undefined ? '.' : `: ${newer}.`}`,
    lines: [
      ...(pull === undefined ? [] : [`This one tested #${pull.number} at ${pull.sha.slice(0, 12)}${newerSha(seen)}.`]),
      ...(newer === undefined ? [] : [state === undefined ? `${newer} is not there any more.` : `${newer} is in the state ${state}.`]),
    ],
    actions: [
      ...(newer === undefined ? [] : [`Look at the newer one: prow-operator why -n ${namespace} ${newer}`]),
      'To let older runs finish: spec.supersede: Finish in the job (or CancelIfNotStarted).',
    ],
  };
}

function newerSha({ successor }: RunEvidence): string {
  const pull = successor?.spec.refs?.pulls?.[0];
  return pull === undefined ? '' : `, the newer one tests ${pull.sha.slice(0, 12)}`;
}

function exhausted(seen: RunEvidence): End {
  const attempts = attemptsOf(seen);
  const causes = new Map<string, number>();
  for (const { cause = 'unknown' } of attempts) causes.set(cause, (causes.get(cause) ?? 0) + 1);
  return {
    headline: `All ${attempts.length} attempts were lost to something outside the test.`,
    lines: [
      `Causes: ${[...causes].map(([cause, count]) => `${cause} ${counted(count, 'time')}`).join(', ')}.`,
      ...evictionLines(seen),
      ...lostNodeLines(seen),
    ],
    actions: ['Look for what the nodes of the attempts have in common; the cause is there, and not in the test.', again(seen)],
  };
}

const ends: Readonly<Record<RunReason, (seen: RunEvidence) => End>> = {
  Succeeded: (seen) => ({ headline: 'It succeeded.', actions: ['Nothing to put right.', readLog(seen)] }),
  TestFailed: (seen) => ({
    headline: `The test failed: it ended${exitCode(seen)}.`,
    lines: ['A test that failed is not tried again by the operator.'],
    actions: [readLog(seen), again(seen), againLatest(seen)],
  }),
  OOMKilled: (seen) => ({
    headline: 'It used more memory than it may, and was killed.',
    lines: memoryLines(seen),
    actions: ['Raise resources.limits.memory of the container in the job, or make it need less.', readLog(seen), againLatest(seen)],
  }),
  Evicted: lostTo('Its pod{node} was evicted.', evictionLines),
  Preempted: lostTo('Its pod{node} had to make room for a more important one.'),
  NodeLost: lostTo('The node of its pod went away.', lostNodeLines),
  NodeRejected: lostTo('A node did not take its pod.', lostNodeLines),
  PodDeleted: lostTo('Its pod{node} was deleted by somebody.'),
  PodVanished: lostTo('Its pod{node} disappeared before anybody saw its end.'),
  ImagePullFailed: (seen) => ({
    headline: 'An image of its pod could not be had, so the test never ran.',
    actions: [
      'Correct the name or the tag of the image in the job, or give credentials for the registry (imagePullSecrets).',
      againLatest(seen),
    ],
  }),
  PodRejected: (seen) => ({
    headline: 'The API server refused its pod for good, so nothing ran.',
    actions: ['Correct what the message names in the pod_spec of the job, or the policy that refused it.', againLatest(seen)],
  }),
  InvalidSpec: (seen) => ({
    headline: 'It could not be started: its spec is not valid.',
    actions: ['Correct the field that the message names; prow-operator validate FILE checks a manifest beforehand.', againLatest(seen)],
  }),
  UnknownCluster: (seen) => ({
    headline: `It could not be started: nobody declares its build cluster (spec.cluster "${seen.run.spec.cluster ?? ''}").`,
    actions: ['Create a BuildCluster with this alias in this namespace, or correct spec.cluster of the job.', again(seen)],
  }),
  QueueTimeout: timeout('queue', 'It waited so long to start that it was given up.', [
    'Find out what it waited for: the message names it, and prow-operator why on a run that waits now names who holds the places.',
  ]),
  UnscheduledTimeout: timeout('unscheduled', 'No node took its pod in time, so the test never ran.', [
    'Compare what the pod asks for (resources, nodeSelector, affinity, tolerations) with what the nodes have: kubectl describe nodes',
  ]),
  PendingTimeout: timeout('pending', 'Its pod was on a node and did not begin to run in time.', [
    'See what the message says of its containers: a volume, a Secret or a slow image is the usual cause.',
  ]),
  RunningTimeout: timeout('running', 'It was stopped: it ran longer than it may.', ['See in the log where it spent its time.']),
  Aborted: aborted,
  Superseded: superseded,
  RetriesExhausted: exhausted,
};

/** A run that somebody else ended, as upstream's plank. */
function foreign(seen: RunEvidence): End {
  const { state } = statusOf(seen.run);
  return {
    headline: `It ended in the state ${state}; its status gives no reason that this program knows.`,
    actions: [readLog(seen), again(seen)],
  };
}
