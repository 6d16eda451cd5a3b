/**
 * Creates the pod of a recorded attempt. Safe to repeat: a pod of this run that is there already is taken, one of somebody else is
 * never touched. A refusal is sorted into what will stay and what will pass.
 */
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import type { PodAccess } from '../../../operator/clusters/clusters.ts';
import { buildPod, type AttemptPlan } from '../../../operator/jobs/podBuilder.ts';
import { ownerOf } from '../../../operator/jobs/podOwner.ts';
import { pods, type Pod } from '../../../operator/kube/builtin.ts';
import { ApiError, TransportError, isAlreadyExists, isNotFound } from '../../../operator/kube/errors.ts';
import { formatKey } from '../../../operator/kube/objects.ts';
import { refusalOf, type HeldReason } from './podRefusal.ts';

export type CreateOutcome =
  | { readonly kind: 'created' }
  /** It was there already, as the API server has it now. */
  | { readonly kind: 'found'; readonly pod: Pod }
  /** For good: the message is for the user. */
  | { readonly kind: 'rejected'; readonly message: string }
  /** It will pass. With an error: try again with backoff. Without: an event will tell. */
  | { readonly kind: 'held'; readonly reason: HeldReason; readonly message: string; readonly error?: unknown };

export interface CreateInput {
  /** Resolved (resolveRun). */
  readonly run: ProwJob;
  readonly plan: AttemptPlan;
  readonly access: PodAccess;
  readonly signal: AbortSignal;
}

/** Throws only what has nothing to do with the API server. */
export async function createPod(input: CreateInput): Promise<CreateOutcome> {
  const pod: Pod = buildPod(input.run, input.plan);
  try {
    await input.access.writer.create(pod, { signal: input.signal });
    return { kind: 'created' };
  } catch (error) {
    if (isAlreadyExists(error)) return nameTaken(input, pod);
    return refused(error, pod.metadata.name);
  }
}

function refused(error: unknown, podName: string): CreateOutcome {
  const refusal = refusalOf(error);
  switch (refusal.kind) {
    case 'none':
      throw error;
    case 'permanent':
      return { kind: 'rejected', message: `The API server refused pod ${podName}: ${refusal.message}` };
    case 'passing':
      return { kind: 'held', reason: refusal.reason, message: `${refusal.lead} pod ${podName} yet: ${refusal.message}`, error };
  }
}

async function nameTaken({ run, access, signal }: CreateInput, wanted: Pod): Promise<CreateOutcome> {
  const key = { namespace: wanted.metadata.namespace ?? '', name: wanted.metadata.name };
  let present: Pod;
  try {
    present = await access.client.get(pods, key, { signal });
  } catch (error) {
    if (isNotFound(error)) return { kind: 'held', reason: 'PodRefused', message: `Pod ${key.name} is being replaced.`, error };
    if (error instanceof ApiError || error instanceof TransportError) return refused(error, key.name);
    throw error;
  }
  switch (ownerOf(present, run)) {
    case 'own':
      return { kind: 'found', pod: present };
    case 'former':
      return { kind: 'held', reason: 'PodRefused', message: `Pod ${key.name} of an earlier run with this name is still there.` };
    case 'stranger':
      return {
        kind: 'rejected',
        message: `Pod ${formatKey(key)} exists and does not belong to this run; delete it, or create the run under another name.`,
      };
  }
}
