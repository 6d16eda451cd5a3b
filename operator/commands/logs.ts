/**
 * `prow-operator logs NAME`: what a run printed: from its pod while that exists, else from the archive where that is a directory of this machine.
 * Exit code 0 when a log was printed, 3 when there is none to be had (and where it is), 2 when the call is wrong.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { prowJobs } from '../../crds/resources.ts';
import { StorageLocationError, parseStorageLocation } from '../../crds/storageLocation.ts';
import type { Attempt, ProwJob } from '../../crds/v1/prowJob.ts';
import { archivedCondition, attemptsToArchive } from '../jobs/archiveHold.ts';
import { archivedLogPath } from '../jobs/archivedLog.ts';
import { ownerOf } from '../jobs/podOwner.ts';
import { clusterOf, isComplete, statusOf } from '../jobs/runState.ts';
import { pods, type Pod } from '../kube/builtin.ts';
import type { KubeClient } from '../kube/client.ts';
import { ApiError } from '../kube/errors.ts';
import { realClock } from '../runtime/clock.ts';
import { messageOf } from '../runtime/errors.ts';
import { UsageError } from './manifestFiles.ts';
import { followLog, prefixed, printLog } from './podLogs.ts';
import { ClusterError, exitCodes, ifPresent, named, onCluster, withPodClient, type PodClusterOptions } from './userCluster.ts';
import { out } from './verbArguments.ts';

export interface LogsOptions extends PodClusterOptions {
  readonly follow?: boolean;
  /** 1 for the first. Absent: the latest. */
  readonly attempt?: string;
  readonly container?: string;
  /** A directory, as a path or file://…: where the operator keeps results. */
  readonly archive?: string;
}

export const logs = (name: string, options: LogsOptions): Promise<number> =>
  onCluster('logs', options, async (cluster) => {
    const root = options.archive === undefined ? undefined : directoryOf(options.archive);
    const run = await named<ProwJob>(cluster.client, prowJobs, { namespace: cluster.namespace, name });
    const attempt = attemptOf(run, options.attempt);
    return withPodClient(cluster, clusterOf(run), options.podKubeconfig, async (client) => {
      const pod = client === undefined ? undefined : await podOf(client, run, attempt);
      if (client !== undefined && pod !== undefined) return printPod(client, pod, options);
      return printArchived({ run, attempt, isReachable: client !== undefined }, root, options.container);
    });
  });

/** @throws UsageError */
function directoryOf(text: string): string {
  if (!text.includes('://')) return text;
  try {
    const { scheme, bucket } = parseStorageLocation(text);
    if (scheme === 'file') return bucket;
    throw new UsageError(`--archive ${text}: only directories can be read here; use the tools of the store for ${scheme}://`);
  } catch (error) {
    if (!(error instanceof StorageLocationError)) throw error;
    throw new UsageError(`--archive ${error.message}`);
  }
}

/** @throws UsageError, ClusterError when the run has none yet */
function attemptOf(run: ProwJob, wanted: string | undefined): Attempt {
  const attempts = attemptsToArchive(run);
  const latest = attempts.at(-1);
  const { name, namespace = '' } = run.metadata;
  if (latest === undefined) {
    const why = isComplete(run) ? 'it ended without ever having a pod' : 'it has not started yet';
    throw new ClusterError(`${name} has no log: ${why} (prow-operator why -n ${namespace} ${name})`);
  }
  if (wanted === undefined) return latest;
  const found = attempts.find(({ number }) => String(number) === wanted);
  if (found === undefined)
    throw new UsageError(`--attempt ${wanted}: ${name} has the attempts ${attempts.map(({ number }) => number).join(', ')}`);
  return found;
}

async function podOf(client: KubeClient, run: ProwJob, attempt: Attempt): Promise<Pod | undefined> {
  const key = { namespace: attempt.pod_namespace ?? run.metadata.namespace ?? '', name: attempt.pod_name };
  const pod = await ifPresent(client.get(pods, key));
  return pod !== undefined && ownerOf(pod, run) === 'own' ? pod : undefined;
}

async function printPod(client: KubeClient, pod: Pod, { container, follow }: LogsOptions): Promise<number> {
  const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(({ name }) => name);
  if (container !== undefined && !all.includes(container))
    throw new UsageError(`--container ${container}: pod ${pod.metadata.name} has the containers ${all.join(', ')}`);
  const chosen = container === undefined ? pod.spec.containers.map(({ name }) => name) : [container];
  const stop = new AbortController();
  const onInterrupt = (): void => stop.abort();
  process.once('SIGINT', onInterrupt);
  const { namespace = '', name, uid } = pod.metadata;
  const target = (each: string) => ({
    client,
    pod: { namespace, name },
    ...(uid === undefined ? {} : { uid }),
    container: each,
    clock: realClock,
    signal: stop.signal,
    write: chosen.length > 1 ? prefixed(`[${each}] `, out) : out,
  });
  try {
    // Followed together; otherwise one after the other, as they stand in the pod.
    if (follow === true) await Promise.all(chosen.map((each) => followLog(target(each))));
    else for (const each of chosen) await printLog(target(each));
    return exitCodes.ok;
  } catch (error) {
    if (stop.signal.aborted) return exitCodes.interrupted;
    if (error instanceof ApiError && error.code === 400)
      throw new ClusterError(`there is no log yet: ${error.status.message ?? error.message}`);
    throw error;
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

interface Archived {
  readonly run: ProwJob;
  readonly attempt: Attempt;
  /** Whether the pod was looked for. */
  readonly isReachable: boolean;
}

async function printArchived(
  { run, attempt, isReachable }: Archived,
  root: string | undefined,
  container: string | undefined,
): Promise<number> {
  const message = run.status?.conditions?.find(({ type }) => type === archivedCondition)?.message;
  const found = archivedLogPath(run, attempt, { root, archived: message, container });
  if (found !== undefined) {
    const isThere = await stat(found).then(
      (file) => file.isFile(),
      () => false,
    );
    if (isThere) {
      await print(found);
      return exitCodes.ok;
    }
  }
  const gone = isReachable
    ? `pod ${attempt.pod_name} is not there any more`
    : `pod ${attempt.pod_name} is on build cluster "${clusterOf(run)}", which this kubeconfig does not reach (give --pod-kubeconfig FILE)`;
  const places = [
    ...(found === undefined ? [] : [`there is no file ${found}`]),
    ...(message === undefined ? ['its status names no archive'] : [message.replace(/\.$/, '')]),
    ...(statusOf(run).url === undefined ? [] : [`its link is ${statusOf(run).url ?? ''}`]),
  ];
  throw new ClusterError(`${gone}; ${places.join('; ')}`);
}

async function print(file: string): Promise<void> {
  try {
    await pipeline(createReadStream(file), process.stdout, { end: false });
  } catch (error) {
    throw new ClusterError(`${file} cannot be read: ${messageOf(error)}`);
  }
}
