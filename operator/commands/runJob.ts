/**
 * `prow-operator run NAME|FILE`: starts a run and follows it. NAME is a Periodic, which is asked to run now; FILE holds a ProwJob, or a Periodic
 * whose template is run once. The exit code is the run's: 0 success, 1 failure, 3 error, 4 aborted; 2 when nothing was started because the
 * call is wrong, 5 when --timeout is over, 130 after Ctrl-C. The run goes on in both last cases, unless --abort-on-interrupt was given.
 */
import { randomBytes } from 'node:crypto';
import { periodics, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { runNameOf, runNowAnnotation, runNowTokenOf } from '../jobs/periodicRun.ts';
import { clusterOf } from '../jobs/runState.ts';
import { isAlreadyExists, isInvalid } from '../kube/errors.ts';
import { mergePatch } from '../kube/patch.ts';
import { realClock, sleep } from '../runtime/clock.ts';
import { messageOf } from '../runtime/errors.ts';
import { abortRun } from './abort.ts';
import { endOf, exitCodeOfRun, followRun } from './followRun.ts';
import { UsageError } from './manifestFiles.ts';
import { isFile, runFromFile } from './runManifest.ts';
import { out, say, timeoutMsOf } from './verbArguments.ts';
import {
  ClusterError,
  exitCodes,
  ifPresent,
  named,
  onCluster,
  withPodClient,
  type PodClusterOptions,
  type UserCluster,
} from './userCluster.ts';

export interface FollowFlags extends PodClusterOptions {
  /** A Go duration. */
  readonly timeout?: string;
  readonly abortOnInterrupt?: boolean;
}

export interface RunJobOptions extends FollowFlags {
  readonly detach?: boolean;
}

export const runJob = (target: string, options: RunJobOptions): Promise<number> =>
  onCluster('run', options, async (cluster) => {
    const timeoutMs = timeoutMsOf(options.timeout);
    if (target === '')
      throw new UsageError('the name is empty: give the name of a Periodic or a file, or no argument at all to run the operator itself');
    const run = isFile(target) ? await createRun(cluster, target, options) : await startPeriodic(cluster, target, timeoutMs);
    if (options.detach !== true) return followToTheEnd('run', cluster, run, options);
    process.stdout.write(`${run.metadata.name}\n`);
    return exitCodes.ok;
  });

async function createRun({ client, namespace }: UserCluster, file: string, options: RunJobOptions): Promise<ProwJob> {
  const run = await runFromFile(file, options.namespace, namespace);
  try {
    const created = await client.create<ProwJob>(prowJobs, run);
    say(`created ProwJob ${created.metadata.namespace ?? ''}/${created.metadata.name}`);
    return created;
  } catch (error) {
    if (isAlreadyExists(error))
      throw new UsageError(
        `there is a ProwJob "${run.metadata.name}" already: run it again with prow-operator rerun ${run.metadata.name}, or use metadata.generateName`,
      );
    if (isInvalid(error)) throw new UsageError(`the API server refused the manifest, and nothing was started: ${messageOf(error)}`);
    throw error;
  }
}

const pollMs = 300;
const hintMs = 15_000;

/** Asks the Periodic to run now, and waits for the run that carries the token. */
async function startPeriodic(cluster: UserCluster, name: string, timeoutMs: number): Promise<ProwJob> {
  const { client, namespace } = cluster;
  const key = { namespace, name };
  const token = `cli-${randomBytes(6).toString('hex')}`;
  const ask = (): Promise<Periodic> =>
    client.patch<Periodic>(periodics, key, mergePatch({ metadata: { annotations: { [runNowAnnotation]: token } } }));
  await named<Periodic>(client, periodics, key);
  await ask();
  const runName = runNameOf(name, { kind: 'manual', token });
  say(`asked Periodic ${namespace}/${name} to run now, as ${runName}`);
  const startMs = realClock.monotonic();
  let isHinted = false;
  for (;;) {
    const run = await ifPresent(client.get<ProwJob>(prowJobs, { namespace, name: runName }));
    if (run !== undefined) return run;
    const periodic = await named<Periodic>(client, periodics, key);
    const refusal = refusalOf(periodic, token);
    if (refusal !== undefined) throw new ClusterError(`Periodic ${name} did not start the run: ${refusal}`);
    if (isOverwritten(periodic, token)) await ask();
    const waitedMs = realClock.monotonic() - startMs;
    if (waitedMs > timeoutMs) throw new ClusterError(`Periodic ${name} started no run within the time: is the operator running?`);
    if (waitedMs > hintMs && !isHinted) {
      isHinted = true;
      say('no run has started yet: is the operator running, and does it watch this namespace?');
    }
    await sleep(realClock, pollMs);
  }
}

/** What the Periodic says about a run that it could not start. */
function refusalOf({ status, metadata }: Periodic, token: string): string | undefined {
  if (status?.lastRunNowToken !== token) return undefined;
  const stalled = status.conditions?.find(({ type, status: holds }) => type === 'Stalled' && holds === 'True');
  return stalled?.message ?? (metadata.deletionTimestamp === undefined ? undefined : 'it is being deleted');
}

/** Somebody else asked at the same moment, and their token took the place of ours before the operator saw it. */
const isOverwritten = (periodic: Periodic, token: string): boolean => {
  const now = runNowTokenOf(periodic);
  return now !== token && (now === undefined || periodic.status?.lastRunNowToken === now);
};

/** Follows the run and gives its exit code. `verb` begins the error messages. */
export async function followToTheEnd(verb: string, cluster: UserCluster, run: ProwJob, options: FollowFlags): Promise<number> {
  const timeoutMs = timeoutMsOf(options.timeout);
  const stop = new AbortController();
  const reach = { namespace: run.metadata.namespace ?? '', name: run.metadata.name };
  const onInterrupt = (): void => stop.abort('interrupted');
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  const timer = Number.isFinite(timeoutMs) ? realClock.after(timeoutMs, () => stop.abort('timeout')) : undefined;
  try {
    const ended = await withPodClient(cluster, clusterOf(run), options.podKubeconfig, (podClient) =>
      followRun(run, { client: cluster.client, podClient, clock: realClock, signal: stop.signal, out, say }),
    );
    return exitCodeOfRun(ended);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    if (stop.signal.reason === 'timeout') {
      say(
        `the time is over (--timeout ${options.timeout ?? ''}), and ${reach.name} goes on. To end it: prow-operator abort -n ${reach.namespace} ${reach.name}`,
      );
      return exitCodes.timeout;
    }
    return await interrupted(verb, cluster, run, options);
  } finally {
    timer?.cancel();
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
  }
}

async function interrupted(verb: string, cluster: UserCluster, run: ProwJob, { abortOnInterrupt }: FollowFlags): Promise<number> {
  const { namespace = '', name } = run.metadata;
  if (abortOnInterrupt !== true) {
    say(`no longer followed; ${name} goes on. To end it: prow-operator abort -n ${namespace} ${name}`);
    return exitCodes.interrupted;
  }
  const { run: now } = await abortRun(cluster, { namespace, name }, `Interrupted in prow-operator ${verb} --abort-on-interrupt.`);
  say(now.status?.completionTime === undefined ? `asked ${name} to end` : endOf(now));
  return exitCodes.interrupted;
}
