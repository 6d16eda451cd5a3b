/**
 * The status of a run after what a pass found out. Pure: from the status before, the news and the time.
 */
import type { Attempt, ProwJob, ProwJobState, ProwJobStatus, RunReason } from '../../crds/v1/prowJob.ts';
import { jobUrlOf } from '../../operator/jobs/jobUrl.ts';
import type { AttemptPlan } from '../../operator/jobs/podBuilder.ts';
import type { AttemptEnd } from '../../operator/jobs/podOutcome.ts';
import { buildIdOfPod } from '../../operator/jobs/podOwner.ts';
import type { PodShape } from '../../operator/jobs/podShape.ts';
import { unsupportedDecoration } from '../../operator/jobs/podDecoration.ts';
import type { JobPolicy } from '../../operator/jobs/policy.ts';
import { resolveRun } from '../../operator/jobs/resolveRun.ts';
import { createdMsOf } from '../../operator/jobs/runState.ts';
import { removeCondition, setCondition } from '../../operator/runtime/conditions.ts';
import type { Waiting } from './decide.ts';
import type { Scope } from './scope.ts';
import { stamp } from '../../operator/jobs/times.ts';

export type News =
  /** A new attempt is about to get its pod. `end` is how the one before it ended. */
  | { readonly kind: 'started'; readonly plan: AttemptPlan; readonly end?: AttemptEnd }
  /** The newest attempt is lost; the next one follows in so long. */
  | { readonly kind: 'lost'; readonly end: AttemptEnd; readonly delayMs: number }
  /** A newer run takes its place; its pods go next. */
  | { readonly kind: 'superseded'; readonly by: string }
  /** The newest spec asks for nothing that can still be done. */
  | { readonly kind: 'observed' }
  /** A pod is there that no attempt was recorded for. */
  | { readonly kind: 'adopted'; readonly pod: PodShape }
  /** It waits, or (without waiting) does not wait any more. */
  | { readonly kind: 'waiting'; readonly waiting?: Waiting }
  | {
      readonly kind: 'finished';
      readonly state: ProwJobState;
      readonly reason: RunReason;
      readonly description: string;
      readonly end?: AttemptEnd;
      /** The newer run that has taken its place. */
      readonly supersededBy?: string;
    };

export interface Moment {
  readonly policy: JobPolicy;
  readonly nowMs: number;
}

type Conditions = NonNullable<ProwJobStatus['conditions']>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function statusAfter(scope: Scope, news: News, moment: Moment): ProwJobStatus {
  switch (news.kind) {
    case 'started':
      return started(scope, news, moment);
    case 'lost':
      return lost(scope, news, moment);
    case 'superseded':
      return { ...base(scope), state: 'aborted', ...replaced(scope, news.by) };
    case 'observed':
      return observed(scope);
    case 'adopted':
      return adopted(scope, news.pod, moment);
    case 'waiting':
      return waiting(scope, news.waiting, moment);
    case 'finished':
      return finished(scope, news, moment);
  }
}

function started(scope: Scope, { plan, end }: { readonly plan: AttemptPlan; readonly end?: AttemptEnd }, moment: Moment): ProwJobStatus {
  const attempt: Attempt = {
    number: plan.number,
    pod_name: plan.podName,
    pod_namespace: plan.podNamespace,
    build_id: plan.buildId,
    started: stamp(moment.nowMs),
  };
  const attempts = [...closeLast(scope, end, moment.nowMs), attempt];
  const description =
    end === undefined ? 'The pod of the run is being started.' : `Attempt ${plan.number} is being started. ${end.message}`;
  const status = running(scope, plan.buildId, description, moment);
  return { ...status, attempts, pod_name: plan.podName, ...(attempts.length > 1 ? { pod_revival_count: attempts.length - 1 } : {}) };
}

/** What is said holds for the newest spec as well. */
function observed({ run, status }: Scope): ProwJobStatus {
  const seen = observedGeneration(run);
  const { conditions } = status;
  return {
    ...status,
    ...seen,
    ...(conditions === undefined ? {} : { conditions: conditions.map((condition) => ({ ...condition, ...seen })) }),
  };
}

function lost(scope: Scope, { end, delayMs }: { readonly end: AttemptEnd; readonly delayMs: number }, { nowMs }: Moment): ProwJobStatus {
  const when = delayMs > 0 ? ` in ${Math.round(delayMs / 1000)} s` : '';
  const description = `Attempt ${scope.attempts.at(-1)?.number ?? 1} was lost: ${end.message} Another one follows${when}.`;
  const { waiting: _over, ...before } = base(scope);
  return {
    ...before,
    attempts: closeLast(scope, end, nowMs),
    description,
    conditions: progressing(scope, { reason: 'Retrying', message: description, stalled: false }, nowMs),
  };
}

function adopted(scope: Scope, pod: PodShape, moment: Moment): ProwJobStatus {
  const buildId = buildIdOfPod(pod) ?? '';
  const attempt: Attempt = {
    number: 1,
    pod_name: pod.metadata.name,
    ...(pod.metadata.namespace === undefined ? {} : { pod_namespace: pod.metadata.namespace }),
    build_id: buildId,
    started: pod.metadata.creationTimestamp ?? stamp(moment.nowMs),
    ...(pod.metadata.uid === undefined ? {} : { pod_uid: pod.metadata.uid }),
  };
  const status = running(scope, buildId, 'The pod of the run had been started before.', moment);
  return { ...status, attempts: [attempt], pod_name: pod.metadata.name };
}

/** What every status of a run with a pod says. */
function running(scope: Scope, buildId: string, description: string, { policy, nowMs }: Moment): ProwJobStatus {
  const { waiting: _over, ...before } = base(scope);
  const { run } = resolveRun(scope.run, policy);
  return {
    ...before,
    state: 'pending',
    description,
    pendingTime: before.pendingTime ?? stamp(nowMs),
    build_id: buildId,
    ...linkOf(run, buildId, policy),
    conditions: withUnsupported(run, progressing(scope, { reason: 'Running', message: description, stalled: false }, nowMs), {
      policy,
      nowMs,
    }),
  };
}

function linkOf(run: ProwJob, buildId: string, policy: JobPolicy): { readonly url?: string } {
  const url = jobUrlOf(run, buildId, policy);
  return url === undefined ? {} : { url };
}

/** What the run asks for and does not get, said with the start and kept until the end. */
function withUnsupported(run: ProwJob, conditions: Conditions, { policy, nowMs }: Moment): Conditions {
  const fields = unsupportedDecoration(run.spec.decoration_config, policy.archive !== undefined);
  if (fields.length === 0) return removeCondition(conditions, 'Unsupported');
  const message = `This version does not act on: ${fields.join(', ')}. The pod runs without helper containers.`;
  const cut = { reason: 'FieldsIgnored', message, ...observedGeneration(run) };
  return setCondition(conditions, { type: 'Unsupported', status: 'True', ...cut }, nowMs);
}

function waiting(scope: Scope, news: Waiting | undefined, { nowMs }: Moment): ProwJobStatus {
  const { status } = scope;
  const isSameReason = status.waiting?.reason === news?.reason;
  // Whoever waits decides how often its place is told; what else a message says changes all the time and is told along with it.
  if (isSameReason && status.waiting?.position === news?.position) return status;
  const { waiting: _before, ...rest } = base(scope);
  if (news === undefined) {
    return {
      ...rest,
      conditions: progressing(scope, { reason: 'Running', message: status.description ?? 'The run goes on.', stalled: false }, nowMs),
    };
  }
  const { reason, message } = news;
  if (isSameReason) return { ...rest, waiting: news };
  const stalled = reason === 'QueueUnknown' || reason === 'ClusterUnavailable' || reason === 'PodRefused';
  return { ...rest, waiting: news, conditions: progressing(scope, { reason, message, stalled }, nowMs) };
}

function finished(scope: Scope, news: Extract<News, { kind: 'finished' }>, { policy, nowMs }: Moment): ProwJobStatus {
  const { waiting: _over, ...before } = base(scope);
  const observed = observedGeneration(scope.run);
  const cut = { reason: news.reason, message: news.description, ...observed };
  const succeeded = news.state === 'success' ? 'True' : 'False';
  const settled = removeCondition(removeCondition(before.conditions, 'Reconciling'), 'Stalled');
  const ready = setCondition(settled, { type: 'Ready', status: 'True', ...cut }, nowMs);
  const attempts = closeLast(scope, news.end, nowMs);
  return {
    ...before,
    ...(attempts.length > 0 ? { attempts } : {}),
    state: news.state,
    reason: news.reason,
    description: news.description,
    ...(news.supersededBy === undefined ? {} : replaced(scope, news.supersededBy)),
    // The installation may have a viewer since, or another one.
    ...(before.build_id === undefined ? {} : linkOf(resolveRun(scope.run, policy).run, before.build_id, policy)),
    completionTime: before.completionTime ?? stamp(nowMs),
    conditions: setCondition(ready, { type: 'Succeeded', status: succeeded, ...cut }, nowMs),
  };
}

/** As upstream: its reporter takes the run for reported, and leaves the status of the newer one on the pull request alone. */
const replaced = ({ status }: Scope, by: string): Pick<ProwJobStatus, 'superseded_by' | 'prev_report_states'> => ({
  superseded_by: by,
  prev_report_states: { ...status.prev_report_states, 'github-reporter': 'aborted' },
});

function base({ run, status }: Scope): Mutable<ProwJobStatus> {
  return { ...status, ...observedGeneration(run), startTime: status.startTime ?? stamp(createdMsOf(run)) };
}

const observedGeneration = ({ metadata }: ProwJob): { readonly observedGeneration?: number } =>
  metadata.generation === undefined ? {} : { observedGeneration: metadata.generation };

interface Progress {
  readonly reason: string;
  readonly message: string;
  /** Somebody has to do something before it can go on. */
  readonly stalled: boolean;
}

function progressing({ run, status }: Scope, { reason, message, stalled }: Progress, nowMs: number): Conditions {
  const cut = { reason, message, ...observedGeneration(run) };
  const ready = setCondition(status.conditions, { type: 'Ready', status: 'False', ...cut }, nowMs);
  // Never both: a tool that waits would take whichever it reads first.
  const [holds, other] = stalled ? (['Stalled', 'Reconciling'] as const) : (['Reconciling', 'Stalled'] as const);
  return setCondition(removeCondition(ready, other), { type: holds, status: 'True', ...cut }, nowMs);
}

/** The attempts with the newest one completed by what is known of its pod. */
function closeLast(scope: Scope, end: AttemptEnd | undefined, nowMs: number): readonly Attempt[] {
  const last = scope.attempts.at(-1);
  if (last === undefined || last.finished !== undefined) return scope.attempts;
  const pod = scope.pod ?? scope.lastPod;
  const closed: Attempt = {
    ...last,
    ...(pod?.metadata.uid === undefined ? {} : { pod_uid: pod.metadata.uid }),
    ...(pod?.spec.nodeName === undefined ? {} : { node: pod.spec.nodeName }),
    finished: stamp(nowMs),
    ...(end?.exitCode === undefined ? {} : { exit_code: end.exitCode }),
    ...(end === undefined ? {} : { cause: end.cause }),
  };
  return [...scope.attempts.slice(0, -1), closed];
}
