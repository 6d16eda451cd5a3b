import { createRequire } from 'node:module';
import type operatorTypes from '@dot-i/k8s-operator';
import type { ResourceEvent, ResourceMeta } from '@dot-i/k8s-operator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSandbox } from '../../sandbox/sandbox.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { configMaps } from '../kube/builtin.ts';
import { isConflict } from '../kube/errors.ts';
import { PooledKubeConfig } from '../kube/kubeConfig.ts';
import { ProwOperator } from './host.ts';
import type { HostOptions } from './host.ts';
import { silentLogger } from './logger.ts';
import { RecordingLogger } from './testing/recordingLogger.ts';

const operatorModule = createRequire(import.meta.url)('@dot-i/k8s-operator') as typeof operatorTypes;

/** Every member of the base class, and what becomes of it. A new or renamed one makes this file fail: decide, then list it. */
const members = {
  kept: ['constructor', 'start'],
  overridden: [
    'stop',
    'registerCustomResourceDefinition',
    'getCustomResourceApiUri',
    'watchResource',
    'setResourceStatus',
    'patchResourceStatus',
    'handleResourceFinalizer',
    'setResourceFinalizers',
    'applyAxiosKubeConfigAuth',
    'applyGaxiosKubeConfigAuth',
  ],
  unusedPrivate: ['resourceStatusRequest', 'errorToJson'],
};
const fields = ['resourcePathBuilders', 'watchRequests', 'kubeConfig', 'k8sApi', 'logger', 'eventQueue'];

describe('the base class', () => {
  const base = Object.getOwnPropertyNames(operatorModule.default.prototype);

  it('has exactly the members that were looked at', () => {
    expect([...base].sort()).toEqual([...members.kept, ...members.overridden, ...members.unusedPrivate].sort());
  });

  it('has exactly the fields that were looked at', () => {
    class Bare extends operatorModule.default {
      protected override init(): Promise<void> {
        return Promise.resolve();
      }
    }
    expect(Object.keys(new Bare()).sort()).toEqual([...fields].sort());
  });

  it.each(members.overridden)('%s is overridden', (member) => {
    expect(Object.hasOwn(ProwOperator.prototype, member)).toBe(true);
  });

  it('names its event types as we use them', () => {
    expect(operatorModule.ResourceEventType).toEqual({ Added: 'ADDED', Modified: 'MODIFIED', Deleted: 'DELETED' });
  });
});

/** Opens what subclasses may call. */
class OpenOperator extends ProwOperator {
  watch(...call: Parameters<ProwOperator['watchResource']>): Promise<void> {
    return this.watchResource(...call);
  }
  uri(...call: Parameters<ProwOperator['getCustomResourceApiUri']>): string {
    return this.getCustomResourceApiUri(...call);
  }
  finalizers(meta: ResourceMeta, finalizers: string[]): Promise<void> {
    return this.setResourceFinalizers(meta, finalizers);
  }
  finalize(...call: Parameters<ProwOperator['handleResourceFinalizer']>): Promise<boolean> {
    return this.handleResourceFinalizer(...call);
  }
  status(meta: ResourceMeta, status: unknown): Promise<ResourceMeta | null> {
    return this.patchResourceStatus(meta, status);
  }
  replaceStatus(meta: ResourceMeta, status: unknown): Promise<ResourceMeta | null> {
    return this.setResourceStatus(meta, status);
  }
  refused(): Promise<unknown>[] {
    return [this.registerCustomResourceDefinition('x.yaml'), this.applyAxiosKubeConfigAuth({}), this.applyGaxiosKubeConfigAuth({})];
  }
  readPods(): Promise<{ items: unknown[] }> {
    return this.k8sApi.listNamespacedPod({ namespace: 'default' });
  }
}

describe('ProwOperator over a real socket', () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await startSandbox({ kubelet: false });
  });
  afterAll(() => sandbox.close());

  const create = (options: Partial<HostOptions> = {}): OpenOperator =>
    new OpenOperator({
      name: 'host.test',
      logger: silentLogger,
      config: PooledKubeConfig.load({ path: sandbox.kubeconfigPath }),
      setup: () => undefined,
      ...options,
    });

  const put = (name: string, extra: object = {}) =>
    sandbox.api.create(configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'default', name, ...extra } });

  /** The first event of this type for this object. */
  function eventOf(operator: OpenOperator, name: string, type: string): Promise<ResourceEvent> {
    return new Promise((resolve, reject) => {
      operator
        .watch('', 'v1', 'configmaps', (event) => {
          if (event.meta.name === name && (event.type as string) === type) resolve(event);
          return Promise.resolve();
        })
        .catch(reject);
    });
  }

  it('runs what setup connects, and stops with exit code 0', async () => {
    put('seen');
    const passed = Promise.withResolvers<string>();
    const operator = create({
      lease: { namespace: 'default', name: 'host-test' },
      health: {},
      setup: (kit) => {
        const informer = kit.informer(configMaps, { namespace: 'default' });
        expect(kit.informer(configMaps, { namespace: 'default' })).toBe(informer);
        const reconcile = async (key: { name: string; namespace: string }) => {
          if (key.name === 'seen') passed.resolve(informer.store.get(key)?.metadata.uid ?? '');
          return Promise.resolve({});
        };
        kit
          .controller({ name: 'c', reconciler: { reconcile } })
          .watch(informer, ({ object }) => [{ namespace: object.metadata.namespace ?? '', name: object.metadata.name }]);
      },
    });
    await operator.start();
    await operator.kit.manager.leading();
    expect(await passed.promise).not.toBe('');
    const url = operator.kit.manager.address!.url;
    const page = await (await fetch(`${url}/metrics`)).text();
    expect(page).toMatch(/rest_client_requests_total\{code="201",method="POST"\} 1/);
    expect(page).toMatch(/reflector_lists_total\{name="configmaps default"\} 1/);
    expect(page).toMatch(/leader_election_master_status\{name="host-test"\} 1/);
    operator.stop();
    expect(await operator.exited).toEqual({ reason: 'stopped', exitCode: 0 });
    const lease = sandbox.api.get(
      { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease', namespaced: true },
      { namespace: 'default', name: 'host-test' },
    );
    expect((lease?.spec as { holderIdentity: string }).holderIdentity).toBe('');
  });

  it('makes start() fail when setup does', async () => {
    const operator = create({ setup: () => Promise.reject(new Error('no such file')) });
    await expect(operator.start()).rejects.toThrow('no such file');
    await operator.kit.manager.run(AbortSignal.abort());
  });

  it('refuses writes while it does not lead', async () => {
    const operator = create({ lease: { namespace: 'default', name: 'never' } });
    await expect(operator.kit.client.create(configMaps, { metadata: { namespace: 'default', name: 'x' } })).rejects.toMatchObject({
      code: 'NotLeader',
    });
    await operator.kit.manager.run(AbortSignal.abort());
  });

  it('delivers the base class its events, and survives a handler that throws', async () => {
    const logger = new RecordingLogger();
    let added: Promise<ResourceEvent> | undefined;
    const operator: OpenOperator = create({
      logger,
      setup: async () => {
        await operator.watch('', 'v1', 'configmaps', () => Promise.reject(new Error('handler')));
        added = eventOf(operator, 'told', 'ADDED');
      },
    });
    put('told');
    await operator.start();
    const event = await added!;
    expect(event.meta).toMatchObject({ id: 'configmaps.v1', name: 'told', namespace: 'default', kind: 'ConfigMap', apiVersion: 'v1' });
    expect(logger.lines.some(({ level, message }) => level === 'error' && message.includes('handler failed'))).toBe(true);
    operator.stop();
    await operator.exited;
  });

  it('says so when a resource does not exist', async () => {
    const operator = create({ setup: () => operator.watch('', 'v1', 'unicorns', () => Promise.resolve()) });
    await expect(operator.start()).rejects.toThrow('The API server has no unicorns in v1');
    await operator.kit.manager.run(AbortSignal.abort());
  });

  it('keeps a finalizer while its object is live, runs the action once it is not, and never changes the event', async () => {
    const operator = create();
    const metaOf = (object: { metadata: { name: string } }) => operatorModule.ResourceMetaImpl.createWithPlural('configmaps', object);
    const eventFor = (): ResourceEvent => {
      const object = sandbox.api.get(configMaps, { namespace: 'default', name: 'kept' })!;
      return { type: operatorModule.ResourceEventType.Modified, meta: metaOf(object), object: object as never };
    };
    put('kept', { finalizers: ['other.io/f'] });
    const actions: string[] = [];
    const run = (event: ResourceEvent) =>
      operator.finalize(event, 'x.io/f', async ({ meta }) => Promise.resolve(void actions.push(meta.name)));
    const first = eventFor();
    expect(await run(first)).toBe(true);
    expect(eventFor().object.metadata?.finalizers).toEqual(['other.io/f', 'x.io/f']);
    expect(first.object.metadata?.finalizers).toEqual(['other.io/f']);
    expect(await run(eventFor())).toBe(false);
    await expect(operator.finalizers(first.meta, [])).rejects.toSatisfy(isConflict);
    await operator.kit.client.delete(configMaps, { namespace: 'default', name: 'kept' });
    expect(await run(eventFor())).toBe(true);
    expect(actions).toEqual(['kept']);
    expect(eventFor().object.metadata?.finalizers).toEqual(['other.io/f']);
    expect(await run(eventFor())).toBe(true);
    expect(actions).toEqual(['kept']);
    await operator.finalizers(eventFor().meta, []);
    await operator.kit.manager.run(AbortSignal.abort());
  });

  it('writes a status as it was read, and lets the caller see a conflict', async () => {
    const pods = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true };
    const pod = sandbox.api.create(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'default', name: 'p' },
      spec: { containers: [{ name: 'c', image: 'i' }] },
    });
    const operator = create();
    const meta = operatorModule.ResourceMetaImpl.createWithPlural('pods', pod as never);
    const after = await operator.status(meta, { message: 'hi' });
    expect(after?.resourceVersion).not.toBe(meta.resourceVersion);
    expect(sandbox.api.get(pods, { namespace: 'default', name: 'p' })).toMatchObject({ status: { message: 'hi' } });
    await expect(operator.status(meta, { message: 'late' })).rejects.toSatisfy(isConflict);
    await expect(operator.replaceStatus(meta, { message: 'late' })).rejects.toSatisfy(isConflict);
    await operator.replaceStatus(after!, { message: 'replaced' });
    expect(sandbox.api.get(pods, { namespace: 'default', name: 'p' })).toMatchObject({ status: { message: 'replaced' } });
    await operator.kit.manager.run(AbortSignal.abort());
  });

  it('builds addresses from the kubeconfig, and gives client-node its own connections', async () => {
    const operator = create();
    expect(operator.uri('x.io', 'v1', 'things', 'a b')).toBe(`${sandbox.url}/apis/x.io/v1/namespaces/a%20b/things`);
    expect(operator.uri('', 'v1', 'pods')).toBe(`${sandbox.url}/api/v1/pods`);
    expect(Array.isArray((await operator.readPods()).items)).toBe(true);
    await operator.kit.manager.run(AbortSignal.abort());
  });

  it('refuses what cannot work here, naming what does', async () => {
    const operator = create();
    for (const call of operator.refused()) await expect(call).rejects.toMatchObject({ code: 'Refused' });
    await operator.kit.manager.run(AbortSignal.abort());
  });
});
