/**
 * The words of a plan: what can become of a slot, and why. Closed sets, because they are labels of metrics and reasons in status.
 */
import type { SlotWaitReason } from '../../crds/v1/periodic.ts';

/** Spec, or an earlier run, said that the slot starts no run. */
export const skipReasons = ['Suspended', 'Stopped', 'Excluded', 'ActiveRun', 'MaxConcurrency', 'Replaced', 'ScheduleChanged'] as const;
export type SkipReason = (typeof skipReasons)[number];

/** The slot should have started a run. The last two are found out only when the run is created. */
export const missReasons = ['Superseded', 'StartingDeadline', 'MaxAge', 'SkipPolicy', 'QueueFull', 'NameTaken', 'InvalidTemplate'] as const;
export type MissReason = (typeof missReasons)[number];

/** Why a repetition that was announced does not happen. Its slot has had its run, so this is no verdict on the slot. */
export type DropReason = 'LaterSlot' | 'NoRetry' | 'Refused';

/** What a run of the schedule was started for: its slot at its time, a slot that waited, or a repetition. */
export const startCauses = ['slot', 'queued', 'replacement', 'catchup', 'retry'] as const;
export type StartCause = (typeof startCauses)[number];

interface OfSlot {
  readonly slotMs: number;
  /** 1 for the first run of the slot. */
  readonly attempt: number;
  /**
   * Where the slot stood: in the schedule, so that the cursor moves behind it; in status.waiting, so that it leaves that list; or nowhere,
   * because its run has just ended.
   */
  readonly from: 'schedule' | 'waiting' | 'ended';
}

export interface StartDecision extends OfSlot {
  readonly outcome: 'start';
  readonly cause: StartCause;
  /** When it should have started: the slot with its jitter, or later where it had to wait for something. */
  readonly dueMs: number;
  /** It came due while nobody looked, so it is in no hurry. */
  readonly isLate: boolean;
  /** Its run is there already. */
  readonly exists: boolean;
}

/** What becomes of one slot. */
export type SlotDecision =
  | StartDecision
  | (OfSlot & { readonly outcome: 'wait'; readonly reason: SlotWaitReason; readonly notBeforeMs?: number })
  | (OfSlot & { readonly outcome: 'skip'; readonly reason: SkipReason })
  | (OfSlot & { readonly outcome: 'miss'; readonly reason: MissReason })
  | (OfSlot & { readonly outcome: 'drop'; readonly reason: DropReason });
