/** run, abort, rerun, logs and why against an operator and an API that runs pods, over real sockets: what they do, say, and end with. */
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { buildClusters, periodics, prowJobs } from '../../crds/resources.ts';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { Explanation } from '../explain/explanation.ts';
import { runNowAnnotation } from '../jobs/periodicRun.ts';
import { pods } from '../kube/builtin.ts';
import { mergePatch } from '../kube/patch.ts';
import { abort, type AbortOptions } from './abort.ts';
import { logs, type LogsOptions } from './logs.ts';
import { rerun, type RerunOptions } from './rerun.ts';
import { runEither, type EitherOptions } from './runEither.ts';
import { VerbWorld, container, said } from './testing/verbWorld.ts';
import { why } from './why.ts';

const scenario = 'sandbox.prow.k8s.io/scenario';
const longTest = { timeout: 60_000 };

let world: VerbWorld;
beforeAll(async () => {
  world = await VerbWorld.open();
  await world.startOperator({ prowJobs: { queueCapacities: { one: 1 } } });
}, 60_000);
afterAll(() => world.close(), 30_000);

const run = (name: string | undefined, options: EitherOptions = {}) =>
  world.call(() => runEither(name, { kubeconfig: world.kubeconfig, ...options }));
const stop = (name: string, options: AbortOptions = {}) => world.call(() => abort(name, { kubeconfig: world.kubeconfig, ...options }));
const again = (name: string, options: RerunOptions = {}) => world.call(() => rerun(name, { kubeconfig: world.kubeconfig, ...options }));
const log = (name: string, options: LogsOptions = {}) => world.call(() => logs(name, { kubeconfig: world.kubeconfig, ...options }));
const ask = (name: string, output = 'text', namespace = 'default') =>
  world.call(() => why(name, { kubeconfig: world.kubeconfig, output, namespace }));

async function newPeriodic(name: string, script: string, more: object = {}): Promise<Periodic> {
  return world.client.create<Periodic>(periodics, {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'Periodic',
    metadata: { name, namespace: 'default' },
    spec: { cron: '0 0 1 1 *', jobTemplate: { spec: { pod_spec: { containers: [container('test', script)] } } }, ...more },
  });
}

async function manifest(name: string, ...objects: readonly object[]): Promise<string> {
  const file = path.join(world.dir, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, objects.map((object) => stringify(object)).join('---\n'));
  return file;
}

const jobManifest = (name: string, script: string, spec: object = {}) => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'ProwJob',
  metadata: { name },
  spec: { type: 'periodic', job: name, pod_spec: { containers: [container('test', script)] }, ...spec },
});

describe('run', longTest, () => {
  it('starts a Periodic by hand, shows its log, and ends with 0', async () => {
    await newPeriodic('by-hand', 'for i in 1 2 3; do echo "line $i"; sleep 0.2; done');
    const { code, out, err } = await run('by-hand');
    expect({ code, out }).toEqual({ code: 0, out: 'line 1\nline 2\nline 3\n' });
    expect(err).toMatch(/asked Periodic default\/by-hand to run now, as by-hand-now-[0-9a-f]{12}/);
    expect(err).toMatch(/: success \(Succeeded, exit code 0\): The test succeeded\./);
  });

  it('takes a manifest of a ProwJob, and ends with 1 when the test says no', async () => {
    const file = await manifest('fails.yaml', jobManifest('fails', 'echo no; exit 7'));
    const { code, out, err } = await run(file);
    expect({ code, out }).toEqual({ code: 1, out: 'no\n' });
    expect(err).toContain('fails: failure (TestFailed, exit code 7)');
    expect(await run(file)).toMatchObject({ code: 2, err: expect.stringContaining('there is a ProwJob "fails" already') as string });
  });

  it('takes the template of a Periodic in a manifest, without its schedule', async () => {
    const periodic = {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'Periodic',
      metadata: { name: 'from-file' },
      spec: { cron: '@daily', jobTemplate: { spec: { pod_spec: { containers: [container('test', 'echo $PROW_JOB_ID')] } } } },
    };
    const { code, out } = await run(await manifest('periodic.yaml', periodic));
    expect(code).toBe(0);
    const name = out.trim();
    expect(name).toMatch(/^from-file-[0-9a-f]{8}$/);
    expect((await world.ended(name)).metadata.ownerReferences).toBeUndefined();
    expect((await world.client.list(periodics, { namespace: 'default' })).items.map(({ metadata }) => metadata.name)).not.toContain(
      'from-file',
    );
  });

  it('follows over lost attempts, each with its log, with the name of the container where there are several', async () => {
    const spec = {
      retry: { max_attempts: 2 },
      pod_spec: { containers: [container('a', 'echo from a; sleep 30'), container('b', 'echo from b')] },
    };
    const job = jobManifest('twice', '', spec);
    const file = await manifest('twice.yaml', { ...job, metadata: { name: 'twice', annotations: { [scenario]: 'evict-after=1s' } } });
    const { code, out, err } = await run(file);
    expect(code).toBe(3);
    expect(out.split('\n').sort()).toEqual(['', '[a] from a', '[a] from a', '[b] from b', '[b] from b']);
    expect(err).toContain('attempt 1 in pod twice');
    expect(err).toContain('attempt 2 in pod twice-2');
    expect(err).toContain('error (RetriesExhausted)');
  });

  it('ends with 4 when somebody aborts the run', async () => {
    const file = await manifest('aborted.yaml', jobManifest('aborted-run', 'echo up; sleep 60'));
    const child = world.spawn(['run', file, '--kubeconfig', world.kubeconfig]);
    await said(child, 'up');
    expect((await stop('aborted-run', { reason: 'no more' })).out).toBe('asked aborted-run to end\n');
    expect((await once(child, 'close'))[0]).toBe(4);
  });

  it('leaves the run going on Ctrl-C, and says how to end it', async () => {
    const file = await manifest('left.yaml', jobManifest('left', 'echo up; sleep 60'));
    const child = world.spawn(['run', file, '--kubeconfig', world.kubeconfig]);
    await said(child, 'up');
    const words = said(child, 'prow-operator abort -n default left');
    child.kill('SIGINT');
    await words;
    expect((await once(child, 'close'))[0]).toBe(130);
    expect((await world.client.get<ProwJob>(prowJobs, { namespace: 'default', name: 'left' })).spec.abort).toBeUndefined();
    await stop('left');
  });

  it('ends the run on Ctrl-C with --abort-on-interrupt', async () => {
    const file = await manifest('ended.yaml', jobManifest('ended', 'echo up; sleep 60'));
    const child = world.spawn(['run', file, '--kubeconfig', world.kubeconfig, '--abort-on-interrupt']);
    await said(child, 'up');
    child.kill('SIGINT');
    expect((await once(child, 'close'))[0]).toBe(130);
    expect((await world.ended('ended')).status).toMatchObject({ state: 'aborted', reason: 'Aborted' });
  });

  it('stops waiting with --timeout, and does not wait at all with --detach', async () => {
    const file = await manifest('slow.yaml', jobManifest('slow', 'sleep 60'));
    expect(await run(file, { timeout: '1s' })).toMatchObject({ code: 5, err: expect.stringContaining('goes on') as string });
    expect((await stop('slow')).code).toBe(0);
    const other = await manifest('detached.yaml', jobManifest('detached', 'true'));
    expect(await run(other, { detach: true })).toMatchObject({ code: 0, out: 'detached\n' });
    expect((await world.ended('detached')).status?.state).toBe('success');
  });

  it('ends with 3 when the run never gets a pod', async () => {
    const file = await manifest('remote.yaml', jobManifest('remote', 'true', { cluster: 'gpu', timeouts: { queue: '2s' } }));
    const { code, err } = await run(file);
    expect(code).toBe(3);
    expect(err).toMatch(/remote: error \((QueueTimeout|UnknownCluster)\)/);
  });

  it('asks again when somebody else asked at the same moment', async () => {
    const name = 'busy';
    await newPeriodic(name, 'echo ours');
    const pending = run(name);
    const key = { namespace: 'default', name };
    await world.until(
      async () => (await world.client.get<Periodic>(periodics, key)).metadata.annotations?.[runNowAnnotation] !== undefined,
    );
    await world.client.patch<Periodic>(periodics, key, mergePatch({ metadata: { annotations: { [runNowAnnotation]: 'theirs' } } }));
    expect(await pending).toMatchObject({ code: 0, out: 'ours\n' });
  });

  const wrong: readonly { readonly name: string; readonly call: () => Promise<unknown>; readonly says: string }[] = [
    {
      name: 'no such Periodic',
      call: () => run('nobody'),
      says: 'there is no Periodic "nobody" in the namespace default: kubectl get periodics -n default',
    },
    { name: 'an empty name', call: () => run(''), says: 'the name is empty' },
    { name: 'no such file', call: () => run('./nothing.yaml'), says: './nothing.yaml cannot be read' },
    { name: 'an option of the operator', call: () => run('by-hand', { settings: 'x' }), says: '--settings is for the operator itself' },
    {
      name: 'an option of a run without a name',
      call: () => run(undefined, { detach: true, timeout: '1s' }),
      says: '--detach, --timeout needs the name',
    },
    { name: 'a timeout that is none', call: () => run('by-hand', { timeout: 'soon' }), says: '--timeout soon: invalid duration' },
    { name: 'a kubeconfig that is not there', call: () => run('by-hand', { kubeconfig: '/nowhere' }), says: '/nowhere' },
    {
      name: 'a manifest with a fault',
      call: async () => run(await manifest('bad.yaml', jobManifest('bad', 'true', { type: 'sometimes' }))),
      says: 'spec.type',
    },
    {
      name: 'two runs in one manifest',
      call: async () => run(await manifest('two.yaml', jobManifest('one', 'true'), jobManifest('two', 'true'))),
      says: 'holds 2 ProwJobs and Periodics',
    },
    {
      name: 'another namespace than the manifest says',
      call: async () =>
        run(await manifest('ns.yaml', { ...jobManifest('ns', 'true'), metadata: { name: 'ns', namespace: 'team' } }), {
          namespace: 'other',
        }),
      says: 'metadata.namespace team, and the call says --namespace other',
    },
  ];
  it.each(wrong)('ends with 2: $name', async ({ call, says }) => {
    expect(await call()).toMatchObject({ code: 2, out: '', err: expect.stringContaining(says) as string });
  });
});

describe('abort', longTest, () => {
  it('asks in the name of whoever asks, once, and waits for the end', async () => {
    await world.create('to-abort', 'sleep 60');
    await world.untilRun('to-abort', ({ status }) => status?.state === 'pending');
    const first = await stop('to-abort', { reason: 'a mistake', wait: true });
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/^asked to-abort to end\nto-abort: aborted \(Aborted.*\): Aborted by \S+: a mistake/);
    const { spec } = await world.ended('to-abort');
    expect(spec.abort).toEqual({ by: expect.stringMatching(/./) as string, reason: 'a mistake' });
    expect(await stop('to-abort', { reason: 'another' })).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^it had ended before: /) as string,
    });
  });

  it('tells who asked before', async () => {
    // Another agent's: this operator leaves it alone, so it does not end.
    await world.create('stubborn', 'true', { spec: { agent: 'jenkins', abort: { by: 'eve', reason: 'hers' } } });
    expect((await stop('stubborn')).out).toBe('stubborn was asked to end before, by eve: hers\n');
    expect((await stop('stubborn', { wait: true, timeout: '200ms' })).code).toBe(5);
  });

  it('ends with 2 when there is no such run', async () => {
    expect(await stop('nobody')).toMatchObject({ code: 2, err: expect.stringContaining('there is no ProwJob "nobody"') as string });
  });
});

describe('rerun', longTest, () => {
  it('runs it again as it was, under a name that tells, as often as it is asked', async () => {
    await world.create('first', 'echo "$0 again"; exit 3');
    await world.ended('first');
    const { code, out, err } = await again('first', { follow: true });
    expect({ code, out }).toEqual({ code: 1, out: 'sh again\n' });
    expect(err).toContain('created ProwJob default/first-rerun-1, as first was');
    expect((await again('first')).out).toBe('first-rerun-2\n');
    expect((await again('first-rerun-1')).out).toBe('first-rerun-3\n');
    expect((await world.ended('first-rerun-3')).metadata.annotations).toMatchObject({ 'prow.k8s.io/rerun-of': 'first-rerun-1' });
  });

  it('runs what its Periodic says now with --latest, also from a rerun', async () => {
    await newPeriodic('changing', 'echo old');
    const { err } = await run('changing');
    const name = /as (\S+)/.exec(err)?.[1] ?? '';
    const spec = { jobTemplate: { spec: { pod_spec: { containers: [container('test', 'echo new')] } } } };
    await world.client.patch(periodics, { namespace: 'default', name: 'changing' }, mergePatch({ spec }));
    expect(await again(name, { follow: true })).toMatchObject({ code: 0, out: 'old\n' });
    expect(await again(name, { follow: true, latest: true })).toMatchObject({ code: 0, out: 'new\n' });
    expect(await again(`${name}-rerun-1`, { follow: true, latest: true })).toMatchObject({ code: 0, out: 'new\n' });
  });

  it('says when there is nothing newer', async () => {
    await world.create('alone', 'true');
    expect(await again('alone', { latest: true })).toMatchObject({ code: 2, err: expect.stringContaining('leave out --latest') as string });
  });
});

describe('logs', longTest, () => {
  const settled = (name: string) =>
    world.untilRun(
      name,
      ({ status }) => status?.conditions?.some(({ type, status: holds }) => type === 'Archived' && holds === 'True') === true,
    );

  it('prints the pod, and the archive when the pod is gone', async () => {
    await world.create('printed', 'echo one; echo two');
    await world.ended('printed');
    expect(await log('printed')).toEqual({ code: 0, out: 'one\ntwo\n', err: '' });
    await settled('printed');
    await world.client.delete(pods, { namespace: 'default', name: 'printed' });
    await world.until(() =>
      world.client.get(pods, { namespace: 'default', name: 'printed' }).then(
        () => false,
        () => true,
      ),
    );
    expect(await log('printed', { archive: path.join(world.dir, 'elsewhere') })).toMatchObject({
      code: 3,
      err: expect.stringMatching(
        /pod printed is not there any more; there is no file .*elsewhere.*build-log.txt; Log and results are in file:/,
      ) as string,
    });
    // The file itself goes to the standard output of the process, by a stream.
    for (const args of [[], ['--archive', world.archive], ['--archive', `file://${world.archive}`]]) {
      const child = world.spawn(['logs', 'printed', '--kubeconfig', world.kubeconfig, ...args]);
      expect(await said(child, 'two\n')).toBe('one\ntwo\n');
      expect((await once(child, 'close'))[0]).toBe(0);
    }
    const [file] =
      (await settled('printed')).status?.conditions?.flatMap(({ type, message }) => (type === 'Archived' ? [message] : [])) ?? [];
    expect(await readFile(`${/file:\/\/(\S+\/)\./.exec(file ?? '')?.[1] ?? ''}build-log.txt`, 'utf8')).toBe('one\ntwo\n');
  });

  it('follows to the end, and finds earlier attempts and single containers', async () => {
    await world.create('followed', '', {
      spec: {
        retry: { max_attempts: 2 },
        pod_spec: {
          initContainers: [container('get', 'echo got')],
          containers: [container('test', 'echo begun; sleep 2; echo over')],
        },
      },
      annotations: { [scenario]: 'evict-after=1s' },
    });
    await world.untilRun('followed', ({ status }) => (status?.attempts?.length ?? 0) === 2);
    await world.ended('followed');
    expect(await log('followed', { attempt: '1' })).toMatchObject({ code: 0, out: 'begun\n' });
    expect(await log('followed', { container: 'get' })).toMatchObject({ code: 0, out: 'got\n' });
    expect(await log('followed', { attempt: '3' })).toMatchObject({
      code: 2,
      err: expect.stringContaining('has the attempts 1, 2') as string,
    });
    expect(await log('followed', { container: 'x' })).toMatchObject({
      code: 2,
      err: expect.stringContaining('has the containers get, test') as string,
    });
    await world.create('live', 'echo begun; sleep 1; echo over');
    await world.untilRun('live', ({ status }) => status?.state === 'pending');
    expect(await log('live', { follow: true })).toEqual({ code: 0, out: 'begun\nover\n', err: '' });
  });

  it('says why there is none', async () => {
    await world.create('unscheduled', 'true', { annotations: { [scenario]: 'unschedulable' } });
    await world.create('blocked', 'true', { spec: { job_queue_name: 'unknown' } });
    await world.untilRun('blocked', ({ status }) => status?.waiting !== undefined);
    expect(await log('blocked')).toMatchObject({
      code: 3,
      err: expect.stringContaining('it has not started yet (prow-operator why -n default blocked)') as string,
    });
    await world.untilRun('unscheduled', ({ status }) => status?.state === 'pending');
    await world.until(() =>
      world.client.get(pods, { namespace: 'default', name: 'unscheduled' }).then(
        () => true,
        () => false,
      ),
    );
    expect(await log('unscheduled')).toMatchObject({ code: 3, err: expect.stringContaining('there is no log yet') as string });
    expect(await log('nobody')).toMatchObject({ code: 2 });
    expect(await log('printed', { archive: 's3://bucket' })).toMatchObject({
      code: 2,
      err: expect.stringContaining('only directories') as string,
    });
  });
});

describe('why', longTest, () => {
  const json = async (name: string): Promise<Explanation> => JSON.parse((await ask(name, 'json')).out) as Explanation;

  it('names who holds the place of a run that waits', async () => {
    await world.create('holder', 'sleep 60', { spec: { job_queue_name: 'one' } });
    await world.untilRun('holder', ({ status }) => status?.state === 'pending');
    await world.create('waiter', 'true', { spec: { job_queue_name: 'one' } });
    await world.untilRun('waiter', ({ status }) => status?.waiting?.reason === 'QueueFull');
    const { code, out } = await ask('waiter');
    expect(code).toBe(0);
    expect(out).toMatch(/^ProwJob default\/waiter\nIt waits to start: the queue "one" is full/);
    expect(out).toMatch(/Who has the places: 1 run\n {2}holder, started/);
    expect(out).toContain('What you can do\n');
    expect(await json('waiter')).toMatchObject({ kind: 'ProwJob', namespace: 'default', name: 'waiter', code: 'QueueFull', unread: [] });
    await stop('holder');
  });

  it('tells evictions and memory from what pod and node say', async () => {
    await world.create('thrown-out', 'sleep 30', { spec: { error_on_eviction: true }, annotations: { [scenario]: 'evict-after=500ms' } });
    await world.create('hungry', 'sleep 30', {
      spec: { pod_spec: { containers: [{ ...container('test', 'sleep 30'), resources: { limits: { memory: '64Mi' } } }] } },
      annotations: { [scenario]: 'oom-after=500ms' },
    });
    await world.ended('thrown-out');
    await world.ended('hungry');
    const evicted = await ask('thrown-out');
    expect(evicted.out).toContain('Its pod on node sandbox was evicted. It says nothing about the test.');
    expect(evicted.out).toMatch(/The node was low on resource: memory/);
    expect(evicted.out).toContain('Node sandbox is short of nothing now.');
    const hungry = await ask('hungry');
    expect(hungry.out).toContain('The memory limit of container test is 64Mi (resources.limits.memory).');
    expect(hungry.out).toContain('Its exit code is 137');
  });

  it('follows a build cluster that cannot be used to its object', async () => {
    await world.client.create<BuildCluster>(buildClusters, {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'BuildCluster',
      metadata: { name: 'gpu-cluster', namespace: 'default' },
      spec: { alias: 'far', kubeconfigSecretRef: { name: 'none', key: 'kubeconfig' } },
    });
    await world.create('far-away', 'true', { spec: { cluster: 'far' } });
    await world.untilRun('far-away', ({ status }) => status?.waiting?.reason === 'ClusterUnavailable');
    const { out } = await ask('far-away');
    expect(out).toContain('the build cluster "far" cannot be used now');
    expect(out).toMatch(/BuildCluster gpu-cluster is not ready: \w+/);
  });

  it('tells of a Periodic why it starts nothing', async () => {
    await newPeriodic('resting', 'true', { suspend: true });
    expect(await json('periodic/resting')).toMatchObject({ kind: 'Periodic', code: 'Suspended' });
    expect((await ask('periodics/resting')).out).toContain('It is suspended (spec.suspend): its slots are skipped.');
  });

  const wrong: readonly { readonly name: string; readonly target: string; readonly output?: string; readonly says: string }[] = [
    { name: 'no such run', target: 'nobody', says: 'there is no ProwJob "nobody"' },
    { name: 'no such Periodic', target: 'periodic/nobody', says: 'there is no Periodic "nobody"' },
    { name: 'another kind', target: 'pod/x', says: '"pod/x" is neither the name of a run' },
    { name: 'no name', target: 'periodic/', says: '"periodic/" is neither' },
    { name: 'another format', target: 'x', output: 'yaml', says: '--output yaml is neither text nor json' },
  ];
  it.each(wrong)('ends with 2: $name', async ({ target, output, says }) => {
    expect(await ask(target, output)).toMatchObject({ code: 2, out: '', err: expect.stringContaining(says) as string });
  });
});

it('the help of each verb tells its exit codes', longTest, async () => {
  for (const verb of ['run', 'abort', 'rerun', 'logs', 'why']) {
    const child = world.spawn([verb, '--help']);
    expect(await said(child, 'Exit codes')).toContain(`prow-operator ${verb} [options]`);
  }
});
