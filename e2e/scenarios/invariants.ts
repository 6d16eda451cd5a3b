/**
 * What holds whatever a story is about: the invariants of the product, as checks over everything that happened. Pure: a history in, what
 * broke out. Each says which objects broke it.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { deadlinesOf } from '../../operator/jobs/deadlines.ts';
import { annotation, label } from '../../operator/jobs/labels.ts';
import { attemptOfRun, runNowTokenAnnotation } from '../../operator/jobs/periodicRun.ts';
import { deletionAskedMs, phaseOfPod } from '../../operator/jobs/podOutcome.ts';
import { isPodFinished } from '../../operator/jobs/podShape.ts';
import { createdMsOf, isComplete } from '../../operator/jobs/runState.ts';
import { compareRank, type StartRank } from '../../operator/jobs/startOrder.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { noLimits, overTheLimits, type Limits } from './limitLedger.ts';
import { rewritten } from './rewrites.ts';
import { lostSlots } from './slotLedger.ts';
import { byUid, lastStates, type Change, type History } from './history.ts';

export interface Deeds {
  /** Uids of pods that the story itself deleted. */
  readonly deletedPods: ReadonlySet<string>;
  /** What the settings allowed all the time. Absent: only the limits of jobs are known, because runs say them. */
  readonly limits?: Limits;
}

type Invariant = (history: History, deeds: Deeds) => readonly string[];

/** By the sentence that each stands for. */
export const invariants: ReadonlyMap<string, Invariant> = new Map<string, Invariant>([
  ['a complete run never changes state or completionTime', changedAfterTheEnd],
  ['unfinished pods never exceed a limit', (history, { limits = noLimits }) => overTheLimits(history, limits)],
  ['waiting runs start by priority, then age, then uid', outOfOrder],
  ['every run comes to an end', endless],
  ['no deadline is overrun by more than a crash takes', overrun],
  ['every pod belongs to a run, and each attempt has at most one', wrongPods],
  ['nobody but the user deletes the pod of a run that goes on', podsTakenAway],
  ['at most one run for each slot and each start by hand', startedTwice],
  ['every slot ends started, skipped or missed', lostSlots],
  ['no pod starts for a run that is over', startedTooLate],
  ['what cannot be done says why', unexplained],
  ['a build id is unique for each attempt', buildIdsReused],
  ['nothing is written again and again', rewritten],
]);

/** These ask what became of everything: while things go on they are not kept yet. All others hold at every instant. */
export const askedAtTheEnd: ReadonlySet<string> = new Set(['every run comes to an end', 'every slot ends started, skipped or missed']);

/**
 * A slot is given in memory, and what is written of it may come seconds late when requests are delayed: then the order of the writes is not
 * the order in which slots were given.
 */
export const blurredByDelays: ReadonlySet<string> = new Set(['waiting runs start by priority, then age, then uid']);

/** What broke, with the invariant it broke, except of those that are left out. */
export const brokenInvariants = (history: History, deeds: Deeds, leftOut: ReadonlySet<string> = new Set()): readonly string[] =>
  [...invariants]
    .filter(([says]) => !leftOut.has(says))
    .flatMap(([says, check]) => check(history, deeds).map((what) => `${says}: ${what}`));

const nameOf = ({ metadata }: ProwJob | Pod | Periodic): string => `${metadata.namespace ?? ''}/${metadata.name}`;

function changedAfterTheEnd({ runs }: History): string[] {
  return [...byUid(runs).values()].flatMap((states) => {
    const end = states.find(({ object }) => isComplete(object))?.object;
    if (end === undefined) return [];
    const later = states.slice(states.findIndex(({ object }) => object === end));
    return later
      .filter(({ object }) => object.status?.state !== end.status?.state || object.status?.completionTime !== end.status?.completionTime)
      .map(({ object }) => `${nameOf(end)} was ${said(end)} and became ${said(object)}`);
  });
}

const said = ({ status }: ProwJob): string => `${status?.state ?? 'nothing'} at ${status?.completionTime ?? 'no time'}`;

const jobOf = (run: ProwJob): string => `${run.metadata.namespace ?? ''}/${run.spec.job}`;
const runUidOf = (pod: Pod): string => pod.metadata.labels?.[label.runUid] ?? '';

interface Wait {
  readonly run: ProwJob;
  readonly rank: StartRank;
  readonly from: bigint;
  readonly startedAt: bigint | undefined;
}

/**
 * Slots are granted in memory and seen here only later. So it counts only when both runs were seen to wait before a slot came free, and
 * the lesser one started on it: then whoever granted it knew both.
 */
function outOfOrder({ runs }: History): string[] {
  const jobs = Map.groupBy(runs, ({ object }) => jobOf(object));
  return [...jobs.values()].flatMap((changes) => {
    const waits = [...byUid(changes).values()].flatMap(waitOf);
    const freed = [...byUid(changes).values()].flatMap(endOf);
    return waits.flatMap((lesser) => {
      const free = freed.filter((version) => version > lesser.from).sort(compareBigInts)[0];
      // A slot that came free while it was being written that the lesser one waits is not seen here.
      if (free === undefined || lesser.startedAt === undefined || free > lesser.startedAt) return [];
      return waits
        .filter((better) => compareRank(better.rank, lesser.rank) < 0 && better.from < free)
        .filter((better) => better.startedAt === undefined || better.startedAt > (lesser.startedAt ?? 0n))
        .map((better) => `${nameOf(lesser.run)} started before ${nameOf(better.run)}`);
    });
  });
}

const compareBigInts = (a: bigint, b: bigint): number => (a < b ? -1 : Number(a > b));

function waitOf(states: readonly Change<ProwJob>[]): readonly Wait[] {
  const from = states.find(({ object }) => object.status?.waiting?.reason === 'MaxConcurrency');
  if (from === undefined) return [];
  const { metadata, spec } = from.object;
  const over = states.find(({ version, object }) => version > from.version && object.status?.waiting === undefined);
  // A run that was aborted or deleted while it waited never started, and was passed over rightly.
  if (over === undefined ? states.at(-1)?.type === 'DELETED' : over.object.status?.state !== 'pending') return [];
  const createdMs = Date.parse(metadata.creationTimestamp ?? '');
  const rank = { priority: spec.priority ?? 0, createdMs, uid: metadata.uid ?? '' };
  return [{ run: from.object, rank, from: from.version, startedAt: over?.version }];
}

const endOf = (states: readonly Change<ProwJob>[]): readonly bigint[] =>
  states
    .filter(({ type, object }) => type === 'DELETED' || isComplete(object))
    .slice(0, 1)
    .map(({ version }) => version);

/** A story lets its runs end before this is asked. Those that were deleted with their Periodic need not have. */
function endless({ runs }: History): string[] {
  return [...byUid(runs).values()].flatMap((states) => {
    const last = states.at(-1);
    if (last === undefined || last.type === 'DELETED' || isComplete(last.object)) return [];
    return [`${nameOf(last.object)} is still ${last.object.status?.state ?? 'untouched'}`];
  });
}

/** A crash in the middle, with the time until another operator leads, and times of whole seconds. */
const slackMs = 45_000;

/** Deadlines that a run sets itself. Those of the settings are too long to be met in a story. */
function overrun({ runs, pods }: History): string[] {
  const last = lastStates(runs);
  const queued = last
    .filter(({ status }) => status?.completionTime !== undefined && (status.attempts ?? []).length === 0)
    .filter((run) => timeOf(run.status?.completionTime) - createdMsOf(run) > deadlinesOf(run.spec, noDeadlines).queueMs + slackMs)
    .map((run) => `${nameOf(run)} waited longer than its queue deadline`);
  const specs = new Map(last.map(({ metadata, spec }) => [metadata.uid ?? '', spec]));
  const working = lastStates(pods).flatMap((pod) => {
    const [spec, phase, endMs] = [specs.get(runUidOf(pod)), phaseOfPod(pod), deletionAskedMs(pod)];
    if (spec === undefined || phase === undefined || endMs === undefined) return [];
    const { unscheduledMs, pendingMs, runningMs } = deadlinesOf(spec, noDeadlines);
    const limitMs = { unscheduled: unscheduledMs, pending: pendingMs, running: runningMs }[phase.kind];
    return endMs - phase.sinceMs <= limitMs + slackMs ? [] : [`pod ${nameOf(pod)} was ${phase.kind} longer than its deadline`];
  });
  return [...queued, ...working];
}

const noDeadlines = { queueMs: Infinity, unscheduledMs: Infinity, pendingMs: Infinity, runningMs: Infinity };
const timeOf = (text: string | undefined): number => Date.parse(text ?? '');

/** A pod that a user deleted while no operator looked is made again for the same attempt: nobody can tell that it was there (ADR 7). */
function wrongPods({ runs, pods }: History, { deletedPods }: Deeds): string[] {
  const known = new Set(runs.map(({ object }) => object.metadata.uid));
  const ours = [...byUid(pods).values()].flatMap((states) => states.slice(0, 1).map(({ object }) => object));
  const strays = [...byUid(pods).values()]
    .flatMap((states) => states.slice(-1))
    .filter(({ type, object }) => type !== 'DELETED' && object.metadata.deletionTimestamp === undefined && !known.has(runUidOf(object)))
    .map(({ object }) => `pod ${nameOf(object)} belongs to no run`);
  const attempts = Map.groupBy(
    ours.filter((pod) => known.has(runUidOf(pod)) && !deletedPods.has(pod.metadata.uid ?? '')),
    (pod) => `${runUidOf(pod)} ${pod.metadata.labels?.[label.attempt] ?? ''}`,
  );
  const doubled = [...attempts.values()]
    .filter((same) => same.length > 1)
    .map((same) => `one attempt has the pods ${same.map((pod) => `${nameOf(pod)} (${pod.metadata.uid ?? ''})`).join(' and ')}`);
  return [...strays, ...doubled];
}

/** The operator deletes a pod when its run is over, was asked to end, or gives the attempt up for another. */
function podsTakenAway({ runs, pods }: History, { deletedPods }: Deeds): string[] {
  const states = byUid(runs);
  return [...byUid(pods)].flatMap(([uid, changes]) => {
    const taken = changes.find(({ type, object }) => type === 'DELETED' || object.metadata.deletionTimestamp !== undefined);
    if (taken === undefined || deletedPods.has(uid) || isPodFinished(taken.object)) return [];
    const history = states.get(runUidOf(taken.object));
    const then = history?.findLast(({ version }) => version < taken.version);
    if (history === undefined || then === undefined || isComplete(then.object) || then.object.spec.abort !== undefined) return [];
    const attempt = Number(taken.object.metadata.labels?.[label.attempt] ?? 0);
    // The end of an attempt is written before its pod is taken away.
    const gaveUp = then.object.status?.attempts?.some(({ number, cause }) => number === attempt && cause !== undefined) ?? false;
    const ended = history.some(({ type }) => type === 'DELETED') || then.object.status?.state === 'aborted';
    return gaveUp || ended ? [] : [`pod ${nameOf(taken.object)} was deleted while its run went on`];
  });
}

function startedTwice({ runs }: History): string[] {
  const first = new Map<string, ProwJob>();
  const broken: string[] = [];
  for (const { type, object } of runs) {
    const owner = object.metadata.ownerReferences?.[0]?.uid;
    const annotations = object.metadata.annotations ?? {};
    const slot = annotations[annotation.scheduledTime];
    const cause = slot === undefined ? annotations[runNowTokenAnnotation] : `${slot}, attempt ${attemptOfRun(object)}`;
    if (type !== 'ADDED' || owner === undefined || cause === undefined) continue;
    const earlier = first.get(`${owner} ${cause}`);
    if (earlier === undefined) first.set(`${owner} ${cause}`, object);
    else if (earlier.metadata.uid !== object.metadata.uid) broken.push(`${nameOf(earlier)} was started twice for ${cause}`);
  }
  return broken;
}

/** Over is a run that is complete, and one that a newer run superseded: its pod may still have to go, but none may come. */
function startedTooLate({ runs, pods }: History): string[] {
  const ends = new Map([...byUid(runs)].map(([uid, states]) => [uid, states.find(({ object }) => isOver(object))?.version]));
  return pods
    .filter(({ type }) => type === 'ADDED')
    .filter(({ object, version }) => version > (ends.get(runUidOf(object)) ?? version))
    .map(({ object }) => `pod ${nameOf(object)} was created when its run had ended`);
}

const isOver = (run: ProwJob): boolean => isComplete(run) || (run.status?.state === 'aborted' && run.status.superseded_by !== undefined);

/** A run that did not succeed has a reason and words for a person, and so has every condition that is not as it should be. */
function unexplained({ runs, periodics }: History): string[] {
  const mute = lastStates(runs)
    .filter((run) => isComplete(run) && run.status?.state !== 'success')
    .filter(({ status }) => isBlank(status?.reason) || isBlank(status?.description))
    .map((run) => `${nameOf(run)} ended as ${run.status?.state ?? ''} with reason "${run.status?.reason ?? ''}" and no explanation`);
  const silent = [...lastStates(runs), ...lastStates(periodics)].flatMap((object) =>
    (object.status?.conditions ?? [])
      .filter(({ status, reason, message }) => status === 'False' && (isBlank(reason) || isBlank(message)))
      .map(({ type }) => `condition ${type} of ${nameOf(object)} is False and does not say why`),
  );
  return [...mute, ...silent];
}

const isBlank = (text: string | undefined): boolean => text === undefined || text === '';

function buildIdsReused({ runs, pods }: History): string[] {
  const attemptOf = new Map<string, string>();
  const broken = new Set<string>();
  const claim = (id: string | undefined, attempt: string): void => {
    if (id === undefined || id === '') return;
    const holder = attemptOf.get(id) ?? attempt;
    attemptOf.set(id, holder);
    if (holder !== attempt) broken.add(`build id ${id} belongs to ${holder} and to ${attempt}`);
  };
  for (const { object } of runs) {
    for (const { number, build_id } of object.status?.attempts ?? []) claim(build_id, `attempt ${number} of ${object.metadata.uid ?? ''}`);
  }
  for (const pod of lastStates(pods)) {
    const labels = pod.metadata.labels ?? {};
    claim(labels[label.buildId], `attempt ${labels[label.attempt] ?? ''} of ${runUidOf(pod)}`);
  }
  return [...broken];
}
