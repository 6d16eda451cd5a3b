/** What measurements put into a control plane, and how they take it out again. */
import type { Periodic } from '../../../crds/v1/periodic.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import { periodics, prowJobs } from '../../../crds/resources.ts';
import { events, pods } from '../../../operator/kube/builtin.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { collectionPath } from '../../../operator/kube/paths.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';
import { until } from '../../cluster/terminal.ts';

export const namespace = 'default';
/** On everything that belongs to one measurement; the value is its name. */
export const batchLabel = 'bench.prow.k8s.io/batch';
const goneMs = 300_000;
/** Different jobs in one batch, as in an installation where many things are tested. */
const jobNames = 200;

const podSpec = { containers: [{ name: 'test', image: 'localhost/test:1', command: ['true'] }] };

/** A run with a pod that ends well. */
export const runOf = (batch: string, index: number): ProwJob => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'ProwJob',
  metadata: { name: `${batch}-${index}`, namespace, labels: { [batchLabel]: batch } },
  spec: { type: 'periodic', agent: 'kubernetes', cluster: 'default', namespace, job: `job-${index % jobNames}`, pod_spec: podSpec },
});

/** A run that somebody else carries out: nothing follows from it. */
export const runOfOthers = (batch: string, index: number): ProwJob => {
  const { spec, ...run } = runOf(batch, index);
  return { ...run, spec: { ...spec, agent: 'none' } };
};

/** A schedule whose runs somebody else carries out. */
export const scheduleOf = (batch: string, index: number, schedule: Pick<Periodic['spec'], 'cron' | 'jitter'>): Periodic => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'Periodic',
  metadata: { name: `${batch}-${index}`, namespace, labels: { [batchLabel]: batch } },
  spec: {
    ...schedule,
    timeZone: 'Etc/UTC',
    jobTemplate: { metadata: { labels: { [batchLabel]: batch } }, spec: { agent: 'none', pod_spec: podSpec } },
  },
});

/** Deletes everything that measurements leave in the namespace, and waits until it is gone. */
export async function wipe(client: KubeClient): Promise<void> {
  // Schedules first, so that none starts a run anew; runs before pods, so that none starts its pod anew.
  for (const type of [periodics, prowJobs, pods, events]) await deleteAll(client, type);
}

async function deleteAll(client: KubeClient, type: ResourceType): Promise<void> {
  const path = `${collectionPath(type, namespace)}?gracePeriodSeconds=0`;
  const isEmpty = async (): Promise<boolean> => {
    await client.raw({ method: 'DELETE', path, timeoutMs: goneMs });
    return (await client.list(type, { namespace, limit: 1 })).items.length === 0;
  };
  await until(`the end of all ${type.plural}`, isEmpty, { timeoutMs: goneMs });
}
