/**
 * `prow-operator abort NAME`: asks a run to end, in the name of whoever the API server says is asking. To ask again changes nothing. Exit code 0
 * when it is asked, or had ended before; with --wait when it has ended.
 */
import { prowJobs } from '../../crds/resources.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { isComplete } from '../jobs/runState.ts';
import { isInvalid } from '../kube/errors.ts';
import type { ObjectKey } from '../kube/objects.ts';
import { mergePatch } from '../kube/patch.ts';
import { realClock } from '../runtime/clock.ts';
import { endOf } from './followRun.ts';
import { ClusterError, exitCodes, named, onCluster, whoAmI, type ClusterOptions, type UserCluster } from './userCluster.ts';
import { timeoutMsOf } from './verbArguments.ts';
import { watchObject } from './watchObject.ts';

export interface AbortOptions extends ClusterOptions {
  readonly reason?: string;
  readonly wait?: boolean;
  /** For --wait; a Go duration. */
  readonly timeout?: string;
}

export const abort = (name: string, options: AbortOptions): Promise<number> =>
  onCluster('abort', options, async (cluster) => {
    const timeoutMs = timeoutMsOf(options.timeout);
    const key = { namespace: cluster.namespace, name };
    const { run, isNew } = await abortRun(cluster, key, options.reason);
    process.stdout.write(`${wordsFor(run, isNew)}\n`);
    if (options.wait !== true || isComplete(run)) return exitCodes.ok;
    return await untilEnded(cluster, run, timeoutMs);
  });

function wordsFor(run: ProwJob, isNew: boolean): string {
  const { name } = run.metadata;
  if (isComplete(run)) return `it had ended before: ${endOf(run)}`;
  if (isNew) return `asked ${name} to end`;
  const { by, reason } = run.spec.abort ?? {};
  return `${name} was asked to end before, by ${by ?? 'somebody'}${reason === undefined ? '' : `: ${reason}`}`;
}

const [longestBy, longestReason] = [256, 1024];

/** Asks once. `isNew`: it was this call that asked. @throws UsageError when there is no such run */
export async function abortRun(
  cluster: UserCluster,
  key: ObjectKey,
  reason?: string,
): Promise<{ readonly run: ProwJob; readonly isNew: boolean }> {
  const { client } = cluster;
  const run = await named<ProwJob>(client, prowJobs, key);
  if (isComplete(run) || run.spec.abort !== undefined) return { run, isNew: false };
  const by = (await whoAmI(cluster)).slice(0, longestBy);
  const asked = { by, ...(reason === undefined || reason === '' ? {} : { reason: reason.slice(0, longestReason) }) };
  try {
    // The uid: this very run, and not a later one of the same name.
    const patch = mergePatch({ metadata: { uid: run.metadata.uid }, spec: { abort: asked } });
    return { run: await client.patch<ProwJob>(prowJobs, key, patch), isNew: true };
  } catch (error) {
    const now = isInvalid(error) ? await named<ProwJob>(client, prowJobs, key) : undefined;
    if (now?.spec.abort === undefined) throw error;
    // Somebody was faster.
    return { run: now, isNew: false };
  }
}

async function untilEnded({ client }: UserCluster, run: ProwJob, timeoutMs: number): Promise<number> {
  const key = { namespace: run.metadata.namespace ?? '', name: run.metadata.name };
  const stop = new AbortController();
  const timer = Number.isFinite(timeoutMs) ? realClock.after(timeoutMs, () => stop.abort()) : undefined;
  try {
    for await (const now of watchObject<ProwJob>({ client, type: prowJobs, key, clock: realClock, signal: stop.signal })) {
      if (now === undefined || now.metadata.uid !== run.metadata.uid) throw new ClusterError(`ProwJob ${key.name} was deleted`);
      if (!isComplete(now)) continue;
      process.stdout.write(`${endOf(now)}\n`);
      return exitCodes.ok;
    }
    process.stderr.write(`prow-operator abort: ${key.name} has not ended within the time; it was asked to\n`);
    return exitCodes.timeout;
  } finally {
    timer?.cancel();
    stop.abort();
  }
}
