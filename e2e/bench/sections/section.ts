/** One part of the benchmark: can be run alone, takes its sizes from the mode, and says what it is doing. */
import type { ControlPlaneOptions } from '../controlPlane.ts';
import type { Figure, Growth } from '../report/figures.ts';
import type { Stage } from '../stage.ts';

export interface Sizes {
  /** Runs of a burst. */
  readonly burst: number;
  readonly rounds: number;
  /** Runs one after another for the latency on an idle system. */
  readonly singles: number;
  /** Schedules due in the same minute. */
  readonly herds: readonly number[];
  readonly spread: { readonly schedules: number; readonly overMs: number };
  /** Finished runs in the cluster. */
  readonly finished: readonly number[];
  /** All of it at once. */
  readonly world: { readonly finished: number; readonly schedules: number; readonly running: number };
  /** How long an idle operator is watched. */
  readonly idleMs: number;
  /** Runs of the bursts whose growth is looked at. */
  readonly growth: readonly number[];
}

export interface Findings {
  readonly figures: readonly Figure[];
  readonly growth?: readonly Growth[];
}

export const withNodes: ControlPlaneOptions = {};
export const withoutControllers: ControlPlaneOptions = { bare: true };

export type Say = (text: string) => void;

export interface Section {
  readonly name: string;
  /** What it needs to work on. Sections that name the same object share it, one after another. */
  readonly on: ControlPlaneOptions;
  readonly run: (stage: Stage, sizes: Sizes, say: Say) => Promise<Findings>;
}
