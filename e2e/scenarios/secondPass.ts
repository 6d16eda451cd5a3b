/**
 * A second pass over a settled world writes nothing: every object is touched, so that the operator looks at it again, and later each must be
 * as the touch left it. Whoever calls must see to it that the operator has looked in between.
 */
import { periodicBackfills, periodics, periodicSets, pluginConfigs, prowJobs } from '../../crds/resources.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';

export interface Touched {
  readonly type: ResourceType;
  readonly object: KubeObject;
}

const touch = mergePatch({ metadata: { annotations: { 'e2e.prow.k8s.io/touched': 'true' } } });

export async function touchAll(client: KubeClient, namespace: string): Promise<readonly Touched[]> {
  const touched: Touched[] = [];
  for (const type of [prowJobs, periodics, periodicSets, periodicBackfills, pluginConfigs] as readonly ResourceType[]) {
    for (const { metadata } of (await client.list(type, { namespace })).items) {
      const object = await client.patch(type, { namespace, name: metadata.name }, touch).catch(unlessGone);
      if (object !== undefined) touched.push({ type, object });
    }
  }
  return touched;
}

/** What somebody has written since; what was deleted does not count. */
export async function disturbedSince(client: KubeClient, touched: readonly Touched[]): Promise<readonly string[]> {
  const disturbed: string[] = [];
  for (const { type, object } of touched) {
    const { namespace = '', name } = object.metadata;
    const now = await client.get(type, { namespace, name }).catch(unlessGone);
    if (now === undefined || now.metadata.deletionTimestamp !== undefined) continue;
    if (lasting(now) !== lasting(object)) disturbed.push(`${lasting(object)}\nbecame\n${lasting(now)}`);
  }
  return disturbed;
}

/** The object without who wrote what. A schedule that is suspended is not written for the slots that pass. */
function lasting(object: KubeObject): string {
  const { managedFields: _owners, ...metadata } = object.metadata;
  return JSON.stringify({ ...object, metadata });
}

function unlessGone(error: unknown): undefined {
  if (isNotFound(error)) return undefined;
  throw error;
}
