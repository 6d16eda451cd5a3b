/**
 * A cluster of the tests: a sandbox behind a real socket whose kubelet is played. Pods do what the scenario says and only when they are told to, so a
 * pass is the same each time. One cluster serves many passes, one after the other.
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { TransportError } from '../../../operator/kube/errors.ts';
import { pods, type Pod, type PodStatus } from '../../../operator/kube/builtin.ts';
import type { KubeObject } from '../../../operator/kube/objects.ts';
import { keyOf } from '../../../operator/kube/objects.ts';
import { PooledKubeConfig } from '../../../operator/kube/kubeConfig.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';
import { UndiciTransport, type HttpStream, type StreamRequest } from '../../../operator/kube/transport.ts';
import type { Clock } from '../../../operator/runtime/clock.ts';
import { formatTime } from '../../../operator/runtime/clock.ts';
import { startSandbox, type Sandbox } from '../../../sandbox/sandbox.ts';
import type { StoredObject } from '../../../sandbox/storage/storage.ts';
import { keptTypes, watchedTypes } from './kinds.ts';
import type { Place } from './life.ts';
import type { Change } from './watchView.ts';

/** What becomes of a pod once a node has it. `stays`: it runs until it is deleted. `pending`: no node takes it. */
export type PodFate =
  | 'succeeds'
  | 'fails'
  | 'stays'
  | 'pending'
  | 'evicted'
  /** It runs so long, then it succeeds. */
  | { readonly runsMs: number };

export type Casting = (pod: Pod) => PodFate;

const definitions: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};
const generated = path.resolve(import.meta.dirname, '../../../crds/generated');

export class PlayedCluster implements Place {
  readonly name: string;
  readonly sandbox: Sandbox;
  readonly transport: UndiciTransport;
  /** Every pod that was ever there in this pass, in the order of creation. */
  readonly podsEver: string[] = [];
  casting: Casting = () => 'succeeds';
  readonly #changes = new Map<string, Change[]>();
  readonly #ends = new Map<string, () => void>();
  readonly #timed = new Set<string>();
  #outage = new AbortController();
  #clock: Clock;

  private constructor(name: string, sandbox: Sandbox, clock: Clock) {
    this.name = name;
    this.sandbox = sandbox;
    this.#clock = clock;
    this.transport = new UndiciTransport(PooledKubeConfig.load({ path: sandbox.kubeconfigPath }));
    for (const type of watchedTypes) this.#follow(type);
  }

  /** `name` is empty for the operator's own cluster, which has our kinds. */
  static async open(name: string, clock: Clock): Promise<PlayedCluster> {
    const time = { clock };
    const sandbox = await startSandbox({ kubelet: false, now: () => time.clock.now(), bookmarkIntervalMs: 600_000 });
    for (const file of readdirSync(generated).filter((entry) => entry.endsWith('.yaml')))
      sandbox.api.create(definitions, parse(readFileSync(path.join(generated, file), 'utf8')) as StoredObject);
    await turn();
    await turn();
    const cluster = new PlayedCluster(name, sandbox, clock);
    cluster.setClock = (next) => {
      time.clock = next;
      cluster.#clock = next;
    };
    return cluster;
  }

  /** From now on it is this time here. */
  setClock: (clock: Clock) => void = () => undefined;

  /** Nobody answers any more, and watches break. */
  leave(): void {
    this.#outage.abort(new TransportError('reset', 'the connection broke'));
  }

  comeBack(): void {
    if (this.#outage.signal.aborted) this.#outage = new AbortController();
  }

  readonly outage = (): AbortSignal => this.#outage.signal;

  /** What has changed of a kind, oldest first. */
  changesOf(plural: string): readonly Change[] {
    return this.#changes.get(plural) ?? [];
  }

  /** The log of a container that is played: one line at once, its end with the end of the container. */
  readonly log = (request: StreamRequest): HttpStream | undefined => {
    const name = /\/pods\/([^/]+)\/log/.exec(request.path)?.[1];
    if (name === undefined) return undefined;
    const since = this.#podOf(name)?.status?.startTime ?? formatTime(this.#clock.now());
    const text = `${since} log of ${name}\n`;
    const ended = (): Promise<void> => this.#ended(name);
    const chunks = (async function* () {
      yield Buffer.from(text);
      await ended();
    })();
    return { status: 200, headers: {}, chunks, text: () => Promise.resolve(text) };
  };

  list<T extends KubeObject>(type: ResourceType<T>): readonly T[] {
    return this.sandbox.api.list(type) as unknown as readonly T[];
  }

  /** Does one thing to one pod; false when there is nothing to do now. */
  step(): boolean {
    for (const pod of this.list(pods)) if (this.#step(pod)) return true;
    return false;
  }

  /** Everything goes, whatever holds it. */
  clear(): void {
    const { api } = this.sandbox;
    for (const type of keptTypes) {
      for (const object of api.list(type)) {
        const { uid = '', finalizers } = object.metadata;
        const free = (one: StoredObject): StoredObject => ({ ...one, metadata: { ...one.metadata, finalizers: [] } });
        if (finalizers !== undefined && finalizers.length > 0) api.update(type, keyOf(object), free);
        api.remove(type, keyOf(object), uid);
      }
    }
    this.#changes.clear();
    this.#ends.clear();
    this.#timed.clear();
    this.podsEver.length = 0;
    this.casting = () => 'succeeds';
    this.comeBack();
  }

  async close(): Promise<void> {
    await this.transport.close();
    await this.sandbox.close();
  }

  #follow(type: ResourceType): void {
    this.sandbox.api.watch(type, ({ type: what, object }) => {
      const { namespace = '', name, labels = {}, resourceVersion } = object.metadata;
      let changes = this.#changes.get(type.plural);
      if (changes === undefined) this.#changes.set(type.plural, (changes = []));
      changes.push({ namespace, name, labels, revision: Number(resourceVersion) });
      if (type === pods && what === 'ADDED') this.podsEver.push(name);
    });
  }

  #step(pod: Pod): boolean {
    const { metadata, status } = pod;
    const { api } = this.sandbox;
    if (metadata.deletionTimestamp !== undefined) {
      if ((metadata.finalizers ?? []).length > 0) return false;
      this.#end(metadata.name);
      api.remove(pods, keyOf(pod), metadata.uid ?? '');
      return true;
    }
    if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return false;
    const fate = this.casting(pod);
    if (fate === 'pending') return false;
    const startTime = formatTime(this.#clock.now());
    if (status?.phase !== 'Running') {
      api.update(pods, keyOf(pod), (one) => ({ ...one, spec: { ...(one.spec as object), nodeName: 'node' } }));
      return this.#report(pod, { phase: 'Running', startTime, containerStatuses: [container({ running: { startedAt: startTime } })] });
    }
    const runsMs = typeof fate === 'object' ? fate.runsMs : fate === 'stays' ? Infinity : 0;
    const dueMs = Date.parse(status.startTime ?? '') + runsMs;
    if (this.#clock.now() < dueMs) {
      // So that time does not pass it by.
      if (runsMs !== Infinity && !this.#timed.has(metadata.name)) this.#clock.after(dueMs - this.#clock.now(), () => undefined);
      this.#timed.add(metadata.name);
      return false;
    }
    if (fate === 'evicted')
      return this.#report(pod, { ...status, phase: 'Failed', reason: 'Evicted', message: 'The node was low on memory.' });
    const exitCode = fate === 'fails' ? 1 : 0;
    const terminated = {
      exitCode,
      startedAt: status.startTime ?? '',
      finishedAt: startTime,
      reason: exitCode === 0 ? 'Completed' : 'Error',
    };
    return this.#report(pod, { ...status, phase: exitCode === 0 ? 'Succeeded' : 'Failed', containerStatuses: [container({ terminated })] });
  }

  #report(pod: Pod, status: PodStatus): true {
    this.sandbox.api.update(pods, keyOf(pod), (one) => ({ ...one, status }), 'status');
    if (status.phase !== 'Running') this.#end(pod.metadata.name);
    return true;
  }

  #ended(name: string): Promise<void> {
    const pod = this.#podOf(name);
    if (pod === undefined || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#ends.get(name);
      this.#ends.set(name, () => {
        before?.();
        resolve();
      });
    });
  }

  #podOf(name: string): Pod | undefined {
    return this.list(pods).find(({ metadata }) => metadata.name === name);
  }

  #end(name: string): void {
    this.#ends.get(name)?.();
    this.#ends.delete(name);
  }
}

const container = (state: object) => ({ name: 'test', state, ready: false, restartCount: 0, image: 'busybox', imageID: '' });

/** One turn of the event loop, sockets included. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
