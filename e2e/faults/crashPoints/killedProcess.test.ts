/**
 * kill -9 of the real process at chosen writes: what the world looks like in the end, which pods ever were and what was written is the same as when nobody
 * kills it. A handful of points on the sandbox; more of them on the cluster that E2E_KUBECONFIG names.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { periodics, prowJobs } from '../../../crds/resources.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import { mergePatch } from '../../../operator/kube/patch.ts';
import { isPodFinished } from '../../../operator/jobs/podShape.ts';
import { pods } from '../../../operator/kube/builtin.ts';
import { forever, prowJob, shellPod } from '../../scenarios/manifests.ts';
import { KilledProcess, openTarget, type KillPoint } from './killedProcess.ts';

interface End {
  readonly runs: readonly object[];
  readonly podsEver: readonly string[];
  readonly livePods: readonly string[];
  readonly writes: readonly string[];
}

/** A run, a run that is aborted, and one that somebody starts by hand. One after the other, so that writes come in one order. */
async function play(world: KilledProcess): Promise<void> {
  const { client, namespace } = world;
  const create = (name: string, script: string): Promise<unknown> => {
    const job = prowJob(name, script);
    return client.create(prowJobs, { ...job, metadata: { ...job.metadata, namespace } });
  };
  const run = (name: string): Promise<ProwJob> => client.get(prowJobs, { namespace, name });
  const over = (name: string): Promise<void> =>
    world.until(`run ${name} to end`, async () => (await run(name)).status?.completionTime !== undefined);
  await create('plain', 'true');
  await over('plain');
  await create('stopped', forever);
  await world.until('the pod of stopped to run', async () => {
    const { items } = await client.list(pods, { namespace });
    return items.some(({ metadata, status }) => metadata.name === 'stopped' && status?.phase === 'Running');
  });
  await client.patch(prowJobs, { namespace, name: 'stopped' }, mergePatch({ spec: { abort: { by: 'ann' } } }));
  await over('stopped');
  const annotations = { 'prow.k8s.io/run-now': 'please' };
  const spec = { cron: '0 3 1 1 *', jobTemplate: { spec: { pod_spec: shellPod('exit 3') } } };
  await client.create(periodics, {
    apiVersion: 'prow.k8s.io/v1',
    kind: 'Periodic',
    metadata: { namespace, name: 'byhand', annotations },
    spec,
  });
  await world.until('the run by hand to be settled', async () => {
    const { status } = await client.get(periodics, { namespace, name: 'byhand' });
    const { items } = await client.list(prowJobs, { namespace });
    const own = items.find(({ metadata }) => metadata.name.startsWith('byhand-now-'));
    return own?.status?.completionTime !== undefined && status?.lastRunNowToken === 'please' && (status.active ?? []).length === 0;
  });
  await world.until('the pods of aborted runs to be gone', async () => {
    const { items } = await client.list(pods, { namespace });
    // A node reports the end of a pod a moment before the pod goes.
    return items.every((pod) => isPodFinished(pod) && pod.metadata.deletionTimestamp === undefined);
  });
}

async function endOf(world: KilledProcess): Promise<End> {
  const { client, namespace } = world;
  const { items } = await client.list(prowJobs, { namespace });
  const left = await client.list(pods, { namespace });
  return {
    runs: items.map(({ metadata, status }) => ({
      name: metadata.name,
      state: status?.state,
      reason: status?.reason,
      attempts: status?.attempts?.map(({ number, cause, exit_code, pod_name }) => ({ number, cause, exit_code, pod_name })),
    })),
    podsEver: [...world.podsEver].sort(),
    livePods: left.items.map(({ metadata }) => metadata.name).sort(),
    writes: world.writes.filter((write, index, all) => write !== ofPeriodic || all.indexOf(write) === index),
  };
}

/** One status after another, or one for both: that depends on how quickly the run goes on. */
const ofPeriodic = 'PATCH periodics/byhand/status';

const both = (what: string, nth = 1): readonly KillPoint[] => [
  { what, nth, when: 'before' },
  { what, nth, when: 'after' },
];

/** On the sandbox those where most can go wrong: an effect that was carried out and that nobody heard of. */
const few: readonly KillPoint[] = [
  { what: 'POST pods', nth: 1, when: 'before' },
  { what: 'DELETE pods/stopped', nth: 1, when: 'after' },
  { what: 'POST prowjobs', nth: 1, when: 'after' },
];
const many: readonly KillPoint[] = [
  ...both('PATCH prowjobs/plain/status'),
  ...both('PATCH prowjobs/plain/status', 2),
  ...both('POST pods'),
  ...both('POST pods', 2),
  ...both('POST pods', 3),
  ...both('DELETE pods/stopped'),
  ...both('PATCH prowjobs/stopped/status', 2),
  ...both('POST prowjobs'),
  ...both(ofPeriodic),
];
const isReal = (process.env.E2E_KUBECONFIG ?? '') !== '';

describe('kill -9 at a write', () => {
  let target: Awaited<ReturnType<typeof openTarget>>;
  let calm: End;
  let serial = 0;

  async function playWith(point?: KillPoint): Promise<End> {
    serial += 1;
    const world = await KilledProcess.open(target.kubeconfig, `crash-real-${serial}`);
    try {
      if (point !== undefined) world.kill(point);
      await play(world);
      expect(world.kills).toBe(point === undefined ? 0 : 1);
      return await endOf(world);
    } finally {
      await world.close();
    }
  }

  beforeAll(async () => {
    target = await openTarget();
    calm = await playWith();
  }, 120_000);
  afterAll(() => target.close());

  it('has something to compare with', () => {
    expect(calm.runs.map((run) => (run as { readonly state?: string }).state)).toEqual(['failure', 'success', 'aborted']);
    expect(calm.podsEver).toHaveLength(3);
    expect(calm.writes.length).toBeGreaterThanOrEqual(12);
  });

  // Each has a namespace and a process of its own.
  it.concurrent.each(isReal ? many : few)('$when $what ($nth)', { timeout: 180_000 }, async (point) => {
    expect(await playWith(point)).toEqual(calm);
  });
});
