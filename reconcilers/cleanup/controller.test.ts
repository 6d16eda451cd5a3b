/** Cleanup over a real socket: what is left of runs and pods, what was counted, and how many writes it took. */
import { LocalClusters } from '../../operator/clusters/clusters.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { periodics, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { annotation, label } from '../../operator/jobs/labels.ts';
import { podIndexers } from '../../operator/jobs/podOwner.ts';
import { defaultPolicy, type JobPolicy } from '../../operator/jobs/policy.ts';
import { runIndexers } from '../../operator/jobs/runIndex.ts';
import { pods, type Pod } from '../../operator/kube/builtin.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import type { Controller } from '../../operator/runtime/controller.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { ObjectWriter } from '../../operator/runtime/objectWriter.ts';
import { Store } from '../../operator/runtime/store.ts';
import { RecordingLogger } from '../../operator/runtime/testing/recordingLogger.ts';
import { SandboxCluster, type Running } from '../../operator/runtime/testing/sandboxCluster.ts';
import { cleanupControllers } from './controller.ts';
import { stamp } from '../../operator/jobs/times.ts';

const namespace = 'default';
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

let cluster: SandboxCluster;
beforeAll(async () => {
  cluster = await SandboxCluster.open([periodics, prowJobs], Date.parse('2026-01-01T00:00:00Z'));
});
afterAll(() => cluster.close());

/** Both controllers in one process. */
class Cleaner {
  readonly metrics = new Metrics();
  readonly logger = new RecordingLogger();
  readonly #ended = new AbortController();
  policy: JobPolicy = {
    ...defaultPolicy,
    cleanup: { ...defaultPolicy.cleanup, prowJobTTLMs: 2 * hourMs, podTTLMs: hourMs, orphanAgeMs: 30_000 },
  };
  controllers: readonly Controller[] = [];
  settingsChanged = (): void => undefined;
  process: Running | undefined;
  #ofPods: Promise<void> = Promise.resolve();

  async start(): Promise<this> {
    this.process = await cluster.run((client, informer) => {
      const jobs = informer({ type: prowJobs, indexers: runIndexers });
      const podCache = informer({ type: pods, indexers: podIndexers });
      const access = { pods: podCache.store, writer: new ObjectWriter(client, pods, podCache.store), client };
      const { controllers, settingsChanged } = cleanupControllers({
        jobs: jobs.store,
        writer: new ObjectWriter(client, prowJobs, jobs.store),
        client,
        periodics: informer({ type: periodics }).store,
        clusters: new LocalClusters(access),
        backfills: new Store<PeriodicBackfill>(),
        events: { event: () => undefined },
        isLeading: () => true,
        policy: () => this.policy,
        metrics: this.metrics,
        clock: cluster.clock,
        logger: this.logger,
      });
      [this.controllers, this.settingsChanged] = [controllers, settingsChanged];
      return controllers[0]!;
    });
    this.#ofPods = this.controllers[1]!.run(this.#ended.signal);
    return this;
  }

  get writes(): readonly string[] {
    return this.process?.writes ?? [];
  }

  async idle(): Promise<void> {
    for (const controller of this.controllers) await controller.idle();
  }

  async advance(ms: number): Promise<void> {
    await cluster.clock.advance(ms);
    await this.idle();
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#ofPods;
    await this.process?.stop();
  }
}

let cleaners: Cleaner[] = [];
async function start(): Promise<Cleaner> {
  const cleaner = await new Cleaner().start();
  cleaners.push(cleaner);
  return cleaner;
}

afterEach(async () => {
  for (const cleaner of cleaners) await cleaner.stop();
  cleaners = [];
  for (const type of [prowJobs, periodics, pods] as readonly ResourceType[]) {
    for (const { metadata } of (await cluster.client.list(type, { namespace })).items) {
      await cluster.client.delete(type, { namespace, name: metadata.name }, { gracePeriodSeconds: 0 });
    }
  }
});

interface RunParts {
  readonly spec?: Partial<ProwJobSpec>;
  readonly periodic?: Periodic;
}

const createRun = (name: string, { spec, periodic }: RunParts = {}): Promise<ProwJob> =>
  cluster.client.create(prowJobs, {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'ProwJob',
    metadata: {
      name,
      namespace,
      ...(periodic === undefined
        ? {}
        : {
            ownerReferences: [
              {
                apiVersion: 'prow.k8s.io/v1',
                kind: 'Periodic',
                name: periodic.metadata.name,
                uid: periodic.metadata.uid!,
                controller: true,
              },
            ],
          }),
    },
    spec: { type: 'periodic', job: 'unit', ...spec },
  });

const createPod = (run: ProwJob): Promise<Pod> =>
  cluster.client.create(pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: run.metadata.name,
      namespace,
      labels: { [label.createdByProw]: 'true', [label.id]: run.metadata.name, [label.runUid]: run.metadata.uid! },
      annotations: { [annotation.run]: `${namespace}/${run.metadata.name}` },
    },
    spec: { containers: [{ name: 'test', image: 'none' }], terminationGracePeriodSeconds: 0 },
  });

const finish = (name: string): Promise<ProwJob> => {
  const at = stamp(cluster.clock.now());
  const status = { state: 'success', startTime: at, completionTime: at };
  return cluster.client.patch(prowJobs, { namespace, name }, mergePatch({ status }), { subresource: 'status' });
};

const left = async (): Promise<readonly string[]> => {
  const [runs, running] = await Promise.all([cluster.client.list(prowJobs, { namespace }), cluster.client.list(pods, { namespace })]);
  return [
    ...runs.items.map(({ metadata }) => `run ${metadata.name}`),
    ...running.items.map(({ metadata }) => `pod ${metadata.name}`),
  ].toSorted();
};

/** Until the caches of this process show what was written; then until nothing is left to do. */
async function settled(cleaner: Cleaner, wanted: readonly string[]): Promise<void> {
  await cluster.until(async () => JSON.stringify(await left()) === JSON.stringify(wanted));
  await cleaner.idle();
}

const deletions = (cleaner: Cleaner): Promise<readonly (number | undefined)[]> =>
  Promise.all([
    ...(['aged', 'aged-periodic', 'history'] as const).map((reason) => cleaner.metrics.value('cleanup_prowjobs_deleted_total', { reason })),
    ...(['ttled', 'orphaned', 'run-deleted', 'lost'] as const).map((reason) =>
      cleaner.metrics.value('cleanup_pods_deleted_total', { reason }),
    ),
  ]);

describe('a run and its pod', () => {
  it('go at their times in one write each, and nothing is written between', async () => {
    const cleaner = await start();
    await createPod(await createRun('one', { spec: { type: 'postsubmit' } }));
    await createPod(await createRun('open'));
    await finish('one');
    await cleaner.advance(hourMs - 1);
    expect(cleaner.writes).toEqual([]);
    await cleaner.advance(1);
    await settled(cleaner, ['pod open', 'run one', 'run open']);
    expect(cleaner.writes).toEqual(['DELETE pods/one']);
    await cleaner.advance(hourMs - 1);
    expect(cleaner.writes).toHaveLength(1);
    await cleaner.advance(1);
    await settled(cleaner, ['pod open', 'run open']);
    expect(cleaner.writes).toEqual(['DELETE pods/one', 'DELETE prowjobs/one']);
    expect(await deletions(cleaner)).toEqual([1, 0, 0, 1, 0, 0, 0]);

    await cleaner.advance(100 * hourMs);
    expect(cleaner.writes).toHaveLength(2);
    const again = await start();
    await again.advance(100 * hourMs);
    expect(again.writes).toEqual([]);
    expect(await left()).toEqual(['pod open', 'run open']);
  });

  it('go together when the run has a short life of its own, also after a restart', async () => {
    await createPod(await createRun('short', { spec: { ttl_seconds_after_finished: 60 } }));
    await finish('short');
    const cleaner = await start();
    await cleaner.advance(minuteMs - 1);
    expect(cleaner.writes).toEqual([]);
    await cleaner.advance(1);
    await settled(cleaner, []);
    expect(cleaner.writes).toEqual(['DELETE pods/short', 'DELETE prowjobs/short']);
    expect(await deletions(cleaner)).toEqual([0, 1, 0, 0, 0, 1, 0]);
  });
});

describe('the last run of a Periodic', () => {
  it('stays until a newer one has finished', async () => {
    const periodic = await cluster.client.create(periodics, {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'Periodic',
      metadata: { name: 'nightly', namespace },
      spec: { interval: '1h', jobTemplate: { spec: { pod_spec: { containers: [{ image: 'none' }] } } } },
    });
    const cleaner = await start();
    await createPod(await createRun('n-1', { periodic }));
    await finish('n-1');
    cleaner.policy = { ...cleaner.policy, cleanup: { ...cleaner.policy.cleanup, podTTLMs: 5 * hourMs } };
    await cleaner.advance(2 * hourMs);
    await settled(cleaner, ['run n-1']);
    await cleaner.advance(10 * hourMs);
    expect(await left()).toEqual(['run n-1']);
    await createRun('n-2', { periodic });
    await finish('n-2');
    await settled(cleaner, ['run n-2']);
    expect(cleaner.writes).toEqual(['DELETE pods/n-1', 'DELETE prowjobs/n-1']);
    expect(await deletions(cleaner)).toEqual([0, 1, 0, 1, 0, 0, 0]);
    await cleaner.advance(10 * hourMs);
    expect(await left()).toEqual(['run n-2']);
    await cluster.client.delete(periodics, { namespace, name: 'nightly' }, { propagationPolicy: 'Orphan' });
    await settled(cleaner, []);
  });
});

describe('pods without a run', () => {
  it('go when they are old enough, and a pod that is not ours never does', async () => {
    const run = await createRun('gone');
    await createPod(run);
    const other: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'theirs', namespace },
      spec: { containers: [{ name: 'c', image: 'none' }] },
    };
    await cluster.client.create(pods, other);
    await cluster.client.delete(prowJobs, { namespace, name: 'gone' });
    const cleaner = await start();
    await cleaner.advance(29_999);
    expect(cleaner.writes).toEqual([]);
    await cleaner.advance(1);
    await settled(cleaner, ['pod theirs']);
    expect(cleaner.writes).toEqual(['DELETE pods/gone']);
    expect(await deletions(cleaner)).toEqual([0, 0, 0, 0, 1, 0, 0]);
    expect(cleaner.logger.lines.filter(({ level }) => level === 'info').map(({ message }) => message)).toEqual(['Pod deleted']);
  });
});

it('changed settings hold for what waits already', async () => {
  const cleaner = await start();
  await createRun('waits');
  await finish('waits');
  await cleaner.advance(minuteMs);
  cleaner.policy = { ...cleaner.policy, cleanup: { ...cleaner.policy.cleanup, prowJobTTLMs: minuteMs } };
  cleaner.settingsChanged();
  await settled(cleaner, []);
  expect(cleaner.writes).toEqual(['DELETE prowjobs/waits']);
});

it('many go, each in one write', async () => {
  const names = Array.from({ length: 100 }, (_, index) => `r-${index}`);
  const cleaner = await start();
  await Promise.all(names.map((name) => createRun(name)));
  await Promise.all(names.map((name) => finish(name)));
  await cleaner.advance(2 * hourMs - 1);
  expect(cleaner.writes).toEqual([]);
  await cluster.clock.advance(1);
  // So many at once as in a second, then one after the other.
  await cluster.until(() => Promise.resolve(cleaner.writes.length === 50));
  for (let seconds = 0; seconds < 2; seconds++) await cluster.clock.advance(1000);
  await settled(cleaner, []);
  expect(new Set(cleaner.writes).size).toBe(100);
  expect(cleaner.writes).toHaveLength(100);
});
