/**
 * Two processes that both believe to lead: the leader is stopped in the middle of its writes (SIGSTOP) and another replica takes over and
 * does the rest. Then it goes on (SIGCONT), with the old belief, with answers that have waited for it, connections that are gone, and every
 * timer overdue. It must not write anything any more but Events, and nothing may have happened twice.
 *
 * It is stopped when all that it wanted to send is on the wire. Between its last question whether it may write and the bytes there is always
 * an instant: what that means is told in docs/reliability.md, under "Fencing".
 */
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runKeyOfPod } from '../../operator/jobs/podOwner.ts';
import { isComplete } from '../../operator/jobs/runState.ts';
import { leases } from '../../operator/kube/builtin.ts';
import { historyOf, Recorder } from '../scenarios/history.ts';
import { leaderOf } from '../scenarios/installation.ts';
import { brokenInvariants } from '../scenarios/invariants.ts';
import { forever, periodic, prowJob } from '../scenarios/manifests.ts';
import { Scene } from '../scenarios/scene.ts';
import { disturbedSince, touchAll } from '../scenarios/secondPass.ts';
import { isLease, isWrite, type Fault, type Seen } from './faults.ts';
import { Replicas, type Replica } from './replicas.ts';

const namespace = 'frozen';
/** Only of the crowd, so that the creations of its pods can be told from others. */
const crowded = 'frozen-crowd';
/** Short, and long enough for a machine that has much else to do. */
const leaseMs = 6_000;
const testTimeoutMs = 150_000;
const setUpTimeoutMs = 60_000;

const settings = { leaderElection: { leaseDuration: `${leaseMs / 1000}s`, renewDeadline: '5s', retryPeriod: '500ms' } };

let replicas: Replicas;
let recorder: Recorder;
let scene: Scene;
beforeAll(async () => {
  replicas = await Replicas.open(settings);
  recorder = new Recorder(replicas.client);
  await recorder.start();
  scene = new Scene(replicas, recorder, namespace);
  for (const name of [namespace, crowded]) await scene.addNamespace(name);
}, setUpTimeoutMs);
afterAll(async () => {
  await recorder.close();
  await replicas.close();
}, setUpTimeoutMs);

/** Until the proxy is healed. */
const longMs = 3_600_000;
/** What becomes of the creation of a pod, in turn. Each leaves the leader waiting. */
const lateCreations: readonly Fault[] = [
  // It arrives when everything has been done without it.
  { kind: 'delay', delayMs: longMs },
  // The pod is there, and the answer comes when the leader is none any more.
  { kind: 'slowAnswer', delayMs: longMs },
  // The pod is there, and the connection ends without an answer.
  { kind: 'silenceAfter' },
  // Nothing was done, and the connection ends without an answer.
  { kind: 'silence' },
];
/** So many pods are created and answered as usual. */
const created = 4;
const crowd = Array.from({ length: created + 2 * lateCreations.length }, (_, index) => `crowd-${index}`);
/** Their start is written, and the leader does not know: it hears of it when they have ended. */
const aboutToStart = ['aborted', 'deleted'];

/** The leader begins all these, and is left in the middle of it. */
function keepBack({ proxy }: Replica): void {
  const isIntent = ({ method, url }: Seen): boolean =>
    method === 'PATCH' && aboutToStart.some((name) => url.includes(`/namespaces/${namespace}/prowjobs/${name}/status`));
  const isCreation = ({ method, url }: Seen): boolean => method === 'POST' && url.includes(`/namespaces/${crowded}/pods`);
  let creations = 0;
  const turn = (): number => (creations <= created ? -1 : (creations - created - 1) % lateCreations.length);
  proxy.inject(
    { fault: { kind: 'slowAnswer', delayMs: longMs }, matches: isIntent },
    // Counts, and lets the next rules decide.
    { fault: { kind: 'reset' }, matches: (seen) => isCreation(seen) && (creations += 1) < 0 },
    ...lateCreations.map((fault, index) => ({ fault, matches: (seen: Seen) => isCreation(seen) && turn() === index })),
  );
}

/**
 * Stops the leader when everything it does waits for an answer: the creation of a run of its schedule as well, and the renewal of the lease,
 * which was carried out and of which it hears when it wakes up.
 */
async function freezeAtRest(leader: Replica): Promise<void> {
  const { proxy } = leader;
  const from = proxy.seen.length;
  const keep = { kind: 'slowAnswer', delayMs: longMs } as const;
  proxy.inject({ fault: keep, matches: (seen) => isWrite(seen) && !isLease(seen) });
  const isRunOfSchedule = ({ method, url }: Seen): boolean => method === 'POST' && url.includes(`/namespaces/${namespace}/prowjobs`);
  await scene.eventually('the schedule to start a run', () => proxy.seen.slice(from).some(isRunOfSchedule));
  const { hits } = proxy;
  proxy.inject({ fault: keep, matches: isWrite });
  await scene.eventually('the leader to wait for answers only', async () => {
    const { length } = proxy.seen;
    await wait(100);
    const last = proxy.seen.at(-1);
    if (proxy.hits === hits || proxy.seen.length !== length || last?.method !== 'PUT' || !isLease(last)) return false;
    leader.freeze();
    return true;
  });
}

/** Events are not fenced: they do no harm, and a process that slept for longer than its calls may take tells that they failed. */
const isEvent = ({ url }: Seen): boolean => url.startsWith('/apis/events.k8s.io/');

const placeOf = (name: string): string => (crowd.includes(name) ? crowded : namespace);
/** That a run ever had. */
const podsOf = (name: string): number => {
  const ever = recorder.pods.filter(({ object }) => runKeyOfPod(object) === `${placeOf(name)}/${name}`);
  return new Set(ever.map(({ object }) => object.metadata.uid)).size;
};
const runsOfSchedule = (): number => scene.runsOf('ticking').filter(({ metadata }) => podsOf(metadata.name) > 0).length;

/** Each run as "state, attempts, pods that it ever had". */
const told = async (name: string): Promise<string> => {
  const { status } = await scene.finished(name, placeOf(name));
  return `${name}: ${status?.state ?? ''}, ${status?.attempts?.length ?? 0}, ${podsOf(name)}`;
};
const allTold = (names: readonly string[]): Promise<string[]> => Promise.all(names.map(told));

/** The first leads and the second waits. Resolves when the first is frozen. */
async function freezeInTheMiddle(first: Replica): Promise<void> {
  await scene.apply(periodic('ticking', 'true', { cron: '@every 2s', concurrencyPolicy: 'Allow' }));
  await scene.apply(prowJob('stopped', forever));
  await scene.apply(prowJob('holder', 'echo started; sleep 4', { job: 'turns', max_concurrency: 1 }));
  for (const name of ['stopped', 'holder']) await scene.started(name);
  await scene.apply(prowJob('waiting', 'true', { job: 'turns', max_concurrency: 1 }));
  await scene.untilRun('waiting', 'to wait', ({ status }) => status?.waiting?.reason === 'MaxConcurrency');
  await scene.eventually('a run of the schedule', () => runsOfSchedule() > 0);
  keepBack(first);
  await scene.apply(prowJob('aborted', 'true'));
  await scene.apply(prowJob('deleted', 'true', { ttl_seconds_after_finished: 0 }));
  await Promise.all(crowd.map((name) => scene.apply(prowJob(name, 'echo started; sleep 1'), crowded)));
  await scene.eventually('all starts to be under way', () => first.proxy.hits === 2 * lateCreations.length + aboutToStart.length);
  await freezeAtRest(first);
  // At once: as soon as the second leads it would start it.
  await scene.abort('aborted', 'alice', 'while nobody leads');
}

/** The second leads: everything that was begun and asked for is done without the first, and its lease has been renewed for a while. */
async function goOnWithout(second: Replica, before: string): Promise<void> {
  await scene.eventually('another leader', async () => second.leads && ![before, ''].includes(await leaderOf(replicas)));
  const ticks = runsOfSchedule();
  await scene.abort('stopped', 'alice', 'while another leads');
  await Promise.all(['new-0', 'new-1', 'new-2'].map((name) => scene.apply(prowJob(name, 'echo started; sleep 1'))));
  await scene.apply(prowJob('unstarted', 'true', { abort: { by: 'alice' } }));
  await scene.eventually(
    'one run and its pod to be gone',
    () => recorder.run(namespace, 'deleted') === undefined && podsOf('deleted') === 1,
  );
  await scene.podGone('deleted');
  await allTold([...crowd, 'aborted', 'stopped', 'holder', 'waiting', 'new-0', 'new-1', 'new-2', 'unstarted']);
  await scene.podGone('stopped');
  await scene.eventually('the schedule to go on', () => runsOfSchedule() > ticks);
  await scene.eventually('the lease to be renewed for longer than it lasts', async () => {
    const { acquireTime = '', renewTime = '' } = (await replicas.client.get(leases, replicas.lease)).spec ?? {};
    return Date.parse(renewTime) - Date.parse(acquireTime) > leaseMs;
  });
}

/** Schedules stop, everything ends, and nothing that happened was wrong. */
async function expectAllWell(): Promise<void> {
  await scene.changePeriodic('ticking', { suspend: true });
  await scene.untilPeriodic(
    'ticking',
    'to rest',
    ({ metadata, status }) => status?.observedGeneration === metadata.generation && (status?.active ?? []).length === 0,
  );
  await scene.eventually('every run to end', () =>
    scene.runsOf('ticking').every(({ metadata }) => {
      const run = recorder.run(namespace, metadata.name);
      return run === undefined || isComplete(run);
    }),
  );
  expect(brokenInvariants(historyOf(recorder, scene.namespaces), { deletedPods: new Set() })).toEqual([]);
  const touched = [...(await touchAll(scene.client, namespace)), ...(await touchAll(scene.client, crowded))];
  await scene.apply(prowJob('looked-again', 'true'));
  await scene.finished('looked-again');
  expect(await disturbedSince(scene.client, touched)).toEqual([]);
}

it(
  'a leader that was frozen while another one took over writes nothing when it wakes up, and nothing has happened twice',
  async () => {
    const first = await replicas.start('first');
    await scene.eventually('the first to lead', () => first.leads);
    const second = await replicas.start('second');
    await scene.eventually('the second to wait', () => second.says('Waiting: another replica leads'));
    const before = await leaderOf(replicas);
    await freezeInTheMiddle(first);
    expect(second.writes()).toEqual([]);
    // Half of those that are late have a pod. The leader has been told of none.
    const some = created + lateCreations.length;
    await scene.eventually('the pods of some', () => crowd.filter((name) => podsOf(name) > 0).length === some);
    for (const name of aboutToStart) await scene.untilRun(name, 'to be about to start', ({ status }) => status?.attempts?.length === 1);

    await goOnWithout(second, before);
    first.proxy.heal();
    await scene.eventually('what was on the wire to arrive', () => first.proxy.underWay === 0);
    const asked = first.proxy.seen.length;
    replicas.letEnd(first);
    first.wake();
    await scene.eventually('the first to end', () => !first.program.running);
    expect([first.program.ending, first.says('An error that nobody caught')]).toEqual(['exit code 1', false]);

    // As whoever supervises it would.
    const again = await replicas.start('first-again');
    await scene.eventually('the first to wait in its turn', () => again.says('Waiting: another replica leads'));
    expect(first.writes(asked).filter((seen) => !isEvent(seen))).toEqual([]);
    expect(second.program.running && !again.leads).toBe(true);
    await scene.apply(prowJob('meanwhile', 'true'));
    await scene.finished('meanwhile');
    expect(again.writes()).toEqual([]);

    await replicas.crash();
    await scene.eventually('the first to lead again', () => again.leads);
    const ticks = runsOfSchedule();
    await scene.apply(prowJob('after', 'true'));
    await scene.eventually('the schedule to go on', () => runsOfSchedule() > ticks);

    await expectAllWell();
    const passed = [...crowd, 'holder', 'waiting', 'new-0', 'new-1', 'new-2', 'meanwhile', 'after'];
    expect(await allTold(passed)).toEqual(passed.map((name) => `${name}: success, 1, 1`));
    expect(await allTold(['stopped', 'aborted', 'unstarted'])).toEqual([
      'stopped: aborted, 1, 1',
      'aborted: aborted, 1, 0',
      'unstarted: aborted, 0, 0',
    ]);
    expect([podsOf('deleted'), recorder.pod(namespace, 'deleted')]).toEqual([1, undefined]);
  },
  testTimeoutMs,
);
