/** What an import has to say about the configuration it read. Nothing is left out without one of these. */
import { allRemarks, type Place, type Tree } from './tree.ts';

/**
 * refused: the job is not converted. leftOut: something of it, or of the file, has no place in the manifest. warning: it is in the manifest,
 * and the operator does not act on it. note: worth knowing; nothing is lost.
 */
export const findingKinds = ['refused', 'leftOut', 'warning', 'note'] as const;
export type FindingKind = (typeof findingKinds)[number];

export interface Finding extends Place {
  readonly kind: FindingKind;
  /** Empty for what concerns no single job. */
  readonly job: string;
  /** As it is called in the configuration, such as decoration_config.timeout. Empty for the whole job. */
  readonly field: string;
  readonly reason: string;
}

/** Collects what is found about one job, or about none. */
export class Findings {
  readonly #all: Finding[] = [];

  add(kind: FindingKind, { file, line, column }: Place, job: string, field: string, reason: string): void {
    this.#all.push({ kind, file, line, column, job, field, reason });
  }

  get all(): readonly Finding[] {
    return this.#all;
  }
}

/** One job's view of the findings. */
export class JobFindings {
  readonly #findings: Findings;
  readonly job: string;
  readonly #remarks: string[] = [];
  #isRefused = false;

  constructor(findings: Findings, job: string) {
    this.#findings = findings;
    this.job = job;
  }

  get isRefused(): boolean {
    return this.#isRefused;
  }

  refuse(place: Place, field: string, reason: string): void {
    this.#isRefused = true;
    this.#findings.add('refused', place, this.job, field, reason);
  }

  /** The comments on what stays behind. */
  get remarks(): readonly string[] {
    return this.#remarks;
  }

  /** `left` stays behind, but not the comments on it. */
  leaveOut(place: Place, field: string, reason: string, left?: Tree): void {
    this.#findings.add('leftOut', place, this.job, field, reason);
    this.keepRemarks(left);
  }

  keepRemarks(tree: Tree | undefined): void {
    if (tree !== undefined) this.#remarks.push(...allRemarks(tree));
  }

  warn(place: Place, field: string, reason: string): void {
    this.#findings.add('warning', place, this.job, field, reason);
  }

  note(place: Place, field: string, reason: string): void {
    this.#findings.add('note', place, this.job, field, reason);
  }
}
