/**
 * Where one plan is worked out: what is active, what waits, and what has been decided so far. It lives for the length of one plan and is
 * fed from its input alone, so the plan stays a function of its input.
 */
import type { Periodic, PeriodicSpec, SlotWaitReason } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { DropReason, MissReason, SkipReason, SlotDecision, StartCause } from './periodicDecisions.ts';
import { exclusionAt, type Hold } from './periodicHolds.ts';
import { placesOf } from './periodicLimits.ts';
import { attemptOfRun, isFinished, slotOfRun } from './periodicRun.ts';
import { timeMs } from './times.ts';

/** A slot is on time up to this age; an older one fell into a time when nobody looked. */
export const graceMs = 10_000;
/** So long may a slot lag behind its time that this very process has been waiting for, and still count as one on time. */
const patienceMs = 300_000;

/** A slot that waits, as status lists it. */
export interface WaitingSlot {
  readonly slotMs: number;
  readonly attempt: number;
  readonly reason: SlotWaitReason;
  readonly notBeforeMs: number;
}

export interface DeskInput {
  readonly periodic: Periodic;
  readonly runs: readonly ProwJob[];
  readonly nowMs: number;
  /** The slot that the last pass of this process went to sleep for. */
  readonly expectedMs?: number | undefined;
  readonly hold: Hold;
  /** A start by hand comes before everything else and takes a place. */
  readonly startsByHand: boolean;
  /** When a slot starts, its jitter included. */
  readonly startOf: (slotMs: number) => number;
}

type Of = Pick<SlotDecision, 'slotMs' | 'attempt' | 'from'>;

export class Desk {
  readonly spec: PeriodicSpec;
  readonly nowMs: number;
  readonly hold: Hold;
  readonly startOf: (slotMs: number) => number;
  readonly decisions: SlotDecision[] = [];
  readonly #expectedMs: number | undefined;
  readonly #runs: ReadonlyMap<string, ProwJob>;
  #active: number;
  #latestMs: number;
  #waiting: readonly WaitingSlot[];
  #wakeAtMs = Infinity;

  constructor({ periodic, runs, nowMs, expectedMs, hold, startsByHand, startOf }: DeskInput) {
    this.spec = periodic.spec;
    this.nowMs = nowMs;
    this.hold = hold;
    this.startOf = startOf;
    this.#expectedMs = expectedMs;
    this.#runs = new Map(runs.flatMap((run) => keyed(run)));
    this.#active = runs.filter((run) => !isFinished(run)).length + Number(startsByHand);
    // Runs are cleaned up, so status has to remember.
    const recordedMs = timeMs(periodic.status?.lastStartedSlot) ?? -Infinity;
    this.#latestMs = runs.reduce((latest, run) => Math.max(latest, slotOfRun(run) ?? -Infinity), recordedMs);
    this.#waiting = waitingOf(periodic);
  }

  /** Those that still wait, in the order of their slots. What was decided in this plan is taken into account. */
  get waiting(): readonly WaitingSlot[] {
    return this.#waiting;
  }

  get active(): number {
    return this.#active;
  }

  get hasPlace(): boolean {
    return this.#active < placesOf(this.spec);
  }

  /** No slot of the schedule may start now. */
  get isHeld(): boolean {
    return this.hold.now !== undefined || exclusionAt(this.spec, this.nowMs) !== undefined;
  }

  /** The latest slot that has started a run, in this plan or before. */
  get latestStartedMs(): number {
    return this.#latestMs;
  }

  /** Undefined: nothing but an event can change anything. */
  get wakeAtMs(): number | undefined {
    return this.#wakeAtMs === Infinity ? undefined : this.#wakeAtMs;
  }

  wakeAt(ms: number | undefined): void {
    this.#wakeAtMs = Math.min(this.#wakeAtMs, ms ?? Infinity);
  }

  runOf(slotMs: number, attempt: number): ProwJob | undefined {
    return this.#runs.get(keyOf(slotMs, attempt));
  }

  ageOf(slotMs: number): number {
    return this.nowMs - this.startOf(slotMs);
  }

  /** Nobody slept: it came due a moment ago, or this process was waiting for it and has only now come round to it. */
  isOnTime(slotMs: number, isLast: boolean): boolean {
    const ageMs = this.ageOf(slotMs);
    return ageMs <= graceMs || (isLast && slotMs === this.#expectedMs && ageMs <= patienceMs);
  }

  start(of: Of, cause: StartCause, dueMs: number, isLate = false): void {
    const exists = this.runOf(of.slotMs, of.attempt) !== undefined;
    if (!exists) this.#active += 1;
    this.#latestMs = Math.max(this.#latestMs, of.slotMs);
    this.#decide({ ...of, outcome: 'start', cause, dueMs, isLate, exists });
  }

  wait(of: Of, reason: SlotWaitReason, notBeforeMs?: number): void {
    this.#decide({ ...of, outcome: 'wait', reason, ...(notBeforeMs === undefined ? {} : { notBeforeMs }) });
    this.#waiting = inOrder([...this.#waiting, { slotMs: of.slotMs, attempt: of.attempt, reason, notBeforeMs: notBeforeMs ?? -Infinity }]);
  }

  skip(of: Of, reason: SkipReason): void {
    this.#decide({ ...of, outcome: 'skip', reason });
  }

  miss(of: Of, reason: MissReason): void {
    this.#decide({ ...of, outcome: 'miss', reason });
  }

  drop(of: Of, reason: DropReason): void {
    this.#decide({ ...of, outcome: 'drop', reason });
  }

  #decide(decision: SlotDecision): void {
    if (decision.from === 'waiting') this.#waiting = this.#waiting.filter((entry) => !isSame(entry, decision));
    this.decisions.push(decision);
  }
}

const keyOf = (slotMs: number, attempt: number): string => `${slotMs}/${attempt}`;

function keyed(run: ProwJob): readonly (readonly [string, ProwJob])[] {
  const slotMs = slotOfRun(run);
  return slotMs === undefined ? [] : [[keyOf(slotMs, attemptOfRun(run)), run]];
}

const isSame = (a: Pick<WaitingSlot, 'slotMs' | 'attempt'>, b: Pick<WaitingSlot, 'slotMs' | 'attempt'>): boolean =>
  a.slotMs === b.slotMs && a.attempt === b.attempt;

const inOrder = (slots: readonly WaitingSlot[]): readonly WaitingSlot[] =>
  slots.toSorted((a, b) => a.slotMs - b.slotMs || a.attempt - b.attempt);

/** The slots that status lists as waiting, in their order. */
export function waitingOf({ status }: Periodic): readonly WaitingSlot[] {
  const listed = (status?.waiting ?? []).flatMap(({ slot, attempt, reason, notBefore }) => {
    const slotMs = timeMs(slot);
    return slotMs === undefined ? [] : [{ slotMs, attempt: attempt ?? 1, reason, notBeforeMs: timeMs(notBefore) ?? -Infinity }];
  });
  return inOrder(listed);
}

/** A slot of the schedule: its first run, and the cursor moves behind it. */
export const scheduled = (slotMs: number) => ({ slotMs, attempt: 1, from: 'schedule' }) as const;

/** A slot of status.waiting. */
export const waited = ({ slotMs, attempt }: WaitingSlot) => ({ slotMs, attempt, from: 'waiting' }) as const;
