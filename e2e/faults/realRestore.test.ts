/**
 * The restore of restore.test.ts on a real kube-apiserver: a control plane of its own whose etcd is put back to a copy, and the operator as a
 * process from its bundle. It needs the programs of the one-node cluster, so it runs where that runs (E2E_KUBECONFIG). Pods stay where they
 * are: the test ends them.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prowJobs } from '../../crds/resources.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { startControlPlane, type ControlPlane } from '../bench/controlPlane.ts';
import { OperatorProcess } from '../bench/measuring/operatorProcess.ts';
import { until } from '../cluster/terminal.ts';
import { forever, prowJob } from '../scenarios/manifests.ts';

const isWanted = (process.env.E2E_KUBECONFIG ?? '') !== '';
const namespace = 'default';
const patience = { timeoutMs: 60_000 };
/** Longer than the API server is away while it is restored, so that only the lease's version can end the leader. */
const settings = { leaderElection: { leaseDuration: '30s', renewDeadline: '25s' } } as const;

describe.skipIf(!isWanted)('a real API server that is restored from an older state', () => {
  let plane: ControlPlane;
  beforeAll(async () => {
    plane = await startControlPlane({ bare: true });
  }, 120_000);
  afterAll(() => plane.close());

  const create = (name: string) => plane.client.create(prowJobs, { ...prowJob(name, forever), metadata: { name, namespace } });
  const get = (name: string): Promise<ProwJob> => plane.client.get(prowJobs, { namespace, name });
  const isThere = (name: string): Promise<boolean> =>
    get(name).then(
      () => true,
      (error: unknown) => {
        if (isNotFound(error)) return false;
        throw error;
      },
    );

  const podOf = (name: string): Promise<void> =>
    until(`the pod of ${name}`, () => plane.client.get(pods, { namespace, name }).then(Boolean), patience);

  /** Plays the kubelet: its pod ends with success, and then the run. */
  async function end(name: string): Promise<void> {
    await podOf(name);
    await plane.client.patch(pods, { namespace, name }, mergePatch({ status: { phase: 'Succeeded' } }), { subresource: 'status' });
    await until(`${name} to end`, async () => (await get(name)).status?.state === 'success', patience);
  }

  it('ends the leader, which says why; the next one goes on from what is there', { timeout: 240_000 }, async () => {
    const first = await OperatorProcess.start(plane, settings);
    await create('before');
    await end('before');
    await create('goes-on');
    await podOf('goes-on');
    const { status } = await get('before');
    await plane.backUp();

    await create('after');
    await end('after');
    await create('unfinished');
    await podOf('unfinished');
    await plane.client.delete(prowJobs, { namespace, name: 'before' });
    // As where much else goes on: the version does not get there again while somebody waits for it.
    for (let index = 0; index < 300; index += 1)
      await plane.client.patch(prowJobs, { namespace, name: 'after' }, mergePatch({ metadata: { annotations: { busy: String(index) } } }));
    expect(first.running).toBe(true);

    await plane.restore();
    await until('the leader to end', () => !first.running, patience);
    expect(first.log).toContain('has gone back to an older state');
    expect(first.exitCode).toBe(1);
    await first.stop();

    const second = await OperatorProcess.start(plane, settings);
    expect(await Promise.all(['after', 'unfinished', 'before', 'goes-on'].map(isThere))).toEqual([false, false, true, true]);
    expect((await get('before')).status).toEqual(status);
    for (const name of ['after', 'unfinished', 'new']) await create(name);
    for (const name of ['goes-on', 'after', 'unfinished', 'new']) await end(name);
    const { items } = await plane.client.list(prowJobs, { namespace });
    expect(items.map(({ metadata, status: now }) => [metadata.name, now?.attempts?.length])).toEqual(
      ['after', 'before', 'goes-on', 'new', 'unfinished'].map((name) => [name, 1]),
    );
    expect(second.failed()).toBeUndefined();
    await second.stop();
  });
});
