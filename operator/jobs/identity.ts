/**
 * Which presubmit runs test the same thing, so that a newer one takes the place of an older one: the same job of a namespace on the same
 * pull requests and branches. Commits do not count, that is the point: a push makes a newer run of the same identity. Pure.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Refs } from '../../crds/v1/refs.ts';
import { createdMsOf, isComplete, isOurs } from './runState.ts';

/**
 * Undefined for runs that neither take the place of others nor give theirs: those that have ended, that others carry out, and batches,
 * postsubmits and periodics.
 */
export function identityOf(run: ProwJob): string | undefined {
  const { type, job, refs, extra_refs: extraRefs = [] } = run.spec;
  if (type !== 'presubmit' || isComplete(run) || !isOurs(run)) return undefined;
  const tested = [...(refs === undefined ? [] : [refs]), ...extraRefs].map(digest).sort();
  return JSON.stringify([run.metadata.namespace ?? '', job, ...tested]);
}

/** Without commits, and without the order in which pull requests are listed. */
const digest = ({ org, repo, base_ref: baseRef = '', pulls = [] }: Refs): string =>
  JSON.stringify([org, repo, baseRef, ...pulls.map(({ number }) => number).sort((a, b) => a - b)]);

/** By creation, then by uid: of two runs exactly one is newer. */
export function isNewer(run: ProwJob, than: ProwJob): boolean {
  const [createdMs, otherMs] = [createdMsOf(run), createdMsOf(than)];
  return createdMs === otherMs ? (run.metadata.uid ?? '') > (than.metadata.uid ?? '') : createdMs > otherMs;
}
