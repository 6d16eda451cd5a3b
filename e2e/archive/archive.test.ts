/** Results of real processes, kept by an operator that is a process of its own: in a directory, and on a real S3 server where one is built. */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { prowJobs } from '../../crds/resources.ts';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import type { SettingsFile } from '../../operator/config/settings.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { Installation } from '../scenarios/installation.ts';
import { installOnSandbox } from '../scenarios/sandboxCluster.ts';
import { Minio, minioMissing } from './minio.ts';

interface Place {
  readonly settings: NonNullable<SettingsFile['archive']>;
  readonly url: string;
  /** Every object, key → text. */
  readonly objects: () => Promise<ReadonlyMap<string, string>>;
  readonly close: () => Promise<void>;
}

async function directory(): Promise<Place> {
  const dir = await mkdtemp(path.join(tmpdir(), 'prow-archive-'));
  const objects = async (): Promise<ReadonlyMap<string, string>> => {
    const entries = await readdir(dir, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
    return new Map(await Promise.all(files.map(async (file) => [path.relative(dir, file), await readFile(file, 'utf8')] as const)));
  };
  return { settings: { location: `file://${dir}` }, url: `file://${dir}`, objects, close: () => rm(dir, { recursive: true }) };
}

async function s3(): Promise<Place> {
  Object.assign(process.env, Minio.credentials);
  const minio = await Minio.start('results');
  const Bucket = 'results';
  const objects = async (): Promise<ReadonlyMap<string, string>> => {
    const { Contents = [] } = await minio.client.send(new ListObjectsV2Command({ Bucket, Prefix: 'ci/' }));
    const read = async (Key: string): Promise<string> =>
      (await (await minio.client.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()) ?? '';
    return new Map(await Promise.all(Contents.map(async ({ Key = '' }) => [Key.replace(/^ci\//, ''), await read(Key)] as const)));
  };
  const settings = { location: 's3://results/ci', endpoint: minio.endpoint, forcePathStyle: true };
  return { settings, url: 's3://results/ci', objects, close: () => minio.stop() };
}

const run = (name: string, script: string, spec: Partial<ProwJobSpec> = {}): ProwJob => ({
  apiVersion: 'prow.k8s.io/v1',
  kind: 'ProwJob',
  metadata: { name, namespace: 'default' },
  spec: {
    type: 'periodic',
    job: `job-${name}`,
    pod_spec: { containers: [{ name: 'test', image: 'busybox:1.37', command: ['sh', '-c', script] }] },
    ...spec,
  },
});

const refs = {
  org: 'acme',
  repo: 'widget',
  base_ref: 'main',
  base_sha: 'b5',
  pulls: [{ number: 7, author: 'ann', sha: 'c0ffee' }],
};

/** One operator on one sandbox with one place. */
class World {
  readonly place: Place;
  readonly installation: Installation;

  private constructor(place: Place, installation: Installation) {
    this.place = place;
    this.installation = installation;
  }

  static async open(place: Place, more: Partial<Place['settings']> = {}, cleanup: SettingsFile['cleanup'] = {}): Promise<World> {
    const settings: SettingsFile = {
      archive: { spoolDir: tmpdir(), ...place.settings, ...more },
      cleanup,
      leaderElection: { leaseDuration: '3s', renewDeadline: '2s', retryPeriod: '500ms' },
    };
    return new World(place, await installOnSandbox({ settings, replicas: 1 }));
  }

  async create(job: ProwJob): Promise<void> {
    await this.installation.client.create(prowJobs, job);
  }

  async abort(name: string): Promise<void> {
    await this.installation.client.patch(prowJobs, { namespace: 'default', name }, mergePatch({ spec: { abort: { by: 'test' } } }));
  }

  get(name: string): Promise<ProwJob> {
    return this.installation.client.get(prowJobs, { namespace: 'default', name });
  }

  async until(name: string, isSo: (job: ProwJob) => boolean): Promise<ProwJob> {
    onTestFailed(async () => void process.stderr.write(`${await this.installation.tail(40)}\n`));
    for (;;) {
      const job = await this.get(name);
      if (isSo(job)) return job;
      await wait(50);
    }
  }

  archived(name: string): Promise<ProwJob> {
    return this.until(name, (job) => conditionOf(job)?.status === 'True');
  }

  async close(): Promise<void> {
    await this.installation.close();
    await this.place.close();
  }
}

const conditionOf = (job: ProwJob) => job.status?.conditions?.find(({ type }) => type === 'Archived');
const secondsOf = (time: string | undefined): number => Math.floor(Date.parse(time ?? '') / 1000);
const json = (text: string | undefined): unknown => JSON.parse(text ?? 'null');

const missing = minioMissing();
const places = [
  { name: 'a directory', open: directory, skip: false },
  { name: missing === undefined ? 'S3' : `S3 (${missing})`, open: s3, skip: missing !== undefined },
];

for (const { name, open, skip } of places) {
  describe.skipIf(skip)(`results in ${name}`, () => {
    let world: World;
    beforeAll(async () => {
      world = await World.open(await open());
    }, 60_000);
    afterAll(() => world.close());

    it('has the objects of a run under the names that viewers know', async () => {
      await world.create(run('plain', 'echo one; echo two >&2; exit 3', { type: 'postsubmit', refs }));
      const job = await world.archived('plain');
      const { build_id: id = '', attempts } = job.status ?? {};
      const objects = await world.place.objects();
      const dir = `logs/job-plain/${id}/`;
      expect([...objects.keys()].filter((key) => key.startsWith('logs/job-plain')).sort()).toEqual(
        [
          `${dir}build-log.txt`,
          `${dir}finished.json`,
          `${dir}podinfo.json`,
          `${dir}prowjob.json`,
          `${dir}started.json`,
          'logs/job-plain/latest-build.txt',
        ].sort(),
      );
      expect(objects.get(`${dir}build-log.txt`)?.split('\n').sort()).toEqual(['', 'one', 'two']);
      expect(objects.get('logs/job-plain/latest-build.txt')).toBe(id);
      expect(json(objects.get(`${dir}started.json`))).toEqual({
        timestamp: secondsOf(attempts?.[0]?.started),
        pull: '7',
        repos: { 'acme/widget': 'main:b5,7:c0ffee' },
        'repo-commit': 'c0ffee',
        'repo-version': 'c0ffee',
        metadata: { uploader: 'prow-operator' },
      });
      expect(json(objects.get(`${dir}finished.json`))).toEqual({
        timestamp: secondsOf(job.status?.completionTime),
        passed: false,
        result: 'FAILURE',
        metadata: { uploader: 'prow-operator', reason: 'TestFailed' },
        revision: 'c0ffee',
      });
      expect(json(objects.get(`${dir}prowjob.json`))).toMatchObject({
        kind: 'ProwJob',
        metadata: { name: 'plain' },
        status: { state: 'failure' },
      });
      expect(objects.get(`${dir}prowjob.json`)).not.toContain('Archived');
      const info = json(objects.get(`${dir}podinfo.json`)) as { pod: { metadata: { name: string } }; events: { reason: string }[] };
      expect(info.pod.metadata.name).toBe('plain');
      expect(info.events.map(({ reason }) => reason)).toContain('Started');
      expect(conditionOf(job)).toMatchObject({
        reason: 'Uploaded',
        message: `Log and results are in ${world.place.url.replace(/\/ci$/, '')}/${world.place.url.endsWith('/ci') ? 'ci/' : ''}${dir}.`,
      });
    });

    it('puts a presubmit below its pull request, with an alias', async () => {
      await world.create(run('pr', 'echo hello', { type: 'presubmit', refs }));
      const { build_id: id = '' } = (await world.archived('pr')).status ?? {};
      const objects = await world.place.objects();
      expect(objects.get(`pr-logs/pull/acme_widget/7/job-pr/${id}/build-log.txt`)).toBe('hello\n');
      expect(objects.get('pr-logs/pull/acme_widget/7/job-pr/latest-build.txt')).toBe(id);
      expect(objects.get('pr-logs/directory/job-pr/latest-build.txt')).toBe(id);
      expect(objects.get(`pr-logs/directory/job-pr/${id}.txt`)).toBe(`${world.place.url}/pr-logs/pull/acme_widget/7/job-pr/${id}`);
    });

    it('tells viewers that a run has begun while it runs', async () => {
      await world.create(run('long', 'echo begun; sleep 600'));
      const { build_id: id = '' } = (await world.until('long', ({ status }) => status?.build_id !== undefined)).status ?? {};
      while (!(await world.place.objects()).has('logs/job-long/latest-build.txt')) await wait(50);
      const keys = [...(await world.place.objects()).keys()].filter((key) => key.startsWith('logs/job-long/'));
      expect(keys.sort()).toEqual([`logs/job-long/${id}/started.json`, 'logs/job-long/latest-build.txt']);
      await world.abort('long');
      await world.archived('long');
    });

    it('has the last words of a run that was aborted, and whose pod is gone by then', async () => {
      const script = 'trap "echo caught; sleep 1; echo last words; exit 1" TERM; echo begun; while true; do sleep 0.1; done';
      await world.create(run('aborted', script));
      while (!(await logOf(world, 'aborted')).includes('begun')) await wait(50);
      await world.abort('aborted');
      const { build_id: id = '' } = (await world.archived('aborted')).status ?? {};
      const objects = await world.place.objects();
      expect(objects.get(`logs/job-aborted/${id}/build-log.txt`)).toMatch(/^begun\n(Terminated\n)?caught\nlast words\n$/);
      expect(json(objects.get(`logs/job-aborted/${id}/finished.json`))).toMatchObject({ passed: false, result: 'ABORTED' });
      await expect(world.installation.client.get(pods, { namespace: 'default', name: 'aborted' })).rejects.toSatisfy(isNotFound);
    });

    it('names the logs of several containers after them', async () => {
      const container = (own: string, script: string) => ({ name: own, image: 'busybox:1.37', command: ['sh', '-c', script] });
      const pod_spec = {
        initContainers: [container('first', 'echo init')],
        containers: [container('a', 'echo A'), container('b', 'echo B')],
      };
      await world.create(run('two', '', { pod_spec }));
      const { build_id: id = '' } = (await world.archived('two')).status ?? {};
      const objects = await world.place.objects();
      const logs = ['first', 'a', 'b'].map((own) => objects.get(`logs/job-two/${id}/${own}-build-log.txt`));
      expect(logs).toEqual(['init\n', 'A\n', 'B\n']);
    });

    it('has the whole log of a run during which the operator crashed', async () => {
      await world.create(run('crash', 'i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.05; done'));
      while (!(await logOf(world, 'crash')).includes('line 5')) await wait(20);
      await world.installation.crash();
      const { build_id: id = '' } = (await world.archived('crash')).status ?? {};
      const log = (await world.place.objects()).get(`logs/job-crash/${id}/build-log.txt`);
      expect(log).toBe(Array.from({ length: 60 }, (_, index) => `line ${index}\n`).join(''));
    });
  });
}

const logOf = (world: World, name: string): Promise<string> =>
  world.installation.client.text(`/api/v1/namespaces/default/pods/${name}/log`).catch(() => '');

describe('a store that does not work', () => {
  it('holds cleanup, says so, and gets everything when it works again', async () => {
    const dir = await mkdtemp(path.join(tmpdir(), 'prow-archive-'));
    const inTheWay = path.join(dir, 'results');
    await writeFile(inTheWay, '');
    const place = { ...(await directory()), settings: { location: `file://${inTheWay}` } };
    const world = await World.open(place, {}, { podTTL: '1s', prowJobTTL: '1s' });
    try {
      await world.create(run('held', 'echo kept'));
      const failed = await world.until('held', (job) => conditionOf(job)?.reason === 'Failed');
      expect(conditionOf(failed)).toMatchObject({ status: 'False', message: expect.stringContaining(`file://${inTheWay}: `) as string });
      // Both times to live are over; another run that never had a pod says that cleanup is at work.
      await world.create({ ...run('never', ''), spec: { type: 'periodic', job: 'never', cluster: 'nowhere' } });
      while (await exists(world, 'never')) await wait(100);
      expect((await world.get('held')).status?.state).toBe('success');
      await world.installation.client.get(pods, { namespace: 'default', name: 'held' });
      await rm(inTheWay);
      while (await exists(world, 'held')) await wait(100);
      const build = await readdir(path.join(inTheWay, 'logs', 'job-held'));
      expect(
        await readFile(path.join(inTheWay, 'logs', 'job-held', build.find((entry) => /^\d+$/.test(entry)) ?? '', 'build-log.txt'), 'utf8'),
      ).toBe('kept\n');
    } finally {
      await world.close();
      await rm(dir, { recursive: true });
    }
  }, 60_000);

  const exists = async (world: World, name: string): Promise<boolean> => {
    try {
      await world.get(name);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  };
});
