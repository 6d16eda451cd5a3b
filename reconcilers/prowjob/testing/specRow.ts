/** The words in which the rows of upstream's scenario tables are written: a row, what it decides, who may start, what an answer means. */
import { expect } from 'vitest';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import { ApiError } from '../../../operator/kube/errors.ts';
import { Admission } from '../admission.ts';
import type { LimitSettings } from '../admissionLimits.ts';
import { refusalOf } from '../steps/podRefusal.ts';
import { aRun, pendingRun, type RunParts } from './builders.ts';
import { decided, type Given } from './decided.ts';
import { limitsOf } from './limits.ts';

export interface SpecRow {
  readonly id: string;
  readonly given: string;
  readonly outcome: 'upstream' | `differs: ${string}`;
  readonly check: () => void;
}

export const same = (id: string, given: string, check: () => void): SpecRow => ({ id, given, outcome: 'upstream', check });
export const differs = (id: string, given: string, how: string, check: () => void): SpecRow => ({
  id,
  given,
  outcome: `differs: ${how}`,
  check,
});

export const decides =
  (given: Given, want: object): (() => void) =>
  () => {
    expect(decided(given)).toMatchObject(want);
  };

/** Who of `asking`, one after the other, may start beside those that are there. */
function mayStart(
  asking: readonly ProwJob[],
  there: readonly ProwJob[] = [],
  limits: Partial<LimitSettings> = {},
): readonly (string | true)[] {
  const admission = new Admission({ limits: limitsOf(() => limits), wake: () => undefined });
  for (const object of [...there, ...asking]) admission.onJob({ type: 'added', object });
  admission.open();
  return asking.map((run) => {
    const verdict = admission.request(run);
    if (verdict.admitted) return true;
    return verdict.reason;
  });
}

export const job = (name: string, parts: RunParts = {}): ProwJob =>
  aRun({ name, ...parts, spec: { job: 'j', max_concurrency: 1, ...parts.spec } });
export const busy = (count: number, parts: RunParts = {}): readonly ProwJob[] =>
  Array.from({ length: count }, (_, index) =>
    pendingRun({ name: `busy-${index}`, ...parts, spec: { job: 'j', max_concurrency: 1, ...parts.spec } }),
  );
export const limit = (max_concurrency: number) => ({ spec: { max_concurrency } });
export const admits =
  (
    asking: readonly ProwJob[],
    want: readonly (string | true)[],
    there?: readonly ProwJob[],
    limits?: Partial<LimitSettings>,
  ): (() => void) =>
  () => {
    expect(mayStart(asking, there, limits)).toEqual(want);
  };

export const answers =
  (code: number, reason: string, message: string, want: object): (() => void) =>
  () => {
    expect(refusalOf(new ApiError('POST pods', { status: 'Failure', code, reason, message }, code))).toMatchObject(want);
  };
