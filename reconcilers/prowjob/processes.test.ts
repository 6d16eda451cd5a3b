/** Runs whose pods are real processes of the sandbox: what the shell says is what the run says. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProwJobSpec } from '../../crds/v1/prowJob.ts';
import { prowJobs } from '../../crds/resources.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { World, namespace, type Operator } from './testing/world.ts';

let world: World;
let operator: Operator;
beforeAll(async () => {
  world = await World.open({ kubelet: true });
  operator = await world.operator();
});
afterAll(() => world.close());

const shell = (script: string): Partial<ProwJobSpec> => ({
  pod_spec: { containers: [{ image: 'none', command: ['sh', '-c', script] }], terminationGracePeriodSeconds: 1 },
});

describe('a process', () => {
  it('that exits 0 succeeds, and has seen its environment', async () => {
    await world.createRun('env', shell('test "$JOB_NAME/$PROW_JOB_ID/$CI" = env/env/true && test ${#BUILD_ID} = 19'));
    const run = await world.untilRun('env', 'complete', ({ status }) => status?.completionTime !== undefined);
    expect(run.status).toMatchObject({ state: 'success', attempts: [{ exit_code: 0, cause: 'Succeeded', node: expect.any(String) }] });
  });
  it('that exits 7 fails with 7', async () => {
    await world.createRun('seven', shell('exit 7'));
    const run = await world.untilRun('seven', 'complete', ({ status }) => status?.completionTime !== undefined);
    expect(run.status).toMatchObject({ state: 'failure', reason: 'TestFailed', attempts: [{ exit_code: 7 }] });
  });
  it('that is aborted is gone', async () => {
    await world.createRun('hang', shell('exec sleep 600'));
    await world.eventually('it runs', async () => (await world.pod('hang'))?.status?.phase === 'Running');
    await world.client.patch(prowJobs, { namespace, name: 'hang' }, mergePatch({ spec: { abort: { by: 'ann' } } }));
    await world.untilState('hang', 'aborted');
    await world.eventually('its pod is gone', async () => (await world.pod('hang')) === undefined);
  });
  it('twenty of them with limit 2 all succeed, each started once', async () => {
    const names = Array.from({ length: 20 }, (_, n) => `p-${n}`);
    await Promise.all(names.map((name) => world.createRun(name, { ...shell('true'), job: 'pool', max_concurrency: 2 })));
    for (const name of names) await world.untilState(name, 'success');
    const creates = operator.writes.filter((write) => write === 'POST default/pods');
    expect(creates).toHaveLength(23);
  });
});
