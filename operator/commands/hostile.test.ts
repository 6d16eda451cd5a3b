/**
 * Objects that somebody made to break things, all at once, beside runs of people who mean well: the operator stays up, nothing loops,
 * and nobody else waits. What the API server refuses is listed as well, because then it never reaches us.
 */
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { periodics, prowJobs } from '../../crds/resources.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { defaultSettings } from '../config/loadSettings.ts';
import { pods } from '../kube/builtin.ts';
import { KubeClient } from '../kube/client.ts';
import { ApiError } from '../kube/errors.ts';
import { PooledKubeConfig } from '../kube/kubeConfig.ts';
import type { KubeObject } from '../kube/objects.ts';
import { mergePatch } from '../kube/patch.ts';
import type { ResourceType } from '../kube/resource.ts';
import { UndiciTransport } from '../kube/transport.ts';
import { ProwOperator } from '../runtime/host.ts';
import { RecordingLogger } from '../runtime/testing/recordingLogger.ts';
import { setUpControllers } from './controllers.ts';

const namespace = 'default';
const crds: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};
const generated = path.resolve(import.meta.dirname, '../../crds/generated');

let sandbox: Sandbox;
let client: KubeClient;
let operator: ProwOperator;
const logger = new RecordingLogger();

beforeAll(async () => {
  sandbox = await startSandbox();
  const config = PooledKubeConfig.load({ path: sandbox.kubeconfigPath });
  client = new KubeClient({ transport: new UndiciTransport(config) });
  for (const file of (await readdir(generated)).filter((name) => name.endsWith('.yaml'))) {
    await client.create(crds, parse(await readFile(path.join(generated, file), 'utf8')) as KubeObject);
  }
  process.env.KUBECONFIG = sandbox.kubeconfigPath;
  const settings = defaultSettings();
  operator = new ProwOperator({
    name: 'prow-operator',
    config,
    logger,
    setup: (kit) => void setUpControllers(kit, { settings: () => settings }),
  });
  await operator.start();
});
afterAll(async () => {
  operator.stop();
  await operator.exited;
  await client.close();
  await sandbox.close();
});

type Fields = Readonly<Record<string, unknown>>;

const script = (text: string) => ({ containers: [{ name: 'main', image: 'none', command: ['sh', '-c', text] }] });

/** As raw JSON, so that a key such as __proto__ is a key. */
function create(type: ResourceType, name: string, spec: Fields, metadata: Fields = {}): Promise<unknown> {
  const api = type.group === '' ? '/api/v1' : `/apis/${type.group}/${type.version}`;
  const body = {
    apiVersion: type.group === '' ? 'v1' : `${type.group}/${type.version}`,
    kind: type.kind,
    metadata: { name, ...metadata },
    spec,
  };
  return client.raw({ method: 'POST', path: `${api}/namespaces/${namespace}/${type.plural}`, body });
}

const createRun = (name: string, spec: Fields = {}, metadata: Fields = {}) =>
  create(prowJobs, name, { type: 'periodic', job: name, pod_spec: script('true'), ...spec }, metadata);

const read = (name: string): Promise<ProwJob> => client.get(prowJobs, { namespace, name });
const stateOf = async (name: string): Promise<string> => {
  const { status } = await read(name);
  return `${status?.state} ${status?.completionTime === undefined ? 'goes on' : status.reason}`;
};
const untilEnd = (name: string) => expect.poll(() => stateOf(name), { timeout: 15_000, message: `the end of ${name}` });

/** JSON.parse makes own properties of such keys; a literal would set the prototype. */
const proto = (value: string): Fields => JSON.parse(`{"__proto__": ${value}, "constructor": ${value}, "toString": ${value}}`) as Fields;

let controls = 0;
/** A run of somebody who has nothing to do with it. */
async function expectHealthy(): Promise<void> {
  controls += 1;
  const name = `control-${controls}`;
  await createRun(name);
  await untilEnd(name).toBe('success Succeeded');
  expect(logger.lines.filter(({ level }) => level === 'error')).toEqual([]);
}

interface Row {
  readonly name: string;
  readonly spec?: Fields;
  readonly metadata?: Fields;
  readonly want: string;
}

const long = 'x'.repeat(200);
const labels = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`label-${index}`, `value-${index}`]));
const padding = 'p'.repeat(1_000_000);

describe('runs that are accepted', () => {
  const rows: readonly Row[] = [
    { name: 'labels', metadata: { labels }, want: 'success Succeeded' },
    { name: 'proto-labels', metadata: { labels: proto('"x"'), annotations: proto('"y"') }, want: 'success Succeeded' },
    {
      name: 'proto-pod',
      spec: { pod_spec: { ...script('true'), ...proto('{"a": 1}'), nodeSelector: proto('"x"') } },
      want: 'pending goes on',
    },
    { name: 'proto-states', spec: { reporter_config: { slack: { channel: '__proto__' } } }, want: 'success Succeeded' },
    {
      name: 'system-labels',
      metadata: { labels: { 'created-by-prow': 'false', 'prow.k8s.io/id': 'other', 'prow.k8s.io/run-uid': 'other' } },
      want: 'success Succeeded',
    },
    { name: 'unicode', spec: { job: 'тест-🧪-\u202e-\u0000'.replace('\u0000', '') }, want: 'success Succeeded' },
    { name: 'slashes', spec: { job: `../../${long}/etc/passwd` }, want: 'success Succeeded' },
    { name: 'long-job', spec: { job: long }, want: 'success Succeeded' },
    { name: 'negative-priority', spec: { priority: -2_147_483_648 }, want: 'success Succeeded' },
    { name: 'no-time', spec: { timeouts: { queue: '0', unscheduled: '0', pending: '0', running: '0' } }, want: 'error QueueTimeout' },
    {
      name: 'all-time',
      spec: { timeouts: { queue: '2540400h', unscheduled: '2540400h', pending: '2540400h', running: '2540400h' } },
      want: 'success Succeeded',
    },
    { name: 'too-much-time', spec: { timeouts: { running: '99999999999999999999h' } }, want: 'error InvalidSpec' },
    { name: 'no-pod', spec: { pod_spec: {} }, want: 'error InvalidSpec' },
    { name: 'strange-containers', spec: { pod_spec: { containers: [7, null, 'x'] } }, want: 'error InvalidSpec' },
    { name: 'containers-object', spec: { pod_spec: { containers: { length: 1 } } }, want: 'error InvalidSpec' },
    { name: 'strange-env', spec: { pod_spec: { containers: [{ image: 'a', env: [null, 7, { name: '__proto__' }] }] } }, want: 'error ' },
    { name: 'strange-init', spec: { pod_spec: { ...script('true'), initContainers: [{ restartPolicy: 7 }] } }, want: 'error ' },
    { name: 'big', spec: { context: padding }, want: 'error ' },
  ];
  it.each(rows)('$name', async ({ name, spec, metadata, want }) => {
    await createRun(name, spec, metadata);
    await untilEnd(name).toContain(want);
    await expectHealthy();
  });
});

describe('runs that the API server refuses', () => {
  it.each<{ readonly name: string; readonly spec: Fields }>([
    { name: 'negative-concurrency', spec: { max_concurrency: -1 } },
    { name: 'negative-ttl', spec: { ttl_seconds_after_finished: -1 } },
    { name: 'no-job', spec: { job: '' } },
    { name: 'endless-job', spec: { job: 'x'.repeat(2000) } },
    { name: 'negative-time', spec: { timeouts: { running: '-1h' } } },
    { name: 'words', spec: { timeouts: { running: 'soon' } } },
    { name: 'many-attempts', spec: { retry: { max_attempts: 1_000_000 } } },
    { name: 'fraction', spec: { priority: 0.5 } },
    { name: 'huge-priority', spec: { priority: 1e300 } },
  ])('$name', async ({ name, spec }) => {
    await expect(createRun(name, spec)).rejects.toThrow(ApiError);
  });
});

describe('a status written by hand', () => {
  const statuses: readonly { readonly name: string; readonly status: Fields }[] = [
    { name: 'pending-nothing', status: { state: 'pending' } },
    { name: 'pending-elsewhere', status: { state: 'pending', pod_name: '../../x', build_id: 'x' } },
    { name: 'holes', status: { state: 'pending', attempts: [{ number: 100, pod_name: '', build_id: '' }] } },
    {
      name: 'foreign',
      status: { state: 'pending', attempts: [{ number: 1, pod_name: 'x', pod_namespace: 'kube-system', build_id: '1' }] },
    },
    { name: 'future', status: { state: 'pending', startTime: '9999-12-31T23:59:59Z', pendingTime: '0001-01-01T00:00:00Z' } },
    { name: 'waiting', status: { state: 'triggered', waiting: { reason: 'Nonsense', message: 'x' } } },
    { name: 'scheduling', status: { state: 'scheduling', attempts: [] } },
    { name: 'complete-pending', status: { state: 'pending', completionTime: '0001-01-01T00:00:00Z' } },
    { name: 'aborted', status: { state: 'aborted' } },
  ];
  it.each(statuses)('$name', async ({ name, status }) => {
    // Held back by another agent until the status is there.
    await createRun(name, { job_queue_name: 'unknown' });
    await client.patch(prowJobs, { namespace, name }, mergePatch({ status }), { subresource: 'status' }).catch((error: unknown) => {
      // What the schema refuses never reaches the operator.
      if (!(error instanceof ApiError) || error.code !== 422) throw error;
    });
    await expectHealthy();
  });
});

describe('pods with our label', () => {
  it.each<{ readonly name: string; readonly labels?: Fields; readonly annotations: Fields }>([
    { name: 'no-slash', annotations: { 'prow.k8s.io/run': 'nonsense' } },
    { name: 'slashes', annotations: { 'prow.k8s.io/run': '////' } },
    { name: 'empty', annotations: { 'prow.k8s.io/run': '' } },
    { name: 'only-a-slash', annotations: { 'prow.k8s.io/run': '/' } },
    { name: 'unicode', annotations: { 'prow.k8s.io/run': '🧪/🧪' } },
    { name: 'up', annotations: { 'prow.k8s.io/run': '../../x' } },
    {
      name: 'with-uid',
      labels: { 'prow.k8s.io/run-uid': 'nobody' },
      annotations: { 'prow.k8s.io/run': 'default/nobody', 'prow.k8s.io/job-queue-name': 'q' },
    },
    { name: 'proto', annotations: proto('"z"') },
  ])('$name', async ({ name, labels: more, annotations }) => {
    await create(pods, `pod-${name}`, script('exec sleep 600'), { labels: { 'created-by-prow': 'true', ...more }, annotations });
    await expectHealthy();
  });
});

describe('a Periodic', () => {
  it.each<{ readonly name: string; readonly spec: Fields }>([
    { name: 'long-deadline', spec: { startingDeadline: '99999999999999999999h' } },
    { name: 'long-age', spec: { missedRuns: { maxAge: '99999999999999999999h' } } },
    { name: 'long-interval', spec: { cron: undefined, interval: '99999999999999999999h' } },
    { name: 'proto-zone', spec: { timeZone: '__proto__' } },
  ])('$name', async ({ name, spec }) => {
    await create(periodics, name, { cron: '* * * * *', jobTemplate: { spec: { pod_spec: script('true') } }, ...spec });
    await expect
      .poll(async () => (await client.get(periodics, { namespace, name })).status?.conditions?.length ?? 0, { timeout: 10_000 })
      .toBeGreaterThan(0);
    await expectHealthy();
  });

  it('whose template has the labels and names of the system', async () => {
    const template = {
      metadata: {
        labels: { 'created-by-prow': 'no', 'prow.k8s.io/type': 'presubmit', 'prow.k8s.io/job': 'other', ...proto('"x"') },
        annotations: { 'prow.k8s.io/job': 'other', 'prow.k8s.io/scheduled-time': 'never', 'prow.k8s.io/run-now-token': 'x' },
      },
      spec: { pod_spec: script('true') },
    };
    await create(
      periodics,
      'system',
      { cron: '@yearly', jobTemplate: template },
      { annotations: { 'prow.k8s.io/run-now': 'x'.repeat(5000) } },
    );
    await expect
      .poll(
        async () =>
          (await client.list(prowJobs, { namespace })).items.find((item) => item.metadata.name.startsWith('system-'))?.status?.state,
        {
          timeout: 15_000,
        },
      )
      .toBe('success');
    await expectHealthy();
  });
});

it('nothing loops, and nothing was logged as an error', async () => {
  await expectHealthy();
  const passes = (): ReadonlyMap<unknown, number> => {
    const counts = new Map<unknown, number>();
    for (const { message, fields } of logger.lines) if (message === 'Decided') counts.set(fields.key, (counts.get(fields.key) ?? 0) + 1);
    return counts;
  };
  expect([...passes()].filter(([, count]) => count > 25)).toEqual([]);
});
