/** Each of the four deadlines of a run, met: it ends with the deadline's own reason, and says what it had been waiting for. */
import { expect } from 'vitest';
import { buildClusters } from '../../crds/resources.ts';
import { apiVersion } from '../../crds/v1/common.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { forever, nowhere, prowJob, shellPod, withoutImage } from './manifests.ts';
import { stories } from './story.ts';

/** From the creation of a run to its end. */
const lifeMs = ({ metadata, status }: ProwJob): number =>
  Date.parse(status?.completionTime ?? '') - Date.parse(metadata.creationTimestamp ?? '');

stories('a run that hangs', {}, (story) => {
  story('in the queue ends by the queue deadline, and never has a pod', async (scene) => {
    await scene.apply({
      apiVersion,
      kind: 'BuildCluster',
      metadata: { name: 'far' },
      spec: { alias: 'far', kubeconfigSecretRef: { name: 'none', key: 'kubeconfig' } },
    });
    await scene.apply(prowJob('queued', 'true', { cluster: 'far', timeouts: { queue: '5s' } }));
    await scene.untilRun('queued', 'to say what it waits for', ({ status }) => status?.waiting?.reason === 'ClusterUnavailable');
    const run = await scene.finished('queued');
    expect(run.status).toMatchObject({ state: 'error', reason: 'QueueTimeout' });
    expect(run.status?.description).toContain('Build cluster "far"');
    expect(lifeMs(run)).toBeGreaterThanOrEqual(5_000);
    await scene.client.delete(buildClusters, { namespace: scene.namespace, name: 'far' });
  });

  story('for want of a node ends by the unscheduled deadline, with the words of the scheduler', async (scene) => {
    await scene.apply(prowJob('homeless', forever, { pod_spec: shellPod(forever, nowhere), timeouts: { unscheduled: '3s' } }));
    const run = await scene.finished('homeless');
    expect(run.status).toMatchObject({ state: 'error', reason: 'UnscheduledTimeout' });
    expect(run.status?.description).toContain('node');
    expect(lifeMs(run)).toBeGreaterThanOrEqual(3_000);
    await scene.podGone('homeless');
  });

  story('for want of its image ends by the pending deadline, with the words of the node', async (scene) => {
    await scene.apply(prowJob('imageless', 'true', { pod_spec: withoutImage, timeouts: { pending: '3s' }, retry: { max_attempts: 1 } }));
    const run = await scene.finished('imageless');
    expect(run.status).toMatchObject({ state: 'error', reason: 'ImagePullFailed' });
    expect(run.status?.description).toContain('ErrImageNeverPull');
    await scene.podGone('imageless');
  });

  story('in its test ends by the running deadline, as aborted', async (scene) => {
    await scene.apply(prowJob('endless', forever, { timeouts: { running: '3s' } }));
    const run = await scene.finished('endless');
    expect(run.status).toMatchObject({ state: 'aborted', reason: 'RunningTimeout' });
    expect(run.status?.attempts).toMatchObject([{ cause: 'RunningTimeout' }]);
    expect(lifeMs(run)).toBeGreaterThanOrEqual(3_000);
    await scene.podGone('endless');
  });

  story('for want of a node, again and again, ends when its attempts are used up', async (scene) => {
    const retry = { max_attempts: 2, on: ['Timeout' as const] };
    await scene.apply(prowJob('tireless', forever, { pod_spec: shellPod(forever, nowhere), timeouts: { unscheduled: '2s' }, retry }));
    const run = await scene.finished('tireless');
    expect(run.status).toMatchObject({ state: 'error', reason: 'RetriesExhausted', pod_name: 'tireless-2' });
    expect(run.status?.attempts).toMatchObject([{ cause: 'UnscheduledTimeout' }, { cause: 'UnscheduledTimeout' }]);
    await scene.podGone('tireless-2');
  });
});
