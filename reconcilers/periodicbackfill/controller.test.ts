/** The controller of PeriodicBackfills over a real socket: objects, writes, a restart, and what wakes it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { periodicBackfills, periodics, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicBackfill } from '../../crds/v1/periodicBackfill.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { runIndexers } from '../../operator/jobs/runIndex.ts';
import { containers } from '../../operator/jobs/testing/periodics.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { SandboxCluster, type Running } from '../../operator/runtime/testing/sandboxCluster.ts';
import { backfillIndexers, concernedBackfills, createPeriodicBackfillController } from './controller.ts';
import { showBackfillGauges } from './gauges.ts';

const namespace = 'default';
let cluster: SandboxCluster;

beforeAll(async () => {
  cluster = await SandboxCluster.open([periodics, periodicBackfills, prowJobs], Date.parse('2026-02-01T00:00:00Z'));
});

afterAll(() => cluster.close());

const start = (events: string[] = [], metrics = new Metrics()): Promise<Running> =>
  cluster.run((client, informer) => {
    const backfills = informer({ type: periodicBackfills, indexers: backfillIndexers });
    showBackfillGauges(metrics, () => backfills.store.list());
    return createPeriodicBackfillController({
      client,
      periodicBackfills: backfills,
      periodics: informer({ type: periodics }),
      prowJobs: informer({ type: prowJobs, indexers: runIndexers }),
      events: { event: (object, type, reason) => void events.push(`${object.kind ?? ''} ${type} ${reason}`) },
      workers: 4,
      budget: { take: () => 0 },
      clock: cluster.clock,
      logger: silentLogger,
      metrics,
    });
  });

const createPeriodic = (name: string, cron: string): Promise<Periodic> =>
  cluster.client.create(periodics, {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'Periodic',
    metadata: { name, namespace },
    spec: { cron, jobTemplate: { spec: { pod_spec: { containers } } } },
  });

const create = (name: string, spec: Partial<PeriodicBackfill['spec']> = {}): Promise<PeriodicBackfill> =>
  cluster.client.create(periodicBackfills, {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'PeriodicBackfill',
    metadata: { name, namespace },
    spec: { periodic: 'nightly', from: '2026-01-01T00:00:00Z', to: '2026-01-03T12:00:00Z', ...spec },
  });

const read = (name: string): Promise<PeriodicBackfill> => cluster.client.get(periodicBackfills, { namespace, name });
const readRun = (name: string): Promise<ProwJob> => cluster.client.get(prowJobs, { namespace, name });
const finish = (name: string, state: string): Promise<unknown> => {
  const status = { state, completionTime: '2026-02-01T00:00:00Z' };
  return cluster.client.patch(prowJobs, { namespace, name }, mergePatch({ status }), { subresource: 'status' });
};
const reasonOf = ({ status }: PeriodicBackfill): string | undefined => status?.conditions?.find(({ type }) => type === 'Ready')?.reason;

describe('the controller', () => {
  it('follows a backfill to its end over a restart, with two writes for each slot', async () => {
    const events: string[] = [];
    let process = await start(events);
    await create('again');
    await cluster.until(async () => reasonOf(await read('again')) === 'PeriodicNotFound');
    expect(events).toEqual(['PeriodicBackfill Warning PeriodicNotFound']);
    await createPeriodic('nightly', '0 2 * * *');
    await cluster.until(async () => (await read('again')).status?.started === 1);
    await process.controller.idle();
    expect(process.writes).toEqual(['PATCH periodicbackfills/again/status', 'POST prowjobs', 'PATCH periodicbackfills/again/status']);
    const run = await readRun('again-20260101t0200z');
    expect(run).toMatchObject({
      metadata: {
        annotations: { 'prow.k8s.io/scheduled-time': '2026-01-01T02:00:00Z' },
        labels: { 'prow.k8s.io/backfill': 'again', 'prow.k8s.io/job': 'nightly' },
        ownerReferences: [{ kind: 'PeriodicBackfill', name: 'again', controller: true }],
      },
      spec: { job: 'nightly', priority: -10 },
    });
    await process.stop();
    await finish('again-20260101t0200z', 'success');

    const metrics = new Metrics();
    process = await start(events, metrics);
    await cluster.until(async () => (await read('again')).status?.started === 2);
    await finish('again-20260102t0200z', 'failure');
    await cluster.until(async () => (await read('again')).status?.started === 3);
    expect(await metrics.value('prow_periodic_backfills', { state: 'active' })).toBe(1);
    await finish('again-20260103t0200z', 'success');
    await cluster.until(async () => reasonOf(await read('again')) === 'Complete');
    await process.controller.idle();
    expect((await read('again')).status).toMatchObject({
      started: 3,
      succeeded: 2,
      failed: 1,
      remaining: 0,
      active: [],
      failedSlots: ['2026-01-02T02:00:00Z'],
      completionTime: '2026-02-01T00:00:00Z',
    });
    expect(process.writes.filter((write) => write === 'POST prowjobs')).toHaveLength(2);
    expect(process.writes).toHaveLength(5);
    expect(events).toEqual(['PeriodicBackfill Warning PeriodicNotFound', 'PeriodicBackfill Normal Complete']);
    expect(await metrics.value('prow_periodic_backfills', { state: 'complete' })).toBe(1);
    await process.stop();
    await cluster.client.delete(periodicBackfills, { namespace, name: 'again' });
  });

  it('writes nothing to a settled one at the next start', async () => {
    let process = await start();
    await create('settled', { parallelism: 2 });
    await cluster.until(async () => (await read('settled')).status?.started === 2);
    await process.controller.idle();
    await process.stop();
    process = await start();
    await process.controller.idle();
    expect(process.writes).toEqual([]);
    await process.stop();
  });

  it('refuses to have the range of a backfill changed', async () => {
    await create('fixed', { suspend: true });
    for (const spec of [{ from: '2025-01-01T00:00:00Z' }, { to: '2026-01-09T00:00:00Z' }, { periodic: 'other' }]) {
      const edit = cluster.client.patch(periodicBackfills, { namespace, name: 'fixed' }, mergePatch({ spec }));
      await expect(edit).rejects.toThrow(/create another PeriodicBackfill instead/);
    }
    await expect(create('backwards', { to: '2025-12-31T00:00:00Z' })).rejects.toThrow(/from must be before to/);
  });
});

describe('what wakes it', () => {
  const key = { namespace, name: 'again' };
  const backfill = { metadata: { name: 'again', namespace } } as PeriodicBackfill;
  const periodic = (metadata: object, status?: object): Periodic =>
    ({ metadata: { name: 'nightly', namespace, generation: 1, ...metadata }, ...(status && { status }) }) as Periodic;
  const store = { get: () => undefined, byIndex: () => [backfill] };
  it.each([
    { name: 'a new Periodic', change: { type: 'added', object: periodic({}) }, keys: [key] },
    { name: 'one that goes', change: { type: 'deleted', object: periodic({}) }, keys: [key] },
    { name: 'an edit', change: { type: 'updated', object: periodic({ generation: 2 }), previous: periodic({}) }, keys: [key] },
    {
      name: 'a schedule that is recorded',
      change: { type: 'updated', object: periodic({}, { schedule: { text: 'x', since: 'y' } }), previous: periodic({}) },
      keys: [key],
    },
    {
      name: 'not a slot that passed',
      change: { type: 'updated', object: periodic({}, { lastScheduleTime: 'x' }), previous: periodic({}) },
      keys: [],
    },
  ] as const)('$name', ({ change, keys }) => expect(concernedBackfills(store, change)).toEqual(keys));

  it('a Periodic of its own name', () => {
    expect(concernedBackfills({ get: () => backfill, byIndex: () => [] }, { type: 'added', object: periodic({ name: 'again' }) })).toEqual([
      key,
    ]);
  });
});
