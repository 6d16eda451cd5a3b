/** Why a call to a build cluster was not made, and how the answer to one that was made is read. */
import { TransportError, type TransportErrorCode } from '../kube/errors.ts';
import type { HttpAnswer, HttpRequest } from '../kube/transport.ts';
import { ReconcileError } from '../runtime/errors.ts';

/** The call was not sent, or its answer says that the cluster cannot be used. Whoever made it comes back later. */
export class ClusterUnavailableError extends ReconcileError {
  constructor(message: string, retryAfterMs: number) {
    super(message, { code: 'ClusterUnavailable', retry: 'after', retryAfterMs });
    this.name = 'ClusterUnavailableError';
  }
}

/** What is wrong with a cluster. In conditions and metrics. */
export type ClusterProblem = 'Unreachable' | 'TimedOut' | 'Unauthorized' | 'Forbidden' | 'Malformed' | 'ServerError';

export interface CallFailure {
  readonly problem: ClusterProblem;
  /** Without a request path, so that it stays the same from call to call. */
  readonly detail: string;
  /** To repeat it is useless until something changes. */
  readonly fatal: boolean;
}

const problemOf: Readonly<Record<Exclude<TransportErrorCode, 'closed'>, ClusterProblem>> = {
  connect: 'Unreachable',
  reset: 'Unreachable',
  timeout: 'TimedOut',
  malformed: 'Malformed',
};

/** Undefined for an error that says nothing about the cluster: the caller gave up, or this process may not write. */
export function failureOfError(error: unknown): CallFailure | undefined {
  if (!(error instanceof TransportError) || error.code === 'closed') return undefined;
  return { problem: problemOf[error.code], detail: withoutRequest(error.message), fatal: false };
}

/** Undefined for an answer of a server that is well, be it a refusal. */
export function failureOfAnswer({ method, path }: Pick<HttpRequest, 'method' | 'path'>, status: number): CallFailure | undefined {
  if (status === 401) return { problem: 'Unauthorized', detail: '', fatal: true };
  const readsPods = method === 'GET' && podPath.test(path);
  // A refused write may be about the object (quota, a policy), and nothing else must be readable.
  if (status === 403 && readsPods) return { problem: 'Forbidden', detail: '', fatal: true };
  // A write that ends in 500 may be the fault of one webhook.
  if (status >= 502 || (status >= 500 && readsPods)) return { problem: 'ServerError', detail: String(status), fatal: false };
  return undefined;
}

/** Pods themselves, and not their logs. */
const podPath = /^\/api\/v1\/(namespaces\/[^/]+\/)?pods(\/[^/?]+)?(\?|$)/;

/** Whether this is about the log of a container. */
export const isLog = (path: string): boolean => /\/pods\/[^/]+\/log(\?|$)/.test(path);

const withoutRequest = (message: string): string =>
  inWords(message.replace(/^(GET|POST|PUT|PATCH|DELETE|WATCH) \S+: /, '').trim()).slice(0, 300);

/** OpenSSL tells where in its source it stopped, after the number of a thread, and ends the line. */
function inWords(detail: string): string {
  const reason = /^[0-9A-F]{8,}:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/.exec(detail)?.[1];
  if (reason === undefined) return detail;
  return reason === 'wrong version number' ? 'what answers there does not speak TLS' : `TLS: ${reason}`;
}

/** Throws TransportError for a good answer whose body no Kubernetes API would send. */
export function refuseNonsense(request: HttpRequest, { status, body }: HttpAnswer): void {
  if (status < 200 || status > 299 || !request.path.startsWith('/api') || isLog(request.path)) return;
  if (!isApiObject(body))
    throw new TransportError('malformed', `${request.method} ${request.path}: the answer is no object of a Kubernetes API`);
}

/** Beyond this size a look at both ends must do: parsing a long list twice costs more than it tells. */
const parsedUpTo = 256 * 1024;

function isApiObject(body: string): boolean {
  if (body.length > parsedUpTo) return body.startsWith('{') && body.trimEnd().endsWith('}');
  try {
    return typeof (JSON.parse(body) as { readonly kind?: unknown } | null)?.kind === 'string';
  } catch {
    return false;
  }
}
