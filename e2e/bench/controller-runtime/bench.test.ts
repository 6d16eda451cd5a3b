import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { mergePatch } from '../../../operator/kube/patch.ts';
import { startSandbox } from '../../../sandbox/sandbox.ts';
import type { Sandbox } from '../../../sandbox/sandbox.ts';
import { clientOf } from '../../scenarios/installation.ts';
import { compare } from './bench.ts';
import type { Round } from './bench.ts';
import { measure, prepare } from './measure.ts';
import type { Figures } from './measure.ts';
import { Observer } from './observer.ts';
import { widgetKey, widgets } from './widget.ts';

const objects = 6;
let sandbox: Sandbox;
let client: KubeClient;

beforeAll(async () => {
  sandbox = await startSandbox({ kubelet: false });
  client = clientOf(sandbox.kubeconfigPath);
  await prepare(client, objects);
});

afterAll(async () => {
  await client.close();
  await sandbox.close();
});

describe('the observer', () => {
  const answer = (index: number, run: string, observedGeneration: number) =>
    client.patch(widgets, widgetKey(index), mergePatch({ status: { observedGeneration, run } }), { subresource: 'status' });
  const change = (index: number, size: number) => client.patch(widgets, widgetKey(index), mergePatch({ spec: { size } }));

  it('counts the statuses of its own run, and waits for the newest generation of each object', async () => {
    const observer = await Observer.start(client, 'mine');
    let isSettled = false;
    const settled = observer.settled(objects).then(() => (isSettled = true));
    for (let index = 0; index < objects; index += 1) await answer(index, 'another', 1);
    for (let index = 0; index < objects - 1; index += 1) await answer(index, 'mine', 1);
    const changed = await change(0, 1);
    observer.expect(changed);
    await answer(objects - 1, 'mine', 1);
    await answer(1, 'mine', 1);
    expect(isSettled).toBe(false);
    await answer(0, 'mine', changed.metadata.generation!);
    await settled;
    expect(observer.takeLatenciesMs()).toHaveLength(1);
    expect(observer.statusMs.last).toBeGreaterThan(observer.statusMs.first);
    observer.stop();
  });

  it('takes the time of every change, also when one status answers several', async () => {
    const observer = await Observer.start(client, 'third');
    for (const size of [10, 11, 12]) observer.expect(await change(2, size));
    const { metadata } = await client.get(widgets, widgetKey(2));
    await answer(2, 'third', metadata.generation! - 1);
    await answer(2, 'third', metadata.generation!);
    await observer.settled(1);
    const latenciesMs = observer.takeLatenciesMs();
    expect(latenciesMs).toHaveLength(3);
    expect(Math.min(...latenciesMs)).toBeGreaterThan(0);
    expect(observer.takeLatenciesMs()).toEqual([]);
    observer.stop();
  });
});

it('measures our toy operator from its start to its end', async () => {
  const program = [process.execPath, path.join(import.meta.dirname, 'operator.ts')] as const;
  const load = { objects, updates: 8, keys: 4, rate: 1000, lanes: 2, restMs: 1 };
  const figures = await measure(client, sandbox.kubeconfigPath, { program, workers: 2, run: 'smoke' }, load);
  expect(figures.failures).toBe(0);
  // At least the last change of each key is answered, and none twice.
  for (const writes of [figures.pacedWritesPerChange, figures.burstWritesPerChange]) {
    expect(writes).toBeGreaterThanOrEqual(load.keys / load.updates);
    expect(writes).toBeLessThanOrEqual(1);
  }
  expect(figures.coldSeconds).toBeGreaterThan(0);
  expect(figures.peakMB).toBeGreaterThanOrEqual(figures.restMB);
  expect(figures.coldStatusesPerSecond).toBeGreaterThan(0);
}, 60_000);

it('fails with the exit code when a contender ends by itself', async () => {
  const program = ['/bin/sh', '-c', 'exit 3', 'sh'] as const;
  const load = { objects, updates: 1, keys: 1, rate: 1, lanes: 1, restMs: 1 };
  await expect(measure(client, sandbox.kubeconfigPath, { program, workers: 1, run: 'none' }, load)).rejects.toThrow('exit code 3');
});

describe('compare', () => {
  const rounds = (contender: Round['contender'], values: readonly number[]): readonly Round[] =>
    values.map((value, index) => ({
      round: index + 1,
      contender,
      workers: 8,
      figures: { coldSeconds: value, failures: 0 } as Figures,
    }));

  it('puts the medians beside each other', () => {
    const all = [...rounds('controller-runtime', [10, 30, 20]), ...rounds('ours', [5, 5, 20])];
    expect(compare(all)).toEqual([
      { workers: 8, figure: 'coldSeconds', controllerRuntime: { median: 20, spread: 0.5 }, ours: { median: 5, spread: 1.5 }, ratio: 0.25 },
      { workers: 8, figure: 'failures', controllerRuntime: { median: 0, spread: 0 }, ours: { median: 0, spread: 0 }, ratio: null },
    ]);
  });
});
