/** All clusters of a process: who has an alias, what comes and goes, and that one cluster does not wait for another. */
import { afterEach, describe, expect, it } from 'vitest';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import type { Pod, Secret } from '../kube/builtin.ts';
import { ApiError, TransportError } from '../kube/errors.ts';
import type { KubeList, KubeObject } from '../kube/objects.ts';
import { silentLogger } from '../runtime/logger.ts';
import { Metrics } from '../runtime/metrics.ts';
import { Store } from '../runtime/store.ts';
import { FakeClock, settle } from '../runtime/testing/fakeClock.ts';
import type { ClusterChange } from './clusters.ts';
import { ConnectedClusters } from './connectedClusters.ts';
import { FakeApi } from './testing/fakeApi.ts';

const refuse = () => Promise.reject(new Error('unused'));

const kubeconfig = (host: string, token = 't'): string =>
  JSON.stringify({
    clusters: [{ name: 'c', cluster: { server: `https://${host}:6443` } }],
    users: [{ name: 'u', user: { token } }],
    contexts: [{ name: 'main', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'main',
  });

/** The own cluster's Secrets. Each watch gets what changes. */
class Secrets {
  readonly texts = new Map<string, string>();
  isForbidden = false;
  readonly #watches = new Set<(secret: Secret) => void>();
  #version = 1;

  readonly list = <T extends KubeObject>(_type: unknown, query: { readonly fieldSelector?: string } = {}): Promise<KubeList<T>> => {
    if (this.isForbidden) return Promise.reject(new ApiError('list', { status: 'Failure', reason: 'Forbidden' }, 403));
    const name = query.fieldSelector?.replace('metadata.name=', '') ?? '';
    const items = this.texts.has(name) ? [this.#secret(name)] : [];
    return Promise.resolve({ metadata: { resourceVersion: String(this.#version) }, items: items as unknown as T[] });
  };

  readonly get = (): Promise<never> => Promise.reject(new ApiError('get', { status: 'Failure', reason: 'Forbidden' }, 403));

  async *watch<T>(
    _type: unknown,
    { signal, fieldSelector = '' }: { readonly signal: AbortSignal; readonly fieldSelector?: string },
  ): AsyncGenerator<T> {
    const name = fieldSelector.replace('metadata.name=', '');
    while (!signal.aborted) {
      const next = Promise.withResolvers<Secret>();
      const onAbort = (): void => next.reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#watches.add(next.resolve);
      const secret = await next.promise;
      if (secret.metadata.name === name) yield { type: 'MODIFIED', object: secret } as T;
    }
  }

  change(name: string, text: string): void {
    this.#version += 1;
    this.texts.set(name, text);
    for (const tell of this.#watches) tell(this.#secret(name));
    this.#watches.clear();
  }

  #secret(name: string): Secret {
    const data = { kubeconfig: Buffer.from(this.texts.get(name) ?? '').toString('base64') };
    return { kind: 'Secret', metadata: { namespace: 'ci', name, uid: name, resourceVersion: String(this.#version) }, data };
  }
}

class Scene {
  readonly clock = new FakeClock();
  readonly declared = new Store<BuildCluster>();
  readonly secrets = new Secrets();
  readonly metrics = new Metrics();
  readonly changes: string[] = [];
  /** By host. */
  readonly apis = new Map<string, FakeApi>();
  readonly stop = new AbortController();
  readonly clusters: ConnectedClusters;
  prepare: (host: string, api: FakeApi) => void = () => undefined;
  #version = 1;
  readonly #ended: Promise<void>;

  constructor() {
    this.declared.replace([], '1');
    const { clock, declared, secrets, metrics } = this;
    this.clusters = new ConnectedClusters({
      local: { pods: new Store<Pod>(), writer: { create: refuse, delete: refuse, patch: refuse }, client: { get: refuse } },
      declared: { store: declared, synced: () => declared.whenSynced },
      client: secrets as never,
      isLeading: () => true,
      podNamespaceOf: (tenant) => tenant,
      podSelector: 'ours=true',
      podIndexers: {},
      workers: 20,
      clock,
      logger: silentLogger,
      metrics,
      connect: (source) => {
        const api = new FakeApi(source);
        void source.access().then(({ origin }) => {
          const host = new URL(origin).hostname;
          api.uid = `uid of ${host}`;
          this.prepare(host, api);
          this.apis.set(host, api);
        });
        return api;
      },
      random: () => 0.999,
    });
    this.clusters.subscribe((change) => this.changes.push(wordsOf(change)));
    this.#ended = this.clusters.run(this.stop.signal);
  }

  declare(name: string, spec: Partial<BuildCluster['spec']> = {}, created = '2026-01-01T00:00:00Z', namespace = 'ci'): void {
    this.#version += 1;
    if (!this.secrets.texts.has(name)) this.secrets.texts.set(name, kubeconfig(name));
    const metadata = {
      namespace,
      name,
      uid: `${namespace}-${name}-${this.#version}`,
      resourceVersion: String(this.#version),
      creationTimestamp: created,
    };
    this.declared.record({ metadata, spec: { alias: name, kubeconfigSecretRef: { name, key: 'kubeconfig' }, ...spec } });
  }

  remove(name: string): void {
    this.declared.recordDeleted(this.declared.get({ namespace: 'ci', name })!);
  }

  async settle(): Promise<void> {
    for (let turn = 0; turn < 30; turn++) await settle();
    await this.clock.advance(300);
    for (let turn = 0; turn < 30; turn++) await settle();
  }

  look(alias: string, namespace = 'ci'): string {
    const found = this.clusters.get(alias, namespace);
    return found.state === 'ready' ? 'ready' : `${found.state}: ${found.message}`;
  }

  async close(): Promise<void> {
    this.stop.abort();
    await this.#ended;
  }
}

/** Answers nothing until the caller gives up. */
const silence = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));

const wordsOf = (change: ClusterChange): string =>
  change.type === 'changed'
    ? `changed ${change.namespace}/${change.alias}`
    : `${change.type} ${change.pods.namespace}/${change.pods.alias}`;

let scene: Scene;
afterEach(() => scene.close());

async function open(prepare?: (scene: Scene) => void): Promise<Scene> {
  scene = new Scene();
  prepare?.(scene);
  await scene.settle();
  return scene;
}

describe('ConnectedClusters', () => {
  it('gives each tenant its own aliases, and everybody the own cluster', async () => {
    const { clusters } = await open((begun) => begun.declare('gpu', { namespace: 'there', maxConcurrency: 7, paused: true }));
    expect(clusters.get('default', 'anybody')).toEqual({ state: 'ready', access: clusters.caches()[0]?.access });
    expect(clusters.get('gpu', 'ci')).toMatchObject({ state: 'ready', podNamespace: 'there', paused: true });
    expect(scene.look('gpu', 'other')).toBe('unknown: No BuildCluster in namespace other has the alias "gpu" (spec.cluster).');
    expect([clusters.limitOf('gpu', 'ci'), clusters.limitOf('gpu', 'other'), clusters.limitOf('default', 'ci')]).toEqual([7, 0, 0]);
    expect(clusters.caches().map(({ alias, namespace }) => `${namespace}/${alias}`)).toEqual(['/default', 'ci/gpu']);
  });

  it('has looked at every cluster after a while, on a replica that nobody waits on as well', async () => {
    const { clusters, clock } = await open((begun) => {
      begun.declare('gpu');
      begun.declare('slow');
      begun.prepare = (host, api) => {
        if (host === 'slow') api.call = ({ signal }) => silence(signal);
      };
    });
    expect(clusters.store.hasSynced).toBe(false);
    await clock.advance(2_000);
    await scene.settle();
    expect(clusters.store.hasSynced).toBe(true);
  });

  it('gives an alias to the oldest object that names it, and to the next when that goes', async () => {
    const { clusters } = await open((begun) => {
      begun.declare('new', { alias: 'gpu' }, '2026-02-01T00:00:00Z');
      begun.declare('old', { alias: 'gpu', maxConcurrency: 1 });
    });
    expect(clusters.limitOf('gpu', 'ci')).toBe(1);
    expect(clusters.report({ namespace: 'ci', name: 'new' })).toMatchObject({ aliasOf: 'old' });
    expect(clusters.report({ namespace: 'ci', name: 'old' })).not.toHaveProperty('aliasOf');
    // Whoever has no alias can hide no cluster that is down.
    scene.secrets.change('old', 'clusters: []');
    await scene.settle();
    expect(await scene.metrics.value('prow_build_cluster_up', { job_namespace: 'ci', cluster: 'gpu' })).toBe(0);
    scene.remove('old');
    expect(await scene.metrics.value('prow_build_cluster_up', { job_namespace: 'ci', cluster: 'gpu' })).toBe(1);
    expect(clusters.limitOf('gpu', 'ci')).toBe(0);
    expect(scene.look('gpu')).toBe('ready');
  });

  it('holds runs of a BuildCluster that was removed for five minutes, and then knows it no more', async () => {
    await open((begun) => begun.declare('gpu'));
    scene.remove('gpu');
    expect(scene.look('gpu')).toContain('unavailable: The BuildCluster with the alias "gpu" was removed');
    await scene.settle();
    expect(scene.changes.slice(-2)).toEqual(['changed ci/gpu', 'removed ci/gpu']);
    const before = scene.changes.length;
    await scene.clock.advance(300_000);
    expect(scene.look('gpu')).toContain('unknown');
    expect(scene.changes.slice(before)).toContain('changed ci/gpu');
  });

  it('forgets that it was removed when it is there again', async () => {
    await open((begun) => begun.declare('gpu'));
    scene.remove('gpu');
    await scene.settle();
    scene.declare('gpu');
    await scene.settle();
    expect(scene.look('gpu')).toBe('ready');
    await scene.clock.advance(300_000);
    expect(scene.look('gpu')).toBe('ready');
  });

  it('keeps the cache when credentials change, and takes another when the address does', async () => {
    await open((begun) => begun.declare('gpu'));
    const cache = scene.clusters.caches()[1]?.store;
    scene.secrets.change('gpu', kubeconfig('gpu', 'another'));
    await scene.settle();
    expect(scene.clusters.caches()[1]?.store).toBe(cache);
    scene.changes.length = 0;
    scene.secrets.change('gpu', kubeconfig('elsewhere'));
    await scene.settle();
    expect(scene.clusters.caches()[1]?.store).not.toBe(cache);
    expect(scene.changes.filter((change) => !change.startsWith('changed'))).toEqual(['removed ci/gpu', 'added ci/gpu']);
    expect(scene.look('gpu')).toBe('ready');
  });

  it('says what is wrong with a Secret, and counts kubeconfigs that cannot be used', async () => {
    const { clusters } = await open((begun) => {
      begun.secrets.texts.set('gpu', 'clusters: []');
      begun.declare('gpu');
    });
    expect(clusters.report({ namespace: 'ci', name: 'gpu' })).toMatchObject({ state: 'unavailable', reason: 'KubeconfigInvalid' });
    expect(await scene.metrics.value('kubernetes_failed_client_creations', { cluster: 'gpu' })).toBe(1);
    expect(await scene.metrics.value('prow_build_cluster_up', { job_namespace: 'ci', cluster: 'gpu' })).toBe(0);
    scene.secrets.change('gpu', kubeconfig('gpu'));
    await scene.settle();
    expect(scene.look('gpu')).toBe('ready');
    expect(await scene.metrics.value('prow_build_cluster_up', { job_namespace: 'ci', cluster: 'gpu' })).toBe(1);
  });

  it('says how to give the right to read Secrets', async () => {
    const { clusters } = await open((begun) => {
      begun.secrets.isForbidden = true;
      begun.declare('gpu');
    });
    const report = clusters.report({ namespace: 'ci', name: 'gpu' });
    expect(report).toMatchObject({ state: 'unavailable', reason: 'SecretForbidden' });
    expect(report?.message).toContain('buildClusters.enabled=true');
  });

  it('notices two aliases of one cluster, and tells a tenant nothing of the others', async () => {
    const { clusters } = await open((begun) => {
      begun.prepare = (_host, api) => (api.uid = 'one and the same');
      begun.declare('a');
      begun.declare('b');
      begun.declare('c', {}, '2026-01-01T00:00:00Z', 'other');
    });
    await scene.settle();
    expect(clusters.report({ namespace: 'ci', name: 'a' })?.twins).toEqual(['b']);
    expect(clusters.caches().map((cache) => cache.isPrimary())).toEqual([true, true, false]);
    scene.remove('a');
    expect(clusters.report({ namespace: 'ci', name: 'b' })?.twins).toBeUndefined();
    expect(clusters.caches().map((cache) => cache.isPrimary())).toEqual([true, true]);
  });

  it('names no object as a duplicate of itself, nor one that has no alias', async () => {
    const { clusters } = await open((begun) => {
      begun.prepare = (_host, api) => (api.uid = 'one and the same');
      begun.declare('holder', { alias: 'gpu' });
      begun.declare('late', { alias: 'gpu' }, '2026-02-01T00:00:00Z');
    });
    await scene.settle();
    const twinsOf = (name: string) => clusters.report({ namespace: 'ci', name })?.twins;
    expect([twinsOf('holder'), twinsOf('late')]).toEqual([undefined, undefined]);
    expect(clusters.report({ namespace: 'ci', name: 'late' })).toMatchObject({ aliasOf: 'holder', state: 'ready' });
    scene.declare('east', {}, '2026-03-01T00:00:00Z');
    await scene.settle();
    expect([twinsOf('holder'), twinsOf('late'), twinsOf('east')]).toEqual([['east'], undefined, ['gpu']]);
  });

  it('is ready although a cluster is silent, after a moment', async () => {
    const { clusters } = await open((begun) => {
      begun.prepare = (host, api) => {
        if (host === 'dead') api.call = ({ signal }) => silence(signal);
      };
      begun.declare('gpu');
      begun.declare('dead');
    });
    let isSynced = false;
    void clusters.synced().then(() => (isSynced = true));
    await settle();
    expect([isSynced, clusters.store.hasSynced, scene.look('gpu')]).toEqual([false, false, 'ready']);
    await scene.clock.advance(2_000);
    await settle();
    expect([isSynced, clusters.store.hasSynced]).toEqual([true, true]);
    expect(scene.look('dead')).toContain('unavailable');
  });

  it('looks at each cluster anew for a replica that has just won, and does not believe those that fail then', async () => {
    const { clusters } = await open((begun) => {
      begun.declare('gpu');
      begun.declare('arm');
    });
    scene.apis.get('arm')!.fail = () => new TransportError('connect', 'GET /x: refused');
    const caughtUp = clusters.catchUp(new AbortController().signal);
    expect(scene.look('gpu')).toContain('being connected');
    await scene.settle();
    await caughtUp;
    expect([scene.look('gpu'), scene.look('arm').slice(0, 12)]).toEqual(['ready', 'unavailable:']);
  });

  it('closes every connection when it ends', async () => {
    await open((begun) => {
      begun.declare('gpu');
      begun.declare('arm');
    });
    await scene.close();
    expect([...scene.apis.values()].map(({ isClosed }) => isClosed)).toEqual([true, true]);
    expect(scene.clock.pendingTimers).toBe(0);
  });
});
