/** What is said of events that cannot be written, on the sandbox's own API. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { configMaps, namespaces } from '../../operator/kube/builtin.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { startSandbox } from '../sandbox.ts';
import type { Sandbox } from '../sandbox.ts';
import { EventWriter } from './eventWriter.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox({ kubelet: false });
});
afterAll(() => sandbox.close());

it('is silent about the pods of a namespace that is being deleted, and about nothing else', () => {
  const { api } = sandbox;
  const lines: string[] = [];
  const writer = new EventWriter({ api, clock: new FakeClock(Date.now()), host: 'node', log: (line) => lines.push(line) });
  const killing = (namespace: string): void => {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'unit', namespace, uid: `uid-${namespace}` } };
    writer.emit('kubelet', pod, { type: 'Normal', reason: 'Killing', message: 'Stopping container main' });
  };
  const { metadata } = api.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ending' } });
  // Something that stays holds the namespace.
  const held = { name: 'held', namespace: 'ending', finalizers: ['example.com/test'] };
  api.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: held });
  api.delete(namespaces, { namespace: '', name: 'ending' }, metadata.uid!);
  const ending = api.get(namespaces, { namespace: '', name: 'ending' });
  expect(ending?.metadata.deletionTimestamp).toBeDefined();
  killing('ending');
  expect(lines).toEqual([]);
  killing('absent');
  expect(lines).toEqual(['event Killing about unit was not written: namespaces "absent" not found']);
});
