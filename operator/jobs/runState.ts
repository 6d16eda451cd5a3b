/** Small questions about a run that several rooms ask. Pure. */
import type { ProwJob, ProwJobStatus } from '../../crds/v1/prowJob.ts';
import { timeMs } from './times.ts';

const fresh: ProwJobStatus = { state: 'triggered' };

/** The status; an object that nobody has touched yet is triggered. */
export const statusOf = (run: ProwJob): ProwJobStatus => run.status ?? fresh;

/** Finished for good: the completion time is set. The state alone does not say so: aborted without it is a request. */
export const isComplete = (run: ProwJob): boolean => run.status?.completionTime !== undefined;

/** This operator runs it. Other agents, and runs that still wait for a cluster to be chosen, belong to others. */
export function isOurs(run: ProwJob): boolean {
  const { agent } = run.spec;
  return (agent === undefined || agent === '' || agent === 'kubernetes') && statusOf(run).state !== 'scheduling';
}

/** Somebody asked for the end: our field, or upstream's way of saying it. */
export const isAbortRequested = (run: ProwJob): boolean => run.spec.abort !== undefined || statusOf(run).state === 'aborted';

export const createdMsOf = (run: ProwJob): number => timeMs(run.metadata.creationTimestamp) ?? 0;

/** The alias of the build cluster. */
export const clusterOf = (run: ProwJob): string =>
  run.spec.cluster === undefined || run.spec.cluster === '' ? 'default' : run.spec.cluster;

/** An abort that came when the run had ended: nothing can be done about it, but tools wait until its generation is said to be seen. */
export const isAbortUnseen = ({ metadata, spec, status }: ProwJob): boolean =>
  spec.abort !== undefined && metadata.generation !== undefined && (status?.observedGeneration ?? 0) < metadata.generation;
