/** What a run is doing that has an attempt and has not ended: by its pod, or by what keeps it from having one. Pure. */
import { statusOf } from '../jobs/runState.ts';
import { phaseOfPod } from '../jobs/podOutcome.ts';
import { isPodFinished } from '../jobs/podShape.ts';
import { timeMs } from '../jobs/times.ts';
import type { Pod } from '../kube/builtin.ts';
import { attemptsOf, latestPod } from './attempts.ts';
import { findCondition } from './conditions.ts';
import { deadlineOf, type DeadlineKind } from './deadlineWords.ts';
import type { RunEvidence } from './evidence.ts';
import type { Finding } from './explanation.ts';
import { containerLines, imageOf, isEnding, misconfigured, schedulerSays, withoutImage } from './podWords.ts';
import { explainWaiting } from './waitingRun.ts';
import { moment, relative, sentence, span } from './words.ts';

export function explainUnderWay(seen: RunEvidence): Finding {
  const { run } = seen;
  const { waiting } = statusOf(run);
  const pod = latestPod(seen);
  if (pod !== undefined && run.spec.abort === undefined) return byPod(seen, pod);
  if (run.spec.abort !== undefined || statusOf(run).state === 'aborted') return isBeingEnded(seen, pod);
  if (waiting !== undefined) return explainWaiting(seen, waiting);
  if (attemptsOf(seen).at(-1)?.finished !== undefined) return retrying(seen);
  return withoutPod(seen);
}

function isBeingEnded({ run, nowMs }: RunEvidence, pod: Pod | undefined): Finding {
  const { by, reason } = run.spec.abort ?? {};
  const asked = `${by ?? 'Somebody'} asked for its end${reason === undefined ? '' : `: ${sentence(reason)}`}`;
  const graceEndMs = timeMs(pod?.metadata.deletionTimestamp);
  return {
    code: 'Aborting',
    headline: 'It is being ended.',
    lines: [
      sentence(asked),
      ...(graceEndMs === undefined ? [] : [`Its pod ${pod?.metadata.name ?? ''} has until ${moment(graceEndMs, nowMs)} to end by itself.`]),
    ],
    actions: ['Nothing: an accepted abort cannot be taken back. Start the job again if it was a mistake (prow-operator rerun).'],
  };
}

function retrying(seen: RunEvidence): Finding {
  const { description } = statusOf(seen.run);
  const last = attemptsOf(seen).at(-1);
  return {
    code: 'Retrying',
    headline: `It lost attempt ${last?.number ?? 1} to ${last?.cause ?? 'something outside the test'}, and another one follows.`,
    lines: description === undefined ? [] : [sentence(description)],
    actions: ['Nothing: the next attempt starts by itself when the old pod has gone and its delay has passed.'],
  };
}

function withoutPod(seen: RunEvidence): Finding {
  const attempt = attemptsOf(seen).at(-1);
  if (!seen.podsWereRead) {
    return {
      code: 'PodNotRead',
      headline: `It is under way as pod ${attempt?.pod_name ?? ''}, which could not be looked at from here.`,
      lines: [sentence(statusOf(seen.run).description ?? '')].filter((line) => line !== ''),
      actions: ['Give a kubeconfig that reaches its pod: --pod-kubeconfig FILE.'],
    };
  }
  return {
    code: 'NoPod',
    headline: `Its pod ${attempt?.pod_name ?? ''} is not there: it is about to be created, or it has just gone and its end is being written.`,
    lines: [],
    actions: ['Look again in a few seconds. If it stays like this, see whether the operator works: kubectl get lease -A'],
  };
}

function byPod(seen: RunEvidence, pod: Pod): Finding {
  if (isPodFinished(pod)) return podEnded(seen, pod);
  if (isEnding(pod)) return podEnding(seen, pod);
  const phase = phaseOfPod(pod);
  switch (phase?.kind) {
    case 'unscheduled':
      return unscheduled(seen, pod);
    case 'pending':
      return pending(seen, pod);
    default:
      return running(seen, pod);
  }
}

function podEnded(seen: RunEvidence, pod: Pod): Finding {
  return {
    code: 'PodEnded',
    headline: `Its pod ${pod.metadata.name} has ended (${pod.status?.phase ?? ''}), and the operator is about to write the result.`,
    lines: containerLines(pod, seen.nowMs),
    actions: ['Look again in a few seconds. If it stays like this, see whether the operator works: kubectl get lease -A'],
  };
}

function podEnding({ nowMs }: RunEvidence, pod: Pod): Finding {
  const graceEndMs = timeMs(pod.metadata.deletionTimestamp) ?? nowMs;
  const finalizers = pod.metadata.finalizers ?? [];
  return {
    code: 'PodEnding',
    headline: `Its pod ${pod.metadata.name} is being deleted; then the operator decides whether another attempt follows.`,
    lines: [
      `The pod has until ${moment(graceEndMs, nowMs)} to end by itself.`,
      ...(finalizers.length === 0 ? [] : [`It is held by the finalizer ${finalizers.join(', ')}.`]),
    ],
    actions: ['Wait. A pod that does not go because its node is dead is given up 30 s after its time.'],
  };
}

/** The end of a deadline that is counted from an instant, as a sentence. */
function dueLine({ run, nowMs }: RunEvidence, kind: DeadlineKind, sinceMs: number, outcome: string): string {
  const deadline = deadlineOf(run.spec, kind);
  const endMs = sinceMs + deadline.ms;
  if (!Number.isFinite(endMs)) return `No deadline holds for this: ${deadline.text}.`;
  return `It may go on until ${moment(endMs, nowMs)}, the ${kind} deadline ${deadline.text}. Then ${outcome}.`;
}

function unscheduled(seen: RunEvidence, pod: Pod): Finding {
  const createdMs = timeMs(pod.metadata.creationTimestamp) ?? seen.nowMs;
  const says = schedulerSays(pod);
  return {
    code: 'Unscheduled',
    headline: `Its pod ${pod.metadata.name} has no node yet.`,
    lines: [
      says === undefined ? 'The scheduler has said nothing about it yet.' : `The scheduler says: ${says}`,
      `The pod was created ${relative(createdMs, seen.nowMs)}.`,
      dueLine(seen, 'unscheduled', createdMs, 'the attempt ends with UnscheduledTimeout'),
    ],
    actions: [
      'Compare what the pod asks for (resources, nodeSelector, affinity, tolerations in pod_spec) with what the nodes have: kubectl describe nodes',
      'If nodes are added on demand: wait, or allow more time (spec.timeouts.unscheduled of the job).',
    ],
  };
}

function pending(seen: RunEvidence, pod: Pod): Finding {
  const sinceMs = timeMs(pod.status?.startTime) ?? seen.nowMs;
  const due = dueLine(seen, 'pending', sinceMs, 'the attempt ends with PendingTimeout, or ImagePullFailed if an image is missing');
  const node = `Node ${pod.spec.nodeName ?? '?'} took it ${relative(sinceMs, seen.nowMs)}.`;
  const lines = [...containerLines(pod, seen.nowMs), node, due];
  const imageless = withoutImage(pod);
  if (imageless !== undefined) {
    const image = imageOf(pod, imageless.name) ?? '';
    return {
      code: 'ImageMissing',
      headline: `Its pod ${pod.metadata.name} waits for an image: "${image}" of container ${imageless.name} cannot be had.`,
      lines,
      actions: [
        'Correct the image in the job if its name or tag is wrong, abort this run, and start it again.',
        'If it needs credentials: see imagePullSecrets of the pod_spec and of the service account.',
        'If the registry is away: wait, the node tries again.',
      ],
    };
  }
  const wrong = misconfigured(pod);
  const headline =
    wrong === undefined
      ? `Its pod ${pod.metadata.name} is on a node and has not begun to run.`
      : `Its pod ${pod.metadata.name} cannot start container ${wrong.name} (${wrong.state?.waiting?.reason ?? ''}).`;
  const actions =
    wrong === undefined
      ? [`Wait, or see what the node does: kubectl -n ${pod.metadata.namespace ?? ''} describe pod ${pod.metadata.name}`]
      : ['Create what the message names (a Secret, a ConfigMap, a key of one), or correct the pod_spec and start the job again.'];
  return { code: wrong === undefined ? 'PodPending' : 'ContainerConfig', headline, lines, actions };
}

function running(seen: RunEvidence, pod: Pod): Finding {
  const { run, nowMs } = seen;
  const sinceMs = timeMs(pod.status?.startTime) ?? nowMs;
  const testMs = timeMs(pod.status?.containerStatuses?.find(({ state }) => state?.running !== undefined)?.state?.running?.startedAt);
  const test = deadlineOf(run.spec, 'test');
  const unready = findCondition(run.status?.conditions, 'Unsupported');
  const { namespace = '', name } = run.metadata;
  return {
    code: 'Running',
    headline: `It runs: pod ${pod.metadata.name} on node ${pod.spec.nodeName ?? '?'}, for ${span(nowMs - sinceMs)}.`,
    lines: [
      ...containerLines(pod, nowMs),
      dueLine(seen, 'running', sinceMs, 'it is stopped with RunningTimeout'),
      ...(testMs === undefined || !Number.isFinite(test.ms)
        ? []
        : [dueLine(seen, 'test', testMs, 'the test counts as failed (RunningTimeout)')]),
      ...(unready?.status === 'True' ? [sentence(unready.message)] : []),
    ],
    actions: [`Read along: prow-operator logs -f -n ${namespace} ${name}`, `Stop it: prow-operator abort -n ${namespace} ${name}`],
  };
}
