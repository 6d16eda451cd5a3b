/** The kubelet with real processes over the sandbox's own API. Waits are for events of the API, never for time. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Agent, fetch } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Container, ContainerStatus, Pod, PodSpec } from '../../operator/kube/builtin.ts';
import { configMaps, pods, secrets } from '../../operator/kube/builtin.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { startSandbox } from '../sandbox.ts';
import type { Sandbox } from '../sandbox.ts';
import type { SandboxApi, StoredObject } from '../storage/storage.ts';
import { Kubelet } from './kubelet.ts';
import type { LogOptions } from './kubelet.ts';
import { nodes } from './node.ts';

const namespace = 'default';
let sandbox: Sandbox;
let api: SandboxApi;
let dir: string;
let kubelet: Kubelet;
let clock: FakeClock;
let sequence = 0;

beforeAll(async () => {
  sandbox = await startSandbox({ kubelet: false });
  api = sandbox.api;
  dir = await mkdtemp(path.join(tmpdir(), 'kubelet-test-'));
  startKubelet();
});
afterEach(() => {
  for (const pod of api.list(pods)) api.remove(pods, { namespace, name: pod.metadata.name }, pod.metadata.uid!);
});
afterAll(async () => {
  await kubelet.stop();
  await sandbox.close();
  await rm(dir, { recursive: true, force: true });
});

function startKubelet(): void {
  clock = new FakeClock(Date.now());
  kubelet = new Kubelet({ api, dir, clock });
  kubelet.start();
}

const shell = (script: string, more: Partial<Container> = {}): Container => ({
  name: 'main',
  image: 'busybox',
  command: ['/bin/sh', '-c', script],
  ...more,
});

function createPod(spec: Partial<PodSpec>, metadata: Partial<KubeObject['metadata']> = {}): StoredObject {
  const name = `pod-${++sequence}`;
  const full = { restartPolicy: 'Never', containers: [shell('exit 0')], ...spec };
  return api.create(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, ...metadata },
    spec: full,
  });
}

/** The first state of the pod that satisfies the condition. */
function until(pod: StoredObject, condition: (pod: Pod) => boolean): Promise<Pod> {
  return new Promise((resolve) => {
    const stop = api.watch(pods, (event) => {
      const current = event.object as unknown as Pod;
      if (event.object.metadata.uid !== pod.metadata.uid || !condition(current)) return;
      stop();
      resolve(current);
    });
  });
}

const untilGone = (pod: StoredObject): Promise<void> =>
  new Promise((resolve) => {
    const check = (): void => {
      if (api.get(pods, { namespace, name: pod.metadata.name }) !== undefined) return;
      stop();
      resolve();
    };
    const stop = api.watch(pods, check);
    setImmediate(check);
  });

const finished = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
const running = (pod: Pod): boolean => pod.status?.containerStatuses?.every((status) => status.state?.running !== undefined) === true;
const statusOf = (pod: Pod, name = 'main'): ContainerStatus =>
  [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find((status) => status.name === name) ?? {
    name,
  };
const condition = (pod: Pod, type: string): string => {
  const found = pod.status?.conditions?.find((candidate) => candidate.type === type);
  return [found?.status, found?.reason].filter((part) => part !== undefined).join(' ');
};
const terminated = (pod: Pod, name = 'main'): NonNullable<NonNullable<ContainerStatus['state']>['terminated']> =>
  statusOf(pod, name).state!.terminated!;
const eventReasons = (pod: KubeObject): string[] =>
  api
    .list({ group: '', version: 'v1', plural: 'events', kind: 'Event', namespaced: true }, namespace)
    .filter((event) => (event.involvedObject as { uid?: string }).uid === pod.metadata.uid)
    .map((event) => event.reason as string);

async function logOf(pod: KubeObject, options: LogOptions = {}): Promise<string> {
  const current = api.get(pods, { namespace, name: pod.metadata.name })!;
  const chunks: Buffer[] = [];
  for await (const chunk of await kubelet.logs(current, options)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** A zombie counts as dead: who reaps it is the business of this machine's first process. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

/** Follows the log until the text appears and returns everything up to there. */
async function logUntil(pod: KubeObject, text: string): Promise<string> {
  let seen = '';
  for await (const chunk of await kubelet.logs(api.get(pods, { namespace, name: pod.metadata.name })!, { follow: true })) {
    seen += chunk.toString('utf8');
    if (seen.includes(text)) return seen;
  }
  throw new Error(`the log ended before ${text}: ${seen}`);
}

describe('the life of a pod', () => {
  test('success: bound, run, completed, with the conditions and events of a kubelet', async () => {
    const pod = await until(createPod({ containers: [shell('echo out; echo err >&2')] }), finished);
    expect(pod.spec.nodeName).toBe('sandbox');
    expect(pod.status).toMatchObject({ phase: 'Succeeded', podIP: '127.0.0.1', qosClass: 'BestEffort' });
    expect(pod.status!.startTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(terminated(pod)).toMatchObject({ exitCode: 0, reason: 'Completed' });
    expect(statusOf(pod)).toMatchObject({ ready: false, started: false, restartCount: 0, image: 'busybox', lastState: {} });
    expect(['PodScheduled', 'Initialized', 'Ready', 'ContainersReady'].map((type) => condition(pod, type))).toEqual([
      'True',
      'True PodCompleted',
      'False PodCompleted',
      'False PodCompleted',
    ]);
    expect(eventReasons(pod)).toEqual(expect.arrayContaining(['Scheduled', 'Created', 'Started']));
    expect((await logOf(pod)).split('\n').sort()).toEqual(['', 'err', 'out']);
  });

  test.each<{ name: string; script: string; exitCode: number }>([
    { name: 'an exit code', script: 'exit 3', exitCode: 3 },
    { name: 'SIGKILL to itself', script: 'kill -9 $$$$', exitCode: 137 },
    { name: 'SIGTERM to itself', script: 'kill -15 $$$$', exitCode: 143 },
  ])('failure: $name', async ({ script, exitCode }) => {
    const pod = await until(createPod({ containers: [shell(script)] }), finished);
    expect(pod.status!.phase).toBe('Failed');
    expect(terminated(pod)).toMatchObject({ exitCode, reason: 'Error' });
    expect(condition(pod, 'Ready')).toBe('False PodFailed');
  });

  test('while it runs it is ready', async () => {
    const pod = await until(createPod({ containers: [shell('sleep 60')] }), running);
    expect(pod.status!.phase).toBe('Running');
    expect(statusOf(pod)).toMatchObject({ ready: true, started: true });
    expect(condition(pod, 'Ready')).toBe('True');
  });

  test('init containers run in order, and the containers after them', async () => {
    const volumes = [{ name: 'shared', emptyDir: {} }];
    const volumeMounts = [{ name: 'shared', mountPath: '/shared' }];
    const step = (name: string): Container => shell(`echo ${name} >> /shared/order`, { name, volumeMounts });
    const pod = await until(
      createPod({ volumes, initContainers: [step('a'), step('b')], containers: [shell('cat /shared/order', { volumeMounts })] }),
      finished,
    );
    expect(await logOf(pod)).toBe('a\nb\n');
    expect(statusOf(pod, 'a')).toMatchObject({ ready: true, state: { terminated: { reason: 'Completed' } } });
  });

  test('a failed init container fails the pod; the others never start', async () => {
    const pod = await until(createPod({ initContainers: [shell('exit 2', { name: 'bad' }), shell('true', { name: 'next' })] }), finished);
    expect(pod.status!.phase).toBe('Failed');
    expect(terminated(pod, 'bad').exitCode).toBe(2);
    expect(statusOf(pod, 'next').state).toEqual({ waiting: { reason: 'PodInitializing' } });
    expect(statusOf(pod).state).toEqual({ waiting: { reason: 'PodInitializing' } });
    expect(condition(pod, 'Initialized')).toBe('False ContainersNotInitialized');
  });

  test('a sidecar starts first, runs beside the containers and ends after them', async () => {
    const shared = { volumeMounts: [{ name: 'v', mountPath: '/v' }] };
    const script = 'trap "echo bye; exit 0" TERM; echo up; touch /v/up; while :; do sleep 0.05; done';
    const sidecar = shell(script, { name: 'sidecar', restartPolicy: 'Always', ...shared });
    const main = shell('while [ ! -e /v/up ]; do sleep 0.02; done', shared);
    const pod = await until(createPod({ volumes: [{ name: 'v', emptyDir: {} }], initContainers: [sidecar], containers: [main] }), finished);
    expect(pod.status!.phase).toBe('Succeeded');
    expect(await logOf(pod, { container: 'sidecar' })).toMatch(/^up\n(Terminated\n)?bye\n$/);
    expect(terminated(pod, 'sidecar').exitCode).toBe(0);
  });

  test('one failed container among several fails the pod when all have ended', async () => {
    const pod = await until(createPod({ containers: [shell('exit 1'), shell('exit 0', { name: 'other' })] }), finished);
    expect(pod.status!.phase).toBe('Failed');
    expect(terminated(pod, 'other').exitCode).toBe(0);
  });

  test('processes that a container leaves behind go with it', async () => {
    const pod = await until(createPod({ containers: [shell('sleep 60 & echo $!')] }), finished);
    const pid = Number((await logOf(pod)).trim());
    await expect.poll(() => isAlive(pid)).toBe(false);
  });
});

describe('containers that cannot start', () => {
  test('without a command nothing is pulled, and the reason says so', async () => {
    const pod = await until(
      createPod({ containers: [{ name: 'main', image: 'nginx' }] }),
      (p) => statusOf(p).state?.waiting?.reason === 'ErrImageNeverPull',
    );
    expect(pod.status!.phase).toBe('Pending');
    expect(statusOf(pod).state!.waiting!.message).toMatch(/"nginx" is not pulled.*Give container "main" a command/);
    await expect(logOf(pod)).rejects.toMatchObject({
      code: 400,
      message: expect.stringContaining('is waiting to start: ErrImageNeverPull'),
    });
  });

  test('a program that does not exist ends with StartError', async () => {
    const pod = await until(createPod({ containers: [{ name: 'main', image: 'x', command: ['no-such-program'] }] }), finished);
    expect(terminated(pod)).toMatchObject({
      exitCode: 128,
      reason: 'StartError',
      message: expect.stringContaining('exec: "no-such-program": executable file not found in $PATH'),
    });
    expect(pod.status!.phase).toBe('Failed');
  });

  test('a missing Secret is a CreateContainerConfigError until it appears', async () => {
    const env = [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'late', key: 'token' } } }];
    const created = createPod({ containers: [shell('echo $TOKEN', { env })] });
    const waiting = await until(created, (p) => statusOf(p).state?.waiting?.reason === 'CreateContainerConfigError');
    expect(statusOf(waiting).state!.waiting!.message).toBe('secret "late" not found');
    api.create(secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'late', namespace },
      data: { token: 'aGk=' },
    });
    const done = until(created, finished);
    await clock.advance(1000);
    expect(await logOf(await done)).toBe('hi\n');
  });

  test('a missing ConfigMap volume holds the pod in ContainerCreating', async () => {
    const created = createPod({
      volumes: [{ name: 'scripts', configMap: { name: 'scripts' } }],
      containers: [shell('sh /scripts/run.sh', { volumeMounts: [{ name: 'scripts', mountPath: '/scripts' }] })],
    });
    await expect.poll(() => eventReasons(created)).toContain('FailedMount');
    expect(statusOf(api.get(pods, { namespace, name: created.metadata.name }) as unknown as Pod).state).toEqual({
      waiting: { reason: 'ContainerCreating' },
    });
    api.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'scripts', namespace },
      data: { 'run.sh': 'echo ran' },
    });
    const done = until(created, finished);
    await clock.advance(1000);
    expect(await logOf(await done)).toBe('ran\n');
  });
});

describe('ends', () => {
  test('a deletion sends SIGTERM, waits for the end and removes the object and the directory', async () => {
    const created = createPod(
      { containers: [shell('trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done')] },
      { finalizers: ['test/hold'] },
    );
    await until(created, running);
    await logUntil(created, 'ready');
    await gracefulDelete(created, 30);
    const ended = await until(created, finished);
    expect(terminated(ended).exitCode).toBe(7);
    expect(eventReasons(created)).toContain('Killing');
    dropFinalizers(created);
    await untilGone(created);
    await expect.poll(() => existsSync(path.join(dir, 'pods', created.metadata.uid!))).toBe(false);
  });

  test('a container that ignores SIGTERM is killed when the grace is over', async () => {
    const created = createPod(
      { containers: [shell('trap "" TERM; echo ready; while :; do sleep 0.05; done')] },
      { finalizers: ['test/hold'] },
    );
    await until(created, running);
    await logUntil(created, 'ready');
    await gracefulDelete(created, 5);
    await expect.poll(() => eventReasons(created)).toContain('Killing');
    await clock.advance(4999);
    expect(finished(api.get(pods, { namespace, name: created.metadata.name }) as unknown as Pod)).toBe(false);
    await clock.advance(1);
    expect(terminated(await until(created, finished)).exitCode).toBe(137);
    dropFinalizers(created);
  });

  test('activeDeadlineSeconds ends the pod with DeadlineExceeded', async () => {
    const created = createPod({ activeDeadlineSeconds: 60, containers: [shell('sleep 600')] });
    await until(created, running);
    await clock.advance(60_000);
    const pod = await until(created, finished);
    expect(pod.status).toMatchObject({
      phase: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    });
    expect(terminated(pod).exitCode).toBe(143);
  });

  test('a forced deletion kills at once', async () => {
    const created = createPod({ containers: [shell('echo $$$$; sleep 600')] });
    await until(created, running);
    const pid = Number((await logUntil(created, '\n')).trim());
    api.remove(pods, { namespace, name: created.metadata.name }, created.metadata.uid!);
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  function dropFinalizers(pod: StoredObject): void {
    api.update(pods, { namespace, name: pod.metadata.name }, (current) => ({
      ...current,
      metadata: { ...current.metadata, finalizers: [] },
    }));
  }
});

/** DELETE as a client sends it. */
async function gracefulDelete(pod: StoredObject, gracePeriodSeconds: number): Promise<void> {
  const dispatcher = new Agent({ connect: { ca: sandbox.caPem } });
  const response = await fetch(`${sandbox.url}/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${sandbox.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ gracePeriodSeconds }),
    dispatcher,
  });
  expect(response.status).toBe(200);
  await response.text();
  await dispatcher.close();
}

describe('restarts', () => {
  test('OnFailure: once at once, then with a growing back-off, and the previous log stays', async () => {
    const script = 'echo run; n=$(cat count 2>/dev/null || echo 0); echo $((n+1)) > count; test $n -ge 2';
    const created = createPod({ restartPolicy: 'OnFailure', containers: [shell(script)] });
    const waiting = await until(created, (p) => statusOf(p).state?.waiting?.reason === 'CrashLoopBackOff');
    expect(statusOf(waiting)).toMatchObject({ restartCount: 1, lastState: { terminated: { exitCode: 1 } } });
    expect(statusOf(waiting).state!.waiting!.message).toMatch(/^back-off 10s restarting failed container=main pod=pod-\d+_default\(/);
    expect(waiting.status!.phase).toBe('Running');
    await clock.advance(10_000);
    const done = await until(created, finished);
    expect(statusOf(done)).toMatchObject({ restartCount: 2, lastState: { terminated: { exitCode: 1 } } });
    expect(done.status!.phase).toBe('Succeeded');
    expect(await logOf(done, { previous: true })).toBe('run\n');
  });
});

describe('what a container sees', () => {
  test('environment, volumes and paths', async () => {
    api.create(configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'cm', namespace },
      data: { FROM: 'map', key: 'value' },
    });
    api.create(secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'sec', namespace },
      data: { pass: 'cHc=', other: 'eA==' },
    });
    process.env.LEAK_FOR_TEST = 'leaked';
    const pod = await until(
      createPod(
        {
          volumes: [
            { name: 'work', emptyDir: {} },
            { name: 'sec', secret: { secretName: 'sec', items: [{ key: 'pass', path: 'deep/pw' }], defaultMode: 0o400 } },
            { name: 'info', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
          ],
          containers: [
            {
              name: 'main',
              image: 'x',
              command: ['/bin/sh', '-c'],
              args: [
                'env | grep -v ^_= | sort; cat /etc/sec/deep/pw; echo; cat /info/labels; echo; pwd > /work/dir; basename $(cat /work/dir); echo $(GREETING) "$$(echo escaped)" \'$(UNKNOWN)\'',
              ],
              workingDir: '/work/src',
              envFrom: [{ prefix: 'CM_', configMapRef: { name: 'cm' } }, { secretRef: { name: 'none', optional: true } }],
              env: [
                { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
                { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
                { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
                { name: 'PASS', valueFrom: { secretKeyRef: { name: 'sec', key: 'pass' } } },
                { name: 'MAYBE', valueFrom: { configMapKeyRef: { name: 'cm', key: 'missing', optional: true } } },
                { name: 'GREETING', value: 'hello-$(PASS)' },
                { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory' } } },
                { name: 'OUT', value: '/work/out' },
              ],
              resources: { limits: { memory: '64Mi' } },
              volumeMounts: [
                { name: 'work', mountPath: '/work' },
                { name: 'sec', mountPath: '/etc/sec' },
                { name: 'info', mountPath: '/info' },
              ],
            },
          ],
        },
        { labels: { app: 'demo' } },
      ),
      finished,
    );
    const log = await logOf(pod);
    const root = path.join(dir, 'pods', pod.metadata.uid!);
    expect(log.split('\n')).toEqual([
      'APP=demo',
      'CM_FROM=map',
      'CM_key=value',
      'GREETING=hello-pw',
      `HOME=${root}/containers/main/home`,
      `HOSTNAME=${pod.metadata.name}`,
      'MEM=67108864',
      `NAME=${pod.metadata.name}`,
      'NODE=sandbox',
      `OUT=${root}/volumes/work/out`,
      'PASS=pw',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      `PWD=${root}/volumes/work/src`,
      'pw',
      'app="demo"',
      'src',
      'hello-pw escaped $(UNKNOWN)',
      '',
    ]);
  });

  test.each<{ name: string; container: Partial<Container>; script: string; message: string | undefined }>([
    { name: 'the termination message file', container: {}, script: 'echo why > /dev/termination-log; exit 1', message: 'why\n' },
    {
      name: 'the log on an error',
      container: { terminationMessagePolicy: 'FallbackToLogsOnError' },
      script: 'echo from log; exit 1',
      message: 'from log\n',
    },
    {
      name: 'no log on success',
      container: { terminationMessagePolicy: 'FallbackToLogsOnError' },
      script: 'echo from log',
      message: undefined,
    },
  ])('termination message: $name', async ({ container, script, message }) => {
    const pod = await until(createPod({ containers: [shell(script, container)] }), finished);
    expect(terminated(pod).message).toBe(message);
  });
});

describe('scheduling', () => {
  test('a selector that no node satisfies leaves the pod Pending until the node has the label', async () => {
    const created = createPod({ nodeSelector: { disk: 'ssd' } });
    const pending = await until(created, (pod) => condition(pod, 'PodScheduled') === 'False Unschedulable');
    expect(pending.status!.conditions!.find((c) => c.type === 'PodScheduled')!.message).toMatch(
      /^0\/1 nodes are available: 1 node\(s\) didn't match Pod's node affinity\/selector/,
    );
    expect(eventReasons(created)).toEqual(['FailedScheduling']);
    const key = { namespace: '', name: 'sandbox' };
    const labels = (change: Record<string, string>): unknown =>
      api.update(nodes, key, (node) => ({ ...node, metadata: { ...node.metadata, labels: { ...node.metadata.labels, ...change } } }));
    labels({ disk: 'ssd' });
    expect((await until(created, finished)).status!.phase).toBe('Succeeded');
    labels({ disk: 'none' });
  });

  test('a pod of another node or scheduler is left alone, and does not hold up others', async () => {
    const elsewhere = createPod({ nodeName: 'other-node' });
    const foreign = createPod({ schedulerName: 'mine' });
    await until(createPod({}), finished);
    for (const pod of [elsewhere, foreign]) {
      expect(api.get(pods, { namespace, name: pod.metadata.name })).toMatchObject({ status: { phase: 'Pending' } });
      expect(eventReasons(pod)).toEqual([]);
    }
  });

  test('the node is ready and its lease is held', () => {
    expect(api.get(nodes, { namespace: '', name: 'sandbox' })).toMatchObject({
      status: { conditions: expect.arrayContaining([expect.objectContaining({ type: 'Ready', status: 'True' })]) },
    });
  });
});

describe('logs', () => {
  test('tail, timestamps, limit, and a container that must be named', async () => {
    const pod = await until(
      createPod({ containers: [shell('for i in 1 2 3; do echo $i; done; printf end'), shell('true', { name: 'b' })] }),
      finished,
    );
    expect(await logOf(pod, { container: 'main' })).toBe('1\n2\n3\nend\n');
    expect(await logOf(pod, { container: 'main', tailLines: 2 })).toBe('3\nend\n');
    expect(await logOf(pod, { container: 'main', tailLines: 0 })).toBe('');
    expect(await logOf(pod, { container: 'main', limitBytes: 3 })).toBe('1\n2');
    expect(await logOf(pod, { container: 'main', tailLines: 1, timestamps: true })).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z end\n$/);
    await expect(logOf(pod)).rejects.toMatchObject({
      code: 400,
      message: `a container name must be specified for pod ${pod.metadata.name}, choose one of: [main b]`,
    });
    await expect(logOf(pod, { container: 'zz' })).rejects.toMatchObject({
      code: 400,
      message: `container zz is not valid for pod ${pod.metadata.name}`,
    });
    await expect(logOf(pod, { container: 'b', previous: true })).rejects.toMatchObject({
      code: 400,
      message: expect.stringContaining('previous terminated container "b"'),
    });
  });

  test('a follower gets lines as they come and ends with the container', async () => {
    const created = createPod({
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        shell('echo first; while [ ! -e /v/go ]; do sleep 0.02; done; echo last', { volumeMounts: [{ name: 'v', mountPath: '/v' }] }),
      ],
    });
    await until(created, running);
    const lines: string[] = [];
    const stream = await kubelet.logs(api.get(pods, { namespace, name: created.metadata.name })!, { follow: true });
    for await (const chunk of stream) {
      lines.push(chunk.toString('utf8'));
      if (lines.length === 1) await writeFile(path.join(dir, 'pods', created.metadata.uid!, 'volumes', 'v', 'go'), '');
    }
    expect(lines).toEqual(['first\n', 'last\n']);
  });
});

describe('restart of the kubelet', () => {
  test('stop() leaves no process; the next kubelet reports the pod lost and still serves its log', async () => {
    const created = createPod({ containers: [shell('echo $$$$; sleep 600')] });
    await until(created, running);
    const pid = Number((await logUntil(created, '\n')).trim());
    await kubelet.stop();
    await expect.poll(() => isAlive(pid)).toBe(false);
    expect(api.get(pods, { namespace, name: created.metadata.name })).toMatchObject({ status: { phase: 'Running' } });
    startKubelet();
    const lost = await until(created, finished);
    expect(lost.status).toMatchObject({ phase: 'Failed', reason: 'Terminated' });
    expect(condition(lost, 'DisruptionTarget')).toBe('True TerminationByKubelet');
    expect(terminated(lost)).toMatchObject({ exitCode: 137, reason: 'ContainerStatusUnknown' });
    expect(await logOf(lost)).toBe(`${pid}\n`);
  });
});

test('two hundred pods at once all run', async () => {
  const created = Array.from({ length: 200 }, (_, index) => createPod({ containers: [shell(`exit ${index % 2}`)] }));
  const phases = await Promise.all(created.map((pod) => until(pod, finished)));
  expect(phases.filter((pod) => pod.status!.phase === 'Succeeded')).toHaveLength(100);
}, 60_000);
