/**
 * What only a real node does to a run: it kills for memory, evicts, cannot pull, is full, hangs, and comes back. These stories need the one-node
 * cluster of e2e/cluster, because they stop its programs; elsewhere they are left out.
 */
import { afterAll, expect } from 'vitest';
import type { Pod } from '../../operator/kube/builtin.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { nodeName } from '../cluster/plan.ts';
import { forever, prowJob, shellPod } from './manifests.ts';
import { nodes, QuietNode } from './quietNode.ts';
import { realCluster } from './realCluster.ts';
import type { Scene } from './scene.ts';
import { stories } from './story.ts';

const quotas: ResourceType<KubeObject & { readonly status?: { readonly used?: Readonly<Record<string, string>> } }> = {
  group: '',
  version: 'v1',
  plural: 'resourcequotas',
  kind: 'ResourceQuota',
  namespaced: true,
};

/** The first attempt ends only with its pod, any other at once. */
const secondTimeLucky = `case "$HOSTNAME" in *-[0-9]) exit 0;; *) ${forever};; esac`;

/** The node controller looks for silence of 40 to 50 s, depending on the release of Kubernetes. */
const silenceMs = 90_000;

const conditionOf = (pod: Pod | undefined, type: string) => pod?.status?.conditions?.find((condition) => condition.type === type);

/** What the API server last said of a pod, also when it is gone. */
const lastOf = (scene: Scene, name: string): Pod | undefined =>
  scene.recorder.pods.findLast(({ object: { metadata } }) => metadata.name === name && metadata.namespace === scene.namespace)?.object;

const nodeIs = (scene: Scene, ready: string): Promise<true> =>
  scene.eventually(
    `the node to be Ready=${ready}`,
    async () => {
      const { status } = await scene.client.get(nodes, { namespace: '', name: nodeName });
      return status?.conditions?.find(({ type }) => type === 'Ready')?.status === ready;
    },
    silenceMs,
  );

stories('a real node', { skip: realCluster === undefined }, (story) => {
  story('kills a test that eats more memory than it may, and the run says so', async (scene) => {
    const hungry = shellPod('exec dd if=/dev/zero of=/dev/null bs=64M count=1000');
    const [container] = hungry.containers;
    const containers = [{ ...container, resources: { limits: { memory: '16Mi' } } }] as typeof hungry.containers;
    await scene.apply(prowJob('hungry', '', { pod_spec: { ...hungry, containers } }));
    const run = await scene.finished('hungry');
    expect(run.status).toMatchObject({ state: 'error', reason: 'OOMKilled' });
    expect(run.status?.description).toContain('used more memory than it may');
    const node = lastOf(scene, 'hungry')?.spec.nodeName;
    expect(run.status?.attempts).toMatchObject([{ number: 1, cause: 'OOMKilled', exit_code: 137, node }]);
    expect(node).not.toBeUndefined();
  });

  story('cannot pull an image that does not exist', async (scene) => {
    const pod_spec = { terminationGracePeriodSeconds: 1, containers: [{ image: 'localhost/there-is-no-such-image:1' }] };
    await scene.apply(prowJob('imageless', '', { pod_spec, timeouts: { pending: '4s' }, retry: { max_attempts: 1 } }));
    const run = await scene.finished('imageless');
    expect(run.status).toMatchObject({ state: 'error', reason: 'ImagePullFailed', attempts: [{ cause: 'ImagePullFailed' }] });
    expect(run.status?.description).toContain('localhost/there-is-no-such-image:1');
    await scene.podGone('imageless');
  });

  story('is drained through the API: the next attempt succeeds', async (scene) => {
    await scene.apply(prowJob('drained', secondTimeLucky));
    const pod = await scene.started('drained');
    scene.deletedPods.add(pod.metadata.uid ?? '');
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'drained', namespace: scene.namespace } };
    const path = `/api/v1/namespaces/${scene.namespace}/pods/drained/eviction`;
    await scene.kubectl(['create', '--raw', path, '-f', '-'], JSON.stringify(eviction));
    const run = await scene.finished('drained');
    expect(run.status).toMatchObject({ state: 'success', pod_name: 'drained-2' });
    expect(run.status?.attempts).toMatchObject([
      { number: 1, cause: 'Evicted' },
      { number: 2, cause: 'Succeeded', exit_code: 0 },
    ]);
    expect(conditionOf(lastOf(scene, 'drained'), 'DisruptionTarget')?.reason).toBe('EvictionByEvictionAPI');
  });

  story('has room, but the namespace has not: the run waits for the quota, and starts when it is free', async (scene) => {
    const { namespace } = scene;
    const quota = { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'one-pod', namespace }, spec: { hard: { pods: '1' } } };
    await scene.client.create(quotas, quota);
    const isKnown = async (): Promise<boolean> =>
      (await scene.client.get(quotas, { namespace, name: 'one-pod' })).status?.used !== undefined;
    await scene.eventually('the quota to be counted', isKnown);
    await scene.apply(prowJob('holds', forever));
    await scene.started('holds');
    await scene.apply(prowJob('queues', 'true'));
    const waiting = await scene.untilRun('queues', 'to wait for the quota', ({ status }) => status?.waiting?.reason === 'QuotaExceeded');
    expect(waiting.status?.waiting?.message).toContain('one-pod');
    await scene.abort('holds', 'the story', 'make room');
    await scene.podGone('holds');
    const run = await scene.finished('queues');
    expect(run.status).toMatchObject({ state: 'success', attempts: [{ number: 1, cause: 'Succeeded' }] });
  });
});

/**
 * The pod may be taken away soon after its node is known to be silent; by default Kubernetes waits five minutes more. Not at once: when a node is
 * back, pods can be put on it a moment before the last of its taints is gone.
 */
const impatient = ['unreachable', 'not-ready'].map((key) => ({
  key: `node.kubernetes.io/${key}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 5,
}));

stories('a node whose kubelet', { alone: true, skip: realCluster === undefined }, (story) => {
  const kubelet = realCluster;
  if (kubelet === undefined) return;
  // Also after a story that took too long.
  afterAll(() => kubelet.release('kubelet'));

  story('dies and is started again has lost nothing: not a run, not an end that nobody saw', async (scene) => {
    await scene.apply(prowJob('through', 'echo started; sleep 6'));
    await scene.apply(prowJob('unseen', 'echo started; sleep 1; exit 3'));
    await Promise.all([scene.started('through'), scene.untilPod('unseen', 'to run', ({ status }) => status?.phase === 'Running')]);
    await kubelet.kill('kubelet');
    await kubelet.start('kubelet');
    expect((await scene.finished('through')).status).toMatchObject({ state: 'success', attempts: [{ number: 1, cause: 'Succeeded' }] });
    expect((await scene.finished('unseen')).status).toMatchObject({ state: 'failure', attempts: [{ number: 1, exit_code: 3 }] });
  });

  story('hangs is lost: runs go on as another attempt where they may, and wait where they may not', async (scene) => {
    await scene.apply(prowJob('stranded', '', { pod_spec: shellPod(secondTimeLucky, { tolerations: impatient }) }));
    await scene.apply(prowJob('patient', 'echo started; sleep 10'));
    await Promise.all([scene.started('stranded'), scene.started('patient')]);
    const other = await QuietNode.open(scene.client);
    kubelet.hold('kubelet');
    try {
      await nodeIs(scene, 'Unknown');
      const lost = await scene.eventually(
        'the attempt on the silent node to be given up',
        () => scene.recorder.run(scene.namespace, 'stranded')?.status?.attempts?.find(({ cause }) => cause !== undefined),
        silenceMs,
      );
      expect(lost).toMatchObject({ number: 1, cause: 'NodeLost' });
      const pod = lastOf(scene, 'stranded');
      // Kubernetes took it away, on behalf of this story.
      scene.deletedPods.add(pod?.metadata.uid ?? '');
      expect([conditionOf(pod, 'DisruptionTarget')?.reason, conditionOf(pod, 'Ready')?.status]).toEqual([
        'DeletionByTaintManager',
        'False',
      ]);
      await scene.untilPod(
        'stranded-2',
        'to wait for a node',
        ({ status }) => conditionOf({ status } as Pod, 'PodScheduled')?.status === 'False',
      );
      // Nobody knows how this one is; that it has ended will be known when the node is back.
      expect(scene.recorder.run(scene.namespace, 'patient')?.status).toMatchObject({ state: 'pending', attempts: [{ number: 1 }] });
    } finally {
      kubelet.release('kubelet');
      await other.close();
    }
    await nodeIs(scene, 'True');
    const run = await scene.finished('stranded');
    expect(run.status).toMatchObject({ state: 'success', pod_name: 'stranded-2' });
    expect(run.status?.attempts).toMatchObject([{ cause: 'NodeLost' }, { cause: 'Succeeded' }]);
    expect((await scene.finished('patient')).status).toMatchObject({ state: 'success', attempts: [{ number: 1, cause: 'Succeeded' }] });
    await scene.podGone('stranded');
  });
});
