/** A newer presubmit on the same pull request, over a real socket: who ends, when, how it is written, and that no pod starts for who has lost. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { prowJobs } from '../../crds/resources.ts';
import type { ProwJob, ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { refs } from './testing/builders.ts';
import { World, namespace, type CrashPoint, type Operator, type OperatorOptions } from './testing/world.ts';

let world: World;
let operators: Operator[] = [];
let serial = 0;

beforeAll(async () => {
  world = await World.open();
});

afterAll(() => world.close());

afterEach(async () => {
  for (const operator of operators) await operator.stop();
  operators = [];
  for (const { metadata } of (await world.client.list(prowJobs, { namespace })).items) {
    await world.client.delete(prowJobs, { namespace, name: metadata.name });
  }
  for (const { metadata } of await world.pods()) {
    await world.client.delete(pods, { namespace, name: metadata.name }, { gracePeriodSeconds: 0 });
  }
});

async function start(options?: OperatorOptions): Promise<Operator> {
  const operator = await world.operator(options);
  operators.push(operator);
  return operator;
}

/** A run of the one presubmit; names are given out so that the later one is newer also when both come within a second. */
async function push(spec: Partial<ProwJobSpec> = {}): Promise<{ readonly name: string; readonly run: ProwJob }> {
  const name = `push-${serial++}`;
  const run = await world.createRun(name, { type: 'presubmit', job: 'unit', refs, ...spec });
  return { name, run };
}

/** What this process can see by itself. */
const untilHere = (what: string, holds: () => boolean): Promise<true> =>
  world.eventually(what, async () => {
    await turn();
    return holds() || undefined;
  });

/** The server stamps whole seconds, and within one the uid decides. */
const nextSecond = ({ run }: { readonly run: ProwJob }): Promise<true> =>
  untilHere('the next second', () => Math.floor(Date.now() / 1000) > Date.parse(run.metadata.creationTimestamp!) / 1000);

async function pushAgain(
  before: { readonly run: ProwJob },
  spec: Partial<ProwJobSpec> = {},
): Promise<{ readonly name: string; readonly run: ProwJob }> {
  await nextSecond(before);
  return push(spec);
}

const writesOf = (operator: Operator, name: string): readonly string[] => operator.writes.filter((write) => write.includes(`/${name}`));

describe('an older run of the presubmit', () => {
  it('that waits ends without a pod, in one write', async () => {
    const operator = await start({ policy: { maxConcurrency: 1 } });
    await world.createRun('elsewhere');
    await world.untilPod('elsewhere');
    const older = await push();
    await world.untilRun(older.name, 'waits', ({ status }) => status?.waiting?.reason === 'GlobalLimit');
    const newer = await pushAgain(older);
    const done = await world.untilState(older.name, 'aborted');
    expect(done.status).toMatchObject({
      reason: 'Superseded',
      superseded_by: newer.name,
      description: `The newer run ${newer.name} of this presubmit has taken its place.`,
      prev_report_states: { 'github-reporter': 'aborted' },
      completionTime: expect.any(String) as string,
    });
    expect(done.status?.waiting).toBeUndefined();
    expect(await world.pod(older.name)).toBeUndefined();
    expect(writesOf(operator, older.name)).toEqual(Array(2).fill(`PATCH default/prowjobs/${older.name}/status`));
    expect(operator.events.filter(({ reason }) => reason === 'Superseded')).toEqual([
      expect.objectContaining({ type: 'Normal', name: older.name }),
    ]);
    expect((await world.run(newer.name)).status).toMatchObject({ state: 'triggered', waiting: { reason: 'GlobalLimit' } });
  });

  it('that runs: the intent is written, then its pod goes, then it is complete; and the newer one gets its slot', async () => {
    const operator = await start();
    const older = await push({ max_concurrency: 1 });
    await world.untilPod(older.name);
    const newer = await pushAgain(older, { max_concurrency: 1 });
    const done = await world.untilRun(older.name, 'complete', ({ status }) => status?.completionTime !== undefined);
    expect(done.status).toMatchObject({ state: 'aborted', reason: 'Superseded', superseded_by: newer.name });
    expect(writesOf(operator, older.name).slice(1)).toEqual([
      `PATCH default/prowjobs/${older.name}/status`,
      `DELETE default/pods/${older.name}`,
      `PATCH default/prowjobs/${older.name}/status`,
    ]);
    await world.untilPod(newer.name);
    await operator.controller.idle();
    const { metrics } = operator;
    const labels = { type: 'presubmit', from: 'aborted', to: 'aborted', reason: 'Superseded' };
    expect(await metrics.value('prowjob_state_transitions_total', labels)).toBe(1);
    const before = operator.writes.length;
    operator.controller.enqueue({ namespace, name: older.name });
    operator.controller.enqueue({ namespace, name: newer.name });
    await operator.controller.idle();
    expect(operator.writes.slice(before), 'a second pass writes nothing').toEqual([]);
  });

  it('of several only the newest goes on', async () => {
    await start();
    const first = await push();
    await world.untilPod(first.name);
    const second = await pushAgain(first);
    const third = await pushAgain(second);
    for (const { name } of [first, second]) await world.untilState(name, 'aborted');
    await world.untilPod(third.name);
    expect((await world.run(second.name)).status?.superseded_by).toBe(third.name);
  });

  it('is left alone where it says Finish, and where it has started under CancelIfNotStarted', async () => {
    const operator = await start({ policy: { supersede: 'Finish', maxConcurrency: 2 } });
    const finishes = await push();
    await world.untilPod(finishes.name);
    const started = await pushAgain(finishes, { supersede: 'CancelIfNotStarted' });
    await world.untilPod(started.name);
    const waits = await pushAgain(started, { supersede: 'CancelIfNotStarted' });
    await world.untilRun(waits.name, 'waits', ({ status }) => status?.waiting !== undefined);
    const newest = await pushAgain(waits);
    expect((await world.untilState(waits.name, 'aborted')).status?.superseded_by).toBe(newest.name);
    await operator.controller.idle();
    for (const { name } of [finishes, started]) expect((await world.run(name)).status?.state).toBe('pending');
    // A change of the settings holds for those that say nothing themselves.
    operator.setPolicy({ supersede: 'Cancel' });
    const done = await world.untilRun(finishes.name, 'complete', ({ status }) => status?.completionTime !== undefined);
    expect(done.status?.reason).toBe('Superseded');
    await operator.controller.idle();
    expect((await world.run(started.name)).status?.state).toBe('pending');
  });

  it('goes on when the newer one is refused, aborted or for a cluster that nobody knows', async () => {
    const operator = await start();
    const older = await push();
    await world.untilPod(older.name);
    const refused = await pushAgain(older, { pod_spec: { containers: [] } });
    await world.untilState(refused.name, 'error');
    const lost = await push({ cluster: 'nowhere' });
    await world.untilState(lost.name, 'error');
    const aborted = await push({ abort: { by: 'ann' } });
    await world.untilState(aborted.name, 'aborted');
    await operator.controller.idle();
    expect((await world.run(older.name)).status?.state).toBe('pending');
    await world.endPod(older.name, 0);
    await world.untilState(older.name, 'success');
  });

  it('stays superseded when the newer one goes away in the middle', async () => {
    let isRefused = true;
    const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 503, reason: 'ServiceUnavailable', message: 'not now' };
    const operator = await start({
      intercept: ({ method, path }) =>
        isRefused && method === 'DELETE' && path.includes('/pods/')
          ? { status: 503, headers: {}, body: JSON.stringify(status) }
          : undefined,
    });
    const older = await push();
    await world.untilPod(older.name);
    const newer = await pushAgain(older);
    await world.untilRun(older.name, 'marked', (run) => run.status?.superseded_by === newer.name);
    await world.client.delete(prowJobs, { namespace, name: newer.name });
    await untilHere('the operator to see that', () => !operator.knows(newer.name));
    isRefused = false;
    const done = await world.untilRun(older.name, 'complete', (run) => run.status?.completionTime !== undefined);
    expect(done.status).toMatchObject({ state: 'aborted', reason: 'Superseded', attempts: [{ number: 1 }] });
    await operator.controller.idle();
    expect(await world.pods()).toEqual([expect.objectContaining({ metadata: expect.objectContaining({ name: newer.name }) as object })]);
  });
});

describe('a newer run that comes', () => {
  it('between the record of the attempt and the creation of its pod: the pod is never made', async () => {
    const name = `push-${serial}`;
    let newer: Promise<{ readonly name: string }> | undefined;
    const operator = await start({
      hold: async ({ method, path }) => {
        if (method !== 'PATCH' || !path.includes(`/${name}/`) || newer !== undefined) return;
        newer = world.run(name).then((run) => pushAgain({ run }));
        const later = (await newer).name;
        await untilHere('the operator to know it', () => operator.knows(later));
      },
    });
    await push();
    const done = await world.untilState(name, 'aborted');
    expect(done.status).toMatchObject({ reason: 'Superseded', superseded_by: (await newer)?.name, attempts: [{ number: 1 }] });
    await world.untilPod((await newer!).name);
    await operator.controller.idle();
    expect(operator.writes.filter((write) => write === 'POST default/pods')).toHaveLength(1);
    expect(await world.pod(name)).toBeUndefined();
  });

  it('while nobody led is seen by the next leader', async () => {
    const first = await start();
    const older = await push();
    await world.untilPod(older.name);
    await first.stop();
    const newer = await pushAgain(older);
    await start();
    await world.untilState(older.name, 'aborted');
    await world.untilPod(newer.name);
  });
});

const crashes = [0, 1, 2, 3].flatMap((write): CrashPoint[] => (['before', 'after'] as const).map((when) => ({ write, when })));

describe('an operator that dies while it ends a run that runs', () => {
  it.each(crashes)('$when write $write: the same end', async (crash) => {
    const before = await start();
    const older = await push();
    await world.untilPod(older.name);
    await before.stop();
    const newer = await pushAgain(older, { max_concurrency: 1 });
    // The newer one has no slot, so that all writes are about the older one.
    const policy = { maxConcurrency: 1 };
    const dying = await start({ crash, policy });
    await untilHere('its death', () => dying.crashed());
    await dying.stop();
    await start();
    const done = await world.untilRun(older.name, 'complete', ({ status }) => status?.completionTime !== undefined);
    expect(done.status).toMatchObject({ state: 'aborted', reason: 'Superseded', superseded_by: newer.name, attempts: [{ number: 1 }] });
    await world.untilPod(newer.name);
    expect((await world.pods()).map(({ metadata }) => metadata.name)).toEqual([newer.name]);
  });
});
