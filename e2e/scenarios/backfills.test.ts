/** What a backfill does for its user: the slots of the past, each once and in order, however it is disturbed. */
import { expect } from 'vitest';
import { periodicBackfills } from '../../crds/resources.ts';
import { apiVersion } from '../../crds/v1/common.ts';
import type { PeriodicBackfill, PeriodicBackfillSpec } from '../../crds/v1/periodicBackfill.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { findCondition, isConditionTrue } from '../../operator/runtime/conditions.ts';
import { periodic, rarely, shellPod } from './manifests.ts';
import { ignoreNotFound, type Scene } from './scene.ts';
import { stories } from './story.ts';

/** The schedule has one slot a year; these are six of them. */
const years = ['2019', '2020', '2021', '2022', '2023', '2024'];
const slotOf = (year: string): string => `${year}-01-01T00:00:00Z`;

const backfill = (name: string, of: string, spec: Partial<PeriodicBackfillSpec> = {}): PeriodicBackfill => ({
  apiVersion,
  kind: 'PeriodicBackfill',
  metadata: { name },
  spec: { periodic: of, from: '2019-01-01T00:00:00Z', to: '2025-01-01T00:00:00Z', ...spec },
});

const until = (scene: Scene, name: string, what: string, fits: (object: PeriodicBackfill) => boolean): Promise<PeriodicBackfill> =>
  scene.eventually(`PeriodicBackfill ${name} ${what}`, async () => {
    const found = await scene.client.get<PeriodicBackfill>(periodicBackfills, { namespace: scene.namespace, name }).catch(ignoreNotFound);
    return found !== undefined && fits(found) && found;
  });

const complete = (scene: Scene, name: string): Promise<PeriodicBackfill> =>
  until(scene, name, 'to be complete', ({ status }) => isConditionTrue(status?.conditions, 'Complete'));

const change = (scene: Scene, name: string, spec: Partial<PeriodicBackfillSpec>): Promise<PeriodicBackfill> =>
  scene.client.patch<PeriodicBackfill>(periodicBackfills, { namespace: scene.namespace, name }, mergePatch({ spec }));

/** The slots of its runs, in the order in which they were created. */
const slotsOf = (scene: Scene, name: string): readonly (string | undefined)[] =>
  scene.runsOf(name).map(({ metadata }) => metadata.annotations?.['prow.k8s.io/scheduled-time']);

stories('a PeriodicBackfill', {}, (story) => {
  story('runs each slot of the range once, in order, and tells each run its slot', async (scene) => {
    await scene.apply(periodic('report', 'echo "slot $SCHEDULED_TIME"', { cron: rarely }));
    await scene.apply(backfill('again', 'report', { parallelism: 2 }));
    const { status } = await complete(scene, 'again');
    expect(status).toMatchObject({ started: 6, succeeded: 6, failed: 0, excluded: 0, remaining: 0, active: [] });
    expect(slotsOf(scene, 'again')).toEqual(years.map(slotOf));
    const run = await scene.finished('again-20210101t0000z');
    expect(run.spec.job).toBe('report');
    expect(await scene.logsOf(run.status?.pod_name ?? '')).toBe(`slot ${slotOf('2021')}\n`);
    expect(scene.recorder.periodic(scene.namespace, 'report')?.status?.active ?? []).toEqual([]);
  });

  story('leaves out what the schedule excludes', async (scene) => {
    const exclusions = [{ from: '2020-06-01T00:00:00Z', to: '2022-06-01T00:00:00Z', reason: 'nobody was there' }];
    await scene.apply(periodic('freezing', 'true', { cron: rarely, exclusions }));
    await scene.apply(backfill('but-some', 'freezing'));
    expect((await complete(scene, 'but-some')).status).toMatchObject({ started: 4, excluded: 2 });
    expect(slotsOf(scene, 'but-some')).toEqual(['2019', '2020', '2023', '2024'].map(slotOf));
  });

  story('stops when a run fails, where it was told to, and goes on with the next slot', async (scene) => {
    await scene.apply(periodic('picky', `test "$SCHEDULED_TIME" != ${slotOf('2020')}`, { cron: rarely }));
    await scene.apply(backfill('careful', 'picky', { onFailure: 'Stop' }));
    const stopped = await until(scene, 'careful', 'to stop', ({ status }) => isConditionTrue(status?.conditions, 'Stopped'));
    expect(stopped.status).toMatchObject({ started: 2, succeeded: 1, failed: 1, failedSlots: [slotOf('2020')], remaining: 4 });
    await scene.eventually('an Event', async () => (await scene.eventsOf('careful')).some(({ reason }) => reason === 'Stopped'));
    await change(scene, 'careful', { onFailure: 'Continue' });
    const done = await complete(scene, 'careful');
    expect(done.status).toMatchObject({ started: 6, succeeded: 5, failed: 1 });
    expect(findCondition(done.status?.conditions, 'Complete')?.reason).toBe('Failed');
  });

  story('waits while it is suspended, and for a schedule that is not there yet', async (scene) => {
    await scene.apply(backfill('early', 'late', { suspend: true }));
    const reason = ({ status }: PeriodicBackfill): string | undefined => findCondition(status?.conditions, 'Ready')?.reason;
    await until(scene, 'early', 'to miss its Periodic', (object) => reason(object) === 'PeriodicNotFound');
    await scene.apply(periodic('late', 'true', { cron: rarely }));
    await until(scene, 'early', 'to be suspended', (object) => reason(object) === 'Suspended');
    expect(scene.runsOf('early')).toEqual([]);
    await change(scene, 'early', { suspend: false, parallelism: 6 });
    expect((await complete(scene, 'early')).status).toMatchObject({ started: 6, succeeded: 6 });
  });

  story('lets a run of the schedule go first when both wait for the same place', async (scene) => {
    const object: Periodic = periodic('turns', 'sleep 1', { cron: rarely });
    const jobTemplate = { spec: { pod_spec: shellPod('sleep 1'), max_concurrency: 1 } };
    await scene.apply({ ...object, spec: { ...object.spec, jobTemplate } });
    await scene.apply(backfill('crowd', 'turns', { parallelism: 6 }));
    await scene.eventually('all runs of the backfill', () => scene.runsOf('crowd').length === 6);
    const last = scene.runsOf('crowd').at(-1)?.metadata.name ?? '';
    await scene.untilRun(last, 'to wait', ({ status }) => status?.waiting?.reason === 'MaxConcurrency');
    await scene.runNow('turns', 'now');
    const [urgent] = await scene.eventually('the run by hand', () => scene.runsOf('turns').length > 0 && scene.runsOf('turns'));
    const first = await scene.finished(urgent?.metadata.name ?? '');
    await complete(scene, 'crowd');
    const later = await scene.finished(last);
    expect(Date.parse(first.status?.completionTime ?? '')).toBeLessThanOrEqual(Date.parse(later.status?.pendingTime ?? ''));
  });

  story('takes its runs with it when it is deleted', async (scene) => {
    await scene.apply(periodic('gone', 'true', { cron: rarely }));
    await scene.apply(backfill('brief', 'gone', { parallelism: 6 }));
    await complete(scene, 'brief');
    await scene.client.delete(periodicBackfills, { namespace: scene.namespace, name: 'brief' });
    await scene.eventually('its runs to go', () => scene.recorder.run(scene.namespace, 'brief-20190101t0000z') === undefined);
    expect(scene.recorder.periodic(scene.namespace, 'gone')).toBeDefined();
  });
});

stories('a PeriodicBackfill whose operator crashes', { alone: true }, (story) => {
  story('goes on where it was: no slot twice, none left out', async (scene) => {
    await scene.apply(periodic('long', 'sleep 1', { cron: rarely }));
    await scene.apply(backfill('sturdy', 'long', { parallelism: 2 }));
    await scene.eventually('the first runs', () => scene.runsOf('sturdy').length >= 2);
    await scene.installation.crash();
    await scene.eventually('two more runs', () => scene.runsOf('sturdy').length >= 4);
    await scene.installation.crash();
    expect((await complete(scene, 'sturdy')).status).toMatchObject({ started: 6, succeeded: 6, failed: 0 });
    expect(slotsOf(scene, 'sturdy')).toEqual(years.map(slotOf));
  });
});
