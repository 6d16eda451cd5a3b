/**
 * What a build cluster says of itself and of us: its version, its identity, and which of the rights that runs need we lack. Nothing is
 * changed there. Whether the answers are believed is not decided here.
 */
import type { KubeClient } from '../kube/client.ts';
import { namespaces } from '../kube/builtin.ts';
import { ApiError, TransportError, isUnauthorized } from '../kube/errors.ts';
import type { KubeObject } from '../kube/objects.ts';

export interface Findings {
  readonly version?: string;
  /** UID of the namespace kube-system. */
  readonly clusterUID?: string;
  /** Rights without which no run can go there, as "create pods". */
  readonly missing: readonly string[];
  /** Rights without which something is missing but runs go on. */
  readonly limited: readonly string[];
}

interface Right {
  readonly verb: string;
  readonly subresource?: string;
  readonly isNeeded: boolean;
}

const rights: readonly Right[] = [
  ...['create', 'delete', 'get', 'list', 'watch'].map((verb) => ({ verb, isNeeded: true })),
  { verb: 'patch', isNeeded: false },
  { verb: 'get', subresource: 'log', isNeeded: false },
];

export interface SelfCheckOptions {
  /** Where pods go; without it rights in all namespaces are asked for. */
  readonly namespace?: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** Throws TransportError when no usable answer comes, and ApiError for 401 and for what says that the server is not well. */
export async function selfCheck(client: KubeClient, options: SelfCheckOptions): Promise<Findings> {
  const [version, clusterUID, lacking] = await Promise.all([
    versionOf(client, options),
    uidOf(client, options),
    Promise.all(rights.map(async (right) => ((await mayWe(client, right, options)) === false ? right : undefined))),
  ]);
  const lack = lacking.filter((right) => right !== undefined);
  return {
    ...(version === undefined ? {} : { version }),
    ...(clusterUID === undefined ? {} : { clusterUID }),
    missing: lack.filter(({ isNeeded }) => isNeeded).map(wordsOf),
    limited: lack.filter(({ isNeeded }) => !isNeeded).map(wordsOf),
  };
}

/** Whether we may do this to pods; undefined when the cluster does not tell. */
export async function mayWe(
  client: KubeClient,
  { verb, subresource }: Pick<Right, 'verb' | 'subresource'>,
  { namespace, signal, timeoutMs }: SelfCheckOptions,
): Promise<boolean | undefined> {
  const resourceAttributes = { verb, group: '', resource: 'pods', subresource, namespace };
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } };
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const review = await tolerant(client.raw({ method: 'POST', path, body, signal, timeoutMs }));
  if (review === undefined) return undefined;
  const { allowed } = (review as { readonly status?: { readonly allowed?: unknown } }).status ?? {};
  if (typeof allowed !== 'boolean') throw new TransportError('malformed', `POST ${path}: the review has no status.allowed`);
  return allowed;
}

const wordsOf = ({ verb, subresource }: Right): string => `${verb} pods${subresource === undefined ? '' : `/${subresource}`}`;

async function versionOf(client: KubeClient, { signal, timeoutMs }: SelfCheckOptions): Promise<string | undefined> {
  const answer = await tolerant(client.raw({ method: 'GET', path: '/version', signal, timeoutMs }));
  const { gitVersion } = (answer ?? {}) as { readonly gitVersion?: unknown };
  return typeof gitVersion === 'string' ? gitVersion.slice(0, 64) : undefined;
}

async function uidOf(client: KubeClient, { signal, timeoutMs }: SelfCheckOptions): Promise<string | undefined> {
  const found = await tolerant(client.get(namespaces, { namespace: '', name: 'kube-system' }, { signal, timeoutMs }));
  const uid: unknown = (found as Partial<KubeObject> | undefined)?.metadata?.uid;
  return typeof uid === 'string' ? uid.slice(0, 64) : undefined;
}

/** Undefined when the server is well and merely does not let us, or does not have it. */
async function tolerant<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ApiError && error.code < 500 && error.code !== 429 && !isUnauthorized(error)) return undefined;
    throw error;
  }
}
