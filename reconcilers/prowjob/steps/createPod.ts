/**
 * Creates the pod of a recorded attempt. Safe to repeat: a pod of this run that is there already is taken, one of somebody else is
 * never touched. A refusal is sorted into what will stay and what will pass.
 */
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import type { PodAccess } from '../../../operator/clusters/clusters.ts';
import { buildPod, type AttemptPlan } from '../../../operator/jobs/podBuilder.ts';
import { ownerOf } from '../../../operator/jobs/podOwner.ts';
import { pods, type Pod } from '../../../operator/kube/builtin.ts';
import {
  ApiError,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isNotFound,
  isTooManyRequests,
  isUnauthorized,
} from '../../../operator/kube/errors.ts';
import { formatKey } from '../../../operator/kube/objects.ts';

export type CreateOutcome =
  | { readonly kind: 'created' }
  /** It was there already, as the API server has it now. */
  | { readonly kind: 'found'; readonly pod: Pod }
  /** For good: the message is for the user. */
  | { readonly kind: 'rejected'; readonly message: string }
  /** It will pass. With an error: try again with backoff. Without: an event will tell. */
  | { readonly kind: 'held'; readonly message: string; readonly error?: unknown };

export interface CreateInput {
  readonly run: ProwJob;
  readonly plan: AttemptPlan;
  readonly access: PodAccess;
  readonly signal: AbortSignal;
}

/** Throws only what says nothing about the pod: no answer came, or the API server is not well. */
export async function createPod(input: CreateInput): Promise<CreateOutcome> {
  const pod: Pod = buildPod(input.run, input.plan);
  try {
    await input.access.writer.create(pod, { signal: input.signal });
    return { kind: 'created' };
  } catch (error) {
    if (isAlreadyExists(error)) return nameTaken(input, pod);
    if (!(error instanceof ApiError)) throw error;
    if (isPassing(error))
      return { kind: 'held', message: `The API server did not take pod ${pod.metadata.name} yet: ${wordsOf(error)}`, error };
    if (error.code >= 400 && error.code < 500)
      return { kind: 'rejected', message: `The API server refused pod ${pod.metadata.name}: ${wordsOf(error)}` };
    throw error;
  }
}

async function nameTaken({ run, access, signal }: CreateInput, wanted: Pod): Promise<CreateOutcome> {
  const key = { namespace: wanted.metadata.namespace ?? '', name: wanted.metadata.name };
  let present: Pod;
  try {
    present = await access.client.get(pods, key, { signal });
  } catch (error) {
    if (isNotFound(error)) return { kind: 'held', message: `Pod ${key.name} is being replaced.`, error };
    throw error;
  }
  switch (ownerOf(present, run)) {
    case 'own':
      return { kind: 'found', pod: present };
    case 'former':
      return { kind: 'held', message: `Pod ${key.name} of an earlier run with this name is still there.` };
    case 'stranger':
      return {
        kind: 'rejected',
        message: `Pod ${formatKey(key)} exists and does not belong to this run; delete it, or create the run under another name.`,
      };
  }
}

/** Refusals that have nothing to do with the pod itself. */
function isPassing(error: ApiError): boolean {
  if (isConflict(error) || isNotFound(error) || isTooManyRequests(error) || isUnauthorized(error)) return true;
  if (error.code === 408 || error.code === 409) return true;
  if (!isForbidden(error)) return false;
  const text = error.status.message ?? '';
  // A new namespace gets its default service account a moment later.
  return text.includes('exceeded quota') || text.includes('serviceaccount "default" not found');
}

const wordsOf = (error: ApiError): string => (error.status.message ?? '') || error.message;
