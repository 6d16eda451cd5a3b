/** The record of what happened: without a gap, or with one that is made up for in the order that accuses nobody. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { prowJobs } from '../../crds/resources.ts';
import { label } from '../../operator/jobs/labels.ts';
import { namespaces, pods } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { TransportError } from '../../operator/kube/errors.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { startSandbox, type Sandbox } from '../../sandbox/sandbox.ts';
import { Recorder, type Change } from './history.ts';
import { clientOf } from './installation.ts';
import { plainPod, prowJob } from './manifests.ts';
import { installCrds } from './sandboxCluster.ts';

let sandbox: Sandbox;
let client: KubeClient;
const closing: (() => Promise<void>)[] = [];

beforeEach(async () => {
  sandbox = await startSandbox({ kubelet: false });
  client = clientOf(sandbox.kubeconfigPath);
  await installCrds(client);
  closing.push(
    () => sandbox.close(),
    () => client.close(),
  );
  for (const name of ['here', 'there']) await client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Its watches are cut off with nothing to go on from, at once or when the wire is given back. */
async function recorderThat(options: {
  readonly bridgesGaps: boolean;
}): Promise<{ recorder: Recorder; lose: (act: () => Promise<unknown>) => Promise<void> }> {
  const own = clientOf(sandbox.kubeconfigPath);
  const watch = own.watch.bind(own);
  let mayGoOn = Promise.resolve();
  let cut = new AbortController();
  vi.spyOn(own, 'watch').mockImplementation(async function* (type, given) {
    await mayGoOn;
    const { signal } = given;
    const broken = cut.signal;
    try {
      yield* watch(type, { ...given, signal: AbortSignal.any([signal, broken]) });
    } catch (error) {
      throw broken.aborted && !signal.aborted ? new TransportError('reset', 'cut', error) : error;
    }
  } as KubeClient['watch']);
  const recorder = new Recorder(own, options);
  await recorder.start();
  closing.push(
    () => own.close(),
    () => recorder.close(),
  );
  const lose = async (act: () => Promise<unknown>): Promise<void> => {
    let goOn: () => void = () => undefined;
    mayGoOn = new Promise((resolve) => (goOn = resolve));
    const old = cut;
    cut = new AbortController();
    old.abort(new Error('cut'));
    await act();
    sandbox.compact();
    goOn();
  };
  return { recorder, lose };
}

const told = (changes: readonly Change<{ metadata: { name: string } }>[]): readonly string[] =>
  changes.map(({ type, object }) => `${type} ${object.metadata.name}`);

const labels = { [label.createdByProw]: 'true' };
const create = (name: string, namespace = 'here'): Promise<unknown> =>
  client.create(prowJobs, { ...prowJob(name, 'true'), metadata: { name, namespace } });
const createPod = (name: string, namespace = 'here'): Promise<unknown> =>
  client.create(pods, plainPod(name, 'true', { namespace, labels }));

describe('the recorder', () => {
  it('keeps every change in its order, and forgets what it is told to', async () => {
    const { recorder } = await recorderThat({ bridgesGaps: false });
    for (const namespace of ['here', 'there']) {
      await create(`run-${namespace}`, namespace);
      await createPod(`pod-${namespace}`, namespace);
    }
    await client.delete(prowJobs, { namespace: 'here', name: 'run-here' });
    await vi.waitFor(() => expect([...told(recorder.runs), ...told(recorder.pods)]).toHaveLength(5));
    expect(told(recorder.runs)).toEqual(['ADDED run-here', 'ADDED run-there', 'DELETED run-here']);
    recorder.forget(['here']);
    expect([told(recorder.runs), told(recorder.pods)]).toEqual([['ADDED run-there'], ['ADDED pod-there']]);
    await create('later');
    await vi.waitFor(() => expect(told(recorder.runs)).toEqual(['ADDED run-there', 'ADDED later']));
    recorder.check();
    expect(recorder.gaps).toBe(0);
  });

  it('says that it has a gap', async () => {
    const { recorder, lose } = await recorderThat({ bridgesGaps: false });
    await lose(() => create('unseen'));
    await vi.waitFor(() => expect(() => recorder.check()).toThrow('has a gap'));
  });

  it('makes up for a gap where it may: first what went, then what came and changed', async () => {
    const { recorder, lose } = await recorderThat({ bridgesGaps: true });
    for (const name of ['goes', 'changes', 'stays']) await create(name);
    await createPod('old');
    await vi.waitFor(() => expect([recorder.runs.length, recorder.pods.length]).toEqual([3, 1]));
    await lose(async () => {
      await create('comes');
      await client.patch(prowJobs, { namespace: 'here', name: 'changes' }, mergePatch({ metadata: { labels: { x: 'y' } } }));
      await client.delete(prowJobs, { namespace: 'here', name: 'goes' });
      await client.delete(pods, { namespace: 'here', name: 'old' }, { gracePeriodSeconds: 0 });
      await createPod('new');
    });
    await vi.waitFor(() => expect(told(recorder.runs).slice(3)).toEqual(['DELETED goes', 'ADDED comes', 'MODIFIED changes']));
    await vi.waitFor(() => expect(told(recorder.pods)).toEqual(['ADDED old', 'DELETED old', 'MODIFIED new']));
    await create('after');
    await vi.waitFor(() => expect(told(recorder.runs).at(-1)).toBe('ADDED after'));
    recorder.check();
    expect(recorder.gaps).toBeGreaterThanOrEqual(2);
  });
});
