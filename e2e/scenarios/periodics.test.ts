/** What a schedule does: slots, starts by hand, pauses, overlapping runs, and what is wrong with it. */
import { expect } from 'vitest';
import { periodics } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { slotOfRun } from '../../operator/jobs/periodicRun.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import { forever, periodic, rarely } from './manifests.ts';
import { stories } from './story.ts';

const conditionOf = (object: Periodic, type: string): string | undefined => findCondition(object.status?.conditions, type)?.status;
const lastSlotMs = ({ status }: Periodic): number => Date.parse(status?.lastScheduleTime ?? '');

stories('a Periodic', {}, (story) => {
  story('starts a run for each slot, and tells each run its slot', async (scene) => {
    await scene.apply(periodic('ticking', 'echo "slot $SCHEDULED_TIME"', { cron: '@every 2s', concurrencyPolicy: 'Allow' }));
    await scene.eventually('three runs', () => scene.runsOf('ticking').length >= 3);
    await scene.changePeriodic('ticking', { suspend: true });
    const slots = scene.runsOf('ticking').map(slotOfRun);
    expect(slots[1]).toBe((slots[0] ?? 0) + 2_000);
    expect(slots[2]).toBe((slots[0] ?? 0) + 4_000);
    const [first] = scene.runsOf('ticking');
    const run = await scene.finished(first?.metadata.name ?? '');
    expect(run.status?.state).toBe('success');
    expect(await scene.logsOf(run.status?.pod_name ?? '')).toBe(`slot ${run.metadata.annotations?.['prow.k8s.io/scheduled-time'] ?? ''}\n`);
    await scene.untilPeriodic('ticking', 'to know of the success', ({ status }) => status?.lastSuccessfulTime !== undefined);
  });

  story('is started by hand once for each token, however often it is applied', async (scene) => {
    await scene.apply(periodic('by-hand', 'true', { cron: rarely }));
    await scene.runNow('by-hand', 'monday');
    await scene.untilPeriodic('by-hand', 'to have started it', ({ status }) => status?.lastRunNowToken === 'monday');
    await scene.runNow('by-hand', 'monday');
    await scene.runNow('by-hand', 'tuesday');
    await scene.untilPeriodic('by-hand', 'to have started the next', ({ status }) => status?.lastRunNowToken === 'tuesday');
    const runs = scene.runsOf('by-hand');
    expect(runs).toHaveLength(2);
    for (const { metadata } of runs) expect((await scene.finished(metadata.name)).status?.state).toBe('success');
  });

  story('starts nothing while it is suspended, and goes on when it is resumed', async (scene) => {
    await scene.apply(periodic('pausing', 'true', { cron: '@every 1s' }));
    await scene.eventually('a run', () => scene.runsOf('pausing').length > 0);
    await scene.changePeriodic('pausing', { suspend: true });
    const paused = await scene.untilPeriodic('pausing', 'to be suspended', (object) => conditionOf(object, 'Suspended') === 'True');
    expect(paused.status?.nextScheduleTimes).toEqual([]);
    const runs = scene.runsOf('pausing').length;
    const skipped = paused.status?.skipped?.count ?? 0;
    // As long as two slots take, by a schedule beside it.
    await scene.apply(periodic('beside', 'true', { cron: '@every 1s', concurrencyPolicy: 'Allow' }));
    await scene.eventually('a schedule beside it to have passed three slots', () => scene.runsOf('beside').length >= 3);
    await scene.changePeriodic('beside', { suspend: true });
    expect(scene.runsOf('pausing').length).toBe(runs);
    await scene.changePeriodic('pausing', { suspend: false });
    await scene.eventually('a run after the pause', () => scene.runsOf('pausing').length > runs);
    const resumed = await scene.untilPeriodic('pausing', 'not to be suspended', (object) => conditionOf(object, 'Suspended') === undefined);
    expect(resumed.status?.skipped?.count).toBeGreaterThanOrEqual(skipped + 2);
    expect(resumed.status?.missed).toEqual(paused.status?.missed);
    await scene.changePeriodic('pausing', { suspend: true });
  });

  story('that forbids overlaps skips slots while a run is active, and says so', async (scene) => {
    await scene.apply(periodic('alone', forever, { cron: '@every 1s', concurrencyPolicy: 'Forbid' }));
    const first = await scene.untilPeriodic('alone', 'to have an active run', ({ status }) => status?.active?.length === 1);
    await scene.untilPeriodic('alone', 'to have passed two more slots', (object) => lastSlotMs(object) >= lastSlotMs(first) + 2_000);
    expect(scene.runsOf('alone')).toHaveLength(1);
    await scene.eventually('an Event', async () => (await scene.eventsOf('alone')).some(({ reason }) => reason === 'SlotSkipped'));
    await scene.changePeriodic('alone', { suspend: true });
    await scene.abort(scene.runsOf('alone')[0]?.metadata.name ?? '', 'the story', 'over');
  });

  story('that allows overlaps has as many active runs as it may', async (scene) => {
    await scene.apply(periodic('together', forever, { cron: '@every 1s', concurrencyPolicy: 'Allow', maxConcurrency: 2 }));
    const full = await scene.untilPeriodic('together', 'to have two active runs', ({ status }) => status?.active?.length === 2);
    await scene.untilPeriodic('together', 'to have passed two more slots', (object) => lastSlotMs(object) >= lastSlotMs(full) + 2_000);
    expect(scene.runsOf('together')).toHaveLength(2);
    await scene.changePeriodic('together', { suspend: true });
    for (const { metadata } of scene.runsOf('together')) await scene.abort(metadata.name, 'the story', 'over');
  });

  story('with an expression that nobody can read says where, and can still be started by hand', async (scene) => {
    await scene.apply(periodic('unreadable', 'true', { cron: '61 * * * *' }));
    const stalled = await scene.untilPeriodic('unreadable', 'to be stalled', (object) => conditionOf(object, 'Stalled') === 'True');
    expect(findCondition(stalled.status?.conditions, 'Ready')).toMatchObject({ status: 'False', reason: 'InvalidSchedule' });
    expect(findCondition(stalled.status?.conditions, 'Ready')?.message).toContain('spec.cron');
    await scene.runNow('unreadable', 'anyway');
    await scene.eventually('the run', () => scene.runsOf('unreadable').length === 1);
    await scene.changePeriodic('unreadable', { cron: rarely });
    await scene.untilPeriodic('unreadable', 'to be ready when it is mended', (object) => conditionOf(object, 'Ready') === 'True');
  });

  story('with a date that never comes is refused, not silent', async (scene) => {
    await scene.apply(periodic('never', 'true', { cron: '0 0 31 2 *' }));
    const stalled = await scene.untilPeriodic('never', 'to be stalled', (object) => conditionOf(object, 'Stalled') === 'True');
    expect(findCondition(stalled.status?.conditions, 'Ready')?.reason).toBe('InvalidSchedule');
  });

  story('that queues runs every slot, one after another, in order', async (scene) => {
    await scene.apply(periodic('inorder', 'sleep 2', { cron: '@every 1s', concurrencyPolicy: 'Queue', maxQueued: 5 }));
    const waits = await scene.untilPeriodic('inorder', 'to have slots waiting', ({ status }) => (status?.waiting?.length ?? 0) >= 2);
    expect(waits.status?.waiting?.[0]).toMatchObject({ reason: 'Queued' });
    await scene.eventually('three runs', () => scene.runsOf('inorder').length >= 3);
    await scene.changePeriodic('inorder', { suspend: true });
    const slots = scene.runsOf('inorder').map((run) => slotOfRun(run) ?? 0);
    expect(slots).toEqual(slots.toSorted((a, b) => a - b));
    expect(slots[1]).toBe((slots[0] ?? 0) + 1_000);
  });

  story('that replaces asks the earlier run to end and starts the latest slot', async (scene) => {
    await scene.apply(periodic('fresh', forever, { cron: '@every 3s', concurrencyPolicy: 'Replace' }));
    await scene.eventually('a second run', () => scene.runsOf('fresh').length >= 2);
    await scene.changePeriodic('fresh', { suspend: true });
    const [first] = scene.runsOf('fresh');
    const ended = await scene.finished(first?.metadata.name ?? '');
    expect(ended).toMatchObject({ spec: { abort: { by: 'Periodic fresh' } }, status: { state: 'aborted' } });
    await scene.eventually('an Event', async () => (await scene.eventsOf('fresh')).some(({ reason }) => reason === 'RunReplaced'));
    const [latest] = scene.runsOf('fresh').slice(-1);
    if (latest !== undefined && latest.spec.abort === undefined) await scene.abort(latest.metadata.name, 'the story', 'over');
  });

  story('repeats a run that failed, and stops after too many failures until somebody mends it', async (scene) => {
    const spec = { cron: '@every 1h', retry: { attempts: 2, delay: '1s' }, stopAfter: { consecutiveFailures: 3 } };
    await scene.apply(periodic('failing', 'exit 1', spec));
    const stopped = await scene.untilPeriodic('failing', 'to have stopped', (object) => conditionOf(object, 'Stopped') === 'True');
    expect(stopped.status).toMatchObject({ consecutiveFailures: 3, nextScheduleTimes: [] });
    const runs = scene.runsOf('failing').map(({ metadata }) => metadata.name);
    expect(runs.map((name) => name.replace(/^.*z/, ''))).toEqual(['', '-r1', '-r2']);
    await scene.changePeriodic('failing', { exclusions: [] });
    await scene.untilPeriodic('failing', 'to go on', (object) => conditionOf(object, 'Stopped') === undefined);
  });

  story('takes its runs and their pods along when it is deleted', async (scene) => {
    await scene.apply(periodic('leaving', forever, { cron: rarely }));
    await scene.runNow('leaving', 'once');
    const [run] = await scene.eventually('the run', () => scene.runsOf('leaving').length === 1 && scene.runsOf('leaving'));
    const name = run?.metadata.name ?? '';
    await scene.started(name);
    await scene.client.delete(periodics, { namespace: scene.namespace, name: 'leaving' });
    await scene.eventually('the run to be gone', () => scene.recorder.run(scene.namespace, name) === undefined);
    await scene.podGone(name);
  });
});
