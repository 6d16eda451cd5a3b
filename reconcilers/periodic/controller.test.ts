/** The controller of Periodics over a real socket: objects, writes, a restart, and many due at once. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { periodics, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { SandboxCluster, type Running } from '../../operator/runtime/testing/sandboxCluster.ts';
import { containers } from '../../operator/jobs/testing/periodics.ts';
import { stamp } from '../../operator/jobs/times.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { createPeriodicController } from './controller.ts';
import { runIndexers } from '../../operator/jobs/runIndex.ts';

const namespace = 'default';
let cluster: SandboxCluster;

beforeAll(async () => {
  cluster = await SandboxCluster.open([periodics, prowJobs], Date.parse('2026-01-01T00:05:00Z'));
});

afterAll(() => cluster.close());

const start = (events: string[] = []): Promise<Running> =>
  cluster.run((client, informer) =>
    createPeriodicController({
      client,
      periodics: informer({ type: periodics }),
      prowJobs: informer({ type: prowJobs, indexers: runIndexers }),
      events: { event: (_object, type, reason) => void events.push(`${type} ${reason}`) },
      workers: 10,
      clock: cluster.clock,
      logger: silentLogger,
      metrics: new Metrics(),
    }),
  );

const create = (name: string, spec: Partial<Periodic['spec']>): Promise<Periodic> =>
  cluster.client.create(periodics, {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'Periodic',
    metadata: { name, namespace },
    spec: { jobTemplate: { spec: { pod_spec: { containers } } }, ...spec },
  });

const read = (name: string): Promise<Periodic> => cluster.client.get(periodics, { namespace, name });
const runsOf = async (name: string): Promise<readonly string[]> =>
  (await cluster.client.list(prowJobs, { namespace })).items.map((run) => run.metadata.name).filter((run) => run.startsWith(`${name}-2`));

describe('the controller', () => {
  it('follows a schedule through a finished run and a restart, in few writes', async () => {
    let process = await start();
    await create('nightly', { cron: '*/10 * * * *', timeZone: 'Europe/Zurich' });
    await cluster.until(async () => (await read('nightly')).status?.conditions !== undefined);
    await process.controller.idle();
    expect(process.writes).toEqual(['PATCH periodics/nightly/status']);
    await cluster.clock.advance(5 * 60_000);
    await cluster.until(async () => (await read('nightly')).status?.active?.length === 1);
    await process.controller.idle();
    expect(process.writes.slice(1)).toEqual(['POST prowjobs', 'PATCH periodics/nightly/status']);
    const run = await cluster.client.get(prowJobs, { namespace, name: 'nightly-20260101t0010z' });
    expect(run).toMatchObject({
      metadata: {
        annotations: { 'prow.k8s.io/scheduled-time': '2026-01-01T00:10:00Z' },
        ownerReferences: [{ kind: 'Periodic', name: 'nightly' }],
      },
      spec: { type: 'periodic', job: 'nightly' },
      status: { state: 'triggered' },
    });
    await process.stop();

    process = await start();
    await process.controller.idle();
    expect(process.writes).toEqual([]);
    const status = { state: 'failure', completionTime: '2026-01-01T00:11:00Z' };
    await cluster.client.patch(prowJobs, { namespace, name: run.metadata.name }, mergePatch({ status }), { subresource: 'status' });
    await cluster.until(async () => (await read('nightly')).status?.consecutiveFailures === 1);
    await process.controller.idle();
    expect((await read('nightly')).status).toMatchObject({ active: [], lastScheduleTime: '2026-01-01T00:10:00Z' });
    expect(process.writes).toEqual(['PATCH periodics/nightly/status']);
    await process.stop();
    await cluster.client.delete(periodics, { namespace, name: 'nightly' });
  });

  it('starts a run by hand when the annotation is set', async () => {
    const process = await start();
    await create('manual', { cron: '@yearly', suspend: true });
    await cluster.client.patch(
      periodics,
      { namespace, name: 'manual' },
      mergePatch({ metadata: { annotations: { 'prow.k8s.io/run-now': 'please' } } }),
    );
    await cluster.until(async () => (await read('manual')).status?.lastRunNowToken === 'please');
    expect((await read('manual')).status?.active).toHaveLength(1);
    await process.stop();
    await cluster.client.delete(periodics, { namespace, name: 'manual' });
  });

  it('replaces a run: the slot waits, the run is asked to end, the slot starts, and nothing is written twice', async () => {
    const process = await start();
    await create('fresh', { cron: '@every 10m', concurrencyPolicy: 'Replace', retry: { attempts: 1 } });
    await cluster.until(async () => (await read('fresh')).status?.active?.length === 1);
    await process.controller.idle();
    const [earlier = ''] = await runsOf('fresh');
    const before = process.writes.length;
    await cluster.clock.advance(10 * 60_000);
    await cluster.until(async () => (await cluster.client.get(prowJobs, { namespace, name: earlier })).spec.abort !== undefined);
    await process.controller.idle();
    expect((await read('fresh')).status?.waiting).toMatchObject([{ reason: 'Replacing' }]);
    const status = { state: 'aborted', completionTime: stamp(cluster.clock.now()) };
    await cluster.client.patch(prowJobs, { namespace, name: earlier }, mergePatch({ status }), { subresource: 'status' });
    await cluster.until(async () => (await runsOf('fresh')).length === 2);
    await cluster.until(async () => (await read('fresh')).status?.waiting?.length === 0);
    await process.controller.idle();
    const own = 'PATCH periodics/fresh/status';
    expect(process.writes.slice(before)).toEqual([own, `PATCH prowjobs/${earlier}`, 'POST prowjobs', own]);
    await process.stop();
    await cluster.client.delete(periodics, { namespace, name: 'fresh' });
  });

  it('repeats a failed run, and remembers over a restart that it will', async () => {
    let process = await start();
    await create('flaky', { cron: '@every 1h', retry: { attempts: 1, delay: '5m' } });
    await cluster.until(async () => (await read('flaky')).status?.active?.length === 1);
    const [name = ''] = await runsOf('flaky');
    const status = { state: 'failure', completionTime: stamp(cluster.clock.now()) };
    await cluster.client.patch(prowJobs, { namespace, name }, mergePatch({ status }), { subresource: 'status' });
    await cluster.until(async () => (await read('flaky')).status?.waiting?.length === 1);
    await process.controller.idle();
    await process.stop();
    process = await start();
    await process.controller.idle();
    expect(process.writes).toEqual([]);
    await cluster.clock.advance(5 * 60_000);
    await cluster.until(async () => (await runsOf('flaky')).length === 2);
    await process.controller.idle();
    expect(await runsOf('flaky')).toEqual([name, `${name}-r1`]);
    expect(process.writes).toEqual(['POST prowjobs', 'PATCH periodics/flaky/status']);
    await process.stop();
    await cluster.client.delete(periodics, { namespace, name: 'flaky' });
  });

  it('says what is wrong with an invalid schedule, and recovers when it is corrected', async () => {
    const events: string[] = [];
    const process = await start(events);
    await create('wrong', { cron: '0 0 31 2 *' });
    await cluster.until(async () => (await read('wrong')).status?.conditions?.[0]?.reason === 'InvalidSchedule');
    expect(events).toEqual(['Warning InvalidSchedule']);
    await cluster.client.patch(periodics, { namespace, name: 'wrong' }, mergePatch({ spec: { cron: '0 0 28 2 *' } }));
    await cluster.until(async () => (await read('wrong')).status?.conditions?.[0]?.reason === 'Scheduled');
    expect((await read('wrong')).status?.nextScheduleTimes?.[0]).toBe('2026-02-28T00:00:00Z');
    await process.stop();
    await cluster.client.delete(periodics, { namespace, name: 'wrong' });
  });

  it('starts all of many that are due in the same minute, each once', async () => {
    const count = 150;
    const process = await start();
    await Promise.all(Array.from({ length: count }, (_, index) => create(`many-${index}`, { cron: '30 * * * *' })));
    const statuses = async () => (await cluster.client.list(periodics, { namespace })).items.map((item) => item.status);
    await cluster.until(async () => (await statuses()).filter((status) => status?.conditions !== undefined).length === count);
    await process.controller.idle();
    const before = process.writes.length;
    await cluster.clock.advance(Date.parse('2026-01-01T00:30:00Z') - cluster.clock.now());
    const started = () => process.writes.slice(before).filter((write) => write === 'POST prowjobs').length;
    await cluster.until(() => started() === count);
    await process.controller.idle();
    // Only those that find the herd gone look after their status at once.
    expect(process.writes.length - before).toBeLessThan(count + 10);
    await cluster.clock.advance(1000);
    await cluster.until(async () => (await statuses()).every((status) => status?.active?.length === 1));
    await process.controller.idle();
    expect(process.writes.slice(before)).toHaveLength(2 * count);
    expect(started()).toBe(count);
    expect(await runsOf('many-7')).toEqual(['many-7-20260101t0030z']);
    await process.stop();
  });
});
