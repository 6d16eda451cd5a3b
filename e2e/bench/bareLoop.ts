/**
 * The floor that the operator is measured against: what no controller can do without. One pod for each run, one patch when it was created, one
 * when it ended. It checks nothing, limits nothing, repeats nothing, and could not go on after a crash.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { prowJobs } from '../../crds/resources.ts';
import { pods, type Pod, type PodSpec } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { formatTime } from '../../operator/runtime/clock.ts';
import { beChild } from './measuring/childProgram.ts';
import { follow } from './measuring/follow.ts';

const mark = 'bench.prow.k8s.io/bare';

export async function runBareLoop(client: KubeClient, signal: AbortSignal): Promise<void> {
  /** By name: the end of what is done when a run starts. */
  const started = new Map<string, Promise<unknown>>();
  const ended = new Set<string>();
  const key = ({ metadata }: ProwJob | Pod) => ({ namespace: metadata.namespace ?? '', name: metadata.name });
  const say = (object: ProwJob | Pod, status: object): Promise<unknown> =>
    client.patch(prowJobs, key(object), mergePatch({ status }), { subresource: 'status' });
  const start = async (run: ProwJob): Promise<void> => {
    const spec = { ...run.spec.pod_spec, restartPolicy: 'Never' } as unknown as PodSpec;
    await client.create(pods, { apiVersion: 'v1', kind: 'Pod', metadata: { ...key(run), labels: { [mark]: 'true' } }, spec });
    await say(run, { state: 'pending', pendingTime: formatTime(Date.now()) });
  };
  const end = async (pod: Pod): Promise<void> => {
    await started.get(pod.metadata.name);
    await say(pod, { state: 'success', completionTime: formatTime(Date.now()) });
  };
  await follow(client, pods, { labelSelector: mark }, signal, (pod, change) => {
    if (change === 'DELETED' || pod.status?.phase !== 'Succeeded' || ended.has(pod.metadata.name)) return;
    ended.add(pod.metadata.name);
    end(pod).catch(report);
  });
  await follow(client, prowJobs, {}, signal, (run, change) => {
    if (change === 'DELETED' || started.has(run.metadata.name) || (run.status?.state ?? 'triggered') !== 'triggered') return;
    started.set(run.metadata.name, start(run).catch(report));
  });
}

const report = (error: unknown): void => console.error(error instanceof Error ? error.message : error);

if (import.meta.main) await beChild((client) => runBareLoop(client, new AbortController().signal));
