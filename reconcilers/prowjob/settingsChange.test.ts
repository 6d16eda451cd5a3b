/** The settings change while attempts run: a pod stays where it was made, is found there, and no attempt runs twice. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { prowJobs } from '../../crds/resources.ts';
import { namespaces, pods, type Pod } from '../../operator/kube/builtin.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { World, namespace, type Operator, type OperatorOptions } from './testing/world.ts';

const elsewhere = 'pods-one';
const later = 'pods-two';

let world: World;
let operators: Operator[] = [];

beforeAll(async () => {
  world = await World.open();
  for (const name of [elsewhere, later]) await world.client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
});
afterAll(() => world.close());
afterEach(async () => {
  for (const operator of operators) await operator.stop();
  operators = [];
});

async function start(options?: OperatorOptions): Promise<Operator> {
  const operator = await world.operator(options);
  operators.push(operator);
  return operator;
}

/** "namespace/name" of every pod of this run. */
const podsOf = async (run: string): Promise<readonly string[]> =>
  (await world.client.list(pods)).items
    .filter(({ metadata }) => metadata.name === run || metadata.name.startsWith(`${run}-`))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);

const setStatus = (place: string, name: string, status: NonNullable<Pod['status']>) =>
  world.client.patch(pods, { namespace: place, name }, mergePatch({ status }), { subresource: 'status' });

const succeed = (place: string, name: string) =>
  setStatus(place, name, {
    phase: 'Succeeded',
    containerStatuses: [{ name: 'test', state: { terminated: { exitCode: 0, finishedAt: '2026-06-01T12:00:00Z' } } }],
  });

describe('a pod namespace that changes', () => {
  it('leaves running attempts where they are, and counts for the next ones', async () => {
    const operator = await start({ podNamespace: elsewhere });
    await world.createRun('stays');
    await world.eventually('its pod', async () => (await podsOf('stays')).length === 1);
    operator.setPodNamespace(later);
    await operator.controller.idle();
    expect(await podsOf('stays')).toEqual([`${elsewhere}/stays`]);
    expect((await world.run('stays')).status?.attempts).toMatchObject([{ number: 1, pod_namespace: elsewhere }]);

    await setStatus(elsewhere, 'stays', { phase: 'Failed', reason: 'Evicted', message: 'The node was full.' });
    await world.eventually('the next attempt', async () => (await podsOf('stays')).length === 2);
    expect((await podsOf('stays')).toSorted()).toEqual([`${elsewhere}/stays`, `${later}/stays-2`]);
    operator.setPodNamespace(undefined);
    await succeed(later, 'stays-2');
    const run = await world.untilState('stays', 'success');
    expect(run.status?.attempts).toMatchObject([
      { pod_namespace: elsewhere, cause: 'Evicted' },
      { pod_namespace: later, cause: 'Succeeded' },
    ]);
  });

  it('while the operator is down changes nothing about an attempt that is recorded', async () => {
    const first = await start({ podNamespace: elsewhere });
    await world.createRun('kept');
    await world.eventually('its pod', async () => (await podsOf('kept')).length === 1);
    await first.stop();
    const second = await start({ podNamespace: later });
    await second.controller.idle();
    await succeed(elsewhere, 'kept');
    await world.untilState('kept', 'success');
    expect(await podsOf('kept')).toEqual([`${elsewhere}/kept`]);
    expect(second.writes.filter((write) => write.startsWith('POST'))).toEqual([]);
  });

  it('between the record and its pod sends the pod to where the record says', async () => {
    // The first write is the record.
    const first = await start({ podNamespace: elsewhere, crash: { write: 0, when: 'after' } });
    await world.createRun('between');
    await world.untilState('between', 'pending');
    await first.stop();
    await start({ podNamespace: later });
    await world.eventually('its pod', async () => (await podsOf('between')).length === 1);
    expect(await podsOf('between')).toEqual([`${elsewhere}/between`]);
  });

  it('lets an abort find the pod', async () => {
    const operator = await start({ podNamespace: elsewhere });
    await world.createRun('stopped');
    await world.eventually('its pod', async () => (await podsOf('stopped')).length === 1);
    await setStatus(elsewhere, 'stopped', { phase: 'Running', startTime: '2026-06-01T12:00:00Z' });
    operator.setPodNamespace(later);
    await world.client.patch(prowJobs, { namespace, name: 'stopped' }, mergePatch({ spec: { abort: { by: 'ann' } } }));
    await world.untilState('stopped', 'aborted');
    await world.eventually('its pod goes', async () => (await podsOf('stopped')).length === 0);
  });
});

it('a pod that no cache shows is asked for, and its end is not lost', async () => {
  const first = await start({ podNamespace: elsewhere });
  await world.createRun('unseen');
  await world.eventually('its pod', async () => (await podsOf('unseen')).length === 1);
  await first.stop();
  await succeed(elsewhere, 'unseen');
  const second = await start({ podNamespace: elsewhere, watchPodsOf: namespace });
  const run = await world.untilState('unseen', 'success');
  expect(run.status?.attempts).toMatchObject([{ number: 1, cause: 'Succeeded' }]);
  expect(await podsOf('unseen')).toEqual([`${elsewhere}/unseen`]);
  expect(second.events).toEqual([]);
});

describe('deadlines that change', () => {
  const timeouts = { queueMs: 86_400_000, unscheduledMs: 300_000, pendingMs: 600_000, runningMs: 3_600_000 };
  const begin = async (name: string): Promise<{ readonly operator: Operator; readonly clock: FakeClock }> => {
    const clock = new FakeClock(Date.now());
    const operator = await start({ clock, policy: { timeouts } });
    await world.createRun(name);
    await world.untilPod(name);
    await world.setPodStatus(name, { phase: 'Running', startTime: new Date(clock.now()).toISOString() });
    const waits = (): boolean =>
      operator.logger.lines.some(
        ({ fields }) => fields.do === 'wait' && fields.key === `${namespace}/${name}` && fields.phase === 'Running',
      );
    await world.untilRun(name, 'seen running', waits);
    await operator.controller.idle();
    return { operator, clock };
  };
  it('hold for what runs already, when they become shorter', async () => {
    const { operator, clock } = await begin('shorter');
    await clock.advance(120_000);
    expect((await world.run('shorter')).status?.state).toBe('pending');
    operator.setPolicy({ timeouts: { ...timeouts, runningMs: 60_000 } });
    const run = await world.untilState('shorter', 'aborted');
    expect(run.status?.reason).toBe('RunningTimeout');
  });
  it('and when they become longer', async () => {
    const { operator, clock } = await begin('longer');
    operator.setPolicy({ timeouts: { ...timeouts, runningMs: 7_200_000 } });
    await operator.controller.idle();
    await clock.advance(3_700_000);
    await operator.controller.idle();
    expect((await world.run('longer')).status?.state).toBe('pending');
    await clock.advance(3_600_000);
    expect((await world.untilState('longer', 'aborted')).status?.reason).toBe('RunningTimeout');
  });
});
