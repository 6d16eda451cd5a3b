/**
 * What an answer of the API server to the creation of a pod means: the pod will never be taken, and the job has to change; or it is not
 * taken now, and the reason passes or can be put right by somebody else. Pure.
 *
 * The code and the reason decide. Only under 403 Forbidden, which stands for everything that admission and authorization may say, the
 * words have to: they are those of the Kubernetes API server, unchanged for years, and what is not recognised is for good.
 */
import type { WaitReason } from '../../../crds/v1/prowJob.ts';
import { ClusterUnavailableError } from '../../../operator/clusters/errors.ts';
import { ApiError, TransportError, isForbidden, isNotFound, isTooManyRequests, isUnauthorized } from '../../../operator/kube/errors.ts';

export type HeldReason = Extract<WaitReason, 'ClusterUnavailable' | 'QuotaExceeded' | 'PodRefused'>;

export type Refusal =
  /** Not an answer of an API server, and no lack of one. */
  | { readonly kind: 'none' }
  | { readonly kind: 'permanent'; readonly message: string }
  /** `lead` begins the sentence that says who did not do what. */
  | { readonly kind: 'passing'; readonly reason: HeldReason; readonly lead: string; readonly message: string };

export function refusalOf(error: unknown): Refusal {
  if (error instanceof TransportError || error instanceof ClusterUnavailableError) return unavailable(error.message);
  if (!(error instanceof ApiError)) return { kind: 'none' };
  const message = (error.status.message ?? '') || error.message;
  if (isForbidden(error)) return forbidden(error, message);
  if (isUnauthorized(error) || isTooManyRequests(error) || error.code === 408 || error.code >= 500) return unavailable(message);
  // 404: the namespace is not there (yet). 409: somebody changed a quota at the same moment. 410 is about versions, and never about a pod.
  if (isNotFound(error) || error.code === 409 || error.code === 410) return passing('PodRefused', message);
  return error.code >= 400 ? { kind: 'permanent', message } : unavailable(message);
}

const unavailable = (message: string): Refusal => ({
  kind: 'passing',
  reason: 'ClusterUnavailable',
  lead: 'The API server could not take',
  message,
});
const passing = (reason: HeldReason, message: string): Refusal => ({
  kind: 'passing',
  reason,
  lead: 'The API server did not take',
  message,
});

/** Words of a 403 that has nothing to do with what the pod says. */
const passingWords: readonly (readonly [words: RegExp, reason: HeldReason])[] = [
  [/exceeded quota/, 'QuotaExceeded'],
  // The quota controller has not counted yet.
  [/status unknown for quota/, 'QuotaExceeded'],
  // A new namespace gets its default service account a moment later.
  [/serviceaccount "default" not found/, 'PodRefused'],
  // Its account was deleted, or it was never given the right: an administrator can put both right.
  [/cannot create resource "pods"/, 'PodRefused'],
  [/not yet ready to handle request/, 'PodRefused'],
];

function forbidden({ status }: ApiError, message: string): Refusal {
  // A namespace of this name may come again, as the one that is going did.
  const isGoing = (status.details?.causes ?? []).some((cause) => cause.reason === 'NamespaceTerminating');
  if (isGoing || message.includes('is being terminated')) return passing('PodRefused', message);
  const known = passingWords.find(([words]) => words.test(message));
  return known === undefined ? { kind: 'permanent', message } : passing(known[1], message);
}
