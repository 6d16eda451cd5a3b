import { describe, expect, it } from 'vitest';
import { pods } from '../kube/builtin.ts';
import type { Pod } from '../kube/builtin.ts';
import { ApiError } from '../kube/errors.ts';
import { mergePatch } from '../kube/patch.ts';
import { ObjectWriter } from './objectWriter.ts';
import type { WriteClient } from './objectWriter.ts';
import { Store } from './store.ts';

const pod = (version: number, more: Partial<Pod['metadata']> = {}): Pod => ({
  metadata: { name: 'p', namespace: 'ns', uid: 'u', resourceVersion: String(version), ...more },
  spec: { containers: [] },
});
const key = { namespace: 'ns', name: 'p' };

/** A client that answers every write alike and keeps what it was asked. */
function setUp(answer: Pod | undefined | Error): { writer: ObjectWriter<Pod>; store: Store<Pod>; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const reply = (...call: unknown[]): Promise<never> => {
    calls.push(call);
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer as never);
  };
  const client: WriteClient = { create: reply, patch: reply, remove: reply };
  const store = new Store<Pod>();
  return { writer: new ObjectWriter(client, pods, store), store, calls };
}

describe('ObjectWriter', () => {
  it('puts what it created and patched into the store at once', async () => {
    const { writer, store } = setUp(pod(5));
    store.replace([], '1');
    await expect(writer.create(pod(0))).resolves.toEqual(pod(5));
    expect(store.get(key)).toEqual(pod(5));
    store.replace([pod(2)], '2');
    await writer.patch(key, mergePatch({}));
    expect(store.get(key)?.metadata.resourceVersion).toBe('5');
  });

  it('sends a status patch to the subresource as it is', async () => {
    const { writer, calls } = setUp(pod(5));
    const body = { status: { phase: 'Running' }, metadata: { resourceVersion: '4' } };
    const signal = new AbortController().signal;
    await writer.patchStatus(key, body, { signal });
    expect(calls).toEqual([[pods, key, mergePatch(body), { signal, subresource: 'status' }]]);
  });

  it('keeps a dry run out of the store', async () => {
    const { writer, store } = setUp(pod(5));
    await writer.create(pod(0), { dryRun: true });
    expect(store.size).toBe(0);
  });

  it('leaves the store alone when a write fails', async () => {
    const { writer, store } = setUp(new ApiError('PATCH', { code: 409, reason: 'Conflict' }, 409));
    store.replace([pod(1)], '1');
    await expect(writer.patch(key, mergePatch({}))).rejects.toThrow('Conflict');
    await expect(writer.delete(key)).rejects.toThrow('Conflict');
    expect(store.get(key)).toEqual(pod(1));
  });

  it('forgets an object that the server says is gone', async () => {
    const { writer, store } = setUp(undefined);
    store.replace([pod(1)], '1');
    await writer.delete(key, { uid: 'u' });
    expect(store.get(key)).toBeUndefined();
    expect(store.lastDeleted(key)).toEqual(pod(1));
  });

  it('keeps an object that is still terminating, with its deletionTimestamp', async () => {
    const terminating = pod(3, { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 });
    const { writer, store } = setUp(terminating);
    store.replace([pod(1)], '1');
    await writer.delete(key);
    expect(store.get(key)).toEqual(terminating);
  });

  it('forgets an object whose last state the server returns, as it does for a pod with no grace', async () => {
    const { writer, store } = setUp(pod(3, { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 }));
    store.replace([pod(1)], '1');
    await writer.delete(key, { gracePeriodSeconds: 0 });
    expect(store.get(key)).toBeUndefined();
  });

  it('learns from NotFound, and still throws it', async () => {
    const { writer, store } = setUp(new ApiError('DELETE', { code: 404, reason: 'NotFound' }, 404));
    store.replace([pod(1)], '1');
    await expect(writer.delete(key)).rejects.toThrow('NotFound');
    expect(store.get(key)).toBeUndefined();
  });

  it('does not forget another object of the same name', async () => {
    const { writer, store } = setUp(undefined);
    store.replace([pod(9, { uid: 'newer' })], '9');
    await writer.delete(key, { uid: 'u' });
    expect(store.get(key)?.metadata.uid).toBe('newer');
  });

  it('works without a store', async () => {
    const { writer } = setUp(pod(5));
    const bare = new ObjectWriter(
      {
        create: () => Promise.resolve(pod(5) as never),
        patch: () => Promise.reject(new Error()),
        remove: () => Promise.resolve(undefined),
      },
      pods,
    );
    await expect(bare.create(pod(0))).resolves.toEqual(pod(5));
    await bare.delete(key);
    expect(writer.type).toBe(pods);
  });
});
