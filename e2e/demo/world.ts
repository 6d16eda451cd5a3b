/**
 * Everything the demo has ever seen on its watches: runs, pods and schedules, also those that are gone by now. The promises are checked
 * against this memory, because the cluster itself forgets. Fed with objects and times; does no I/O.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Pod } from '../../operator/kube/builtin.ts';
import { annotation, label } from '../../operator/jobs/labels.ts';
import { runNowTokenAnnotation } from '../../operator/jobs/periodicRun.ts';

export const states = ['triggered', 'pending', 'success', 'failure', 'aborted', 'error'] as const;
export type State = (typeof states)[number];

/** One cell of the matrix: what a Periodic is about. */
export interface Cell {
  readonly stage: string;
  readonly region: string;
  readonly job: string;
}

export interface Schedule extends Cell {
  readonly uid: string;
  readonly name: string;
  /** Between two slots, for an `@every` schedule. */
  readonly everyMs?: number;
  ready: boolean;
  nextSlotMs?: number;
  /** Slots that started no run, with the reason that status gave. */
  readonly missed: Map<string, string>;
}

export interface Run extends Cell {
  readonly uid: string;
  readonly name: string;
  readonly scheduleUid: string;
  /** The slot, or the token of a start by hand; what must not happen twice. */
  readonly cause: string;
  readonly slotMs?: number;
  /** On the driver's clock. */
  readonly seenAtMs: number;
  state: State;
  reason: string;
  complete: boolean;
  completeAtMs?: number;
  completionTime?: string;
  podName: string;
  attempts: number;
  deletedAtMs?: number;
  /** What changed although the run was complete. Stays empty. */
  readonly changedAfterEnd: string[];
}

export interface SeenPod {
  readonly uid: string;
  readonly name: string;
  readonly runUid: string;
  readonly attempt: string;
  readonly seenAtMs: number;
  phase: string;
  deletedAtMs?: number;
}

export interface Transition {
  readonly run: Run;
  /** Absent for a new run. */
  readonly from?: State;
  readonly to: State;
  readonly atMs: number;
}

type Seen<T> = { readonly type: 'added' | 'updated' | 'deleted'; readonly object: T };

const cellOf = (labels: Readonly<Record<string, string>> = {}): Cell => ({
  stage: labels['eks-matrix/stage'] ?? '',
  region: labels['eks-matrix/region'] ?? '',
  job: labels['eks-matrix/job'] ?? '',
});

export class World {
  readonly schedules = new Map<string, Schedule>();
  readonly runs = new Map<string, Run>();
  readonly pods = new Map<string, SeenPod>();
  readonly #listeners = new Set<(transition: Transition) => void>();

  onTransition(listener: (transition: Transition) => void): void {
    this.#listeners.add(listener);
  }

  seeSchedule({ type, object }: Seen<Periodic>): void {
    const { uid = '', name, labels } = object.metadata;
    if (type === 'deleted') return;
    const everyMs = everyOf(object.spec.cron);
    const schedule: Schedule = this.schedules.get(uid) ?? {
      ...cellOf(labels),
      uid,
      name,
      ...(everyMs === undefined ? {} : { everyMs }),
      ready: false,
      missed: new Map(),
    };
    this.schedules.set(uid, schedule);
    schedule.ready = (object.status?.observedGeneration ?? -1) > 0;
    const next = object.status?.nextScheduleTimes?.[0];
    if (next !== undefined) schedule.nextSlotMs = Date.parse(next);
    for (const { slot, reason } of object.status?.missed?.last ?? []) schedule.missed.set(slot, reason);
  }

  seeRun({ type, object }: Seen<ProwJob>, nowMs: number): void {
    const uid = object.metadata.uid ?? '';
    const known = this.runs.get(uid);
    const run = known ?? newRun(object, nowMs);
    if (known === undefined) {
      this.runs.set(uid, run);
      this.#tell({ run, to: run.state, atMs: nowMs });
    }
    if (type === 'deleted') run.deletedAtMs ??= nowMs;
    else this.#follow(run, object, nowMs);
  }

  seePod({ type, object }: Seen<Pod>, nowMs: number): void {
    const { uid = '', name, labels = {} } = object.metadata;
    const pod: SeenPod = this.pods.get(uid) ?? {
      uid,
      name,
      runUid: labels[label.runUid] ?? '',
      attempt: labels[label.attempt] ?? '',
      seenAtMs: nowMs,
      phase: 'Pending',
    };
    this.pods.set(uid, pod);
    pod.phase = object.status?.phase ?? pod.phase;
    if (type === 'deleted') pod.deletedAtMs ??= nowMs;
  }

  runsOf(schedule: Schedule): readonly Run[] {
    return [...this.runs.values()].filter((run) => run.scheduleUid === schedule.uid);
  }

  podsOf(run: Run): readonly SeenPod[] {
    return [...this.pods.values()].filter((pod) => pod.runUid === run.uid);
  }

  count(state: State): number {
    let found = 0;
    for (const run of this.runs.values()) if (run.state === state) found += 1;
    return found;
  }

  get active(): readonly Run[] {
    return [...this.runs.values()].filter((run) => !run.complete && run.deletedAtMs === undefined);
  }

  /** What is in the cluster now. */
  get present(): { readonly runs: number; readonly pods: number } {
    const here = ({ deletedAtMs }: { readonly deletedAtMs?: number }): boolean => deletedAtMs === undefined;
    return { runs: [...this.runs.values()].filter(here).length, pods: [...this.pods.values()].filter(here).length };
  }

  /** Schedules with at least one complete run. */
  get finishedSchedules(): number {
    return new Set([...this.runs.values()].filter((run) => run.complete).map((run) => run.scheduleUid)).size;
  }

  #follow(run: Run, object: ProwJob, nowMs: number): void {
    const status = object.status;
    const state = (status?.state ?? 'triggered') as State;
    if (run.complete) {
      if (state !== run.state) run.changedAfterEnd.push(`state ${run.state} → ${state}`);
      if (status?.completionTime !== run.completionTime) run.changedAfterEnd.push(`completionTime → ${status?.completionTime ?? 'none'}`);
    }
    run.reason = status?.reason ?? run.reason;
    run.podName = status?.pod_name ?? run.podName;
    run.attempts = Math.max(run.attempts, status?.attempts?.length ?? 0);
    if (status?.completionTime !== undefined && !run.complete) {
      run.complete = true;
      run.completionTime = status.completionTime;
      run.completeAtMs = nowMs;
    }
    if (state === run.state) return;
    const from = run.state;
    run.state = state;
    this.#tell({ run, from, to: state, atMs: nowMs });
  }

  #tell(transition: Transition): void {
    for (const listener of this.#listeners) listener(transition);
  }
}

function newRun(object: ProwJob, nowMs: number): Run {
  const { uid = '', name, labels, annotations = {}, ownerReferences = [] } = object.metadata;
  const slot = annotations[annotation.scheduledTime];
  const token = annotations[runNowTokenAnnotation];
  return {
    ...cellOf(labels),
    uid,
    name,
    scheduleUid: ownerReferences[0]?.uid ?? '',
    cause: slot ?? `by hand: ${token ?? ''}`,
    ...(slot === undefined ? {} : { slotMs: Date.parse(slot) }),
    seenAtMs: nowMs,
    state: (object.status?.state ?? 'triggered') as State,
    reason: '',
    complete: false,
    podName: '',
    attempts: 0,
    changedAfterEnd: [],
  };
}

const everyPattern = /^@every (\d+)s$/;

/** The demo's own values use whole seconds only. */
function everyOf(cron: string | undefined): number | undefined {
  const seconds = everyPattern.exec(cron ?? '')?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}
