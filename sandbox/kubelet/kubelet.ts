/**
 * The node of the sandbox: schedules pods, runs them as local processes, reports their status and serves their logs. It knows the API only
 * through SandboxApi. stop() leaves no process behind; a pod that an earlier sandbox was running when it ended is reported Failed.
 * What a process cannot have - images, namespaces, limits, probes, hooks - is described in docs/guide/sandbox.md.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import type { ContainerStatus, Pod } from '../../operator/kube/builtin.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { formatKey, keyOf } from '../../operator/kube/objects.ts';
import { badRequest } from '../api/failure.ts';
import type { SandboxApi, StoredObject } from '../storage/storage.ts';
import { ContainerLog } from './containerLog.ts';
import { EventWriter } from './eventWriter.ts';
import { systemClock } from './kubeletClock.ts';
import type { KubeletClock } from './kubeletClock.ts';
import { Limiter } from './limiter.ts';
import { readLog } from './logReader.ts';
import type { LogOptions } from './logReader.ts';
import { nodes, runNode } from './node.ts';
import type { Node } from './node.ts';
import { reportLost } from './lostPods.ts';
import { asPod } from './podApi.ts';
import { PodRunner, removePodDir } from './podRunner.ts';
import { Reaper } from './reaper.ts';
import { scenarioOf } from './scenario.ts';
import { hasNode, schedule } from './scheduler.ts';

export type { LogOptions } from './logReader.ts';

export interface KubeletOptions {
  readonly api: SandboxApi;
  /** Pods live in `<dir>/pods/<uid>`. */
  readonly dir: string;
  readonly nodeName?: string;
  readonly clock?: KubeletClock;
  readonly log?: (line: string) => void;
  /** How many processes are being started at once; those that run are not counted. */
  readonly parallelStarts?: number;
}

const podIP = '127.0.0.1';
const defaultParallelStarts = 2;

export class Kubelet {
  readonly #api: SandboxApi;
  readonly #podsDir: string;
  readonly #nodeName: string;
  readonly #clock: KubeletClock;
  readonly #log: (line: string) => void;
  readonly #limiter: Limiter;
  readonly #events: EventWriter;
  #reaper: Reaper | undefined;
  /** By pod uid. */
  readonly #runners = new Map<string, PodRunner>();
  readonly #removals = new Set<Promise<void>>();
  readonly #unscheduled = new Map<string, StoredObject>();
  /** By pod uid: until when a scenario keeps the pod off the node. */
  readonly #holds = new Map<string, number>();
  readonly #stops: (() => void)[] = [];
  #node: Node | undefined;

  constructor(options: KubeletOptions) {
    this.#api = options.api;
    this.#podsDir = path.join(path.resolve(options.dir), 'pods');
    this.#nodeName = options.nodeName ?? 'sandbox';
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? (() => undefined);
    this.#limiter = new Limiter(options.parallelStarts ?? defaultParallelStarts);
    this.#events = new EventWriter({ api: this.#api, clock: this.#clock, host: this.#nodeName, log: this.#log });
  }

  /** Registers the node and begins to run pods. */
  start(): void {
    const api = this.#api;
    this.#reaper = new Reaper(this.#log);
    this.#adopt(api.list(pods));
    this.#stops.push(
      runNode({ api, clock: this.#clock, name: this.#nodeName, podIP, log: this.#log }),
      api.watch(nodes, ({ type, object }) => this.#guarded(object, () => this.#nodeChanged(type, object))),
      api.watch(pods, ({ type, object }) => this.#guarded(object, () => this.#podChanged(type, object))),
    );
  }

  /** Kills every process and waits for their ends. The API objects stay as they are. */
  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop()));
    await Promise.all(this.#removals);
    await this.#reaper?.stop();
  }

  /**
   * The log of a container of a pod, as bytes. Throws ApiFailure (400) as kube-apiserver words it when the container is not named, not known,
   * has not started, or has no previous run.
   */
  async logs(object: StoredObject, options: LogOptions): Promise<AsyncIterable<Buffer>> {
    const pod = asPod(object);
    const container = containerOf(pod, options.container);
    const log = await this.#findLog(pod, container, options.previous === true);
    if (log !== undefined) return readLog(log, options, this.#clock.now());
    if (options.previous === true) {
      throw badRequest(`previous terminated container "${container}" in pod "${pod.metadata.name}" not found`);
    }
    const waiting = statusOf(pod, container)?.state?.waiting?.reason ?? 'ContainerCreating';
    throw badRequest(`container "${container}" in pod "${pod.metadata.name}" is waiting to start: ${waiting}`);
  }

  async #findLog(pod: Pod, container: string, previous: boolean): Promise<ContainerLog | undefined> {
    const uid = pod.metadata.uid ?? '';
    const runner = this.#runners.get(uid);
    if (runner !== undefined) return runner.log(container, previous);
    const run = (statusOf(pod, container)?.restartCount ?? 0) - (previous ? 1 : 0);
    return ContainerLog.reopen(path.join(this.#podDir(uid), 'containers', container, 'logs', String(run)));
  }

  #podDir(uid: string): string {
    return path.join(this.#podsDir, uid);
  }

  /** What an earlier process left: its running pods are lost, and directories without a pod are rubbish. */
  #adopt(existing: readonly StoredObject[]): void {
    for (const object of existing.filter((one) => this.#isMine(one))) {
      this.#guarded(object, () => reportLost(object, { api: this.#api, clock: this.#clock, podIP }));
    }
    const known = new Set(existing.map((object) => object.metadata.uid));
    this.#inBackground(
      readdir(this.#podsDir)
        .catch(() => [])
        .then(async (names) => {
          for (const name of names) if (!known.has(name) && !this.#runners.has(name)) await removePodDir(this.#podDir(name));
        }),
    );
  }

  /** One object that cannot be handled must not hold up the others. */
  #guarded(object: StoredObject, handle: () => void): void {
    try {
      handle();
    } catch (error) {
      this.#log(`the kubelet could not handle ${formatKey(keyOf(object))}: ${(error as Error).message}`);
    }
  }

  #isMine(object: StoredObject): boolean {
    return asPod(object).spec.nodeName === this.#nodeName;
  }

  #nodeChanged(type: string, object: StoredObject): void {
    if (object.metadata.name !== this.#nodeName) return;
    this.#node = type === 'DELETED' ? undefined : object;
    for (const pod of [...this.#unscheduled.values()]) this.#guarded(pod, () => this.#schedule(pod));
  }

  #podChanged(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: StoredObject): void {
    const uid = object.metadata.uid ?? '';
    this.#unscheduled.delete(uid);
    if (type === 'DELETED') {
      this.#forget(uid);
      return;
    }
    if (!hasNode(asPod(object))) {
      this.#unscheduled.set(uid, object);
      this.#schedule(object);
      return;
    }
    if (!this.#isMine(object)) return;
    const runner = this.#runners.get(uid);
    if (runner !== undefined) {
      runner.changed(object);
      return;
    }
    if (isFinished(asPod(object)) || object.metadata.deletionTimestamp !== undefined) {
      this.#removeDeleted(object);
      return;
    }
    if (this.#reaper !== undefined) this.#runners.set(uid, this.#run(object, uid, this.#reaper));
  }

  #run(object: StoredObject, uid: string, reaper: Reaper): PodRunner {
    return new PodRunner(object, {
      api: this.#api,
      events: this.#events,
      clock: this.#clock,
      limiter: this.#limiter,
      reaper,
      log: this.#log,
      podIP,
      podDir: this.#podDir(uid),
      nodeName: this.#nodeName,
    });
  }

  #schedule(object: StoredObject): void {
    if (this.#node === undefined) return;
    schedule(object, this.#node, { api: this.#api, events: this.#events, clock: this.#clock, full: this.#isHeld(object) });
  }

  /** A scenario may say that the node has no room for a pod, for ever or for a time. */
  #isHeld(object: StoredObject): boolean {
    const holdMs = scenarioOf(object).get('unschedulable');
    if (holdMs === undefined) return false;
    const { uid = '' } = object.metadata;
    let untilMs = this.#holds.get(uid);
    if (untilMs === undefined) {
      this.#holds.set(uid, (untilMs = this.#clock.now() + holdMs));
      if (holdMs !== Infinity) this.#clock.after(holdMs, () => this.#tryAgain(uid));
    }
    return this.#clock.now() < untilMs;
  }

  #tryAgain(uid: string): void {
    const pod = this.#unscheduled.get(uid);
    if (pod !== undefined) this.#guarded(pod, () => this.#schedule(pod));
  }

  /** A pod that has no process here any more needs no grace. */
  #removeDeleted(object: StoredObject): void {
    if (object.metadata.deletionTimestamp !== undefined) this.#api.remove(pods, keyOf(object), object.metadata.uid ?? '');
  }

  #forget(uid: string): void {
    this.#holds.delete(uid);
    const runner = this.#runners.get(uid);
    runner?.gone();
    const ended = (runner?.done ?? Promise.resolve()).then(() => {
      this.#runners.delete(uid);
      return removePodDir(this.#podDir(uid));
    });
    this.#inBackground(ended);
  }

  #inBackground(work: Promise<void>): void {
    const settled = work
      .catch((error: unknown) => this.#log(`clean-up failed: ${(error as Error).message}`))
      .finally(() => this.#removals.delete(settled));
    this.#removals.add(settled);
  }
}

const isFinished = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

const statusOf = (pod: Pod, container: string): ContainerStatus | undefined =>
  [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find((status) => status.name === container);

function containerOf(pod: Pod, asked: string | undefined): string {
  const mains = pod.spec.containers.map((container) => container.name);
  const inits = (pod.spec.initContainers ?? []).map((container) => container.name);
  const { name } = pod.metadata;
  if (asked !== undefined && asked !== '') {
    if ([...mains, ...inits].includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  const [only] = mains;
  if (only !== undefined && mains.length === 1) return only;
  const others = inits.length === 0 ? '' : ` or one of the init containers: [${inits.join(' ')}]`;
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${mains.join(' ')}]${others}`);
}
