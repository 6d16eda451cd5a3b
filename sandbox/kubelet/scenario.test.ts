/** Scripted misfortunes with real processes: each leaves in the API what Kubernetes' own components leave there. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Container, ContainerStatus, Pod, PodCondition } from '../../operator/kube/builtin.ts';
import { pods } from '../../operator/kube/builtin.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { ApiFailure } from '../api/failure.ts';
import { startSandbox } from '../sandbox.ts';
import type { Sandbox } from '../sandbox.ts';
import type { SandboxApi, StoredObject } from '../storage/storage.ts';
import { Kubelet } from './kubelet.ts';
import { parseScenario, scenarioAnnotation } from './scenario.ts';

const namespace = 'default';
const events: ResourceType = { group: '', version: 'v1', plural: 'events', kind: 'Event', namespaced: true };
let sandbox: Sandbox;
let api: SandboxApi;
let dir: string;
let kubelet: Kubelet;
let clock: FakeClock;
let sequence = 0;

beforeAll(async () => {
  sandbox = await startSandbox({ kubelet: false });
  api = sandbox.api;
  dir = await mkdtemp(path.join(tmpdir(), 'scenario-test-'));
});
beforeEach(() => {
  clock = new FakeClock(Date.now());
  kubelet = new Kubelet({ api, dir, clock });
  kubelet.start();
});
afterEach(async () => {
  for (const pod of api.list(pods)) api.remove(pods, { namespace, name: pod.metadata.name }, pod.metadata.uid!);
  await kubelet.stop();
});
afterAll(async () => {
  await sandbox.close();
  await rm(dir, { recursive: true, force: true });
});

function createPod(scenario: string, spec: Readonly<Record<string, unknown>> = {}): StoredObject {
  const container: Container = { name: 'main', image: 'busybox:1', command: ['/bin/sh', '-c', 'sleep 600'] };
  return api.create(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `unlucky-${++sequence}`, namespace, annotations: { [scenarioAnnotation]: scenario } },
    spec: { restartPolicy: 'Never', containers: [container], ...spec },
  });
}

const current = (pod: StoredObject): Pod | undefined => api.get(pods, { namespace, name: pod.metadata.name }) as unknown as Pod | undefined;

/** Resolves with the first state of the pod that fits; the test's own time limit ends a wait in vain. */
const until = (pod: StoredObject, fits: (pod: Pod) => boolean): Promise<Pod> =>
  new Promise((resolve) => {
    const stop = api.watch(pods, ({ type, object }) => {
      if (type === 'DELETED' || object.metadata.uid !== pod.metadata.uid || !fits(object as unknown as Pod)) return;
      stop();
      resolve(object as unknown as Pod);
    });
  });

/** Every state of the pod from now on, the last one at its deletion. */
function recorded(pod: StoredObject): { readonly states: Pod[]; readonly gone: Promise<Pod> } {
  const states: Pod[] = [];
  const gone = new Promise<Pod>((resolve) => {
    const stop = api.watch(pods, ({ type, object }) => {
      if (object.metadata.uid !== pod.metadata.uid) return;
      states.push(object as unknown as Pod);
      if (type !== 'DELETED') return;
      stop();
      resolve(object as unknown as Pod);
    });
  });
  return { states, gone };
}

const isRunning = (pod: Pod): boolean => pod.status?.phase === 'Running';
const isOver = (pod: Pod): boolean => pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
const main = (pod: Pod | undefined): ContainerStatus => pod!.status!.containerStatuses![0]!;
const condition = (pod: Pod | undefined, type: string): PodCondition | undefined =>
  pod?.status?.conditions?.find((candidate) => candidate.type === type);
const isWaitingFor = (reason: string) => (pod: Pod) => pod.status?.containerStatuses?.[0]?.state?.waiting?.reason === reason;
const eventsOf = (pod: StoredObject): string[] =>
  api
    .list(events, namespace)
    .filter((event) => (event.involvedObject as { uid?: string }).uid === pod.metadata.uid)
    .map((event) => `${String(event.type)} ${String(event.reason)}: ${String(event.message)}`);

describe('what a scenario may say', () => {
  it('takes several with their times', () => {
    expect([...parseScenario('slow-start=1s, evict-after=1m30s,stuck-terminating')]).toEqual([
      ['slow-start', 1000],
      ['evict-after', 90_000],
      ['stuck-terminating', Infinity],
    ]);
  });

  it.each([
    ['evict', 'unknown scenario "evict": write one of unschedulable,'],
    ['evict-after', 'evict-after needs a time, such as evict-after=5s'],
    ['evict-after=soon', 'evict-after needs a time'],
    ['evict-after=-1s', 'evict-after needs a time'],
    ['oom-after=1s,oom-after=2s', 'oom-after is there twice'],
    ['', 'unknown scenario ""'],
  ])('refuses a pod with %j', (scenario, why) => {
    const refusal = (): StoredObject => createPod(scenario);
    expect(refusal).toThrow(ApiFailure);
    expect(refusal).toThrow(why);
    expect(refusal).toThrow(`metadata.annotations[${scenarioAnnotation}]`);
  });
});

describe('unschedulable', () => {
  it('leaves the pod Pending with the condition and the event of the scheduler, until its time is over', async () => {
    const created = createPod('unschedulable=1m');
    const message =
      '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.';
    const waiting = await until(created, (pod) => condition(pod, 'PodScheduled')?.status === 'False');
    expect(waiting.status).toMatchObject({ phase: 'Pending' });
    expect(condition(waiting, 'PodScheduled')).toMatchObject({ reason: 'Unschedulable', message });
    expect(eventsOf(created)).toEqual([`Warning FailedScheduling: ${message}`]);
    await clock.advance(59_999);
    expect(current(created)?.spec.nodeName).toBeUndefined();
    await clock.advance(1);
    await until(created, isRunning);
  });
});

describe('slow-start', () => {
  it('stays in ContainerCreating for its time', async () => {
    const created = createPod('slow-start=1m');
    await until(created, isWaitingFor('ContainerCreating'));
    await clock.advance(59_999);
    expect(main(current(created)).state).toEqual({ waiting: { reason: 'ContainerCreating' } });
    await clock.advance(1);
    await until(created, isRunning);
  });
});

describe('image-pull-backoff', () => {
  it('goes between ErrImagePull and ImagePullBackOff, and runs when the image is there at last', async () => {
    const created = createPod('image-pull-backoff=20s');
    const why = 'failed to pull and unpack image "busybox:1": failed to resolve reference "busybox:1": busybox:1: not found';
    const failed = await until(created, isWaitingFor('ErrImagePull'));
    expect(main(failed).state?.waiting?.message).toBe(why);
    expect(failed.status?.phase).toBe('Pending');
    await clock.advance(2000);
    const backingOff = await until(created, isWaitingFor('ImagePullBackOff'));
    expect(main(backingOff).state?.waiting?.message).toBe(`Back-off pulling image "busybox:1": ErrImagePull: ${why}`);
    expect(eventsOf(created)).toEqual(
      expect.arrayContaining([
        'Normal Pulling: Pulling image "busybox:1"',
        `Warning Failed: Failed to pull image "busybox:1": ${why}`,
        'Warning Failed: Error: ErrImagePull',
        'Normal BackOff: Back-off pulling image "busybox:1"',
        'Warning Failed: Error: ImagePullBackOff',
      ]),
    );
    await clock.advance(10_000);
    await until(created, isWaitingFor('ErrImagePull'));
    await clock.advance(8000);
    await until(created, isRunning);
  });

  it('ends with the pod', async () => {
    const created = createPod('image-pull-backoff');
    const { gone } = recorded(created);
    await until(created, isWaitingFor('ErrImagePull'));
    api.delete(pods, { namespace, name: created.metadata.name }, created.metadata.uid!);
    await gone;
  });
});

describe('evict-after', () => {
  it('fails the pod as kubelet does when memory runs short, and leaves it there', async () => {
    const created = createPod('evict-after=5s');
    await until(created, isRunning);
    await clock.advance(5000);
    const pod = await until(created, isOver);
    const message =
      'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container main was using 200Mi, request is 0, has larger consumption of memory. ';
    expect(pod.status).toMatchObject({ phase: 'Failed', reason: 'Evicted', message });
    expect(condition(pod, 'DisruptionTarget')).toMatchObject({ status: 'True', reason: 'TerminationByKubelet', message });
    expect(condition(pod, 'Ready')).toMatchObject({ status: 'False', reason: 'PodFailed' });
    expect(main(pod).state?.terminated).toMatchObject({ exitCode: 143, reason: 'Error' });
    expect(pod.metadata.deletionTimestamp).toBeUndefined();
    expect(eventsOf(created)).toContain(`Warning Evicted: ${message}`);
  });
});

describe('oom-after', () => {
  it('kills the container for memory', async () => {
    const created = createPod('oom-after=5s');
    await until(created, isRunning);
    await clock.advance(5000);
    const pod = await until(created, isOver);
    expect(main(pod).state?.terminated).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
    expect(pod.status?.phase).toBe('Failed');
    expect(pod.status?.reason).toBeUndefined();
  });

  it('happens once: a container that may run again does', async () => {
    const created = createPod('oom-after=5s', { restartPolicy: 'Always' });
    await until(created, isRunning);
    await clock.advance(5000);
    const pod = await until(created, (one) => main(one).restartCount === 1 && main(one).state?.running !== undefined);
    expect(main(pod).lastState?.terminated).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
    await clock.advance(5000);
    expect(main(current(created)).restartCount).toBe(1);
  });
});

describe('preempt-after', () => {
  it('marks the pod as the scheduler does, and deletes it gracefully', async () => {
    const created = createPod('preempt-after=5s');
    const { states, gone } = recorded(created);
    await until(created, isRunning);
    await clock.advance(5000);
    await gone;
    const deleting = states.find((pod) => pod.metadata.deletionTimestamp !== undefined);
    expect(deleting?.metadata.deletionGracePeriodSeconds).toBe(30);
    expect(condition(deleting, 'DisruptionTarget')).toMatchObject({
      status: 'True',
      reason: 'PreemptionByScheduler',
      message: 'default-scheduler: preempting to accommodate a higher priority pod',
    });
    expect(eventsOf(created).some((text) => /^Normal Preempted: Preempted by pod [0-9a-f-]{36} on node sandbox$/.test(text))).toBe(true);
  });
});

describe('node-lost-after', () => {
  const tolerations = [{ key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }];

  it('makes the pod not ready, then marks it for deletion, which nobody carries out', async () => {
    const created = createPod('node-lost-after=5s', { tolerations });
    await until(created, isRunning);
    await clock.advance(5000);
    const lost = current(created);
    expect(lost?.status?.phase).toBe('Running');
    expect(condition(lost, 'Ready')?.status).toBe('False');
    expect(eventsOf(created)).toContain('Warning NodeNotReady: Node is not ready');
    await clock.advance(59_999);
    expect(current(created)?.metadata.deletionTimestamp).toBeUndefined();
    await clock.advance(1);
    expect(condition(current(created), 'DisruptionTarget')).toMatchObject({
      status: 'True',
      reason: 'DeletionByTaintManager',
      message: 'Taint manager: deleting due to NoExecute taint',
    });
    await clock.advance(3_600_000);
    expect(current(created)).toMatchObject({ metadata: { deletionTimestamp: expect.any(String) }, status: { phase: 'Running' } });
  });

  it('leaves the rest to the pod garbage collector', async () => {
    const created = createPod('node-lost-after=5s,pod-gc-after=10m', { tolerations });
    const { states, gone } = recorded(created);
    await until(created, isRunning);
    await clock.advance(600_000);
    const last = await gone;
    expect(last.status?.phase).toBe('Failed');
    expect(condition(last, 'DisruptionTarget')).toMatchObject({
      status: 'True',
      reason: 'DeletionByPodGC',
      message: 'PodGC: node no longer exists',
    });
    expect(states.some((pod) => condition(pod, 'DisruptionTarget')?.reason === 'DeletionByTaintManager')).toBe(true);
  });
});

describe('pod-gc-after', () => {
  it('fails the pod and removes it at once', async () => {
    const created = createPod('pod-gc-after=5s');
    const { gone } = recorded(created);
    await until(created, isRunning);
    await clock.advance(5000);
    const last = await gone;
    expect(last.status?.phase).toBe('Failed');
    expect(condition(last, 'DisruptionTarget')?.reason).toBe('DeletionByPodGC');
  });
});

describe('stuck-terminating', () => {
  it('keeps a deleted pod running until its time is over', async () => {
    const created = createPod('stuck-terminating=10m');
    const { gone } = recorded(created);
    await until(created, isRunning);
    api.delete(pods, { namespace, name: created.metadata.name }, created.metadata.uid!);
    await until(created, (pod) => pod.metadata.deletionTimestamp !== undefined);
    await clock.advance(599_999);
    expect(main(current(created)).state?.running).toBeDefined();
    await clock.advance(1);
    await gone;
  });

  it('for ever: only a deletion without grace removes the pod', async () => {
    const created = createPod('stuck-terminating');
    const { gone } = recorded(created);
    await until(created, isRunning);
    api.delete(pods, { namespace, name: created.metadata.name }, created.metadata.uid!);
    await clock.advance(86_400_000);
    expect(main(current(created)).state?.running).toBeDefined();
    api.remove(pods, { namespace, name: created.metadata.name }, created.metadata.uid!);
    await gone;
  });
});
