/** Attempts that were lost, over a real socket: their pods go in the end, and the next one starts in its time and place. */
import { describe, expect, it } from 'vitest';
import { pods } from '../../operator/kube/builtin.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { suite } from './testing/suite.ts';
import { namespace } from './testing/world.ts';

const { world, start } = suite();
const key = (name: string) => ({ namespace, name });

describe('a lost attempt whose pod has to go', () => {
  const finalizers = ['prow.x-k8s.io/gcsk8sreporter', 'example.com/other'];
  it("Q3 is recorded first; the finalizer of upstream's reporter goes, others stay; a node that does not answer is not waited for", async () => {
    const clock = new FakeClock(Date.now());
    const operator = await start({ clock });
    await world().createRun('silent');
    await world().untilPod('silent');
    await world().client.patch(pods, key('silent'), mergePatch({ metadata: { finalizers }, spec: { nodeName: 'node-7' } }));
    await world().setPodStatus('silent', { phase: 'Unknown', startTime: new Date().toISOString() });
    const dying = await world().eventually('its deletion', async () => {
      const pod = await world().pod('silent');
      return pod?.metadata.deletionTimestamp !== undefined && pod.metadata.finalizers?.length === 1 ? pod : undefined;
    });
    expect(dying.metadata.finalizers).toEqual(['example.com/other']);
    expect((await world().run('silent')).status).toMatchObject({
      state: 'pending',
      attempts: [{ number: 1, cause: 'NodeLost', node: 'node-7' }],
    });
    await operator.controller.idle();
    expect(await world().pod('silent-2')).toBeUndefined();
    // Grace and slack pass; by force, and then without it, because somebody's finalizer holds it still.
    await clock.advance(61_000);
    await operator.controller.idle();
    await clock.advance(61_000);
    const next = await world().untilPod('silent-2');
    expect(next.spec).toMatchObject({
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 100, preference: { matchFields: [{ key: 'metadata.name', operator: 'NotIn', values: ['node-7'] }] } },
          ],
        },
      },
    });
    expect((await world().pod('silent'))?.metadata.deletionGracePeriodSeconds).toBe(0);
    expect(operator.events.filter(({ reason }) => reason === 'NodeLost')).toHaveLength(1);
    await world().endPod('silent-2', 0);
    const done = await world().untilState('silent', 'success');
    expect(done.status?.attempts?.map(({ cause }) => cause)).toEqual(['NodeLost', 'Succeeded']);
    await world().client.patch(pods, key('silent'), mergePatch({ metadata: { finalizers: null } }));
  });

  it('the third attempt waits ten seconds, by a timer', async () => {
    const clock = new FakeClock(Date.now());
    const operator = await start({ clock });
    await world().createRun('again-and-again');
    for (const name of ['again-and-again', 'again-and-again-2']) {
      await world().untilPod(name);
      await world().setPodStatus(name, { phase: 'Failed', reason: 'Evicted' });
    }
    const paused = await world().untilRun('again-and-again', 'both lost', ({ status }) => status?.attempts?.[1]?.cause === 'Evicted');
    expect(paused.status).toMatchObject({ state: 'pending', description: expect.stringContaining('in 10 s') as string });
    await operator.controller.idle();
    expect(await world().pod('again-and-again-3')).toBeUndefined();
    await clock.advance(12_000);
    await world().untilPod('again-and-again-3');
  });
});
