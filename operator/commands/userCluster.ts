/**
 * What the verbs of a user share: the cluster and namespace of the kubeconfig, the exit codes, and errors as sentences. Nobody's rights but the
 * user's own are used: what the kubeconfig may not do, the command says.
 */
import { KubeClient } from '../kube/client.ts';
import { ApiError, TransportError, isForbidden, isNotFound, isUnauthorized } from '../kube/errors.ts';
import { KubeConfigError, PooledKubeConfig } from '../kube/kubeConfig.ts';
import type { KubeObject, ObjectKey } from '../kube/objects.ts';
import type { ResourceType } from '../kube/resource.ts';
import { UndiciTransport } from '../kube/transport.ts';
import { UsageError } from './manifestFiles.ts';

/** failure, error and aborted are results of a run; error also stands for a cluster that does not answer or refuses. */
export const exitCodes = { ok: 0, failure: 1, usage: 2, error: 3, aborted: 4, timeout: 5, interrupted: 130 } as const;

export interface ClusterOptions {
  readonly kubeconfig?: string;
  /** Absent: the namespace of the context, or default. */
  readonly namespace?: string;
}

export interface PodClusterOptions extends ClusterOptions {
  /** Reaches the pods of runs on build clusters other than the operator's own. */
  readonly podKubeconfig?: string;
}

/** Something that is the cluster's doing, and not the caller's: the command ends with 3. */
export class ClusterError extends Error {
  readonly code = 'CLUSTER';
  override readonly name = 'ClusterError';
}

export interface UserCluster {
  readonly client: KubeClient;
  readonly namespace: string;
  /** The user of the context, for when the API server does not say who asks. */
  readonly userName: string;
}

/** Runs `work` and turns what a person can put right into a sentence and an exit code; the rest is thrown. */
export async function onCluster(verb: string, options: ClusterOptions, work: (cluster: UserCluster) => Promise<number>): Promise<number> {
  let client: KubeClient | undefined;
  try {
    const config = loadConfig(options.kubeconfig);
    client = new KubeClient({ transport: new UndiciTransport(config, {}) });
    const namespace = options.namespace ?? config.namespace ?? '';
    const userName = config.getCurrentUser()?.name ?? 'unknown';
    return await work({ client, namespace: namespace === '' ? 'default' : namespace, userName });
  } catch (error) {
    const exitCode = exitCodeOf(error);
    if (exitCode === undefined) throw error;
    process.stderr.write(`prow-operator ${verb}: ${(error as Error).message}\n`);
    return exitCode;
  } finally {
    await client?.close();
  }
}

const loadConfig = (path: string | undefined): PooledKubeConfig => PooledKubeConfig.load(path === undefined ? {} : { path });

function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof UsageError || error instanceof KubeConfigError) return exitCodes.usage;
  return [ClusterError, ApiError, TransportError].some((kind) => error instanceof kind) ? exitCodes.error : undefined;
}

/** The client for pods of a run on this alias: the user's own for default; undefined where no kubeconfig was given for it. */
export async function withPodClient<T>(
  { client }: UserCluster,
  alias: string,
  podKubeconfig: string | undefined,
  work: (client: KubeClient | undefined) => Promise<T>,
): Promise<T> {
  if (alias === 'default') return work(client);
  if (podKubeconfig === undefined) return work(undefined);
  const remote = new KubeClient({ transport: new UndiciTransport(loadConfig(podKubeconfig), {}) });
  try {
    return await work(remote);
  } finally {
    await remote.close();
  }
}

/** The object that the user named. @throws UsageError when there is none */
export async function named<T extends KubeObject>(client: KubeClient, type: ResourceType<T>, key: ObjectKey): Promise<T> {
  try {
    return await client.get(type, key);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    throw new UsageError(
      `there is no ${type.kind} "${key.name}" in the namespace ${key.namespace}: kubectl get ${type.plural} -n ${key.namespace} lists them`,
    );
  }
}

/** Undefined when it is not there. */
export async function ifPresent<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Whether the user may not do this. */
export const isDenied = (error: unknown): boolean => isForbidden(error) || isUnauthorized(error);

/** Who asks, as the API server knows them. */
export async function whoAmI({ client, userName }: UserCluster): Promise<string> {
  try {
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const answer = (await client.raw({ method: 'POST', path, body })) as {
      readonly status?: { readonly userInfo?: { readonly username?: string } };
    };
    return answer.status?.userInfo?.username ?? userName;
  } catch (error) {
    if (isNotFound(error) || isDenied(error)) return userName;
    throw error;
  }
}

/** @throws UsageError */
export function checkOutput(output: string): void {
  if (output !== 'text' && output !== 'json') throw new UsageError(`--output ${output} is neither text nor json`);
}
