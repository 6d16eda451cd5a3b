/** One connection against an API server in memory, in the test's own time. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Pod } from '../kube/builtin.ts';
import { ApiError, TransportError } from '../kube/errors.ts';
import type { ClusterAccess } from '../kube/kubeConfig.ts';
import { FakeClock, settle } from '../runtime/testing/fakeClock.ts';
import { RecordingLogger } from '../runtime/testing/recordingLogger.ts';
import { SharedBudget } from './callBudget.ts';
import { ClusterConnection } from './clusterConnection.ts';
import { ClusterUnavailableError } from './errors.ts';
import { FakeApi } from './testing/fakeApi.ts';

const accessWith = (token: string): ClusterAccess => ({
  origin: 'https://gpu:6443',
  basePath: '',
  headers: { authorization: token },
  tls: {},
});
const refused = (detail = 'connect ECONNREFUSED'): TransportError => new TransportError('connect', `GET /x: ${detail}`);
const aPod = (name: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'ci', name, labels: { ours: 'true' } },
  spec: { containers: [{ name: 'test' }] },
});

class Scene {
  readonly clock = new FakeClock();
  readonly logger = new RecordingLogger();
  readonly stop = new AbortController();
  readonly failures: string[] = [];
  changes = 0;
  mayWrite = true;
  api = new FakeApi();
  readonly connection: ClusterConnection;
  readonly #ended: Promise<void>;

  constructor(prepare: (api: FakeApi) => void = () => undefined) {
    this.connection = new ClusterConnection(accessWith('first'), 'ci', {
      clock: this.clock,
      logger: this.logger,
      beforeWrite: () => {
        if (!this.mayWrite) throw new Error('not the leader');
      },
      shared: new SharedBudget(10),
      calls: 5,
      callTimeoutMs: 10_000,
      podSelector: 'ours=true',
      podIndexers: {},
      changed: () => (this.changes += 1),
      callFailed: (problem) => this.failures.push(problem),
      connect: (source) => {
        this.api = new FakeApi(source);
        prepare(this.api);
        return this.api;
      },
      random: () => 0.999,
    });
    this.#ended = this.connection.run(this.stop.signal);
  }

  get seen(): string {
    const { state, reason } = this.connection.health;
    return `${state} ${reason}`;
  }

  /** Lets everything that can happen without time passing happen. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 20; turn++) await settle();
    // Catching up looks at its watch every 25 ms for a moment.
    await this.clock.advance(300);
    for (let turn = 0; turn < 20; turn++) await settle();
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await this.settle();
  }

  create(name: string): Promise<unknown> {
    return this.connection.access.writer.create(aPod(name));
  }

  async close(): Promise<void> {
    this.stop.abort();
    await this.#ended;
  }
}

let scene: Scene | undefined;
afterEach(() => scene?.close());

async function open(prepare?: (api: FakeApi) => void): Promise<Scene> {
  scene = new Scene(prepare);
  await scene.settle();
  return scene;
}

describe('a connection', () => {
  it('is usable once rights are checked and its cache has caught up', async () => {
    const { connection, clock } = await open(
      (api) => void api.pods.push({ ...aPod('old'), metadata: { ...aPod('old').metadata, uid: 'u', resourceVersion: '9' } }),
    );
    expect(connection.health).toMatchObject({
      state: 'ready',
      reason: 'Connected',
      server: 'https://gpu:6443',
      version: 'v1.36.3',
      clusterUID: 'cluster-uid',
      limited: [],
      failures: 0,
    });
    expect(connection.health.lastContactMs).toBeGreaterThanOrEqual(clock.now() - 300);
    expect(connection.store.list().map(({ metadata }) => metadata.name)).toEqual(['old']);
    await scene?.create('new');
    expect(connection.store.size).toBe(2);
  });

  it('names the rights that are missing, and is usable when they are given', async () => {
    const { connection, api } = await open(({ denied }) => void denied.add('create pods').add('watch pods'));
    expect(connection.health).toMatchObject({ state: 'unavailable', reason: 'Forbidden' });
    expect(connection.health.message).toBe('The credentials of the kubeconfig lack rights in namespace ci: create pods, watch pods.');
    api.denied.clear();
    await scene?.pass(1_000);
    expect(scene?.seen).toBe('ready Connected');
  });

  it('goes on without the rights that it can do without', async () => {
    const { connection } = await open(({ denied }) => void denied.add('get pods/log').add('patch pods'));
    expect(connection.health).toMatchObject({ state: 'ready', limited: ['patch pods', 'get pods/log'] });
  });

  it('sends nothing while the cluster cannot be used', async () => {
    const { api } = await open((fresh) => (fresh.fail = () => refused()));
    expect(scene?.seen).toBe('unavailable Unreachable');
    const before = api.asked.filter((what) => what.startsWith('POST')).length;
    await expect(scene?.create('a')).rejects.toThrow(ClusterUnavailableError);
    await expect(scene?.create('a')).rejects.toThrow('https://gpu:6443 cannot be reached: connect ECONNREFUSED.');
    expect(api.asked.filter((what) => what.startsWith('POST'))).toHaveLength(before);
  });

  it('keeps its words while the reason stays, and tells about each change once', async () => {
    const { api, connection } = await open((fresh) => (fresh.fail = () => refused('first words')));
    const { changes } = scene!;
    api.fail = () => refused('other words');
    await scene?.pass(60_000);
    expect(connection.health.message).toContain('first words');
    expect(scene?.changes).toBe(changes);
    api.fail = () => 503;
    await scene?.pass(60_000);
    expect(scene?.seen).toBe('unavailable ServerError');
    expect(scene?.changes).toBe(changes + 1);
  });

  it('warns once of an outage, not of each failure in it', async () => {
    const { api, logger } = await open();
    api.fail = () => refused();
    api.cut();
    await scene?.pass(600_000);
    const warnings = logger.lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
    expect(warnings.filter((message) => message.includes('cannot be reached'))).toHaveLength(1);
    expect(warnings.length).toBeLessThan(6);
  });

  it('is down after three calls in a row have failed, and comes back by itself', async () => {
    const { api } = await open();
    api.fail = ({ method }) => (method === 'POST' ? new TransportError('timeout', 'POST /x: no answer') : undefined);
    for (let call = 0; call < 2; call++) await expect(scene?.create('a')).rejects.toThrow(TransportError);
    expect(scene?.seen).toBe('ready Connected');
    await expect(scene?.create('a')).rejects.toThrow(TransportError);
    expect(scene?.seen).toBe('unavailable TimedOut');
    api.fail = () => undefined;
    await scene?.pass(1_000);
    expect(scene?.seen).toBe('ready Connected');
    await scene?.create('a');
    expect(scene?.failures).toEqual(['TimedOut', 'TimedOut', 'TimedOut']);
  });

  it('is not down because the API server refuses one pod', async () => {
    const { api } = await open();
    for (const status of [403, 409, 422, 429, 500]) {
      api.fail = ({ method, path }) => (method === 'POST' && path.includes('/pods') ? status : undefined);
      await expect(scene?.create('a')).rejects.toThrow(ApiError);
    }
    expect(scene?.seen).toBe('ready Connected');
  });

  it('tells a right that was taken away from a pod that was refused', async () => {
    const { api } = await open();
    api.fail = ({ method, path }) => (method === 'POST' && path.includes('/pods') ? 403 : undefined);
    api.denied.add('create pods');
    await expect(scene?.create('a')).rejects.toThrow('lack rights in namespace ci: create pods');
    expect(scene?.seen).toBe('unavailable Forbidden');
  });

  it('takes a cluster that forbids even the question for one that forbids', async () => {
    const { api } = await open();
    api.fail = () => 403;
    await expect(scene?.create('a')).rejects.toThrow(ClusterUnavailableError);
    expect(scene?.seen).toBe('unavailable Forbidden');
  });

  it('uses new credentials from the next call on, and at once where the old ones are refused', async () => {
    const { api, connection } = await open();
    api.tokens.add('second');
    await expect(scene?.create('a')).rejects.toThrow(ApiError);
    expect(scene?.seen).toBe('unavailable Unauthorized');
    expect(connection.leadsTo(accessWith('second'))).toBe(true);
    expect(connection.leadsTo({ ...accessWith('second'), origin: 'https://elsewhere' })).toBe(false);
    connection.renew(accessWith('second'));
    await scene?.settle();
    expect(scene?.seen).toBe('ready Connected');
    await scene?.create('a');
  });

  it('asks a cluster that has been silent, and finds that it is gone', async () => {
    const { api } = await open();
    const lists = (): number => api.asked.filter((what) => what === 'GET /api/v1/namespaces/ci/pods').length;
    const before = lists();
    await scene?.pass(70_000);
    expect(lists()).toBe(before);
    await scene?.pass(10_000);
    expect(lists()).toBe(before + 1);
    api.fail = () => new TransportError('timeout', 'GET /x: no answer');
    await scene?.pass(80_000);
    expect(scene?.seen).toBe('unavailable TimedOut');
  });

  it('is down when its watch breaks again and again, whatever other calls bring', async () => {
    const { api } = await open();
    api.fail = ({ path }) => (path.includes('watch=true') ? new TransportError('reset', 'GET /x: broken') : undefined);
    api.cut();
    await scene?.settle();
    for (let call = 0; call < 5; call++) {
      await scene?.create(`pod-${call}`).catch(() => undefined);
      await scene?.clock.advance(1_000);
    }
    expect(scene?.failures).toContain('Unreachable');
    expect(scene?.changes).toBeGreaterThan(1);
  });

  it('is looked at anew when asked to, and not used until then', async () => {
    const { connection, api } = await open();
    api.fail = () => new TransportError('timeout', 'GET /x: no answer');
    connection.recheck();
    expect(scene?.seen).toBe('connecting Connecting');
    await expect(scene?.create('a')).rejects.toThrow(ClusterUnavailableError);
    const looked = connection.looked(new AbortController().signal);
    await scene?.settle();
    await looked;
    expect(scene?.seen).toBe('unavailable TimedOut');
  });

  it('writes nothing where this process may not, and asks its questions all the same', async () => {
    const { api } = await open();
    scene!.mayWrite = false;
    const before = api.pods.length;
    for (let call = 0; call < 4; call++) await expect(scene?.create('a')).rejects.toThrow('not the leader');
    expect(api.pods).toHaveLength(before);
    expect(scene?.seen).toBe('ready Connected');
    scene?.connection.recheck();
    await scene?.settle();
    expect(scene?.seen).toBe('ready Connected');
  });

  it('closes its pool when it ends', async () => {
    const { api, clock } = await open();
    await scene?.close();
    expect(api.isClosed).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });
});
