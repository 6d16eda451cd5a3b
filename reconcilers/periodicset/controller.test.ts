/** The controller of PeriodicSets over a real socket: what it writes, how often, and what it leaves alone. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { periodics, periodicSets } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicSet, PeriodicSetSpec } from '../../crds/v1/periodicSet.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import { silentLogger } from '../../operator/runtime/logger.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { SandboxCluster, type Running } from '../../operator/runtime/testing/sandboxCluster.ts';
import { createPeriodicSetController } from './controller.ts';
import { templateKeysAnnotation } from './desired.ts';
import { periodicSetIndexers } from './owned.ts';

const namespace = 'default';
let cluster: SandboxCluster;
let process: Running;
let metrics: Metrics;
let events: string[] = [];

const start = (): Promise<Running> =>
  cluster.run((client, informer) =>
    createPeriodicSetController({
      client,
      periodicSets: informer({ type: periodicSets }),
      periodics: informer({ type: periodics, indexers: periodicSetIndexers }),
      events: { event: (object, type, reason, note) => void events.push(`${object.metadata.name} ${type} ${reason}: ${note}`) },
      workers: 2,
      clock: cluster.clock,
      logger: silentLogger,
      metrics,
    }),
  );

beforeAll(async () => {
  cluster = await SandboxCluster.open([periodicSets, periodics], Date.parse('2026-01-01T00:00:00Z'));
});
afterAll(() => cluster.close());

beforeEach(async () => {
  metrics = new Metrics();
  events = [];
  process = await start();
});
afterEach(async () => {
  for (const { metadata } of (await cluster.client.list(periodicSets, { namespace })).items) await removeSet(metadata.name);
  await process.stop();
  for (const { metadata } of (await cluster.client.list(periodics, { namespace })).items) {
    await cluster.client.delete(periodics, { namespace, name: metadata.name }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
  await cluster.until(async () => (await list()).length === 0);
});

const removeSet = (name: string): Promise<void> => cluster.client.delete(periodicSets, { namespace, name });

const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index));

const spec = (over: Partial<PeriodicSetSpec> = {}, template: { metadata?: object; spec?: object } = {}): PeriodicSetSpec => ({
  matrix: { region: ['eu', 'us'] },
  ...over,
  template: {
    metadata: { name: 'e2e-${region}', labels: { region: '${region}' }, ...template.metadata },
    spec: {
      cron: '@hourly',
      jobTemplate: { spec: { pod_spec: { containers: [{ image: 'busybox', args: ['${region}'] }] } } },
      ...template.spec,
    },
  },
});

const create = (name: string, of: PeriodicSetSpec): Promise<PeriodicSet> =>
  cluster.client.create(periodicSets, { apiVersion: 'prow.k8s.io/v1', kind: 'PeriodicSet', metadata: { name, namespace }, spec: of });
const read = (name: string): Promise<PeriodicSet> => cluster.client.get(periodicSets, { namespace, name });
const periodic = (name: string): Promise<Periodic> => cluster.client.get(periodics, { namespace, name });
const list = async (): Promise<readonly Periodic[]> => (await cluster.client.list(periodics, { namespace })).items;
const names = async (): Promise<readonly string[]> => (await list()).map(({ metadata }) => metadata.name).sort();

/** Spec as a whole: a merge patch would keep what is gone. */
async function edit(name: string, to: PeriodicSetSpec): Promise<void> {
  const set = await read(name);
  await cluster.client.replace(periodicSets, { ...set, spec: to });
}

/** Status speaks about this spec, and Ready has this reason. */
async function until(name: string, reason: string): Promise<PeriodicSet> {
  let set = await read(name);
  await cluster.until(async () => {
    set = await read(name);
    const ready = findCondition(set.status?.conditions, 'Ready');
    return set.status?.observedGeneration === set.metadata.generation && ready?.reason === reason;
  });
  await process.controller.idle();
  return read(name);
}

const writesOf = (kind: string): readonly string[] => process.writes.filter((write) => write.split(/[ /]/)[1] === kind);

describe('a set', () => {
  it('makes its Periodics with one write each and one of status, and then writes nothing', async () => {
    await create('e2e', spec());
    const { status, metadata } = await until('e2e', 'Applied');
    expect(status).toMatchObject({ desired: 2, current: 2, ready: 0, suspended: 0, problems: [], observedGeneration: 1 });
    expect([...process.writes].sort()).toEqual(['PATCH periodicsets/e2e/status', 'POST periodics', 'POST periodics']);
    const made = await periodic('e2e-eu');
    expect(made.metadata).toMatchObject({
      labels: { region: 'eu' },
      ownerReferences: [{ kind: 'PeriodicSet', name: 'e2e', uid: metadata.uid, controller: true, blockOwnerDeletion: true }],
    });
    expect(made.spec).toMatchObject({ cron: '@hourly', jobTemplate: { spec: { pod_spec: { containers: [{ args: ['eu'] }] } } } });
    expect(events).toEqual(['e2e Normal PeriodicsChanged: Periodics: 2 created']);
    expect(await metrics.value('prow_periodic_set_writes_total', { operation: 'created' })).toBe(2);

    const again = await start();
    await again.controller.idle();
    expect(again.writes).toEqual([]);
    await again.stop();
  });

  it('of two hundred writes status a few times, however often readiness changes', async () => {
    await create('many', spec({ matrix: { region: numbers(100), n: ['a', 'b'] } }, { metadata: { name: 'e2e-${region}-${n}' } }));
    await until('many', 'Applied');
    expect([writesOf('periodics').length, writesOf('periodicsets').length]).toEqual([200, 1]);
    const ready = { type: 'Ready', status: 'True', reason: 'Scheduled', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
    for (const { metadata } of await list()) {
      const body = mergePatch({ status: { conditions: [ready] } });
      await cluster.client.patch(periodics, { namespace, name: metadata.name }, body, { subresource: 'status' });
    }
    await cluster.until(async () => {
      await cluster.clock.advance(1_000);
      return (await read('many')).status?.ready === 200;
    });
    await process.controller.idle();
    expect(writesOf('periodicsets').length).toBeLessThan(20);
  }, 30_000);

  it('changes what its template changes, deletes what leaves the matrix and makes what joins it', async () => {
    await create('e2e', spec({}, { metadata: { annotations: { a: '1' }, labels: { region: '${region}', old: 'x' } } }));
    await until('e2e', 'Applied');
    const before = await periodic('e2e-us');
    const from = process.writes.length;
    await edit('e2e', spec({ matrix: { region: ['us', 'ap'] } }, { spec: { cron: '@daily' } }));
    const { status } = await until('e2e', 'Applied');
    expect(status).toMatchObject({ desired: 2, current: 2 });
    expect(await names()).toEqual(['e2e-ap', 'e2e-us']);
    const after = await periodic('e2e-us');
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.spec.cron).toBe('@daily');
    expect(after.metadata.labels).toEqual({ region: 'us' });
    expect(Object.keys(after.metadata.annotations ?? {})).toEqual([templateKeysAnnotation]);
    expect(process.writes.slice(from)).toEqual([
      'DELETE periodics/e2e-eu',
      'PATCH periodics/e2e-us',
      'POST periodics',
      'PATCH periodicsets/e2e/status',
    ]);
    expect(events.at(-1)).toBe('e2e Normal PeriodicsChanged: Periodics: 1 created, 1 changed, 1 deleted');
  });

  it('puts back what somebody changed, and leaves what others put beside it', async () => {
    await create('e2e', spec({}, { metadata: { annotations: { note: 'ours' } } }));
    await until('e2e', 'Applied');
    const key = { namespace, name: 'e2e-eu' };
    await cluster.client.patch(
      periodics,
      key,
      mergePatch({
        metadata: { annotations: { 'prow.k8s.io/run-now': '1', note: 'theirs' }, labels: { extra: 'x', region: null } },
        spec: { cron: '@daily', suspend: true, jobTemplate: { spec: { max_concurrency: 3 } } },
      }),
    );
    await cluster.until(async () => (await periodic('e2e-eu')).spec.cron === '@hourly');
    await process.controller.idle();
    const { metadata, spec: now } = await periodic('e2e-eu');
    expect(metadata.annotations).toMatchObject({ 'prow.k8s.io/run-now': '1', note: 'ours' });
    expect(metadata.labels).toEqual({ extra: 'x', region: 'eu' });
    expect([now.suspend, Object.keys(now.jobTemplate.spec)]).toEqual([undefined, ['pod_spec']]);
    const patches = process.writes.filter((write) => write === 'PATCH periodics/e2e-eu');
    expect(patches).toHaveLength(1);
  });

  it('makes again what somebody deleted', async () => {
    await create('e2e', spec());
    await until('e2e', 'Applied');
    const { metadata } = await periodic('e2e-eu');
    await cluster.client.delete(periodics, { namespace, name: 'e2e-eu' });
    await cluster.until(async () => (await list()).some((each) => each.metadata.name === 'e2e-eu' && each.metadata.uid !== metadata.uid));
    expect((await until('e2e', 'Applied')).status?.current).toBe(2);
  });

  it('that becomes invalid keeps its Periodics as they are, and goes on when it is put right', async () => {
    await create('e2e', spec());
    await until('e2e', 'Applied');
    const before = (await list()).map(({ metadata }) => metadata.resourceVersion);
    await edit('e2e', spec({ matrix: { region: ['eu'] } }, { spec: { cron: '${corn}' } }));
    const { status } = await until('e2e', 'InvalidTemplate');
    expect(findCondition(status?.conditions, 'Stalled')?.message).toMatch(/^spec\.template\.spec\.cron: \$\{corn\} is no name/);
    expect(status).toMatchObject({ desired: 1, current: 0, problems: [{ name: 'spec.template.spec.cron', reason: 'InvalidTemplate' }] });
    expect((await list()).map(({ metadata }) => metadata.resourceVersion)).toEqual(before);
    expect(events.at(-1)).toMatch(/^e2e Warning InvalidTemplate: spec\.template\.spec\.cron/);
    await edit('e2e', spec({ matrix: { region: ['eu'] } }));
    await until('e2e', 'Applied');
    expect(await names()).toEqual(['e2e-eu']);
  });

  it('with a schedule that is wrong for one combination changes the others and deletes nothing', async () => {
    await create('e2e', spec({ include: [{ cron: '@hourly' }] }, { spec: { cron: '${cron}' } }));
    await until('e2e', 'Applied');
    await edit(
      'e2e',
      spec(
        { matrix: { region: ['ap', 'us'] }, include: [{ cron: '@daily' }, { region: 'ap', cron: '61 * * * *' }] },
        { spec: { cron: '${cron}' } },
      ),
    );
    const { status } = await until('e2e', 'InvalidTemplate');
    expect(status?.problems?.[0]?.message).toMatch(/\(cron=61 \* \* \* \*, region=ap\)$/);
    expect(await names()).toEqual(['e2e-eu', 'e2e-us']);
    expect((await periodic('e2e-us')).spec.cron).toBe('@daily');
  });

  it('never touches a Periodic that is not its own, and takes the name when it is free', async () => {
    const theirs: Periodic = {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'Periodic',
      metadata: { name: 'e2e-eu', namespace },
      spec: { interval: '1h', jobTemplate: { spec: {} } },
    };
    const before = await cluster.client.create(periodics, theirs);
    await create('e2e', spec());
    const { status } = await until('e2e', 'NameTaken');
    expect(status).toMatchObject({ desired: 2, current: 1 });
    expect(status?.problems).toMatchObject([
      { name: 'e2e-eu', reason: 'NameTaken', message: expect.stringContaining('belongs to no set') },
    ]);
    expect((await periodic('e2e-eu')).metadata.resourceVersion).toBe(before.metadata.resourceVersion);
    await cluster.client.delete(periodics, { namespace, name: 'e2e-eu' });
    expect((await until('e2e', 'Applied')).status).toMatchObject({ current: 2, problems: [] });
  });

  it('that wants a name of another set gets it when that set lets go of it', async () => {
    await create('one', spec());
    await until('one', 'Applied');
    await create('two', spec({ matrix: { region: ['us'] } }));
    const { status } = await until('two', 'NameTaken');
    expect(status?.problems?.[0]?.message).toContain('belongs to the PeriodicSet one');
    await edit('one', spec({ matrix: { region: ['eu'] } }));
    await until('two', 'Applied');
    expect((await periodic('e2e-us')).metadata.ownerReferences).toMatchObject([{ name: 'two' }]);
  });

  it('that is deleted takes its Periodics with it', async () => {
    await create('e2e', spec());
    await until('e2e', 'Applied');
    await removeSet('e2e');
    await cluster.until(async () => (await list()).length === 0);
  });

  it('warns once of what looks like a slip', async () => {
    await create('e2e', spec({ matrix: { region: ['eu'], zone: ['a'] } }));
    await until('e2e', 'Applied');
    expect(events).toEqual([
      'e2e Normal PeriodicsChanged: Periodics: 1 created',
      'e2e Warning TemplateWarning: spec.matrix.zone: the template has no ${zone}',
    ]);
  });

  it('counts those that are suspended', async () => {
    await create('e2e', spec({ include: [{ off: 'false' }, { region: 'us', off: 'true' }] }, { spec: { suspend: '${off}' } }));
    expect((await until('e2e', 'Applied')).status).toMatchObject({ current: 2, suspended: 1 });
    expect((await periodic('e2e-us')).spec.suspend).toBe(true);
  });
});
